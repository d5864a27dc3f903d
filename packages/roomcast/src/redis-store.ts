// The program's store in Redis, and what is said of it: one line when Redis is out of reach (or refuses the password), one
// when it is back, one for each gap. Loaded only when it is asked for: ioredis is most of what it takes to start.

import type { GapEvent, Rooms } from '@roomcast/rooms'
import type { EngineSettings } from './config/engine.ts'
import { boundLines } from './lines.ts'
import type { KeepingStore } from './options.ts'
import type { ProgramLog } from './watch/program-log.ts'

/** How often the status is looked at, in ms: no event tells that Redis is back. It bounds the lines, too. */
const LOOK_MS = 1000

/** The same, while the start waits for it. */
const ASK_MS = 20

/** What Redis says of a password or a user that it does not take, or misses. */
const REFUSAL = /\b(?:WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR Client sent AUTH|invalid password)/i
const SETTINGS = 'set engine.redis.user and engine.redis.password, or those in --redis-url'
const WHERE = 'look at it, and at engine.redis.* or --redis-url'
const ALONE = 'this server is on its own until it is back'

/** A store that tells how it fares. */
export interface TellingStore {
  store: KeepingStore
  /** Tells of the gaps in these rooms, and of Redis from now on. */
  watch(rooms: Pick<Rooms, 'on'>): void
  /** Tells of the gaps that were left out. */
  flush(): void
  /** Resolves with true when Redis is there, with false when it was told to be out of reach, or after so many ms. */
  reached(patienceMs: number): Promise<boolean>
}

/** Makes a store that tells how it fares, a line at a time. */
export async function openStore(engine: EngineSettings, log: ProgramLog): Promise<TellingStore> {
  const { createRedisStore } = await import('@roomcast/redis-bridge')
  const gaps = boundLines<GapEvent>((gap) => log.warn({ event: 'gap', ...gap }, describeGap(gap)), {
    rest: (count) => log.warn({ event: 'gap', count }, `${count} more gaps`),
  })
  let isAway = false
  const away = (why: string): void => {
    if (isAway) return
    isAway = true
    if (!REFUSAL.test(why)) {
      return log.warn({ event: 'redis_away', why }, `Redis is out of reach (${why}): ${WHERE}; ${ALONE}`)
    }
    log.error(
      { event: 'redis_refused', why },
      `Redis refuses the password, or its absence (${why}): ${SETTINGS}; ${ALONE}`,
    )
  }
  const store = createRedisStore({ ...engine, onError: (error) => away(reason(error)) })
  const look = (): void => {
    if (store.status === 'degraded') away('not every channel can be subscribed to')
    if (store.status !== 'ready' || !isAway) return
    isAway = false
    log.warn({ event: 'redis_back' }, 'Redis is back')
  }
  return {
    store,
    watch(rooms) {
      rooms.on('gap', (gap) => gaps.say(gap))
      setInterval(look, LOOK_MS).unref()
    },
    flush: gaps.flush,
    async reached(patienceMs) {
      const end = performance.now() + patienceMs
      // No event tells that it is there.
      while (store.status !== 'ready') {
        if (isAway || performance.now() > end) return false
        await new Promise((resolve) => setTimeout(resolve, ASK_MS))
      }
      return true
    },
  }
}

/** A gap in one line; the name is quoted, as clients choose it. */
export function describeGap({ room, node, missed }: GapEvent): string {
  const what = missed === undefined ? 'messages' : missed === 1 ? '1 message' : `${missed} messages`
  const loss = node === undefined ? 'messages of other servers may be lost' : `${what} of node ${node} lost`
  return `gap in ${JSON.stringify(room)}: ${loss}`
}

/** Why, in one line. Of several addresses tried in vain, node tells in an error without words. */
function reason(error: Error): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  return (first instanceof Error ? first.message : error.message).replaceAll(/\s+/g, ' ')
}
