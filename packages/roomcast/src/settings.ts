// What the command line and the environment say, as options of the server: a flag wins over its variable, and the first
// wrong value is told in one line. Pure: cli.ts hands in both and prints what comes out.

import { parseArgs } from 'node:util'
import { whyNot } from './access.ts'
import { DEFAULT_PREFIX } from './help.ts'
import { flagOf, LIMIT_NAMES, LIMITS } from './limits.ts'
import type { RoomcastOptions } from './options.ts'
import { isToken } from './token.ts'

/** What the program is to do. */
export type Settings =
  | { kind: 'help' }
  | { kind: 'version' }
  | { kind: 'wrong'; message: string }
  | { kind: 'run'; options: RoomcastOptions; redis?: RedisSettings; warnings: readonly string[] }

/** Which Redis joins this server with others, and under which name. */
export interface RedisSettings {
  url: string
  prefix: string
}

const SWITCHES = ['insecure', 'allow-anonymous-connect-without-token'] as const
const TEXTS = ['port', 'host', 'token', 'origin', 'redis-url', 'prefix'] as const
const LIMIT_FLAGS = new Map(LIMIT_NAMES.map((name) => [flagOf(name), name]))
const FLAGS: readonly string[] = [...SWITCHES, ...TEXTS, ...LIMIT_FLAGS.keys()]

/** Variables with a name of their own; those of the others begin with ROOMCAST_. */
const VARIABLES: Readonly<Record<string, string[]>> = { port: ['ROOMCAST_PORT', 'PORT'], 'redis-url': ['REDIS_URL'] }

/** What flags and variables come to, each checked. */
interface Values extends RoomcastOptions {
  redisUrl?: string
  prefix?: string
}

type Environment = Readonly<Record<string, string | undefined>>

class WrongSetting extends Error {}

/** Reads the settings.
 * @param args the arguments after the program's name.
 * @param env the environment. */
export function readSettings(args: readonly string[], env: Environment): Settings {
  try {
    const flags = readFlags(args)
    if (flags.help) return { kind: 'help' }
    if (flags.version) return { kind: 'version' }
    const warnings: string[] = []
    const { redisUrl: url, prefix = DEFAULT_PREFIX, ...options } = readValues(flags.given, env, warnings)
    const why = whyNot(options.host, options, {
      anonymous: '--allow-anonymous-connect-without-token (allow_anonymous_connect_without_token)',
      insecure: '--insecure',
    })
    if (why !== undefined) throw new WrongSetting(why)
    return { kind: 'run', options, ...(url !== undefined && { redis: { url, prefix } }), warnings }
  } catch (error) {
    if (error instanceof WrongSetting) return { kind: 'wrong', message: error.message }
    if (!(error instanceof TypeError && 'code' in error && `${error.code}`.startsWith('ERR_PARSE_ARGS'))) throw error
    // parseArgs explains itself in several sentences; the first one says what is wrong.
    return { kind: 'wrong', message: error.message.split(/\.\s|\n/, 1)[0] ?? '' }
  }
}

interface Flags {
  /** As text: several of --origin are a list with commas, a switch is 'true'. */
  given: ReadonlyMap<string, string>
  help: boolean
  version: boolean
}

function readFlags(args: readonly string[]): Flags {
  const all = (flags: readonly string[], type: 'string' | 'boolean') =>
    Object.fromEntries(flags.map((flag) => [flag, { type }]))
  const options = {
    ...all(SWITCHES, 'boolean'),
    ...all([...TEXTS, ...LIMIT_FLAGS.keys()], 'string'),
    origin: { type: 'string', multiple: true },
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
  } as const
  const { values } = parseArgs({ args: [...args], options, strict: true, allowPositionals: false })
  const { help, version, ...rest } = values
  const given = new Map(Object.entries(rest).map(([flag, value]) => [flag, `${value}`]))
  return { given, help: help === true, version: version === true }
}

function readValues(given: ReadonlyMap<string, string>, env: Environment, warnings: string[]): Values {
  const values: Values = {}
  for (const flag of FLAGS) {
    const text = given.get(flag)
    if (text !== undefined) Object.assign(values, readValue(flag, text, `--${flag}`))
    else Object.assign(values, readVariable(flag, env, warnings))
  }
  return values
}

function readVariable(flag: string, env: Environment, warnings: string[]): Values {
  for (const variable of VARIABLES[flag] ?? [`ROOMCAST_${flag.replaceAll('-', '_').toUpperCase()}`]) {
    const text = env[variable]
    // An empty variable is how many tools write "not set"; an empty flag is a mistake.
    if (!text) continue
    if (flag !== 'port' || !isServiceLink(text)) return readValue(flag, text, variable)
    warnings.push(`${variable} is ignored: ${quote(text)} is what Kubernetes or Docker tells of a service of that name`)
  }
  return {}
}

/** Kubernetes and Docker tell every container of every service: one that is called `roomcast` appears as
 * ROOMCAST_PORT=tcp://10.96.12.7:4545, beside ROOMCAST_SERVICE_HOST, ROOMCAST_PORT_4545_TCP and more that nobody reads. */
function isServiceLink(text: string): boolean {
  return /^(?:tcp|udp|sctp):\/\//i.test(text)
}

function readValue(flag: string, text: string, source: string): Values {
  const number = (least: number, most: number): number => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    throw wrong(source, `a whole number from ${least} to ${most}`, text)
  }
  const isOn = (): boolean => {
    if (/^(?:true|1)$/i.test(text)) return true
    if (/^(?:false|0)$/i.test(text)) return false
    throw wrong(source, 'true or false', text)
  }
  const limit = LIMIT_FLAGS.get(flag)
  if (limit !== undefined) return { [limit]: number(LIMITS[limit].least, LIMITS[limit].most) }
  switch (flag as (typeof SWITCHES)[number] | (typeof TEXTS)[number]) {
    case 'insecure':
      return { insecure: isOn() }
    case 'allow-anonymous-connect-without-token':
      return { allowAnonymousConnectWithoutToken: isOn() }
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
    const origin = originOf(entry)
    if (origin === undefined) throw wrong(source, 'same, any, null, or origins such as https://chat.example', entry)
    return origin
  })
}

// A scheme, a host without wildcards, perhaps a port. RFC 6454 §6.2.
const ORIGIN = /^([a-z][a-z\d+.-]*):\/\/((?:[-\w.~\u{80}-\u{10ffff}]+|\[[\da-f:.]+\])(?::\d{1,5})?)\/?$/iu

/** An origin as browsers send it: of a site, of an app (`capacitor://localhost`), or `null` (sandboxed frames, files). */
function originOf(entry: string): string | undefined {
  if (entry === 'null') return entry
  const [, scheme = '', authority = ''] = ORIGIN.exec(entry) ?? []
  // A page whose socket is at wss:// has an origin with https://.
  if (authority === '' || /^wss?$/i.test(scheme) || !URL.canParse(entry)) return undefined
  const { protocol, origin } = new URL(entry)
  return /^https?:$/.test(protocol) ? origin : `${protocol}//${authority.toLowerCase()}`
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

/** A setting that cannot be used. */
function wrong(source: string, expected: string, value: string): WrongSetting {
  return new WrongSetting(`${source} must be ${expected}, not ${quote(value)}`)
}

/** Quoted, so that a line break in it stays one line, and not longer than a line. */
function quote(value: string): string {
  return JSON.stringify(value.slice(0, 100))
}
