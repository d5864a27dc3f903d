// What a bridge and a publisher are given, and the checks: a caller's mistake throws at the call.

import { inspect } from 'node:util'
import { Cluster, type ClusterNode, type ClusterOptions, Redis } from 'ioredis'
import { clusterLinks } from './cluster-link.ts'
import type { OpenLink } from './link.ts'
import { checkPrefix, clusterNames, type Names, plainNames } from './names.ts'
import { type ConnectionOptions, OVERRIDES, redisLinks } from './redis-link.ts'

/** Which Redis: `url`, `client`, `sentinels` or `cluster`, exactly one of them. */
export interface RedisTarget {
  /** `redis://…`, `rediss://…`, or the path of a unix socket. */
  url?: string | undefined
  /** An ioredis client, of one Redis or of a cluster; it is duplicated and left as it is. */
  client?: Redis | Cluster | undefined
  /** The addresses of Sentinels, as ioredis takes them, with the name of their master. */
  sentinels?: { host?: string; port?: number }[] | undefined
  /** The name of the master that the Sentinels watch. */
  name?: string | undefined
  /** Nodes of a cluster to begin with. Its pub/sub is sharded, so it must be Redis 7 or later. */
  cluster?: ClusterNode[] | undefined
  /** Further options of ioredis for the cluster (`natMap`, `dnsLookup`, …): with `cluster`. */
  clusterOptions?: ClusterOptions | undefined
  /** Further options of ioredis for each connection (passwords, TLS): with all but `client`. */
  redis?: ConnectionOptions | undefined
  /** What the names of all Redis channels begin with: 1–64 of `A-Z a-z 0-9 _ . -`. Bridges with the same one are one. */
  prefix: string
  /** Hears once for each outage why Redis was lost. Default: a process warning, as is what it throws. */
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

const TARGETS = ['url', 'client', 'sentinels', 'cluster'] as const

/** @throws TypeError or RangeError for what it cannot be. */
export function readTarget(options: RedisTarget, subscribes: boolean): Target {
  if (options === null || typeof options !== 'object') throw new TypeError('options must be an object')
  const { prefix, onError = warn } = options
  checkPrefix(prefix)
  if (typeof onError !== 'function') throw new TypeError('onError must be a function')
  const given = TARGETS.filter((key) => options[key] !== undefined)
  if (given.length !== 1) throw new TypeError(`one of ${TARGETS.join(', ')} must be given`)
  const onLost = (error: Error): void => guarded(() => onError(explained(error, prefix)))
  const makeCluster = readCluster(options)
  if (makeCluster !== undefined) {
    const names = clusterNames(prefix)
    return { names, openLink: clusterLinks(makeCluster, names, subscribes), onLost }
  }
  return { names: plainNames(prefix), openLink: readLinks(options, subscribes), onLost }
}

/** The client only finds the masters, once: nothing of it stays. */
const CLUSTER_OVERRIDES: ClusterOptions = {
  lazyConnect: true,
  clusterRetryStrategy: () => null,
  enableReadyCheck: false,
  slotsRefreshInterval: 0,
  scaleReads: 'master',
  keyPrefix: '',
}

function readCluster({ client, cluster, clusterOptions, redis }: RedisTarget): (() => Cluster) | undefined {
  if (isCluster(client)) {
    return () => client.duplicate([], { ...CLUSTER_OVERRIDES, redisOptions: OVERRIDES })
  }
  if (cluster === undefined) return undefined
  if (!Array.isArray(cluster) || cluster.length === 0) throw new TypeError('cluster must be an array of nodes')
  const redisOptions = { ...clusterOptions?.redisOptions, ...redis, ...OVERRIDES, replyMapping: 'legacy' as const }
  return () => new Cluster(cluster, { ...clusterOptions, ...CLUSTER_OVERRIDES, redisOptions })
}

/** Not by its class: it may come of another copy of ioredis. */
function isCluster(client: Redis | Cluster | undefined): client is Cluster {
  return client?.isCluster === true
}

function readLinks({ url, client, sentinels, name, redis }: RedisTarget, subscribes: boolean): OpenLink {
  if (client !== undefined && !isCluster(client)) {
    if (typeof client.duplicate !== 'function') throw new TypeError('client must be an ioredis client')
    return redisLinks(
      (overrides) => client.duplicate(overrides),
      subscribes,
      client.options?.sentinels ? CHECKED : OVERRIDES,
    )
  }
  if (url !== undefined) {
    if (typeof url !== 'string') throw new TypeError('url must be a string')
    if (url === '') throw new RangeError('url must not be empty')
    // What cannot be read in it throws here, not when the bridge starts. It never connects.
    new Redis(url, { ...redis, ...OVERRIDES }).disconnect()
    return redisLinks((overrides) => new Redis(url, { ...redis, ...overrides }), subscribes)
  }
  if (!Array.isArray(sentinels)) throw new TypeError('sentinels must be an array')
  if (typeof name !== 'string') throw new TypeError('name, of the master, must be a string')
  return redisLinks((overrides) => new Redis({ ...redis, sentinels, name, ...overrides }), subscribes, CHECKED)
}

/** Behind Sentinels: only its INFO tells whether a Redis is the master still. */
const CHECKED: ConnectionOptions = { ...OVERRIDES, enableReadyCheck: true }

/** @throws TypeError or RangeError for what it cannot be. */
export function readLinger({ lingerMs = 5000 }: BridgeOptions): number {
  if (typeof lingerMs !== 'number') throw new TypeError('lingerMs must be a number')
  if (!(lingerMs >= 0 && lingerMs <= 2 ** 31 - 1)) throw new RangeError('lingerMs must be from 0 to 2^31 - 1')
  return lingerMs
}

/** A user who may not do what the bridge does is told what to allow. */
function explained(error: Error, prefix: string): Error {
  if (!error.message.startsWith('NOPERM')) return error
  const commands = '+publish +subscribe +unsubscribe'
  const rule = `&${prefix}:* ${commands}, in a cluster +cluster|slots and ${commands.replaceAll('+', '+s')}`
  return new Error(`${error.message} (its ACL needs ${rule})`, { cause: error })
}

function warn(error: Error): void {
  process.emitWarning(`Redis is lost to the bridge, and sought again: ${error.message}`)
}

/** What the user's function throws, or its promise rejects with, must neither end the process nor the search for Redis. */
function guarded(run: () => unknown): void {
  const told = (error: unknown): void => process.emitWarning(`onError failed: ${inspect(error)}`, 'RoomcastWarning')
  try {
    const result = run()
    if (result instanceof Promise) result.catch(told)
  } catch (error) {
    told(error)
  }
}
