// The bridge users make: a node on the bus with ioredis and the machine's clock.

import { randomBytes } from 'node:crypto'
import type { Broker } from '@roomcast/channels'
import { BusNode } from './bus/bus-node.ts'
import { type BridgeOptions, readLimits, readTarget } from './options.ts'
import { realClock, settled } from './real-clock.ts'
import type { BridgeStats } from './stats.ts'

/** Carries broadcasts between nodes through Redis. For one `createChannels`. */
export interface RedisBridge extends Broker {
  /** What it counted; O(1). */
  stats(): BridgeStats
}

/** Makes a bridge. It connects when `createChannels` starts it, and nothing waits for that: `status` tells.
 * @throws TypeError for an option of the wrong type, RangeError for a wrong value. */
export function createRedisBridge(options: BridgeOptions): RedisBridge {
  const target = readTarget(options, true)
  const node = new BusNode({ ...target, ...readLimits(options), clock: realClock, newId: () => randomBytes(8) })
  let closing: Promise<void> | undefined
  return {
    start: (sink) => node.start(sink),
    join: (channel) => node.join(channel),
    leave: (channel) => node.leave(channel),
    ready: (channel) => node.ready(channel),
    publish: (channel, frame) => node.publish(channel, frame),
    get status() {
      return node.status
    },
    close: () => (closing ??= node.close().then(settled)),
    stats: () => node.stats,
  }
}
