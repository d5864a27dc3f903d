// When a tail mark is due: it tells the last number of a channel again when the channel falls silent. Without one the last
// message of a burst could be lost and nothing after it would tell. One alone could be lost with its message, so there are
// two for a burst; whoever was deaf for both asks.

import type { Clock } from './clock.ts'
import { type Counter, TOLD_MS } from './counters.ts'

/** Of a node: marks go out so long after the last message, and then after one another. */
export const NODE_MARKS_MS: readonly number[] = [1000, 3000]

/** Of a publisher, which hears nobody ask: the second comes when nobody can be deaf any more without having told so. */
export const PUBLISHER_MARKS_MS: readonly number[] = [1000, 63_000]

/** A mark that was refused is tried again after so long. */
const REFUSED_MS = 8000

/** Answers in a row without a subscriber but us, after which nobody is there to be told. */
const MAX_UNHEARD = 2

/** Marks are due at multiples of this. */
const SLOT_MS = 100

export interface MarksOptions {
  clock: Clock
  delaysMs: readonly number[]
  /** Whether who needs a mark can ask for it. */
  hearsAsks: boolean
  /** Queues a mark. */
  send(counter: Counter): void
}

/** The marks that are due, later or now. */
export class Marks {
  readonly #options: MarksOptions
  readonly #slots = new Map<number, Set<Counter>>()
  #cancel: (() => void) | undefined

  constructor(options: MarksOptions) {
    this.#options = options
  }

  /** A message was published. */
  burst(counter: Counter): void {
    counter.unheard = 0
    counter.reached = undefined
    // What waits for its first mark stays where it is: it is looked at again when that is due.
    if (counter.marks === 0 && counter.slot !== undefined) return
    this.again(counter)
  }

  /** It has all its marks before it again. */
  again(counter: Counter): void {
    counter.marks = 0
    counter.unheard = 0
    counter.reached = undefined
    this.#place(counter, this.#options.clock.now() + this.#options.delaysMs[0]!)
  }

  /** Its id is left: it is told of twice more, unless nobody was there to be told. */
  retired(counter: Counter): void {
    if (counter.unheard < MAX_UNHEARD) this.again(counter)
  }

  /** A message reached so many subscribers besides us. @param number the last of those that had one answer. */
  published(counter: Counter, number: number, others: number): void {
    // What is said of an earlier one says nothing of the last.
    if (number !== counter.last) return
    counter.reached = others
    this.#answered(counter, others)
  }

  /** A mark did. As many as had the message have the mark: who is missing will ask. */
  told(counter: Counter, number: number, others: number): void {
    if (number !== counter.last) return
    if (this.#options.hearsAsks && others > 0 && others === counter.reached) this.drop(counter)
    else this.#answered(counter, others)
  }

  /** A mark was refused, and may be taken later: whoever should have had it does not know that there is anything to ask. */
  refused(counter: Counter): void {
    const now = this.#options.clock.now()
    if (counter.slot === undefined && now - counter.touchedAt < TOLD_MS) this.#place(counter, now + REFUSED_MS)
  }

  /** Somebody asked, and is told now: that does for what was still to come. */
  asked(counter: Counter): void {
    counter.unheard = 0
    if (this.#options.hearsAsks) this.drop(counter)
  }

  /** Nothing more is due for it. */
  drop(counter: Counter): void {
    if (counter.slot === undefined) return
    const set = this.#slots.get(counter.slot)
    set?.delete(counter)
    if (set?.size === 0) this.#slots.delete(counter.slot)
    counter.slot = undefined
  }

  close(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#slots.clear()
  }

  #answered(counter: Counter, others: number): void {
    counter.unheard = others === 0 ? counter.unheard + 1 : 0
    if (this.#options.hearsAsks && counter.unheard >= MAX_UNHEARD) this.drop(counter)
  }

  #place(counter: Counter, dueAt: number): void {
    this.drop(counter)
    const slot = Math.ceil(dueAt / SLOT_MS)
    counter.slot = slot
    let set = this.#slots.get(slot)
    if (set === undefined) {
      set = new Set()
      this.#slots.set(slot, set)
    }
    set.add(counter)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#cancel !== undefined || this.#slots.size === 0) return
    const now = this.#options.clock.now()
    this.#cancel = this.#options.clock.after((Math.floor(now / SLOT_MS) + 1) * SLOT_MS - now, this.#tick)
  }

  readonly #tick = (): void => {
    this.#cancel = undefined
    const now = this.#options.clock.now()
    for (const [slot, set] of [...this.#slots]) {
      if (slot * SLOT_MS <= now) for (const counter of [...set]) this.#due(counter, now)
    }
    this.#schedule()
  }

  #due(counter: Counter, now: number): void {
    const { delaysMs, send } = this.#options
    const silentUntil = counter.lastAt + delaysMs[0]!
    if (counter.marks === 0 && silentUntil > now) return this.#place(counter, silentUntil)
    // What waits to be written tells more than a mark.
    if (counter.waiting > 0) return this.#place(counter, now + delaysMs[0]!)
    this.drop(counter)
    send(counter)
    const delay = delaysMs[++counter.marks]
    if (delay !== undefined) this.#place(counter, now + delay)
  }
}
