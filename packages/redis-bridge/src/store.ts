// The store users make: a node's access to rooms in Redis, with ioredis and the machine's clock.

import { randomBytes } from 'node:crypto'
import type { Store } from '@roomcast/rooms'
import { type BridgeOptions, readLimits, readTarget } from './options.ts'
import { realClock, settled } from './real-clock.ts'
import type { StoreStats } from './stats.ts'
import { scriptRules } from './store/acl.ts'
import { StoreNode } from './store/store-node.ts'

/** Keeps rooms in Redis: history, recovery and presence on many nodes. For one `createRooms`. */
export interface RedisStore extends Store {
  /** As that of a bridge. */
  readonly status: 'connecting' | 'ready' | 'degraded' | 'closed'
  /** What it counted; O(1). */
  stats(): StoreStats
}

/** Makes a store; the options are those of a bridge. It connects when `createRooms` starts it, and nothing waits for that:
 * what cannot be carried out rejects with a `StoreUnavailableError` within a few seconds.
 * @throws TypeError for an option of the wrong type, RangeError for a wrong value. */
export function createRedisStore(options: BridgeOptions): RedisStore {
  const target = readTarget(options, true, scriptRules(String(options?.prefix)))
  const node = new StoreNode({ ...target, ...readLimits(options), clock: realClock, newId: () => randomBytes(8) })
  let closing: Promise<void> | undefined
  return {
    start: (sink) => node.start(sink),
    join: (...args) => node.join(...args),
    leave: (room) => node.leave(room),
    ready: (room) => node.ready(room),
    carry: (...args) => node.carry(...args),
    publish: (...args) => node.publish(...args),
    removeHistory: (room) => node.removeHistory(room),
    claim: (...args) => node.claim(...args),
    read: (...args) => node.read(...args),
    fork: (...args) => node.fork(...args),
    enter: (...args) => node.enter(...args),
    exit: (...args) => node.exit(...args),
    assert: (entries) => node.assert(entries),
    lease: () => node.lease(),
    presence: (room) => node.presence(room),
    presenceStats: (room) => node.presenceStats(room),
    ask: (request) => node.ask(request),
    close: () => (closing ??= node.close().then(settled)),
    get status() {
      return node.status
    },
    stats: () => node.stats,
  }
}
