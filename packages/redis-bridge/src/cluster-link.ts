// A link to a Redis Cluster: a pair of connections for each master that owns partitions. ioredis finds the masters; its
// own subscriptions to a cluster are not used, as they come back by themselves and tell nobody what was missed. When one
// master is lost or a slot moves the whole link is over, and the next one asks for the masters again.

import type { Cluster } from 'ioredis'
import type { Link, LinkEvents, OpenLink, Outgoing } from './link.ts'
import type { Names } from './names.ts'
import { OVERRIDES, RedisLink } from './redis-link.ts'

const SLOTS = 16_384

/** Opens links to a cluster. @param makeCluster makes a client that has not connected. */
export function clusterLinks(makeCluster: () => Cluster, names: Names, subscribes: boolean): OpenLink {
  return (events) => new ClusterLink(makeCluster(), names, subscribes, events)
}

class ClusterLink implements Link {
  readonly #names: Names
  readonly #events: LinkEvents
  /** By partition. */
  #shards: RedisLink[] = []
  #over = false

  constructor(cluster: Cluster, names: Names, subscribes: boolean, events: LinkEvents) {
    this.#names = names
    this.#events = events
    let lastError: Error | undefined
    cluster.on('error', (error: Error) => {
      lastError = error
    })
    cluster.connect().then(
      () => {
        if (!this.#over) this.#open(cluster, subscribes)
        cluster.disconnect()
      },
      (error: Error) => {
        cluster.disconnect()
        this.#end(lastError ?? error)
      },
    )
  }

  publish(commands: readonly Outgoing[], done: (error?: Error) => void): void {
    const byShard = new Map<RedisLink, Outgoing[]>()
    for (const command of commands) push(byShard, this.#shardOf(command.redisChannel), command)
    const each = together(byShard.size, done)
    for (const [shard, some] of byShard) shard.publish(some, each)
  }

  subscribe(redisChannels: readonly string[], done: (error?: Error) => void): void {
    this.#inPartitions('subscribe', redisChannels, done)
  }

  unsubscribe(redisChannels: readonly string[], done: (error?: Error) => void): void {
    this.#inPartitions('unsubscribe', redisChannels, done)
  }

  close(): void {
    this.#over = true
    for (const shard of new Set(this.#shards)) shard.close()
  }

  #open(cluster: Cluster, subscribes: boolean): void {
    const masters = new Map(cluster.nodes('master').map((node) => [`${node.options.host}:${node.options.port}`, node]))
    const shards = new Map<string, RedisLink>()
    let missing = 0
    for (let partition = 0; partition < this.#names.partitions; partition++) {
      const owner = cluster.slots[slotOf(String(partition))]?.[0]
      const master = owner === undefined ? undefined : masters.get(owner)
      if (owner === undefined || master === undefined) {
        return this.#end(new Error(`the cluster has no master for partition ${partition}`))
      }
      let shard = shards.get(owner)
      if (shard === undefined) {
        missing++
        shard = new RedisLink(
          () => master.duplicate({ ...OVERRIDES, readOnly: false }),
          { subscribes, sharded: true },
          {
            up: () => {
              if (--missing === 0 && !this.#over) this.#events.up()
            },
            down: (error) => this.#end(error),
            message: (redisChannel, bytes) => {
              if (!this.#over) this.#events.message(redisChannel, bytes)
            },
          },
        )
        shards.set(owner, shard)
      }
      this.#shards.push(shard)
    }
  }

  /** A command must not name channels of two slots. */
  #inPartitions(
    operation: 'subscribe' | 'unsubscribe',
    redisChannels: readonly string[],
    done: (error?: Error) => void,
  ): void {
    const byPartition = new Map<number, string[]>()
    for (const name of redisChannels) push(byPartition, this.#names.parse(name).partition, name)
    const each = together(byPartition.size, done)
    for (const [partition, some] of byPartition) this.#shards[partition]![operation](some, each)
  }

  #shardOf(redisChannel: string): RedisLink {
    return this.#shards[this.#names.parse(redisChannel).partition]!
  }

  #end(error: Error): void {
    if (this.#over) return
    this.close()
    this.#events.down(error)
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

/** Calls `done` when it was called `count` times, or once with the first error. */
function together(count: number, done: (error?: Error) => void): (error?: Error) => void {
  let left = count
  return (error) => {
    if (left === 0) return
    left = error === undefined ? left - 1 : 0
    if (left === 0) done(error)
  }
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
