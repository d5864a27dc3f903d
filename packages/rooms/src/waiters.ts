// Members that are on their way in and wait for a read that begins after they came. All that wait share it.

import type { Clock } from './clock.ts'
import type { Since } from './member.ts'

interface Waiter {
  since: Since | undefined
  /** Has a read begun since it came? */
  asked: boolean
  done(confirmed: boolean): void
}

/** Those who wait for one room. */
export class Waiters {
  readonly #clock: Clock
  readonly #timeoutMs: number
  #all: Waiter[] = []

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
      const cancel = this.#clock.after(this.#timeoutMs, () => {
        this.#all = this.#all.filter((other) => other !== waiter)
        resolve(false)
      })
      const done = (confirmed: boolean): void => {
        cancel()
        resolve(confirmed)
      }
      const waiter: Waiter = { since, asked: false, done }
      this.#all.push(waiter)
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
    for (const waiter of all) if (waiter.asked || !confirmed) waiter.done(confirmed)
  }
}
