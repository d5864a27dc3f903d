// What the command line, the environment and the configuration file say, as options of the server: a flag wins over a
// variable, a variable over the file, and the first wrong value is told in one line. cli.ts hands in all three and prints
// what comes out.

import { parseArgs } from 'node:util'
import { whyNot } from './access.ts'
import { readDuration } from './config/duration.ts'
import { type EngineSettings, engineOf, isUnused } from './config/engine.ts'
import { type ConfigFile, readConfig } from './config/file.ts'
import { FLAG_KEYS, SWITCHES } from './config/flags.ts'
import { readVariable, unreadVariables } from './config/variables.ts'
import { quote, WrongSetting, wrong } from './config/wrong.ts'
import type { RoomcastOptions } from './options.ts'
import { REMOTE_COMMANDS, type RemoteCommand, readRemote } from './remote/arguments.ts'
import { untimelyCertificate } from './tls.ts'
import { LOG_DEFAULTS, type LogSettings } from './watch/log-settings.ts'
import { hasTokenKey } from './who/tokens.ts'

/** What the program is to do. */
export type Settings =
  | { kind: 'help' }
  | { kind: 'version' }
  | { kind: 'wrong'; message: string }
  | (Run & { kind: 'check-config'; file: string })
  | {
      kind: 'gen-token'
      options: RoomcastOptions
      user: string
      room: string | undefined
      ttlSeconds: number | undefined
    }
  | RemoteCommand
  | (Run & { kind: 'run' })

/** What a server is started with. */
interface Run {
  options: RoomcastOptions
  /** Absent: this server stands alone. */
  engine?: EngineSettings
  /** Absent: nothing of it was said. */
  program?: ProgramSettings
  warnings: readonly string[]
}

/** What concerns the program, and not the server in it. */
export interface ProgramSettings {
  readonly log: LogSettings
  /** It ends when Redis cannot be had at the start. */
  readonly requireRedis: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

/** Reads a file as text. */
export type ReadFile = (path: string) => string

const COMMANDS = ['check-config', 'gen-token']
const ALL_COMMANDS = [...COMMANDS, ...REMOTE_COMMANDS]

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return args.slice(0, end === -1 ? args.length : end).some((arg) => arg === '--help' || arg === '-h')
}

/** Reads the settings.
 * @param args the arguments after the program's name.
 * @param env the environment. */
export function readSettings(args: readonly string[], env: Environment, readFile: ReadFile): Settings {
  try {
    const [command = '', ...rest] = args
    if (ALL_COMMANDS.includes(command) && asksForHelp(rest)) return { kind: 'help' }
    if (command === 'check-config') return checkConfig(rest, readFile)
    if (REMOTE_COMMANDS.includes(command)) {
      return readRemote(command, rest, (given) => settle(given, env, readFile).options)
    }
    return COMMANDS.includes(command) ? genToken(rest, env, readFile) : run(args, env, readFile)
  } catch (error) {
    if (error instanceof WrongSetting) return { kind: 'wrong', message: error.message }
    if (!(error instanceof TypeError && 'code' in error && `${error.code}`.startsWith('ERR_PARSE_ARGS'))) throw error
    // parseArgs explains itself in several sentences; the first one says what is wrong.
    return { kind: 'wrong', message: error.message.split(/\.\s|\n/, 1)[0] ?? '' }
  }
}

function run(args: readonly string[], env: Environment, readFile: ReadFile): Settings {
  const flags = readFlags(args)
  if (flags.help) return { kind: 'help' }
  if (flags.version) return { kind: 'version' }
  const settings = settle(flags.given, env, readFile)
  const { options } = settings
  const decision = { ...options, hasTokenKey: hasTokenKey(options.tokens) }
  const why = whyNot(options.host, decision, {
    anonymous: '--allow-anonymous-connect-without-token (allow_anonymous_connect_without_token)',
    insecure: '--insecure',
  })
  if (why !== undefined) throw new WrongSetting(why)
  return { kind: 'run', ...settings }
}

function checkConfig(args: readonly string[], readFile: ReadFile): Settings {
  const { positionals } = parseArgs({ args: [...args], options: {}, strict: true, allowPositionals: true })
  const [file, ...others] = positionals
  if (!file || others.length > 0) throw new WrongSetting('check-config takes the name of one file')
  return { kind: 'check-config', file, ...settle(new Map([['config', file]]), {}, readFile) }
}

function genToken(args: readonly string[], env: Environment, readFile: ReadFile): Settings {
  const options = {
    user: { type: 'string', short: 'u' },
    channel: { type: 'string' },
    ttl: { type: 'string' },
    config: { type: 'string' },
    'client.token.hmac_secret_key': { type: 'string' },
    'client.token.audience': { type: 'string' },
    'client.token.issuer': { type: 'string' },
  } as const
  const { values } = parseArgs({ args: [...args], options, strict: true, allowPositionals: false })
  const { user = '', channel: room, ttl = '168h', ...rest } = values
  // A token for nobody has no --user; one for a room without a name nobody takes.
  for (const name of ['user', 'channel'] as const) {
    if (values[name] === '') throw new WrongSetting(`--${name} must not be empty`)
  }
  const given = new Map(Object.entries(rest).map(([flag, value]) => [flag, `${value}`]))
  const settings = settle(given, env, readFile)
  return { kind: 'gen-token', options: settings.options, user, room, ttlSeconds: ttlOf(ttl) }
}

