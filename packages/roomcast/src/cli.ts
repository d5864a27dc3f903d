#!/usr/bin/env node
// The program: settings in, one line out saying where to open it, and an orderly end on SIGTERM or SIGINT. The only
// file of the package that knows there is a process around it.

import { readFileSync } from 'node:fs'
import type { EngineSettings } from './config/engine.ts'
import { HELP } from './help.ts'
import { type RoomcastOptions, settle } from './options.ts'
import { complain, note, print, surviveLostReaders } from './output.ts'
import { openStore } from './redis-store.ts'
import { createRoomcast, type Roomcast } from './roomcast.ts'
import { type ProgramSettings, readSettings, type Settings } from './settings.ts'
import { VERSION } from './version.ts'
import { LOG_DEFAULTS } from './watch/log-settings.ts'
import type { ProgramLog } from './watch/program-log.ts'
import { signToken } from './who/sign-token.ts'

/** Exit codes of a second signal: 128 + its number, as a shell reports a process that a signal ended. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** A Redis without which the program is not to start is waited for so long. */
const REDIS_PATIENCE_MS = 10_000

const DEFAULTS: ProgramSettings = { log: LOG_DEFAULTS, requireRedis: false }

interface Start {
  options: RoomcastOptions
  engine?: EngineSettings
  program?: ProgramSettings
  warnings: readonly string[]
}

async function run({ options, engine, program = DEFAULTS, warnings }: Start): Promise<void> {
  // pino takes a while to load, which --help need not wait for.
  const { createLog } = await import('./watch/program-log.ts')
  const log = createLog(program.log, note)
  for (const warning of warnings) log.warn({ event: 'setting' }, warning)
  const telling = engine && (await openStore(engine, log))
  const store = telling && { store: telling.store }
  const roomcast = attempt(() => createRoomcast({ ...options, ...store, logger: log }))
  if (roomcast === undefined) return telling?.store.close()
  if (telling !== undefined) {
    telling.watch(roomcast.rooms)
    process.on('exit', () => telling.flush())
  }
  endOnSignals(roomcast, log)
  if (program.requireRedis && !(await telling!.reached(REDIS_PATIENCE_MS))) {
    log.error({ event: 'no_redis' }, 'no start without Redis (--require-redis)')
    process.exitCode = 1
    return roomcast.close()
  }
  try {
    const { port } = await roomcast.listen()
    // In one piece, for those who read until the first line is there.
    process.stdout.cork()
    const said = createLog({ ...program.log, level: 'info' }, print)
    said.info({ event: 'listening', port }, `open ${address(options, port)}`)
    if (options.token === undefined) said.info({ event: 'token' }, `token of the HTTP API: ${roomcast.token}`)
    process.stdout.uncork()
  } catch (error) {
    await roomcast.close()
    log.error({ event: 'not_listening' }, explain(error as NodeJS.ErrnoException))
    process.exitCode = 1
  }
}

/** Does it; a value that only it can judge is told in one line as well. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error
    refuse(error.message)
    return undefined
  }
}

/** Checks everything that a start would, and starts nothing. */
function check({ file, options, warnings }: Extract<Settings, { kind: 'check-config' }>): void {
  for (const warning of warnings) complain(warning)
  if (attempt(() => settle(options)) !== undefined) print(`${file}: ok\n`)
}

async function genToken({ options, user, room, ttlSeconds }: Extract<Settings, { kind: 'gen-token' }>): Promise<void> {
  const { hmacSecretKey: secret, audience, issuer } = options.tokens ?? {}
  if (secret === undefined) {
    return refuse('gen-token needs client.token.hmac_secret_key: in --config, as a variable or as a flag')
  }
  print(`${await signToken({ secret, user, room, ttlSeconds, audience, issuer })}\n`)
}

function refuse(message: string): void {
  complain(`${message.replaceAll(/\s+/g, ' ')} (see roomcast --help)`)
  process.exitCode = 2
}

function endOnSignals(roomcast: Roomcast, log: ProgramLog): void {
  let isEnding = false
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (isEnding) process.exit(code)
      isEnding = true
      log.warn({ event: 'draining', signal }, `${signal}: draining; once more to exit at once`)
      roomcast
        .drain()
        .then(() => roomcast.close())
        .then(
          () => process.exit(0),
          (error: unknown) => {
            log.error({ event: 'failed' }, `${error instanceof Error ? error.stack : error}`)
            process.exit(1)
          },
        )
    })
  }
}

/** Where to open the server in a browser on this machine. */
function address({ host, tls }: RoomcastOptions, port: number): string {
  const everywhere = host === undefined || host === '0.0.0.0' || host === '::'
  const name = everywhere ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http${tls === undefined ? '' : 's'}://${name}:${port}/`
}

function explain(error: NodeJS.ErrnoException & { port?: number; hostname?: string }): string {
  const { code, message, port, hostname } = error
  if (code === 'EADDRINUSE') return `port ${port} is taken; choose another with --port`
  if (code === 'EACCES') return `not allowed to listen on port ${port}; choose another with --port`
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address; choose another with --host'
  if (code === 'ENOTFOUND') return `no address is known for ${hostname}; choose another with --host`
  return `cannot listen: ${message}`
}

surviveLostReaders()
const settings = readSettings(process.argv.slice(2), process.env, (path) => readFileSync(path, 'utf8'))
if (settings.kind === 'help') print(HELP)
else if (settings.kind === 'version') print(`${VERSION}\n`)
else if (settings.kind === 'wrong') refuse(settings.message)
else if (settings.kind === 'check-config') check(settings)
else if (settings.kind === 'gen-token') await genToken(settings)
else if (settings.kind === 'run') await run(settings)
else await (await import('./remote/run.ts')).runRemote(settings)
