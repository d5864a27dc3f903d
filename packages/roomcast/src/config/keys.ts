// The keys of the configuration file, in the words of Centrifugo wherever the meaning is the same: what each takes, and
// which option of the server it becomes. Every key is a flag (`--client.channel_limit 50`) and a variable
// (ROOMCAST_CLIENT_CHANNEL_LIMIT=50), too.

import { isIP } from 'node:net'
import { flagOf, LIMIT_NAMES, LIMITS } from '../limits.ts'
import { isToken } from '../token.ts'
import { LOG_FORMATS, LOG_LEVELS } from '../watch/log-settings.ts'
import { readDuration } from './duration.ts'
import { readAllowedOrigins } from './origins.ts'
import { readPem } from './pem.ts'
import { WrongSetting, wrong } from './wrong.ts'

/** Reads a value of the file, or the text of a flag or variable.
 * @throws WrongSetting for a value that is none. */
export type Reader = (value: unknown, source: string) => unknown

/** A key: how it is read, and the option it is. */
export interface Key {
  readonly read: Reader
  /** With a dot: an option of an option. */
  readonly option: string
  /** Options that say the same in other words: where a flag says one of them, the variable of this key is not looked at. */
  readonly rivals?: readonly string[]
}

type LimitName = (typeof LIMIT_NAMES)[number]

const MAX_SAFE = Number.MAX_SAFE_INTEGER

/** A text; `''` is as good as left out. */
const text: Reader = (value, source) => {
  if (typeof value !== 'string') throw wrong(source, 'a string', value)
  return value === '' ? undefined : value
}

/** A text that no line may show. */
const secret: Reader = (value, source) => {
  if (typeof value !== 'string') throw new WrongSetting(`${source} must be a string`)
  return value === '' ? undefined : value
}

const apiKey: Reader = (value, source) => {
  const key = secret(value, source)
  if (key !== undefined && !isToken(key as string)) {
    throw new WrongSetting(`${source} must be visible ASCII characters without spaces`)
  }
  return key
}

const host: Reader = (value, source) => {
  const name = text(value, source)
  if (name !== undefined && !/^[\w.:%-]+$/.test(name as string)) {
    throw wrong(source, 'a host name or an IP address', value)
  }
  return name
}

export const readSwitch: Reader = (value, source) => {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string' && /^(?:true|1)$/i.test(value)) return true
  if (typeof value === 'string' && /^(?:false|0)$/i.test(value)) return false
  throw wrong(source, 'true or false', value)
}

/** A whole number, also as text. */
export function readCount(least: number, most: number): Reader {
  return (value, source) => {
    const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value
    if (Number.isInteger(number) && (number as number) >= least && (number as number) <= most) return number
    throw wrong(source, `a whole number from ${least} to ${most}`, value)
  }
}

/** A duration of so many ms. */
export function readMs(least: number, most: number = MAX_SAFE): Reader {
  return (value, source) => {
    const ms = typeof value === 'string' ? readDuration(value) : undefined
    if (ms !== undefined && ms >= least && ms <= most) return ms
    const bounds = most === MAX_SAFE ? '' : ` from ${least}ms to ${most}ms`
    throw wrong(source, `a duration such as "300s" or "1h30m"${bounds}`, value)
  }
}

/** One of several words; `''` is as good as left out. */
export function readWord(...allowed: readonly string[]): Reader {
  return (value, source) => {
    if (value === '') return undefined
    if (typeof value === 'string' && allowed.includes(value)) return value
    throw wrong(source, allowed.map((word) => JSON.stringify(word)).join(' or '), value)
  }
}

/** Addresses: a string, or an array of them; not shown, as they may hold passwords. */
const addresses: Reader = (value, source) => {
  const list = typeof value === 'string' ? value.split(',') : value
  const isList = Array.isArray(list) && list.every((entry) => typeof entry === 'string')
  if (!isList) throw new WrongSetting(`${source} must be a string or an array of strings`)
  const given = list.map((entry: string) => entry.trim()).filter((entry) => entry !== '')
  return given.length === 0 ? undefined : given
}

const prefix: Reader = (value, source) => {
  if (typeof value === 'string' && /^[\w.-]{1,64}$/.test(value)) return value
  throw wrong(source, '1 to 64 characters of A-Z a-z 0-9 _ . -', value)
}

/** How many proxies stand before the server, or a list of their addresses and ranges. */
const trustProxy: Reader = (value, source) => {
  const text = Array.isArray(value) ? value.join(',') : `${value}`
  if (/^\d{1,3}$/.test(text)) return Number(text)
  const list = text.split(',').map((entry) => entry.trim())
  if (list.every(isNetwork)) return list
  throw wrong(source, 'how many proxies there are, or their addresses and CIDR ranges', value)
}

