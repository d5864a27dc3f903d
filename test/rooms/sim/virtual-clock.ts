// Time that passes only when it is told to, and chance that a seed decides. Promises settle between two events.

import type { Clock } from '@roomcast/rooms'

interface Event {
  at: number
  order: number
  run: (() => void) | undefined
}

/** A clock whose events run one after the other, in order of time. */
export class VirtualClock implements Clock {
  readonly random: () => number
  #now = 0
  #order = 0
  #events: Event[] = []

  constructor(seed: number) {
    this.random = mulberry32(seed)
  }

  now(): number {
    return this.#now
  }

  after(ms: number, run: () => void): () => void {
    const event: Event = { at: this.#now + Math.max(ms, 0), order: this.#order++, run }
    // From the end: most of what is new is late.
    let i = this.#events.length
    while (i > 0 && this.#events[i - 1]!.at > event.at) i--
    this.#events.splice(i, 0, event)
    return () => {
      event.run = undefined
    }
  }

  pick(n: number): number {
    return Math.floor(this.random() * n)
  }

  /** Runs everything that is due up to `ms` from now. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    while (this.#events.length > 0 && this.#events[0]!.at <= end) {
      const event = this.#events.shift()!
      this.#now = event.at
      if (event.run === undefined) continue
      event.run()
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#now = end
  }
}

/** A small generator of 32 bits of state. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
