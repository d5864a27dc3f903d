// Keys that are remembered for some time, and at most so many of them. All for the same time, so the oldest are always in
// front. (lru-cache allocates everything for its maximum at once: 7 MB for a hundred thousand keys that may never come.)

import type { Clock } from './clock.ts'
import { own } from './data.ts'

/** A map that forgets. */
export class RecentKeys<V> {
  readonly #clock: Clock
  readonly #ttlMs: number
  readonly #max: number
  readonly #entries = new Map<string, { value: V; until: number }>()

  constructor(clock: Clock, ttlMs: number, max: number) {
    this.#clock = clock
    this.#ttlMs = ttlMs
    this.#max = max
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    return entry !== undefined && entry.until > this.#clock.now() ? entry.value : undefined
  }

  /** Remembers a key that is not remembered. */
  add(key: string, value: V): void {
    const now = this.#clock.now()
    this.#entries.delete(key)
    this.#entries.set(own(key), { value, until: now + this.#ttlMs })
    for (const [oldest, { until }] of this.#entries) {
      if (until > now && this.#entries.size <= this.#max) return
      this.#entries.delete(oldest)
    }
  }
}
