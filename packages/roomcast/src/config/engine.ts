// What rooms are kept in, and what joins this server with others: memory, or a Redis.

import { checkTls } from '../tls.ts'
import { WrongSetting } from './wrong.ts'

/** Servers with one prefix on one Redis share their rooms. */
export const DEFAULT_PREFIX = 'roomcast'

const DEFAULT_URL = 'redis://127.0.0.1:6379'

/** ioredis takes nearly anything for an address, and `REDISS://` for one without TLS. */
export function isRedisUrl(text: string): boolean {
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

/** Options that say where rooms are kept, beside the URL. */
export const PLACES = ['engine.type', 'engine.address', 'engine.sentinelAddress', 'engine.clusterAddress'] as const

/** How Redis is reached, as @roomcast/redis-bridge takes it. */
export interface EngineSettings {
  prefix: string
  /** One of the three. */
  url?: string
  /** With `name`, that of their master. */
  sentinels?: RedisNode[]
  name?: string
  cluster?: RedisNode[]
  /** Of each connection. */
  redis?: { username?: string; password?: string; tls?: RedisTls; enableTLSForSentinelMode?: boolean }
}

/** Where a Redis is. */
interface RedisNode {
  readonly host: string
  readonly port: number
}

/** As node's TLS takes it. */
interface RedisTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

/** Is a Redis told, and nothing that makes it one of this server? A file of Centrifugo may have all its keys, and says
 * `memory` then. */
export function isUnused(values: ReadonlyMap<string, unknown>): boolean {
  return !values.has('engine.type') && PLACES.some((option) => values.has(option))
}

/** Reads the engine of all values; undefined: memory.
 * @throws WrongSetting for values that do not go together. */
export function engineOf(values: ReadonlyMap<string, unknown>): EngineSettings | undefined {
  const get = <T>(name: string): T | undefined => values.get(`engine.${name}`) as T | undefined
  const url = get<string>('url')
  if (url === undefined && get('type') !== 'redis') return undefined
  const username = get<string>('user')
  const password = get<string>('password')
  const redis = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(get<boolean>('tls.enabled') === true && { tls: tlsOf(values), enableTLSForSentinelMode: true }),
  }
  const common = {
    prefix: get<string>('prefix') ?? DEFAULT_PREFIX,
    ...(Object.keys(redis).length > 0 && { redis }),
  }
  if (url !== undefined) return { ...common, url }
  const cluster = get<string[]>('clusterAddress')
  if (cluster !== undefined) return { ...common, cluster: cluster.map((text) => nodeOf(text, 'cluster_address')) }
  const sentinels = get<string[]>('sentinelAddress')
  const name = get<string>('sentinelMasterName')
  if (sentinels !== undefined && name !== undefined) {
    return { ...common, sentinels: sentinels.map((text) => nodeOf(text, 'sentinel_address')), name }
  }
  if (sentinels !== undefined || name !== undefined) {
    throw new WrongSetting('engine.redis.sentinel_address and engine.redis.sentinel_master_name go together')
  }
  const [address = DEFAULT_URL, ...others] = get<string[]>('address') ?? []
  // Centrifugo spreads rooms over several Redis by itself; a Redis Cluster does it here.
  if (others.length > 0) throw new WrongSetting('engine.redis.address: one address, or engine.redis.cluster_address')
  return { ...common, url: urlOf(address) }
}

/** An address as Centrifugo takes it: a URL, `host:port`, or with `tcp://` or `unix://` before it. */
function urlOf(text: string): string {
  const address = text.replace(/^unix:\/\/(?=\/)/, '').replace(/^tcp:\/\//, 'redis://')
  if (isRedisUrl(address)) return address
  if (/^(?:[a-z+]+:\/\/|\/)/i.test(text)) {
    throw new WrongSetting(
      'engine.redis.address must be host:port, a redis:// or rediss:// URL, or the path of a Unix socket',
    )
  }
  const { host, port } = nodeOf(address, 'address')
  return `redis://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function nodeOf(text: string, key: string): RedisNode {
  const authority = text.replace(/^rediss?:\/\//, '')
  const [, bracketed, plain, port = '6379'] =
    /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?\/?$/i.exec(authority) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port) > 65_535 || Number(port) === 0)
    throw new WrongSetting(`engine.redis.${key} must be host:port`)
  return { host, port: Number(port) }
}

function tlsOf(values: ReadonlyMap<string, unknown>): RedisTls {
  const names = { ca: 'ca', cert: 'cert', key: 'key', serverName: 'servername' } as const
  const entries = Object.entries(names).flatMap(([option, name]) => {
    const value = values.get(`engine.tls.${option}`)
    return value === undefined ? [] : [[name, value]]
  })
  try {
    checkTls(Object.fromEntries(entries), 'engine.redis.tls: ')
  } catch (error) {
    throw new WrongSetting((error as Error).message)
  }
  const isUnchecked = values.get('engine.tls.insecureSkipVerify') === true
  return { ...Object.fromEntries(entries), ...(isUnchecked && { rejectUnauthorized: false }) }
}
