// How fast a line is written to: a receiver for whom too much waits is cut off (by Redis at 32 MiB), so what a node queued
// in bad times must not come in one flood.

import type { Clock } from './clock.ts'

/** In the long run, and at once. */
const BYTES_PER_MS = (16 * 1_048_576) / 1000
const BURST_BYTES = 4 * 1_048_576

export class Pace {
  readonly #clock: Clock
  readonly #again: () => void
  /** Bytes that may be written, as of `#refilledAt`. */
  #tokens = BURST_BYTES
  #refilledAt: number
  #cancel: (() => void) | undefined

  /** @param again more may be written than a moment ago. */
  constructor(clock: Clock, again: () => void) {
    this.#clock = clock
    this.#again = again
    this.#refilledAt = clock.now()
  }

  /** Whether anything may be written now. */
  get allows(): boolean {
    this.#refill()
    return this.#tokens > 0
  }

  wrote(bytes: number): void {
    this.#refill()
    this.#tokens -= bytes
    this.#wait()
  }

  close(): void {
    this.#cancel?.()
  }

  /** What was written while this was under way is waited for, too: nobody else asks again. */
  #wait(): void {
    if (this.#tokens > 0) return
    this.#cancel ??= this.#clock.after(1 - this.#tokens / BYTES_PER_MS, () => {
      this.#cancel = undefined
      if (this.allows) this.#again()
      else this.#wait()
    })
  }

  #refill(): void {
    const now = this.#clock.now()
    this.#tokens = Math.min(BURST_BYTES, this.#tokens + (now - this.#refilledAt) * BYTES_PER_MS)
    this.#refilledAt = now
  }
}
