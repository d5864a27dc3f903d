// Centrifugo, the server that the SDKs were made for: built by `go install` where there is a Go, bound to one core and to
// one thread of Go's.

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { promisify } from 'node:util'
import { pinned, SERVER_CORE } from './child.ts'
import { CACHE } from './peers.ts'
import { freePort } from './redis.ts'
import { LONG_PING_SECONDS, RECOVERED_ROOM, SECRET } from './sdk-scenarios.ts'

export const CENTRIFUGO_VERSION = 'v6.9.1'

const FOLDER = `${CACHE}centrifugo/`
const BINARY = `${FOLDER}centrifugo`
const BUILD_TIMEOUT_MS = 900_000
const START_TIMEOUT_MS = 10_000

/** What is allowed is what Roomcast's policy allows. A name of a namespace ends with a colon: rooms have none here. */
const CONFIG = {
  http_server: { address: '127.0.0.1' },
  log: { level: 'error' },
  client: {
    token: { hmac_secret_key: SECRET },
    ping_interval: `${LONG_PING_SECONDS}s`,
    pong_timeout: '8s',
  },
  channel: {
    without_namespace: {
      allow_subscribe_for_client: true,
      allow_publish_for_subscriber: true,
    },
  },
}
const WITH_HISTORY = { history_size: 100, history_ttl: '300s', force_recovery: true }

/** Builds it, if it is not there.
 * @returns why it cannot be had; undefined: it is there. */
export async function installCentrifugo(say: (line: string) => void): Promise<string | undefined> {
  if (existsSync(BINARY)) return undefined
  if (spawnSync('go', ['version']).status !== 0) return 'there is no Go to build it with'
  say(`building Centrifugo ${CENTRIFUGO_VERSION}: takes minutes, once`)
  mkdirSync(FOLDER, { recursive: true })
  const source = `github.com/centrifugal/centrifugo/v6@${CENTRIFUGO_VERSION}`
  try {
    await promisify(execFile)('go', ['install', source], {
      timeout: BUILD_TIMEOUT_MS,
      env: { ...process.env, GOBIN: FOLDER },
    })
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.split('\n').slice(0, 3).join(' ') : String(error)
  }
}

export async function startCentrifugo(room: string): Promise<{ process: ChildProcess; port: number }> {
  const port = await freePort()
  const file = `${FOLDER}config-${port}.json`
  const { without_namespace } = CONFIG.channel
  const history = room === RECOVERED_ROOM ? WITH_HISTORY : {}
  const config = { ...CONFIG, channel: { without_namespace: { ...without_namespace, ...history } } }
  writeFileSync(file, JSON.stringify({ ...config, http_server: { ...CONFIG.http_server, port: String(port) } }))
  const [command = '', ...args] = pinned([BINARY, '--config', file], SERVER_CORE)
  const process_ = spawn(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, GOMAXPROCS: '1' },
  })
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += 50) {
    if (await answers(port)) return { process: process_, port }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  process_.kill('SIGKILL')
  throw new Error('Centrifugo did not start')
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
