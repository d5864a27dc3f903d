// How channels are called on Redis: `<prefix>:<channel>`, in a cluster `<prefix>:{<partition>}:<channel>`. No channel is
// empty, so the name without one is the bridge's own. A prefix has no `:`, so no two pairs of prefix and channel meet.

import { crc32 } from 'node:zlib'

/** Redis channels of a cluster are spread over so many hash tags. Fixed: every node and publisher must agree. */
const PARTITIONS = 64

const PREFIX = /^[A-Za-z0-9_.-]{1,64}$/

/** What the Redis channels of one prefix are called. */
export interface Names {
  /** How many partitions there are: 1 without a cluster. */
  readonly partitions: number
  /** The Redis channel of a channel. */
  of(channel: string): string
  /** The bridge's own Redis channel in a partition. */
  own(partition: number): string
  /** Whose Redis channel it is: the channel (empty: the bridge's own) and its partition. */
  parse(redisChannel: string): { channel: string; partition: number }
}

/** @throws TypeError for a prefix that is no string, RangeError for one that is not 1–64 of `A-Z a-z 0-9 _ . -`. */
export function checkPrefix(prefix: unknown): asserts prefix is string {
  if (typeof prefix !== 'string') throw new TypeError('prefix must be a string')
  if (!PREFIX.test(prefix)) throw new RangeError('prefix must be 1 to 64 characters of A-Z a-z 0-9 _ . -')
}

/** The names for one Redis. */
export function plainNames(prefix: string): Names {
  const start = `${prefix}:`
  return {
    partitions: 1,
    of: (channel) => start + channel,
    own: () => start,
    parse: (redisChannel) => ({ channel: redisChannel.slice(start.length), partition: 0 }),
  }
}

/** The names for a cluster. A channel's partition is the CRC-32 of its UTF-8, modulo 64. */
export function clusterNames(prefix: string): Names {
  const starts = Array.from({ length: PARTITIONS }, (_, partition) => `${prefix}:{${partition}}:`)
  return {
    partitions: PARTITIONS,
    of: (channel) => starts[partitionOf(channel)]! + channel,
    own: (partition) => starts[partition]!,
    parse(redisChannel) {
      const tagEnd = redisChannel.indexOf('}', prefix.length)
      const partition = Number(redisChannel.slice(prefix.length + 2, tagEnd))
      return { channel: redisChannel.slice(tagEnd + 2), partition }
    },
  }
}

/** The partition of a channel. */
function partitionOf(channel: string): number {
  return crc32(channel) % PARTITIONS
}
