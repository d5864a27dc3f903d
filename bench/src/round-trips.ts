// How long messages were away, for publishers that send at a pace; and how late this process itself was, since what it
// does not look at in time seems to have been away.

import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Messages of one publisher that can be under way: more would be a server that stands still for seconds. */
const UNDER_WAY = 1024
const STEPS_PER_MS = 20
const LONGEST_MS = 30_000

/** What came of many messages. `ownDelay`: the longest time in which this process did not look. */
export interface RoundTripMs {
  median: number
  p99: number
  worst: number
  ownDelay: number
}

/** Times from sending to coming back, counted in steps of 0.05 ms. */
export class RoundTrips {
  readonly #sentAtMs: Float64Array
  readonly #counts = new Uint32Array(LONGEST_MS * STEPS_PER_MS)
  readonly #own = monitorEventLoopDelay({ resolution: 1 })
  #worstMs = 0

  constructor(publishers: number) {
    this.#sentAtMs = new Float64Array(publishers * UNDER_WAY)
    this.#own.enable()
  }

  /** What was before does not count. */
  reset(): void {
    this.#counts.fill(0)
    this.#worstMs = 0
    this.#own.reset()
  }

  /** A message is sent now. */
  out(publisher: number, number: number): void {
    this.#sentAtMs[publisher * UNDER_WAY + (number % UNDER_WAY)] = performance.now()
  }

  /** Messages `[from, to)` of a publisher are back. */
  back(publisher: number, from: number, to: number): void {
    const now = performance.now()
    for (let number = from; number < to; number++) {
      const ms = now - this.#sentAtMs[publisher * UNDER_WAY + (number % UNDER_WAY)]!
      this.#worstMs = Math.max(this.#worstMs, ms)
      this.#counts[Math.min(Math.floor(ms * STEPS_PER_MS), this.#counts.length - 1)]!++
    }
  }

  /** What came of them. */
  summary(): RoundTripMs {
    const [median, p99] = [this.#quantile(0.5), this.#quantile(0.99)]
    return { median, p99, worst: this.#worstMs, ownDelay: this.#own.max / 1e6 }
  }

  #quantile(share: number): number {
    const wanted = this.#counts.reduce((sum, count) => sum + count, 0) * share
    let seen = 0
    const step = this.#counts.findIndex((count) => (seen += count) >= wanted)
    return (step + 1) / STEPS_PER_MS
  }
}
