// What a bridge and a publisher are given, and the checks: a caller's mistake throws at the call.

import { inspect } from 'node:util'
import { type Cluster, type ClusterNode, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
import type { Transport } from './bus/link.ts'
import { type Address, type ConnectionOptions, newRedis, OVERRIDES } from './redis/connection.ts'
import { checkPrefix } from './redis/routes.ts'
import { clusterTransport, plainTransport, sentinelTransport } from './redis/transports.ts'

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

/** What a bridge and a publisher may hold. */
export interface PublisherOptions extends RedisTarget {
  /** What may wait for Redis, in bytes; over it messages are lost, and the caller is told. Default 64 MiB. */
  maxQueuedBytes?: number | undefined
  /** Channels that are counted, those published to within two hours. Over it all of them are left behind, and it goes on
   * under a new id: with fewer than are used in a minute, receivers may miss the report of a loss. Default 200,000. */
  maxCountedChannels?: number | undefined
}

/** Options of a bridge. */
export interface BridgeOptions extends PublisherOptions {
  /** A channel stays subscribed to for so long after its last member left, in ms. Default 5,000. */
  lingerMs?: number | undefined
}

/** What the options come to. */
export interface Target {
  transport: Transport
  onLost: (error: Error) => void
}

const TARGETS = ['url', 'client', 'sentinels', 'cluster'] as const

/** @param rules what more an ACL must allow than the commands of pub/sub.
 * @throws TypeError or RangeError for what it cannot be. */
export function readTarget(options: RedisTarget, subscribes: boolean, rules = ''): Target {
  if (options === null || typeof options !== 'object') throw new TypeError('options must be an object')
  const { prefix, onError = warn } = options
  checkPrefix(prefix)
  if (typeof onError !== 'function') throw new TypeError('onError must be a function')
  const given = TARGETS.filter((key) => options[key] !== undefined)
  if (given.length !== 1) throw new TypeError(`one of ${TARGETS.join(', ')} must be given`)
  const onLost = (error: Error): void => guarded(() => onError(explained(error, prefix, rules)))
  return { transport: readTransport(options, subscribes), onLost }
}

function readTransport(options: RedisTarget, subscribes: boolean): Transport {
  const { url, client, sentinels, cluster, prefix, redis } = options
  if (client !== undefined) {
    checkClient(client)
    if (client.isCluster) return readClusterClient(client as Cluster, prefix, subscribes)
    const { options: its } = client as Redis
    if (its.sentinels) return readSentinels(prefix, its, subscribes)
    return plainTransport(prefix, (overrides) => (client as Redis).duplicate(overrides), subscribes)
  }
  if (url !== undefined) {
    if (typeof url !== 'string') throw new TypeError('url must be a string')
    if (url === '') throw new RangeError('url must not be empty')
    const makeRedis = (overrides: ConnectionOptions): Redis => new Redis(url, { ...redis, ...overrides })
    // What cannot be read in it throws here, not when the bridge starts. It never connects.
    makeRedis(OVERRIDES).disconnect()
    return plainTransport(prefix, makeRedis, subscribes)
  }
  if (cluster !== undefined) {
    if (!Array.isArray(cluster) || cluster.length === 0) throw new TypeError('cluster must be an array of nodes')
    const clusterOptions = options.clusterOptions ?? {}
    return readCluster(prefix, cluster, clusterOptions, { ...clusterOptions.redisOptions, ...redis }, subscribes)
  }
  if (!Array.isArray(sentinels) || sentinels.length === 0) {
    throw new TypeError('sentinels must be an array of addresses')
  }
  if (typeof options.name !== 'string') throw new TypeError('name, of the master, must be a string')
  return readSentinels(prefix, { ...redis, sentinels, name: options.name }, subscribes)
}

/** Not by its class: it may come of another copy of ioredis. Clients of other libraries have some of the same methods. */
function checkClient(client: unknown): asserts client is Redis | Cluster {
  const { duplicate, status, isCluster, options } = (client ?? {}) as Partial<Redis | Cluster>
  const isIoredis =
    typeof duplicate === 'function' && typeof status === 'string' && typeof isCluster === 'boolean' && options
  if (!isIoredis) throw new TypeError('client must be an ioredis client')
}

/** As ioredis has them: TLS to the master only where `enableTLSForSentinelMode` says so. */
function readSentinels(prefix: string, options: RedisOptions, subscribes: boolean): Transport {
  const { sentinels, name, natMap, sentinelUsername, sentinelPassword, sentinelTLS, family, protocol } = options
  const { enableTLSForSentinelMode, tls, ...others } = options
  const { sentinels: _, name: __, role: ___, ...ofMaster } = others
  return sentinelTransport(
    prefix,
    {
      sentinels: sentinels!,
      name: name!,
      seen: (address) => throughNat(address, natMap),
      makeSentinel: ({ host = '127.0.0.1', port = 26_379, ...more }) =>
        newRedis({
          ...{ ...more, host, port, family, protocol },
          ...{ username: sentinelUsername, password: sentinelPassword, tls: sentinelTLS },
          ...OVERRIDES,
        }),
      makeRedis: (overrides) =>
        newRedis({ ...ofMaster, ...(enableTLSForSentinelMode && tls ? { tls } : {}), ...overrides }),
    },
    subscribes,
  )
}

/** The client's own nodes to begin with are not public; `duplicate` uses them the same way. */
function readClusterClient(client: Cluster, prefix: string, subscribes: boolean): Transport {
  const { startupNodes } = client as unknown as { startupNodes: ClusterNode[] }
  return readCluster(prefix, startupNodes, client.options, client.options.redisOptions ?? {}, subscribes)
}

function readCluster(
  prefix: string,
  nodes: readonly ClusterNode[],
  { natMap, dnsLookup }: ClusterOptions,
  redis: ConnectionOptions,
  subscribes: boolean,
): Transport {
  // Each in the forms that ioredis takes: a port, a URL, options. It never connects.
  const begin = nodes.map((node) => {
    const client = new Redis(node as string, { ...OVERRIDES })
    client.disconnect()
    const { host = '127.0.0.1', port = 6379 } = client.options
    return { host, port, own: typeof node === 'object' ? node : typeof node === 'string' ? secretsOf(client) : {} }
  })
  const resolve = (host: string): Promise<string> =>
    new Promise((done) => {
      if (dnsLookup === undefined) return done(host)
      dnsLookup(host, (error, address) => done(error || !address ? host : address))
    })
  const makeRedis = (overrides: ConnectionOptions): Redis => {
    const found = begin.find(({ host, port }) => host === overrides.host && port === overrides.port)
    return newRedis({ ...redis, ...found?.own, db: 0, ...overrides })
  }
  return clusterTransport(
    prefix,
    { nodes: () => begin, seen: (address) => throughNat(address, natMap), resolve, makeRedis },
    subscribes,
  )
}

/** What a URL says besides the address. */
function secretsOf({ options: { username, password, tls } }: Redis): ConnectionOptions {
  return { ...(username && { username }), ...(password && { password }), ...(tls && { tls }) }
}

function throughNat(address: Address, natMap: ClusterOptions['natMap']): Address {
  const key = `${address.host}:${address.port}`
  const mapped = typeof natMap === 'function' ? natMap(key) : natMap?.[key]
  return mapped ?? address
}

/** @throws TypeError or RangeError for what it cannot be. */
export function readLimits(options: BridgeOptions): { lingerMs: number } & QueueLimits {
  return { lingerMs: readNumber(options, 'lingerMs', 0) ?? 5000, ...readQueueLimits(options) }
}

interface QueueLimits {
  maxQueuedBytes: number | undefined
  maxCounters: number | undefined
}

/** @throws TypeError or RangeError for what it cannot be. */
export function readQueueLimits(options: PublisherOptions): QueueLimits {
  return {
    maxQueuedBytes: readNumber(options, 'maxQueuedBytes', 1),
    maxCounters: readNumber(options, 'maxCountedChannels', 1),
  }
}

function readNumber<Key extends 'lingerMs' | 'maxQueuedBytes' | 'maxCountedChannels'>(
  options: { [key in Key]?: number | undefined },
  key: Key,
  least: number,
): number | undefined {
  const value = options[key]
  if (value === undefined) return undefined
  if (typeof value !== 'number') throw new TypeError(`${key} must be a number`)
  if (!(value >= least && value <= 2 ** 31 - 1)) throw new RangeError(`${key} must be from ${least} to 2^31 - 1`)
  return value
}

/** A user who may not do what the bridge does is told what to allow. */
function explained(error: Error, prefix: string, rules: string): Error {
  if (!/^NOPERM|user executing the script/.test(error.message)) return error
  const commands = '+publish +subscribe +unsubscribe'
  const rule = `&${prefix}:* ${commands}, in a cluster +cluster|slots and ${commands.replaceAll('+', '+s')}`
  const all = rules === '' ? rule : `${rules} ${rule}`
  return new Error(`${error.message} (its ACL needs ${all})`, { cause: error })
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
