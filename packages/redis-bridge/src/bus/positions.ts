// The receiver's rules: which messages of an envelope are new, and whether any before it were lost. Numbers count per
// (node, channel), so a jump is a loss of exactly that many, and a number that was seen is a repeat.
//
// Where nothing was seen yet there is no jump to see. There the age tells: it says when the message before was published.
// If that was after this node had subscribed, it should have come.

import { LRUCache } from 'lru-cache'
import type { Clock } from './clock.ts'

/** An envelope may take so long from being written to being handled here: within it, publishing times are not told
 * apart. */
export const TRANSIT_MS = 2000

/** Where the connection was lost right after a channel was subscribed to, those 2 s would hide what was lost with it. So an
 * envelope is given little more there than it takes when nothing is wrong. */
const CUT_TRANSIT_MS = 300

const POSITION_TTL_MS = 3_600_000

/** Positions kept: about 20 MB when full. */
const MAX_POSITIONS = 100_000

/** The time during which a channel was wanted and subscribed to, without an UNSUBSCRIBE. */
export interface Interest {
  /** When Redis first confirmed it; undefined before. */
  since: number | undefined
  /** The connection was lost within 2 s of that. */
  cutEarly: boolean
  /** It is over: what was seen under it says nothing of losses any more. */
  ended: boolean
}

interface Position {
  last: number
  seenAt: number
  interest: Interest
}

/** What an envelope means. */
export interface Verdict {
  /** So many messages at its beginning were seen before. */
  repeated: number
  /** Messages before it were lost: how many, or `'some'`. */
  lost: number | 'some'
}

/** The last number seen of every (node, channel). */
export class Positions {
  readonly #clock: Clock
  readonly #cache: LRUCache<string, Position>
  /** When the youngest position that was ever forgotten was last seen. */
  #forgottenAt = Number.NEGATIVE_INFINITY
  /** Positions that made room for others. */
  forgotten = 0

  constructor(clock: Clock, maxPositions: number = MAX_POSITIONS) {
    this.#clock = clock
    this.#cache = new LRUCache({
      max: maxPositions,
      ttl: POSITION_TTL_MS,
      // Without this the cache keeps the time for a millisecond, by a timer of its own.
      ttlResolution: 0,
      updateAgeOnGet: true,
      // lru-cache takes 0 for "no time was given".
      perf: { now: () => clock.now() + 1 },
      dispose: ({ interest, seenAt }, _key, reason) => {
        // One that nothing was heard of for an hour was over anyway.
        if (reason === 'evict' && clock.now() - seenAt < POSITION_TTL_MS) this.forgotten++
        if (reason !== 'set' && !interest.ended) this.#forgottenAt = Math.max(this.#forgottenAt, seenAt)
      },
    })
  }

  /** Judges an envelope and moves the position.
   * @param before the number that must have been seen already. @param last the number seen with it.
   * @param age ms from when `before` was published to when the envelope was written. */
  see(interest: Interest, channel: string, node: string, before: number, last: number, age: number): Verdict {
    const now = this.#clock.now()
    // A node is 16 characters: no two pairs share a key.
    const key = node + channel
    const known = this.#cache.get(key)
    if (known === undefined || known.interest !== interest) {
      const since = Math.max(interest.since ?? now, this.#forgottenAt)
      const transit = interest.cutEarly ? CUT_TRANSIT_MS : TRANSIT_MS
      // Only now: this may push out another, which says nothing of this one.
      this.#cache.set(key, { last: Math.max(last, known?.last ?? 0), seenAt: now, interest })
      const lost = before > 0 && now - since > age + transit ? 'some' : 0
      // A position from before an UNSUBSCRIBE still knows a repeat.
      const repeated = known === undefined ? 0 : repeats(known.last, before, last)
      return { repeated, lost: repeated > 0 ? 0 : lost }
    }
    known.seenAt = now
    const { last: position } = known
    known.last = Math.max(position, last)
    return { repeated: repeats(position, before, last), lost: Math.max(0, before - position) }
  }
}

/** How many of the numbers `before + 1 … last` are not above the position. */
function repeats(position: number, before: number, last: number): number {
  return Math.max(0, Math.min(position, last) - before)
}
