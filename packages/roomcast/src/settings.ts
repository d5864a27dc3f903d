// What the command line and the environment say, as options of the server: a flag wins over its variable, and the first
// wrong value is told in one line. Pure: cli.ts hands in both and prints what comes out.

import { parseArgs } from 'node:util'
import { DEFAULT_PORT, type RoomcastOptions } from './options.ts'
import { isToken } from './token.ts'

/** What the program is to do. */
export type Settings =
  | { kind: 'help' }
  | { kind: 'version' }
  | { kind: 'wrong'; message: string }
  | { kind: 'run'; options: RoomcastOptions; redis?: RedisSettings }

/** Which Redis joins this server with others, and under which name. */
export interface RedisSettings {
  url: string
  prefix: string
}

/** Servers with one prefix on one Redis share their rooms. */
const DEFAULT_PREFIX = 'roomcast'

/** What --help prints. */
export const HELP: string = `Usage: roomcast [options]

Rooms over WebSockets: a JSON protocol, an HTTP API, and a page to try them in a browser.

  --port <number>               port to listen on; 0 takes a free one (default ${DEFAULT_PORT})
  --host <address>              address to listen on (default: all)
  --token <secret>              secret of POST /channels/<name> (default: a random one, printed at start)
  --origin <origin>             who may connect from a browser: same (default), any, or an origin such as
                                https://chat.example; may be repeated, or a list with commas
  --max-message-bytes <number>  largest message in bytes (default 1048576)
  --max-connections <number>    most WebSockets at a time (default: no limit)
  --drain-ms <number>           how long to wait for clients at the end, in ms (default 10000)
  --redis-url <url>             Redis that carries messages to other servers, redis:// or rediss:// or the path of a
                                Unix socket (variable: REDIS_URL; default: this server stands alone)
  --prefix <name>               what the names of its Redis channels begin with; servers with the same one share
                                their rooms (default ${DEFAULT_PREFIX})
  --version                     print the version
  --help                        print this

Every option can be given as a variable too: ROOMCAST_PORT (or PORT), ROOMCAST_HOST, ROOMCAST_TOKEN and so on.
A flag wins over its variable. SIGTERM and SIGINT drain and exit with 0; a second one exits at once.
`

const FLAGS = [
  'port',
  'host',
  'token',
  'origin',
  'max-message-bytes',
  'max-connections',
  'drain-ms',
  'redis-url',
  'prefix',
] as const
type Flag = (typeof FLAGS)[number]

/** Variables with a name of their own; those of the others begin with ROOMCAST_. */
const VARIABLES: Partial<Record<Flag, string[]>> = { port: ['ROOMCAST_PORT', 'PORT'], 'redis-url': ['REDIS_URL'] }

/** What flags and variables come to, each checked. */
interface Values extends RoomcastOptions {
  redisUrl?: string
  prefix?: string
}

class WrongSetting extends Error {}

/** Reads the settings.
 * @param args the arguments after the program's name.
 * @param env the environment. */
export function readSettings(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Settings {
  try {
    const flags = readFlags(args)
    if (flags.help) return { kind: 'help' }
    if (flags.version) return { kind: 'version' }
    const { redisUrl: url, prefix = DEFAULT_PREFIX, ...options } = readOptions(flags, env)
    return url === undefined ? { kind: 'run', options } : { kind: 'run', options, redis: { url, prefix } }
  } catch (error) {
    if (error instanceof WrongSetting) return { kind: 'wrong', message: error.message }
    if (!(error instanceof TypeError && 'code' in error && `${error.code}`.startsWith('ERR_PARSE_ARGS'))) throw error
    // parseArgs explains itself in several sentences; the first one says what is wrong.
    return { kind: 'wrong', message: error.message.split(/\.\s|\n/, 1)[0] ?? '' }
  }
}

interface Flags extends Partial<Record<Exclude<Flag, 'origin'>, string>> {
  origin?: string[]
  help?: boolean
  version?: boolean
}

function readFlags(args: readonly string[]): Flags {
  const one = { type: 'string' } as const
  const options = {
    port: one,
    host: one,
    token: one,
    origin: { type: 'string', multiple: true },
    'max-message-bytes': one,
    'max-connections': one,
    'drain-ms': one,
    'redis-url': one,
    prefix: one,
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
  } as const
  return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values
}

function readOptions(flags: Flags, env: Readonly<Record<string, string | undefined>>): Values {
  const options: Values = {}
  for (const flag of FLAGS) {
    // An empty variable is how many tools write "not set"; an empty flag is a mistake.
    const variables = VARIABLES[flag] ?? [`ROOMCAST_${flag.replaceAll('-', '_').toUpperCase()}`]
    const variable = variables.find((name) => env[name])
    const given = flags[flag] ?? (variable && env[variable])
    if (given === undefined) continue
    Object.assign(options, readValue(flag, given, flags[flag] === undefined ? `${variable}` : `--${flag}`))
  }
  return options
}

function readValue(flag: Flag, given: string | string[], source: string): Values {
  const text = given.toString()
  const number = (least: number, most: number): number => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    throw wrong(source, `a whole number from ${least} to ${most}`, text)
  }
  switch (flag) {
    case 'port':
      return { port: number(0, 65_535) }
    case 'host':
      if (!/^[\w.:%-]+$/.test(text)) throw wrong(source, 'a host name or an IP address', text)
      return { host: text }
    case 'token':
      if (!isToken(text)) throw new WrongSetting(`${source} must be visible ASCII characters without spaces`)
      return { token: text }
    case 'origin':
      return { origin: readOrigin(text.split(','), source) }
    case 'max-message-bytes':
      return { maxMessageBytes: number(1, 2 ** 30) }
    case 'max-connections':
      return { maxConnections: number(1, 10 ** 7) }
    case 'drain-ms':
      return { drainMs: number(1, 10 * 60_000) }
    case 'redis-url':
      // Not quoted: it may hold a password.
      if (!isRedisUrl(text)) {
        throw new WrongSetting(`${source} must be redis:// or rediss:// with a host, or the path of a Unix socket`)
      }
      return { redisUrl: text }
    case 'prefix':
      if (!/^[\w.-]{1,64}$/.test(text)) throw wrong(source, '1 to 64 characters of A-Z a-z 0-9 _ . -', text)
      return { prefix: text }
  }
}

function readOrigin(entries: readonly string[], source: string): 'same' | 'any' | string[] {
  const list = entries.map((entry) => entry.trim())
  if (list.every((entry) => entry === 'any')) return 'any'
  if (list.every((entry) => entry === 'same')) return 'same'
  return list.map((entry) => {
    const origin = /^https?:\/\/[^/]+\/?$/i.test(entry) && URL.canParse(entry) ? new URL(entry).origin : undefined
    if (origin === undefined) throw wrong(source, 'same, any, or origins such as https://chat.example', entry)
    return origin
  })
}

/** ioredis takes nearly anything for an address, and `REDISS://` for one without TLS. */
function isRedisUrl(text: string): boolean {
  if (/^\/[^/]/.test(text)) return true
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) return false
  const { hostname, pathname, username, password } = new URL(text)
  try {
    decodeURIComponent(username + password)
  } catch {
    return false
  }
  return hostname !== '' && /^(\/\d*)?$/.test(pathname)
}

/** A setting that cannot be used. The value is quoted, so that a line break in it stays one line. */
function wrong(source: string, expected: string, value: string): WrongSetting {
  return new WrongSetting(`${source} must be ${expected}, not ${JSON.stringify(value.slice(0, 100))}`)
}
