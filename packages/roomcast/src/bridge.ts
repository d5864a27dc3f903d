// The program's bridge to Redis, and what is said of it: one line when Redis is out of reach, one when it is back, one
// for each gap. Loaded only when there is a REDIS_URL: ioredis is most of what it takes to start.

import type { Channels, GapEvent } from '@roomcast/channels'
import { boundLines } from './lines.ts'
import type { CountingBroker } from './options.ts'
import type { RedisSettings } from './settings.ts'

/** How often the status is looked at, in ms: no event tells that Redis is back. It bounds the lines, too. */
const LOOK_MS = 1000

/** A bridge that tells how it fares. */
export interface TellingBridge {
  broker: CountingBroker
  /** Tells of the gaps in these channels, and of Redis from now on. */
  watch(channels: Pick<Channels, 'on'>): void
  /** Tells of the gaps that were left out. */
  flush(): void
}

/** Makes a bridge that tells how it fares, a line at a time. */
export async function openBridge(redis: RedisSettings, write: (line: string) => void): Promise<TellingBridge> {
  const { createRedisBridge } = await import('@roomcast/redis-bridge')
  const gaps = boundLines(write, { rest: (count) => `${count} more gaps` })
  let isAway = false
  const away = (why: string): void => {
    if (isAway) return
    isAway = true
    write(`Redis is out of reach (${why}): this server is on its own until it is back`)
  }
  const broker = createRedisBridge({ ...redis, onError: (error) => away(reason(error)) })
  const look = (): void => {
    if (broker.status === 'degraded') away('not every channel can be subscribed to')
    if (broker.status !== 'ready' || !isAway) return
    isAway = false
    write('Redis is back')
  }
  return {
    broker,
    watch(channels) {
      channels.on('gap', (gap) => gaps.say(describeGap(gap)))
      setInterval(look, LOOK_MS).unref()
    },
    flush: gaps.flush,
  }
}

/** A gap in one line; the name is quoted, as clients choose it. */
export function describeGap({ channel, node, missed }: GapEvent): string {
  const what = missed === undefined ? 'messages' : missed === 1 ? '1 message' : `${missed} messages`
  const loss = node === undefined ? 'messages of other servers may be lost' : `${what} of node ${node} lost`
  return `gap in ${JSON.stringify(channel)}: ${loss}`
}

/** Why, in one line. Of several addresses tried in vain, node tells in an error without words. */
function reason(error: Error): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  return (first instanceof Error ? first.message : error.message).replaceAll(/\s+/g, ' ')
}
