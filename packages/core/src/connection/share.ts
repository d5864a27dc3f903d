// One socket's share of one turn: after `sliceMs` of its messages the others get theirs, however its callbacks return.

import type { ProtocolEvent } from '../protocol/protocol.ts'
import { now } from '../server/real-time.ts'

/** What a message counts for, beside its bytes. */
const BYTES_PER_MESSAGE = 1024
/** The clock is read after so many bytes at first, after each message where they are slow, and after up to so many where
 * they are quick. */
const FIRST_STRIDE_BYTES = 4096
const MIN_STRIDE_BYTES = BYTES_PER_MESSAGE
const MAX_STRIDE_BYTES = 65_536
/** What passes quickly between two looks, in ms: the next look may be twice as far. */
const QUICK_MS = 0.5

/** The share of a turn. */
export class Share {
  readonly #end: number
  #lookedAt: number
  #unlooked = 0
  #stride = FIRST_STRIDE_BYTES

  constructor(sliceMs: number) {
    this.#lookedAt = now()
    this.#end = this.#lookedAt + sliceMs
  }

  /** May this event still be handled in this turn? */
  allows(event: ProtocolEvent): boolean {
    this.#unlooked += BYTES_PER_MESSAGE + (event.type === 'message' ? event.data.length : 0)
    // Of one that was inflated a few bytes can cost a millisecond, and looking is nothing beside what zlib does.
    const inflated = event.type === 'message' && event.inflated
    if (this.#unlooked < this.#stride && !inflated) return true
    const at = now()
    if (at >= this.#end) return false
    this.#stride = at - this.#lookedAt < QUICK_MS ? Math.min(this.#stride * 2, MAX_STRIDE_BYTES) : MIN_STRIDE_BYTES
    this.#lookedAt = at
    this.#unlooked = 0
    return true
  }
}
