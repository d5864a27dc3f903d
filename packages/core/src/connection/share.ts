// One socket's share of one turn: after `sliceMs` of its messages the others get theirs, however its callbacks return.

import type { ProtocolEvent } from '../protocol/protocol.ts'
import { now } from '../server/real-time.ts'

/** What a message counts for, beside its bytes. */
const BYTES_PER_MESSAGE = 1024
/** The clock is read after so many bytes where messages are quick, and after each where they are slow. */
const STRIDE_BYTES = 4 * BYTES_PER_MESSAGE
/** What passes quickly between two looks, in ms. */
const QUICK_MS = 0.5

/** The share of a turn. */
export class Share {
  readonly #end: number
  #lookedAt: number
  #unlooked = 0
  #stride = STRIDE_BYTES

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
    this.#stride = at - this.#lookedAt < QUICK_MS ? STRIDE_BYTES : 0
    this.#lookedAt = at
    this.#unlooked = 0
    return true
  }
}
