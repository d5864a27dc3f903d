// The publisher's side of the numbering: a counter per channel, and the tail marks that tell its last number again when
// the channel falls silent. Without a mark the last message of a burst could be lost and nothing after it would tell.

import type { Clock } from './clock.ts'

/** Marks go out so long after the last message, and then after one another. One alone could be lost with its message. */
const MARK_DELAYS_MS = [1000, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000]

/** Counters are kept at least so long after a channel's last message: twice as long as receivers keep positions. */
const KEEP_MS = 2 * 3_600_000
const SWEEP_MS = 600_000

/** Marks are due at multiples of this. */
const SLOT_MS = 100

/** A channel that was published to. */
export interface Source<Batch = unknown> {
  readonly channel: string
  readonly redisChannel: string
  /** The number of its last message. */
  last: number
  /** When that was published. */
  lastAt: number
  /** When something of it was last written to Redis. */
  writtenAt: number
  /** Marks sent since its last message. */
  marks: number
  /** The slot it waits in for its next mark. */
  slot: number | undefined
  /** Where its next message may be added to. */
  open: Batch | undefined
}

/** The counters of one node. */
export class Sources<Batch> {
  readonly #clock: Clock
  readonly #nameOf: (channel: string) => string
  readonly #mark: (source: Source<Batch>) => void
  readonly #sources = new Map<string, Source<Batch>>()
  readonly #slots = new Map<number, Set<Source<Batch>>>()
  #cancelTick: (() => void) | undefined
  #cancelSweep: (() => void) | undefined
  #running = false

  /** @param mark queues a tail mark. */
  constructor(clock: Clock, nameOf: (channel: string) => string, mark: (source: Source<Batch>) => void) {
    this.#clock = clock
    this.#nameOf = nameOf
    this.#mark = mark
  }

  /** The source of a channel that is about to be published to. */
  get(channel: string): Source<Batch> {
    let source = this.#sources.get(channel)
    if (source === undefined) {
      source = {
        channel,
        redisChannel: this.#nameOf(channel),
        last: 0,
        lastAt: Number.NEGATIVE_INFINITY,
        writtenAt: Number.NEGATIVE_INFINITY,
        marks: 0,
        slot: undefined,
        open: undefined,
      }
      this.#sources.set(channel, source)
    }
    return source
  }

  /** A message was published: counts it. */
  count(source: Source<Batch>): void {
    source.last++
    source.lastAt = this.#clock.now()
    // A source that waits for its first mark stays where it is: it is looked at again when that is due.
    if (source.marks === 0 && source.slot !== undefined) return
    source.marks = 0
    this.#place(source, source.lastAt + MARK_DELAYS_MS[0]!)
  }

  /** Redis is there: every channel that still had marks to send begins anew. */
  start(): void {
    this.#running = true
    const waiting = [...this.#slots.values()].flatMap((slot) => [...slot])
    for (const source of waiting) {
      source.marks = 0
      this.#place(source, this.#clock.now() + MARK_DELAYS_MS[0]!)
    }
    this.#schedule()
    this.#cancelSweep ??= this.#clock.after(SWEEP_MS, this.#sweep)
  }

  /** Redis is gone: marks wait. */
  stop(): void {
    this.#running = false
    this.#cancelTick?.()
    this.#cancelTick = undefined
  }

  close(): void {
    this.stop()
    this.#cancelSweep?.()
    this.#cancelSweep = undefined
    this.#sources.clear()
    this.#slots.clear()
  }

  /** Marks every channel that was used at or after `since`. */
  markUsedSince(since: number): void {
    for (const source of this.#sources.values()) {
      if (source.last > 0 && Math.max(source.lastAt, source.writtenAt) >= since) this.#mark(source)
    }
  }

  /** Marks every channel that still had marks to send. */
  markAll(): void {
    for (const slot of this.#slots.values()) for (const source of slot) this.#mark(source)
  }

  #place(source: Source<Batch>, dueAt: number): void {
    this.#take(source)
    const slot = Math.ceil(dueAt / SLOT_MS)
    source.slot = slot
    let set = this.#slots.get(slot)
    if (set === undefined) {
      set = new Set()
      this.#slots.set(slot, set)
    }
    set.add(source)
    this.#schedule()
  }

  #take(source: Source<Batch>): void {
    if (source.slot === undefined) return
    const set = this.#slots.get(source.slot)
    set?.delete(source)
    if (set?.size === 0) this.#slots.delete(source.slot)
    source.slot = undefined
  }

  #schedule(): void {
    if (!this.#running || this.#cancelTick !== undefined || this.#slots.size === 0) return
    const ms = (Math.floor(this.#clock.now() / SLOT_MS) + 1) * SLOT_MS - this.#clock.now()
    this.#cancelTick = this.#clock.after(ms, this.#tick)
  }

  readonly #tick = (): void => {
    this.#cancelTick = undefined
    const now = this.#clock.now()
    for (const [slot, set] of [...this.#slots]) {
      if (slot * SLOT_MS <= now) for (const source of [...set]) this.#dueNow(source, now)
    }
    this.#schedule()
  }

  #dueNow(source: Source<Batch>, now: number): void {
    const silentUntil = source.lastAt + MARK_DELAYS_MS[0]!
    if (source.marks === 0 && silentUntil > now) return this.#place(source, silentUntil)
    this.#take(source)
    this.#mark(source)
    const delay = MARK_DELAYS_MS[++source.marks]
    if (delay !== undefined) this.#place(source, now + delay)
  }

  readonly #sweep = (): void => {
    this.#cancelSweep = this.#clock.after(SWEEP_MS, this.#sweep)
    const before = this.#clock.now() - KEEP_MS
    for (const [channel, source] of this.#sources) {
      if (Math.max(source.lastAt, source.writtenAt) < before && source.slot === undefined) this.#sources.delete(channel)
    }
  }
}