/** `none`: it does not expire. */
function ttlOf(text: string): number | undefined {
  if (text === 'none') return undefined
  const ms = readDuration(/^\d+$/.test(text) ? `${text}s` : text)
  if (ms === undefined || ms < 1000 || ms > Number.MAX_SAFE_INTEGER)
    throw wrong('--ttl', 'a duration such as "168h", or "none"', text)
  return Math.floor(ms / 1000)
}

interface Flags {
  /** As text: several of --origin are a list with commas, a switch is 'true'. */
  given: ReadonlyMap<string, string>
  help: boolean
  version: boolean
}

function readFlags(args: readonly string[]): Flags {
  const options = {
    ...Object.fromEntries([...FLAG_KEYS.keys(), 'config'].map((flag) => [flag, { type: 'string' as const }])),
    ...Object.fromEntries(SWITCHES.map((flag) => [flag, { type: 'boolean' as const }])),
    origin: { type: 'string', multiple: true },
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
  } as const
  const { values } = parseArgs({ args: [...args], options, strict: true, allowPositionals: false })
  const { help, version, ...rest } = values
  const given = new Map(Object.entries(rest).map(([flag, value]) => [flag, `${value}`]))
  return { given, help: help === true, version: version === true }
}

/** Everything together, each checked. */
function settle(given: ReadonlyMap<string, string>, env: Environment, readFile: ReadFile): Run {
  const warnings: string[] = []
  const { ROOMCAST_CONFIG } = env
  const path = given.get('config') ?? ROOMCAST_CONFIG
  if (given.get('config') === '') throw new WrongSetting('--config must be the name of a file, not ""')
  const file: ConfigFile | undefined = path ? readConfig(textOf(path, readFile), path) : undefined
  const values = new Map(file?.values)
  const byFlag = new Map<string, unknown>()
  for (const [name, key] of FLAG_KEYS) {
    const text = given.get(name)
    if (text === undefined) continue
    const value = key.read(text, `--${name}`)
    if (value !== undefined) byFlag.set(key.option, value)
    // Such as a variable of the shell that is not set: what was to be given would be missing without a word.
    if (text === '') throw new WrongSetting(`--${name} must not be empty`)
  }
  // A variable whose flag was given, or one that says the same in other words, is not looked at.
  for (const [name, key] of FLAG_KEYS) {
    const isSaid = [key.option, ...(key.rivals ?? [])].some((option) => byFlag.has(option))
    if (!isSaid) readVariable(name, key, env, values, (line) => warnings.push(line))
  }
  warnings.push(...unreadVariables(env))
  for (const [option, value] of byFlag) values.set(option, value)
  const { namespaces } = file ?? {}
  const engine = engineOf(values)
  if (engine === undefined && isUnused(values)) {
    warnings.push('engine.redis is not used: engine.type is not "redis", and this server stands alone')
  }
  const program = programOf(values, engine)
  const options = { ...optionsOf(values), ...(namespaces !== undefined && { namespaces }) }
  const untimely = options.tls && untimelyCertificate(options.tls.cert, Date.now())
  if (untimely !== undefined) warnings.push(untimely)
  return {
    options,
    ...(engine !== undefined && { engine }),
    ...(program !== undefined && { program }),
    warnings: [...(file?.warnings ?? []), ...warnings],
  }
}

function textOf(path: string, readFile: ReadFile): string {
  try {
    return readFile(path)
  } catch (error) {
    throw new WrongSetting(`${quote(path)} cannot be read: ${(error as Error).message.replaceAll(/\s+/g, ' ')}`)
  }
}

function programOf(
  values: ReadonlyMap<string, unknown>,
  engine: EngineSettings | undefined,
): ProgramSettings | undefined {
  if (![...values.keys()].some((option) => option.startsWith('program.'))) return undefined
  const get = (name: string): unknown => values.get(`program.${name}`)
  const requireRedis = get('requireRedis') === true
  if (requireRedis && engine === undefined)
    throw new WrongSetting('--require-redis needs a Redis: --redis-url or engine.redis')
  const { level, format } = LOG_DEFAULTS
  return { requireRedis, log: { level: get('logLevel') ?? level, format: get('logFormat') ?? format } as LogSettings }
}

/** Values by option, as an object: `tokens.issuer` is in the object `tokens`. */
function optionsOf(values: ReadonlyMap<string, unknown>): RoomcastOptions {
  const options: Record<string, unknown> = {}
  for (const [option, value] of values) {
    const [section = '', name] = option.split('.')
    if (['engine', 'common', 'program'].includes(section)) continue
    if (name === undefined) options[section] = value
    else options[section] = { ...(options[section] as object), [name]: value }
  }
  const { tls, ...others } = options
  return { ...others, tls: tlsOf(tls) } as RoomcastOptions
}

/** TLS as the file and the flags give it. */
interface GivenTls {
  enabled?: boolean
  cert?: string
  key?: string
  ca?: string
  certFlag?: string
  keyFlag?: string
}

function tlsOf(tls: unknown): RoomcastOptions['tls'] {
  const { enabled, ca, certFlag, keyFlag, ...file } = (tls ?? {}) as GivenTls
  // Who gives a certificate by its flag wants it.
  if (enabled !== true && certFlag === undefined && keyFlag === undefined) return undefined
  const { cert = file.cert, key = file.key } = { cert: certFlag, key: keyFlag }
  if (cert === undefined || key === undefined) {
    throw new WrongSetting('http_server.tls needs cert_pem and key_pem (--tls-cert, --tls-key)')
  }
  return { cert, key, ca }
}
