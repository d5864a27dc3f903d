// The program's store in Redis, and what is said of it: one line when Redis is out of reach, one when it is back, one
// for each gap. Loaded only when it is asked for: ioredis is most of what it takes to start.

import type { GapEvent, Rooms } from '@roomcast/rooms'
import type { EngineSettings } from './config/engine.ts'
import { boundLines } from './lines.ts'
import type { KeepingStore } from './options.ts'

/** How often the status is looked at, in ms: no event tells that Redis is back. It bounds the lines, too. */
const LOOK_MS = 1000

/** A store that tells how it fares. */
export interface TellingStore {
  store: KeepingStore
  /** Tells of the gaps in these rooms, and of Redis from now on. */
  watch(rooms: Pick<Rooms, 'on'>): void
  /** Tells of the gaps that were left out. */
  flush(): void
}

/** Makes a store that tells how it fares, a line at a time. */
export async function openStore(engine: EngineSettings, write: (line: string) => void): Promise<TellingStore> {
  const { createRedisStore } = await import('@roomcast/redis-bridge')
  const gaps = boundLines(write, { rest: (count) => `${count} more gaps` })
  let isAway = false
  const away = (why: string): void => {
    if (isAway) return
    isAway = true
    write(`Redis is out of reach (${why}): this server is on its own until it is back`)
  }
  const store = createRedisStore({ ...engine, onError: (error) => away(reason(error)) })
  const look = (): void => {
    if (store.status === 'degraded') away('not every channel can be subscribed to')
    if (store.status !== 'ready' || !isAway) return
    isAway = false
    write('Redis is back')
  }
  return {
    store,
    watch(rooms) {
      rooms.on('gap', (gap) => gaps.say(describeGap(gap)))
      setInterval(look, LOOK_MS).unref()
    },
    flush: gaps.flush,
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
