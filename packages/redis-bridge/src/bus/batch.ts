// What one node publishes to one channel in one turn, and becomes one envelope.

import type { Buffer } from 'node:buffer'
import type { Counter, Gathering } from './counters.ts'
import { type Carried, encodeMessages, HEADER_BYTES, MAX_AGE, writeAge } from './envelope.ts'

/** What is gathered for one channel while it cannot be written is not one huge envelope. */
const MAX_MESSAGES = 1000
const MAX_BYTES = 65_536

/** Messages of a batch grow old together. */
const MAX_SPAN_MS = 1000

/** What the objects of a batch and of a message take, about. */
const BATCH_COST_BYTES = 400
const MESSAGE_COST_BYTES = 64

/** Hears what became of a message. */
export type Settled = (error?: Error) => void

/** What a message costs the queue, in bytes. */
export function costOf(frame: Uint8Array): number {
  return frame.length + MESSAGE_COST_BYTES + BATCH_COST_BYTES
}

/** Consecutive messages of one channel. */
export class Batch implements Gathering {
  readonly counter: Counter
  /** The number of its first message. */
  readonly first: number
  /** When the message before that one was published. */
  readonly #beforeAt: number
  readonly #publishedAt: number[] = []
  #lengths: number[] = []
  #frames: Buffer[] = []
  #bytes = 0
  #envelope: Buffer | undefined
  #settled: (Settled | undefined)[] | undefined
  /** Its place among all batches of a queue. */
  readonly order: number
  /** Ways out that ended while this alone was not answered. */
  strikes = 0

  constructor(counter: Counter, first: number, beforeAt: number, order: number) {
    this.counter = counter
    this.first = first
    this.#beforeAt = beforeAt
    this.order = order
  }

  get count(): number {
    return this.#publishedAt.length
  }

  /** What it costs the queue, in bytes. */
  get costBytes(): number {
    return this.#bytes + this.count * (MESSAGE_COST_BYTES + BATCH_COST_BYTES)
  }

  /** When its first message was published. */
  get since(): number {
    return this.#publishedAt[0]!
  }

  /** Whether it takes another message. */
  takes(frame: Uint8Array, now: number): boolean {
    if (this.#envelope !== undefined || this.count >= MAX_MESSAGES) return false
    return this.#bytes + frame.length <= MAX_BYTES && now - this.since <= MAX_SPAN_MS
  }

  add(frame: Buffer, publishedAt: number, settled: Settled | undefined): void {
    this.#frames.push(frame)
    this.#lengths.push(frame.length)
    this.#publishedAt.push(publishedAt)
    this.#bytes += frame.length
    if (settled !== undefined) {
      this.#settled ??= []
      this.#settled[this.count - 1] = settled
    }
  }

  /** The envelope, as it is to be written now; from here on it takes nothing more. */
  encode(now: number, carries: Carried): Buffer {
    const age = this.first === 1 ? MAX_AGE : now - this.#beforeAt
    if (this.#envelope === undefined) {
      const { node } = this.counter.numbering
      this.#envelope = encodeMessages(node, this.first, age, this.#frames, this.#bytes, carries)
      this.#frames = []
    } else {
      writeAge(this.#envelope, age)
    }
    return this.#envelope
  }

  settle(error?: Error): void {
    for (const settled of this.#settled ?? []) settled?.(error)
  }

  /** A batch for each of its messages, with the numbers they have. Each may be what was wrong with the whole. */
  split(): Batch[] {
    let at = HEADER_BYTES
    return this.#lengths.map((length, i) => {
      const before = i === 0 ? this.#beforeAt : this.#publishedAt[i - 1]!
      const one = new Batch(this.counter, this.first + i, before, this.order)
      const frame = this.#envelope === undefined ? this.#frames[i]! : this.#envelope.subarray(at, at + length)
      at += length
      one.add(frame, this.#publishedAt[i]!, this.#settled?.[i])
      return one
    })
  }
}
