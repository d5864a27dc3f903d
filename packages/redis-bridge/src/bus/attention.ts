// Time as far as this process could attend to it. After its event loop stood still, what the others sent lies in the
// socket unread: no silence of theirs may be judged by the seconds that were ours. So a stall of any length counts as one
// tick, and for a second after it nothing is judged, so that what waits can be read. Nor does what is read then tell of the
// time since it was sent.

import type { Clock } from './clock.ts'

const TICK_MS = 250

/** A tick later than this was held up by us. */
const LATE_MS = 2 * TICK_MS

/** Ticks without a judgement after a late one. */
const READING_TICKS = 4

/** A process that is always late must judge at last: after so many ticks without. */
const MAX_UNJUDGED_TICKS = 16

/** A clock of attended time, and who judges by it. Ticks while somebody does. */
export class Attention {
  readonly #clock: Clock
  readonly #judges = new Set<() => void>()
  #attendedMs = 0
  #tickedAt = 0
  /** The stalls after which there may be something unread: when each began, and the ticks since. */
  #stalls: { at: number; ticks: number }[] = []
  #unjudged = 0
  #cancel: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Attended milliseconds; counted while somebody judges. */
  now(): number {
    if (this.#cancel === undefined) return this.#attendedMs
    return this.#attendedMs + Math.min(TICK_MS, this.#clock.now() - this.#tickedAt)
  }

  /** What is read now was sent then, or later. */
  sentAt(): number {
    const now = this.#clock.now()
    if (this.#cancel === undefined) return now
    return this.#stalls[0]?.at ?? (now - this.#tickedAt > LATE_MS ? this.#tickedAt : now)
  }

  /** Calls `judge` each tick, when what was there to be read has been read. The function returned ends it. */
  watch(judge: () => void): () => void {
    this.#judges.add(judge)
    if (this.#cancel === undefined) {
      this.#tickedAt = this.#clock.now()
      this.#stalls = []
      this.#cancel = this.#clock.after(TICK_MS, this.#tick)
    }
    return () => {
      this.#judges.delete(judge)
      if (this.#judges.size > 0) return
      this.#attendedMs = this.now()
      this.#cancel?.()
      this.#cancel = undefined
    }
  }

  readonly #tick = (): void => {
    const now = this.#clock.now()
    const elapsed = now - this.#tickedAt
    this.#cancel = this.#clock.after(TICK_MS, this.#tick)
    const late = elapsed > LATE_MS
    this.#stalls = this.#stalls.filter((stall) => ++stall.ticks <= READING_TICKS)
    if (late) this.#stalls.push({ at: this.#tickedAt, ticks: 1 })
    this.#tickedAt = now
    this.#attendedMs += late ? TICK_MS : elapsed
    this.#unjudged++
    if (this.#stalls.length > 0 && this.#unjudged < MAX_UNJUDGED_TICKS) return
    this.#unjudged = 0
    this.#clock.soon(() => {
      for (const judge of [...this.#judges]) if (this.#judges.has(judge)) judge()
    })
  }
}
