#!/usr/bin/env node
// The program: settings in, one line out saying where to open it, and an orderly end on SIGTERM or SIGINT. The only
// file of the package that knows there is a process around it.

import { readFileSync } from 'node:fs'
import { openBridge } from './bridge.ts'
import { HELP } from './help.ts'
import type { RoomcastOptions } from './options.ts'
import { complain, print, surviveLostReaders } from './output.ts'
import { createRoomcast, type Roomcast } from './roomcast.ts'
import { type RedisSettings, readSettings } from './settings.ts'

/** Exit codes of a second signal: 128 + its number, as a shell reports a process that a signal ended. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const

async function run(options: RoomcastOptions, redis: RedisSettings | undefined): Promise<void> {
  const bridge = redis && (await openBridge(redis, complain))
  const roomcast = create(bridge === undefined ? options : { ...options, broker: bridge.broker })
  if (roomcast === undefined) return bridge?.broker.close()
  if (bridge !== undefined) {
    bridge.watch(roomcast.channels)
    process.on('exit', () => bridge.flush())
  }
  endOnSignals(roomcast)
  try {
    const { port } = await roomcast.listen()
    const lines = [`roomcast: open ${address(options.host, port)}`]
    if (options.token === undefined) lines.push(`roomcast: token of the HTTP API: ${roomcast.token}`)
    print(`${lines.join('\n')}\n`)
  } catch (error) {
    await roomcast.close()
    complain(explain(error as NodeJS.ErrnoException))
    process.exitCode = 1
  }
}

/** Makes the server; a value that only it can judge is told in one line as well. */
function create(options: RoomcastOptions): Roomcast | undefined {
  try {
    return createRoomcast(options)
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error
    refuse(error.message)
    return undefined
  }
}

function refuse(message: string): void {
  complain(`${message.replaceAll(/\s+/g, ' ')} (see roomcast --help)`)
  process.exitCode = 2
}

function endOnSignals(roomcast: Roomcast): void {
  let isEnding = false
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (isEnding) process.exit(code)
      isEnding = true
      complain(`${signal}: draining; once more to exit at once`)
      roomcast
        .drain()
        .then(() => roomcast.close())
        .then(
          () => process.exit(0),
          (error: unknown) => {
            complain(`${error instanceof Error ? error.stack : error}`)
            process.exit(1)
          },
        )
    })
  }
}

/** Where to open the server in a browser on this machine. */
function address(host: string | undefined, port: number): string {
  const everywhere = host === undefined || host === '0.0.0.0' || host === '::'
  const name = everywhere ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${port}/`
}

function explain(error: NodeJS.ErrnoException & { port?: number; hostname?: string }): string {
  const { code, message, port, hostname } = error
  if (code === 'EADDRINUSE') return `port ${port} is taken; choose another with --port`
  if (code === 'EACCES') return `not allowed to listen on port ${port}; choose another with --port`
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address; choose another with --host'
  if (code === 'ENOTFOUND') return `no address is known for ${hostname}; choose another with --host`
  return `cannot listen: ${message}`
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return (manifest as { version: string }).version
}

surviveLostReaders()
const settings = readSettings(process.argv.slice(2), process.env)
if (settings.kind === 'help') print(HELP)
else if (settings.kind === 'version') print(`${version()}\n`)
else if (settings.kind === 'wrong') refuse(settings.message)
else {
  for (const warning of settings.warnings) complain(warning)
  await run(settings.options, settings.redis)
}
