// How channels are called on Redis: `<prefix>:<channel>`, in a cluster `<prefix>:{<partition>}:<channel>`. No channel is
// empty and none has a control character, so the name without one is the bridge's own, and U+0000 with a node's id is that
// node's. A prefix has no `:`, so no two pairs of prefix and channel meet.

import { crc32 } from 'node:zlib'
import type { Routes } from '../bus/link.ts'

/** Redis channels of a cluster are spread over so many hash tags. Fixed: every node and publisher must agree. */
const PARTITIONS = 64

const PREFIX = /^[A-Za-z0-9_.-]{1,64}$/

const DIRECT = '\u0000'

/** @throws TypeError for a prefix that is no string, RangeError for one that is not 1–64 of `A-Z a-z 0-9 _ . -`. */
export function checkPrefix(prefix: unknown): asserts prefix is string {
  if (typeof prefix !== 'string') throw new TypeError('prefix must be a string')
  if (!PREFIX.test(prefix)) throw new RangeError('prefix must be 1 to 64 characters of A-Z a-z 0-9 _ . -')
}

/** The routes on one Redis. */
export function plainRoutes(prefix: string): Routes {
  const start = `${prefix}:`
  return {
    partitions: 1,
    partitionOf: () => 0,
    of: (channel) => start + channel,
    shared: () => start,
    direct: (_partition, node) => start + DIRECT + node,
    parse: (route) => ({ channel: channelIn(route, start.length), partition: 0 }),
  }
}

/** The routes in a cluster. A channel's partition is the CRC-32 of its UTF-8, modulo 64. */
export function clusterRoutes(prefix: string): Routes {
  const starts = Array.from({ length: PARTITIONS }, (_, partition) => `${prefix}:{${partition}}:`)
  return {
    partitions: PARTITIONS,
    partitionOf: (channel) => crc32(channel) % PARTITIONS,
    of: (channel, partition) => starts[partition]! + channel,
    shared: (partition) => starts[partition]!,
    direct: (partition, node) => starts[partition]! + DIRECT + node,
    parse(route) {
      const tagEnd = route.indexOf('}', prefix.length)
      const partition = Number(route.slice(prefix.length + 2, tagEnd))
      return { channel: channelIn(route, tagEnd + 2), partition }
    },
  }
}

/** The channel after the start of a route; empty for the bridge's own. */
function channelIn(route: string, start: number): string {
  return route[start] === DIRECT ? '' : route.slice(start)
}
