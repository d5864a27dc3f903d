// Time that passes only when it is told to, and chance that a seed decides.

import type { Clock } from '../../packages/redis-bridge/src/bus/clock.ts'

/** More than this in one stretch is a loop without end. */
const MAX_EVENTS = 1_000_000

interface Event {
  at: number
  order: number
  run: (() => void) | undefined
}

/** A clock whose events run one after the other, in order of time. */
export class VirtualClock implements Clock {
  #now = 0
  #order = 0
  #heap: Event[] = []
  readonly random: () => number

  constructor(seed: number) {
    this.random = mulberry32(seed)
  }

  now(): number {
    return this.#now
  }

  after(ms: number, run: () => void): () => void {
    const at = onGrid(this.#now + Math.max(ms, 0))
    const event: Event = { at, order: this.#order++, run }
    this.#push(event)
    return () => {
      event.run = undefined
    }
  }

  soon(run: () => void): void {
    this.after(0, run)
  }

  /** Runs everything that is due up to `ms` from now. */
  advance(ms: number): void {
    const end = onGrid(this.#now + ms)
    for (let events = 0; this.#heap.length > 0 && this.#heap[0]!.at <= end; events++) {
      if (events > MAX_EVENTS) throw new Error(`more than ${MAX_EVENTS} events in ${ms} ms`)
      const event = this.#pop()
      this.#now = Math.max(this.#now, event.at)
      event.run?.()
    }
    this.#now = end
  }

  /** As `advance`, and promises settle between two events. */
  async pass(ms: number): Promise<void> {
    const end = onGrid(this.#now + ms)
    while (this.#heap.length > 0 && this.#heap[0]!.at <= end) {
      const event = this.#pop()
      if (event.run === undefined) continue
      this.#now = Math.max(this.#now, event.at)
      event.run()
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#now = end
  }

  pick(n: number): number {
    return Math.floor(this.random() * n)
  }

  /** The process stands still: time passes, and nothing runs. */
  stall(ms: number): void {
    this.#now = onGrid(this.#now + ms)
  }

  #push(event: Event): void {
    const heap = this.#heap
    let i = heap.push(event) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(event, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = event
  }

  #pop(): Event {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return first
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
    return first
  }
}

/** Moments are whole 1/1024 of a millisecond, whose sums are exact: what was set for a moment comes neither before it nor
 * again and again without time passing. */
function onGrid(ms: number): number {
  return Math.ceil(ms * 1024) / 1024
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
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
