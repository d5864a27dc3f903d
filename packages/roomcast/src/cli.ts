#!/usr/bin/env node
// The program: settings in, one line out saying where to open it, and an orderly end on SIGTERM or SIGINT. The only
// file of the package that knows there is a process around it.

import { readFileSync } from 'node:fs'
import type { EngineSettings } from './config/engine.ts'
import { HELP } from './help.ts'
import { type RoomcastOptions, settle } from './options.ts'
import { complain, print, surviveLostReaders } from './output.ts'
import { openStore } from './redis-store.ts'
import { createRoomcast, type Roomcast } from './roomcast.ts'
import { readSettings, type Settings } from './settings.ts'
import { VERSION } from './version.ts'
import { signToken } from './who/sign-token.ts'

/** Exit codes of a second signal: 128 + its number, as a shell reports a process that a signal ended. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const

async function run(options: RoomcastOptions, engine: EngineSettings | undefined): Promise<void> {
  const telling = engine && (await openStore(engine, complain))
  const roomcast = attempt(() => createRoomcast(telling === undefined ? options : { ...options, store: telling.store }))
  if (roomcast === undefined) return telling?.store.close()
  if (telling !== undefined) {
    telling.watch(roomcast.rooms)
    process.on('exit', () => telling.flush())
  }
  endOnSignals(roomcast)
  try {
    const { port } = await roomcast.listen()
    const lines = [`roomcast: open ${address(options, port)}`]
    if (options.token === undefined) lines.push(`roomcast: token of the HTTP API: ${roomcast.token}`)
    print(`${lines.join('\n')}\n`)
  } catch (error) {
    await roomcast.close()
    complain(explain(error as NodeJS.ErrnoException))
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
function address({ host, tls }: RoomcastOptions, port: number): string {
  const everywhere = host === undefined || host === '0.0.0.0' || host === '::'
  const name = everywhere ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `${tls === undefined ? 'http' : 'https'}://${name}:${port}/`
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
else {
  for (const warning of settings.warnings) complain(warning)
  await run(settings.options, settings.engine)
}
