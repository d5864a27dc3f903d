// Members that are on their way in and wait for a read that begins after they came. All that wait share it.

import type { Clock } from './clock.ts'
import type { Since } from './member.ts'

interface Waiter {
  readonly since: Since | undefined
  /** Has a read begun since it came? */
  asked: boolean
  /** When it has waited for long enough. */
  readonly until: number
  readonly resolve: (confirmed: boolean) => void
}

/** Those who wait for one room. */
export class Waiters {
  readonly #clock: Clock
  readonly #timeoutMs: number
  /** In the order in which they came, and give up. */
  #all: Waiter[] = []
  /** One timer for all of them. */
  #cancel: (() => void) | undefined

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  get size(): number {
    return this.#all.length
  }

  /** Resolves with true after a read that began after this, with false when there was none in time. */
  wait(since: Since | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      this.#all.push({ since, asked: false, until: this.#clock.now() + this.#timeoutMs, resolve })
      this.#watch()
    })
  }

  /** A read begins now: what those who wait have seen. */
  ask(): Since[] {
    for (const waiter of this.#all) waiter.asked = true
    return this.#all.flatMap(({ since }) => since ?? [])
  }

  /** The read is there, or failed: those who came before it began wait no longer. */
  answer(confirmed: boolean): void {
    const all = this.#all
    this.#all = all.filter((waiter) => confirmed && !waiter.asked)
    if (this.#all.length === 0) {
      this.#cancel?.()
      this.#cancel = undefined
    }
    for (const { asked, resolve } of all) if (asked || !confirmed) resolve(confirmed)
  }

  #watch(): void {
    if (this.#cancel !== undefined || this.#all.length === 0) return
    const delayMs = Math.max(this.#all[0]!.until - this.#clock.now(), 0)
    this.#cancel = this.#clock.after(Math.ceil(delayMs), () => {
      this.#cancel = undefined
      const now = this.#clock.now()
      const all = this.#all
      this.#all = all.filter(({ until }) => until > now)
      for (const { until, resolve } of all) if (until <= now) resolve(false)
      this.#watch()
    })
  }
}
