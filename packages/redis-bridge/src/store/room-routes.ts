// How rooms are called on Redis. Their Redis channels are those of the bus with U+0001 before the room's name, which no
// channel's name has: rooms and plain channels of one prefix never meet. Keys begin as the Redis channels of their partition
// do, so that in a cluster all keys of a room are in one slot; a room's name follows last, or is ended by U+000A, which no
// name has.

import type { Routes } from '../bus/link.ts'

const ROOMS = '\u0001'
const DIRECT = '\u0000'
const END = '\n'

/** The routes of rooms beside those of plain channels. */
export function roomRoutes(routes: Routes): Routes {
  return {
    partitions: routes.partitions,
    partitionOf: routes.partitionOf,
    of: (room, partition) => routes.of(ROOMS + room, partition),
    shared: (partition) => routes.of(ROOMS, partition),
    direct: (partition, node) => routes.of(ROOMS + DIRECT + node, partition),
    parse(route) {
      const { channel, partition } = routes.parse(route)
      return { channel: channel[1] === DIRECT ? '' : channel.slice(1), partition }
    },
  }
}

/** The keys of one partition. */
export class Keys {
  readonly #start: string
  /** Which Redis this is, and since when its numbers can be believed: hash of `r` and `s`. */
  readonly lineage: string
  /** When each node last renewed its lease: sorted set. */
  readonly leases: string
  /** Nodes whose entries were removed, and when: sorted set. */
  readonly swept: string
  /** Who removes entries of dead nodes at the moment. */
  readonly sweeper: string
  /** When each node last said that it is there: sorted set, in the first partition only. */
  readonly nodes: string
  /** Until when users are blocked, and with what words: sorted set and hash, in the first partition only. */
  readonly blocks: string
  readonly blockWords: string

  constructor(start: string) {
    this.#start = start
    this.lineage = `${start}lineage`
    this.leases = `${start}leases`
    this.swept = `${start}swept`
    this.sweeper = `${start}sweeper`
    this.nodes = `${start}nodes`
    this.blocks = `${start}blocks`
    this.blockWords = `${start}blockwords`
  }

  /** Where a room stands: hash of `e`poch, `n`umber, `i`d of the last, `l`ineage, and bytes: `c`ounted, `t`rimmed. */
  top(room: string): string {
    return `${this.#start}m:${room}`
  }

  /** What a room remembers: stream. */
  history(room: string): string {
    return `${this.#start}s:${room}`
  }

  /** The position that a publication with this idempotency key got. */
  idempotency(room: string, key: string): string {
    return `${this.#start}k:${room}${END}${key}`
  }

  /** Who of a node is in a room: hash of client to info. */
  entries(room: string, node: string): string {
    return `${this.#start}p:${room}${END}${node}`
  }

  /** In which rooms a node has entries: set. */
  roomsOf(node: string): string {
    return `${this.#start}n:${node}`
  }
}
