// One socket's share of one turn: after `sliceMs` of its messages the others get theirs, however its callbacks return.

import { now } from '../server/real-time.ts'

/** The clock is read after each message where they are slow, and after up to so many bytes where they are quick. */
const MIN_STRIDE_BYTES = 1024
const MAX_STRIDE_BYTES = 65_536
/** What passes quickly between two looks, in ms: the next look may be twice as far. */
const QUICK_MS = 0.5

/** The share of a turn. */
export class Share {
  readonly #end: number
  #lookedAt: number
  #unlooked = 0
  #stride = MIN_STRIDE_BYTES

  constructor(sliceMs: number) {
    this.#lookedAt = now()
    this.#end = this.#lookedAt + sliceMs
  }

  /** May a message of so many bytes still be handled in this turn? */
  allows(bytes: number): boolean {
    this.#unlooked += bytes
    if (this.#unlooked < this.#stride) return true
    const at = now()
    if (at >= this.#end) return false
    this.#stride = at - this.#lookedAt < QUICK_MS ? Math.min(this.#stride * 2, MAX_STRIDE_BYTES) : MIN_STRIDE_BYTES
    this.#lookedAt = at
    this.#unlooked = 0
    return true
  }
}
