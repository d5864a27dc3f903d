// The publisher's side of the numbering: a counter for each channel, kept longer than any receiver keeps its position, and
// never more than a bound. Names can be invented, so where the bound is reached all counters are left behind at once: the
// node goes on under a new id, as a node that was started anew would. What was said under the old id can still be told
// for a minute.

import { Buffer } from 'node:buffer'
import type { Clock } from './clock.ts'

/** Counters are kept so long after a channel was last used: twice as long as receivers keep positions. */
const KEEP_MS = 2 * 3_600_000
const SWEEP_MS = 600_000

/** Receivers that were deaf for up to a minute are told of what was published in it, and a little longer. */
export const TOLD_MS = 64_000

/** An echo of an id whose counters are gone is our own for so long: nothing that waited 60 s is written. */
const OWN_MS = 120_000

/** Counters under one node id. */
export interface Numbering {
  /** 8 bytes. */
  readonly node: Uint8Array
  readonly counters: Map<string, Counter>
}

/** Messages that are one envelope when they are written, and may become more until then. */
export interface Gathering {
  takes(frame: Uint8Array, now: number): boolean
  add(frame: Buffer, publishedAt: number, settled: ((error?: Error) => void) | undefined): void
}

/** The numbers of one channel. */
export class Counter {
  readonly channel: string
  readonly partition: number
  readonly numbering: Numbering
  /** The number of the last message. */
  last = 0
  /** When that was published. */
  lastAt: number = Number.NEGATIVE_INFINITY
  /** When something of the channel was last published, written or lost here. */
  touchedAt: number = Number.NEGATIVE_INFINITY
  /** Batches that are not written. */
  waiting = 0
  /** Where the next message may be added to. */
  open: Gathering | undefined
  /** Marks sent since the last message. */
  marks = 0
  /** The slot in which it waits for its next mark. */
  slot: number | undefined
  /** A mark waits in the queue. */
  isMarkQueued = false
  /** Subscribers besides us that the last message reached, as far as it was answered. */
  reached: number | undefined
  /** Answers in a row that told of no subscriber but us. */
  unheard = 0

  constructor(channel: string, partition: number, numbering: Numbering) {
    this.channel = channel
    this.partition = partition
    this.numbering = numbering
  }
}

export interface CountersOptions {
  clock: Clock
  maxCounters: number
  /** Makes 8 random bytes. */
  newId(): Uint8Array
  partitionOf(channel: string): number
  /** When a partition last was known to work: now, unless it does not. */
  workedAt(partition: number): number
  /** Told of in vain: nothing is to be sent for it any more. */
  forgotten(counter: Counter): void
  /** Its id is left, and it was used lately: it is to be told of twice more. */
  retired(counter: Counter): void
}

/** The counters of one node. */
export class Counters {
  readonly #options: CountersOptions
  /** Ids that are ours, with the time until which; the first one and the current one for good. */
  readonly #own = new Map<string, number>()
  /** The first id stays ours: the routes of this node are called by it. */
  readonly #home: Numbering
  #current: Numbering
  /** The one before: what was said under it may have to be told when the bus is back, whenever that is. */
  #retired: { numbering: Numbering; at: number } | undefined
  #cancelSweep: (() => void) | undefined

  constructor(options: CountersOptions) {
    this.#options = options
    this.#home = this.#begin()
    this.#current = this.#home
  }

  /** The id that messages have now. */
  get node(): Uint8Array {
    return this.#current.node
  }

  /** Whether an id, in hex, is this node's own. */
  isOwn(node: string): boolean {
    const until = this.#own.get(node)
    return until !== undefined && until >= this.#options.clock.now()
  }

  /** The counter of a channel that is about to be published to. */
  get(channel: string): Counter {
    const found = this.#current.counters.get(channel)
    if (found !== undefined) return found
    if (this.#current.counters.size >= this.#options.maxCounters) this.#retire()
    const counter = new Counter(channel, this.#options.partitionOf(channel), this.#current)
    this.#current.counters.set(channel, counter)
    this.#cancelSweep ??= this.#options.clock.after(SWEEP_MS, this.#sweep)
    return counter
  }

  /** All there are, those of the id before too. */
  *all(): Iterable<Counter> {
    if (this.#retired !== undefined) yield* this.#retired.numbering.counters.values()
    yield* this.#current.counters.values()
  }

  close(): void {
    this.#cancelSweep?.()
    this.#current.counters.clear()
    this.#retired = undefined
  }

  #begin(): Numbering {
    const node = this.#options.newId()
    this.#own.set(hexOf(node), Number.POSITIVE_INFINITY)
    return { node, counters: new Map() }
  }

  #retire(): void {
    const { clock, forgotten, retired, workedAt } = this.#options
    const now = clock.now()
    for (const [node, until] of this.#own) if (until < now) this.#own.delete(node)
    this.#dropRetired()
    const old = this.#current
    this.#retired = { numbering: old, at: now }
    this.#current = this.#begin()
    for (const [channel, counter] of old.counters) {
      counter.open = undefined
      if (counter.touchedAt >= workedAt(counter.partition) - TOLD_MS) {
        retired(counter)
      } else {
        old.counters.delete(channel)
        forgotten(counter)
      }
    }
  }

  #dropRetired(): void {
    if (this.#retired === undefined) return
    const { numbering } = this.#retired
    this.#retired = undefined
    for (const counter of numbering.counters.values()) this.#options.forgotten(counter)
    if (numbering !== this.#home) this.#own.set(hexOf(numbering.node), this.#options.clock.now() + OWN_MS)
  }

  readonly #sweep = (): void => {
    const { clock, workedAt } = this.#options
    const before = clock.now() - KEEP_MS
    if (this.#retired !== undefined && this.#retired.at < before) this.#dropRetired()
    for (const [channel, counter] of this.#current.counters) {
      // What could not be told yet is told when the bus is back, be it days later.
      if (counter.touchedAt >= Math.min(before, workedAt(counter.partition) - TOLD_MS)) continue
      this.#current.counters.delete(channel)
      this.#options.forgotten(counter)
    }
    this.#cancelSweep = undefined
    if (this.#current.counters.size > 0) this.#cancelSweep = this.#options.clock.after(SWEEP_MS, this.#sweep)
  }
}

/** A node's id as receivers see it. */
export function hexOf(node: Uint8Array): string {
  return Buffer.from(node).toString('hex')
}