function isNetwork(entry: string): boolean {
  const [, address = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(entry) ?? []
  const family = isIP(address)
  return family !== 0 && Number(bits ?? 0) <= (family === 4 ? 32 : 128)
}

/** 0 is "no limit" for Centrifugo. */
function unlimited(most: number): Reader {
  const read = readCount(0, most)
  return (value, source) => read(value, source) || undefined
}

function limit(name: LimitName): Key {
  return { read: readCount(LIMITS[name].least, LIMITS[name].most), option: name }
}

/** A limit in ms, as a duration. */
function ms(name: LimitName): Key {
  const { least, most } = LIMITS[name]
  return { read: readMs(least, most), option: name }
}

function tls(section: string, option: string, names: Readonly<Record<string, string>>): [string, Key][] {
  return [
    [`${section}.enabled`, { read: readSwitch, option: `${option}.enabled` }],
    ...Object.entries(names).map(([key, name]): [string, Key] => [
      `${section}.${key}`,
      { read: readPem, option: `${option}.${name}` },
    ]),
  ]
}

/** Those of this server alone: every limit, and the secret of `POST /channels`. */
const OWN: [string, Key][] = LIMIT_NAMES.map((name) => [`roomcast.${flagOf(name).replaceAll('-', '_')}`, limit(name)])

/** Every key of the file but `channel.without_namespace` and `channel.namespaces`. */
export const KEYS: ReadonlyMap<string, Key> = new Map<string, Key>([
  ['http_server.address', { read: host, option: 'host' }],
  ['http_server.port', { read: readCount(0, 65_535), option: 'port' }],
  ...tls('http_server.tls', 'tls', { cert_pem: 'cert', key_pem: 'key', client_ca_pem: 'ca' }),
  ['client.allowed_origins', { read: readAllowedOrigins, option: 'origin' }],
  ['client.insecure', { read: readSwitch, option: 'insecure' }],
  ['client.allow_anonymous_connect_without_token', { read: readSwitch, option: 'allowAnonymousConnectWithoutToken' }],
  ['client.token.hmac_secret_key', { read: secret, option: 'tokens.hmacSecretKey' }],
  ['client.token.rsa_public_key', { read: readPem, option: 'tokens.rsaPublicKey' }],
  ['client.token.ecdsa_public_key', { read: readPem, option: 'tokens.ecdsaPublicKey' }],
  ['client.token.jwks_public_endpoint', { read: text, option: 'tokens.jwksPublicEndpoint' }],
  ['client.token.audience', { read: text, option: 'tokens.audience' }],
  ['client.token.issuer', { read: text, option: 'tokens.issuer' }],
  ['client.channel_limit', limit('maxRoomsPerClient')],
  ['client.connection_limit', { read: unlimited(LIMITS.maxConnections.most), option: 'maxConnections' }],
  [
    'client.user_connection_limit',
    { read: unlimited(LIMITS.maxConnectionsPerUser.most), option: 'maxConnectionsPerUser' },
  ],
  ['client.ping_interval', ms('pingIntervalMs')],
  ['client.pong_timeout', ms('pongTimeoutMs')],
  ['client.queue_max_size', limit('maxBufferedBytes')],
  ['client.expired_close_delay', ms('expiredCloseDelayMs')],
  ['client.expired_sub_close_delay', ms('expiredSubCloseDelayMs')],
  ['client.stale_close_delay', ms('staleCloseDelayMs')],
  ['websocket.message_size_limit', limit('maxMessageBytes')],
  ['http_api.key', { read: apiKey, option: 'apiKey' }],
  ['shutdown.timeout', ms('drainMs')],
  ['channel.history_meta_ttl', { read: readMs(0), option: 'common.historyMetaTtlMs' }],
  [
    'channel.publication_data_format',
    { read: readWord('json', 'json_object', 'binary'), option: 'common.publicationDataFormat' },
  ],
  ['engine.type', { read: readWord('memory', 'redis'), option: 'engine.type' }],
  ['engine.redis.address', { read: addresses, option: 'engine.address' }],
  ['engine.redis.prefix', { read: prefix, option: 'engine.prefix' }],
  ['engine.redis.user', { read: text, option: 'engine.user' }],
  ['engine.redis.password', { read: secret, option: 'engine.password' }],
  ...tls('engine.redis.tls', 'engine.tls', { server_ca_pem: 'ca', cert_pem: 'cert', key_pem: 'key' }),
  ['engine.redis.tls.insecure_skip_verify', { read: readSwitch, option: 'engine.tls.insecureSkipVerify' }],
  ['engine.redis.tls.server_name', { read: text, option: 'engine.tls.serverName' }],
  ['engine.redis.sentinel_address', { read: addresses, option: 'engine.sentinelAddress' }],
  ['engine.redis.sentinel_master_name', { read: text, option: 'engine.sentinelMasterName' }],
  ['engine.redis.cluster_address', { read: addresses, option: 'engine.clusterAddress' }],
  ['roomcast.token', { read: apiKey, option: 'token' }],
  ['roomcast.metrics_key', { read: apiKey, option: 'metricsKey' }],
  ['roomcast.readiness', { read: readWord('store', 'local'), option: 'readiness' }],
  ['roomcast.trust_proxy', { read: trustProxy, option: 'trustProxy' }],
  ['roomcast.require_redis', { read: readSwitch, option: 'program.requireRedis' }],
  ['roomcast.log_level', { read: readWord(...LOG_LEVELS), option: 'program.logLevel' }],
  ['roomcast.log_format', { read: readWord(...LOG_FORMATS), option: 'program.logFormat' }],
  ...OWN,
])
