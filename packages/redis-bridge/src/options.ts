// What a bridge and a publisher are given, and the checks: a caller's mistake throws at the call.

import { Redis } from 'ioredis'
import type { OpenLink } from './link.ts'
import { checkPrefix, type Names, plainNames } from './names.ts'
import { type ConnectionOptions, OVERRIDES, redisLinks } from './redis-link.ts'

/** Which Redis: `url`, `client` or `sentinels`, exactly one of them. */
export interface RedisTarget {
  /** `redis://…`, `rediss://…`, or the path of a unix socket. */
  url?: string | undefined
  /** An ioredis client, which is duplicated and left as it is. */
  client?: Redis | undefined
  /** The addresses of Sentinels, as ioredis takes them, with the name of their master. */
  sentinels?: { host?: string; port?: number }[] | undefined
  /** The name of the master that the Sentinels watch. */
  name?: string | undefined
  /** Further options of ioredis for each connection (passwords, TLS): with `url` and `sentinels`. */
  redis?: ConnectionOptions | undefined
  /** What the names of all Redis channels begin with: 1–64 of `A-Z a-z 0-9 _ . -`. Bridges with the same one are one. */
  prefix: string
  /** Hears once for each outage why Redis was lost. Default: a process warning. */
  onError?: ((error: Error) => void) | undefined
}

/** Options of a bridge. */
export interface BridgeOptions extends RedisTarget {
  /** A channel stays subscribed to for so long after its last member left, in ms. Default 5,000. */
  lingerMs?: number | undefined
}

/** What the options come to. */
export interface Target {
  openLink: OpenLink
  names: Names
  onLost: (error: Error) => void
}

const TARGETS = ['url', 'client', 'sentinels'] as const

/** @throws TypeError or RangeError for what it cannot be. */
export function readTarget(options: RedisTarget, subscribes: boolean): Target {
  if (options === null || typeof options !== 'object') throw new TypeError('options must be an object')
  const { prefix, onError = warn } = options
  checkPrefix(prefix)
  if (typeof onError !== 'function') throw new TypeError('onError must be a function')
  const given = TARGETS.filter((key) => options[key] !== undefined)
  if (given.length !== 1) throw new TypeError(`one of ${TARGETS.join(', ')} must be given`)
  return { names: plainNames(prefix), openLink: readLinks(options, subscribes), onLost: onError }
}

function readLinks({ url, client, sentinels, name, redis }: RedisTarget, subscribes: boolean): OpenLink {
  if (client !== undefined) {
    if (typeof client.duplicate !== 'function') throw new TypeError('client must be an ioredis client')
    return redisLinks((overrides) => client.duplicate(overrides), subscribes)
  }
  if (url !== undefined) {
    if (typeof url !== 'string') throw new TypeError('url must be a string')
    return redisLinks((overrides) => new Redis(url, { ...redis, ...overrides }), subscribes)
  }
  if (!Array.isArray(sentinels)) throw new TypeError('sentinels must be an array')
  if (typeof name !== 'string') throw new TypeError('name, of the master, must be a string')
  // Only its INFO tells whether a Redis is the master still.
  const checked = { ...OVERRIDES, enableReadyCheck: true }
  return redisLinks((overrides) => new Redis({ ...redis, sentinels, name, ...overrides }), subscribes, checked)
}

/** @throws TypeError or RangeError for what it cannot be. */
export function readLinger({ lingerMs = 5000 }: BridgeOptions): number {
  if (typeof lingerMs !== 'number') throw new TypeError('lingerMs must be a number')
  if (!(lingerMs >= 0 && lingerMs <= 2 ** 31 - 1)) throw new RangeError('lingerMs must be from 0 to 2^31 - 1')
  return lingerMs
}

function warn(error: Error): void {
  process.emitWarning(`Redis is lost to the bridge, and sought again: ${error.message}`)
}
