// Whoever was deaf asks, and is told the last numbers of the channels that were used meanwhile. After an outage of all,
// everybody asks within seconds: the answer waits until nobody has asked for a moment, so that it is given once.

import type { Clock } from './clock.ts'
import type { Counter } from './counters.ts'

/** So long after the last ask, and after the first one at most. */
const QUIET_MS = 500
const MAX_DELAY_MS = 3000

export interface AnswersOptions {
  clock: Clock
  counters(): Iterable<Counter>
  /** Tells the last number of a channel. */
  tell(counter: Counter): void
}

/** The answers that are owed: for each partition, since when. */
export class Answers {
  readonly #options: AnswersOptions
  readonly #owed = new Map<number, number>()
  #firstAt = 0
  #cancel: (() => void) | undefined

  constructor(options: AnswersOptions) {
    this.#options = options
  }

  /** Owes marks of what was used in a partition at or after `since`. */
  owe(partition: number, since: number): void {
    const { clock } = this.#options
    const now = clock.now()
    if (this.#owed.size === 0) this.#firstAt = now
    this.#owed.set(partition, Math.min(since, this.#owed.get(partition) ?? since))
    this.#cancel?.()
    this.#cancel = clock.after(Math.min(QUIET_MS, Math.max(0, this.#firstAt + MAX_DELAY_MS - now)), this.#give)
  }

  close(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#owed.clear()
  }

  readonly #give = (): void => {
    this.#cancel = undefined
    const owed = new Map(this.#owed)
    this.#owed.clear()
    for (const counter of this.#options.counters()) {
      const since = owed.get(counter.partition)
      if (since !== undefined && counter.touchedAt >= since) this.#options.tell(counter)
    }
  }
}
