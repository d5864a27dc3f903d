// Where links to Redis come from: one Redis, the master that Sentinels name, or the masters of a cluster.

import type { Redis } from 'ioredis'
import type { Transport } from '../bus/link.ts'
import { askEach } from './ask-each.ts'
import { type Address, type MakeRedis, OVERRIDES } from './connection.ts'
import { RedisLink } from './redis-link.ts'
import { clusterRoutes, plainRoutes } from './routes.ts'

/** One Redis. */
export function plainTransport(prefix: string, makeRedis: MakeRedis, subscribes: boolean): Transport {
  return {
    routes: plainRoutes(prefix),
    locate(_partition, found) {
      found('')
      return () => {}
    },
    open: (_place, events) => new RedisLink(makeRedis, { subscribes, sharded: false }, events),
  }
}

/** Sentinels: how one is connected to, and what they are asked for. */
export interface SentinelOptions {
  sentinels: readonly Partial<Address>[]
  name: string
  /** Where a server is for us. */
  seen(address: Address): Address
  makeSentinel(sentinel: Partial<Address>): Redis
  /** To the master; the overrides say where. */
  makeRedis: MakeRedis
}

/** The master that Sentinels name. The one that answered last is asked first, unless what it named was none: one that is
 * cut off from the others goes on naming the old one. */
export function sentinelTransport(prefix: string, options: SentinelOptions, subscribes: boolean): Transport {
  let sentinels = [...options.sentinels]
  /** Who named the master, until that proved to be one. */
  let doubted: Partial<Address> | undefined
  return {
    routes: plainRoutes(prefix),
    locate(_partition, found) {
      if (doubted !== undefined) sentinels = [...without(sentinels, doubted), doubted]
      doubted = undefined
      return askEach(
        sentinels,
        {
          connect: options.makeSentinel,
          async question(redis, sentinel) {
            const reply: unknown = await redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', options.name)
            if (!Array.isArray(reply)) throw new Error(`the Sentinel knows no master ${options.name}`)
            const address = addressIn(reply[0], reply[1])
            sentinels = [sentinel, ...without(sentinels, sentinel)]
            doubted = sentinel
            return placeOf(options.seen(address))
          },
        },
        (place) => found(place instanceof Error ? new Error(`no Sentinel is of help: ${place.message}`) : place),
      )
    },
    open(place, events) {
      const up = (): void => {
        doubted = undefined
        events.up()
      }
      return new RedisLink(options.makeRedis, { subscribes, sharded: false }, { ...events, up }, addressOf(place))
    },
  }
}

function without<T>(list: readonly T[], one: T): T[] {
  return list.filter((other) => other !== one)
}

/** A cluster: its nodes to begin with, and how one is connected to. */
export interface ClusterNodesOptions {
  nodes(): readonly Address[]
  seen(address: Address): Address
  makeRedis: MakeRedis
  /** The address of a host, where the user resolves names. */
  resolve(host: string): Promise<string>
}

const SLOTS = 16_384

/** What was found, or that nothing was, is believed for so long: all partitions that lost their place ask at once. */
const FRESH_MS = 300

/** The masters of a cluster, found by asking any of its nodes. */
export function clusterTransport(prefix: string, options: ClusterNodesOptions, subscribes: boolean): Transport {
  const routes = clusterRoutes(prefix)
  const slots = Array.from({ length: routes.partitions }, (_, partition) => slotOf(String(partition)))
  const asking = new Set<(masters: Master[] | Error) => void>()
  let known: Address[] = []
  let fresh: { masters: Master[] | Error; at: number } | undefined
  let cancel: (() => void) | undefined

  function ask(): void {
    const begin = options.nodes()
    const seen = new Set(begin.map(placeOf))
    const nodes = [...begin, ...known.filter((address) => !seen.has(placeOf(address)))]
    // Not always the same one first, which may be of no help.
    const from = Math.floor(Math.random() * nodes.length)
    cancel = askEach(
      [...nodes.slice(from), ...nodes.slice(0, from)],
      {
        connect: async ({ host, port }) => options.makeRedis({ ...OVERRIDES, host: await options.resolve(host), port }),
        question: async (redis, node) => mastersIn(await redis.cluster('SLOTS'), node, options.seen),
      },
      (masters) => {
        cancel = undefined
        fresh = { masters, at: performance.now() }
        if (!(masters instanceof Error)) known = masters.map(({ place }) => addressOf(place))
        for (const answered of [...asking]) answered(masters)
      },
    )
  }

  return {
    routes,
    locate(partition, found) {
      const slot = slots[partition]!
      const answered = (masters: Master[] | Error): void => {
        asking.delete(answered)
        if (masters instanceof Error) return found(new Error(`no node of the cluster is of help: ${masters.message}`))
        const master = masters.find(({ first, last }) => slot >= first && slot <= last)
        found(master?.place ?? new Error(`the cluster has no master for partition ${partition}`))
      }
      if (fresh !== undefined && performance.now() - fresh.at < FRESH_MS) {
        answered(fresh.masters)
        return () => {}
      }
      asking.add(answered)
      if (cancel === undefined) ask()
      return () => {
        asking.delete(answered)
        if (asking.size > 0) return
        cancel?.()
        cancel = undefined
      }
    },
    open: (place, events) => new RedisLink(options.makeRedis, { subscribes, sharded: true }, events, addressOf(place)),
  }
}

interface Master {
  first: number
  last: number
  place: string
}

/** The reply to CLUSTER SLOTS. A node that does not know its own address gives none: it is where it was asked. */
function mastersIn(reply: unknown, asked: Address, seen: (address: Address) => Address): Master[] {
  if (!Array.isArray(reply)) throw new Error('no reply to CLUSTER SLOTS')
  return reply.map((entry: unknown) => {
    const [first, last, master] = listIn(entry)
    const [host, port] = listIn(master)
    const address = addressIn(host || asked.host, port)
    return { first: Number(first), last: Number(last), place: placeOf(seen(address)) }
  })
}

function listIn(reply: unknown): unknown[] {
  if (!Array.isArray(reply)) throw new Error('a reply without addresses')
  return reply
}

function addressIn(host: unknown, port: unknown): Address {
  const number = Number(port)
  const isAddress = typeof host === 'string' && host !== '' && Number.isInteger(number) && number > 0 && number < 65_536
  if (!isAddress) throw new Error('a reply without an address')
  return { host, port: number }
}

function placeOf({ host, port }: Address): string {
  return `${host}:${port}`
}

function addressOf(place: string): Address {
  const at = place.lastIndexOf(':')
  return { host: place.slice(0, at), port: Number(place.slice(at + 1)) }
}

/** The slot of a hash tag: CRC-16 (XMODEM), as the Redis Cluster specification has it. */
function slotOf(tag: string): number {
  let crc = 0
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff
  }
  return crc % SLOTS
}
