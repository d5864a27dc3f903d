// One socket's share of one turn: after `sliceMs` of its messages the others get theirs, however its callbacks return.
// Reading the clock costs as much as handling a small message, so it is read after a stride of them.

import type { ProtocolEvent } from '../protocol/protocol.ts'
import { now } from '../server/real-time.ts'
import type { Turn } from '../server/turn.ts'

/** What a message counts for, beside its bytes. */
const BYTES_PER_MESSAGE = 1024
/** The clock is read after so many bytes where messages are quick, and after each where they are slow. */
const STRIDE_BYTES = 8 * BYTES_PER_MESSAGE
/** What passes quickly between two looks, in ms. */
const QUICK_MS = 0.5

/** The shares of one socket, a turn after the other. */
export class Share {
  /** Which turn it is about; 0: none yet. */
  #turn = 0
  /** How many bytes may be handled before the next look. */
  #unlooked = 0
  /** 0: not yet in this turn. */
  #lookedAt = 0
  #end = 0

  /** May this event still be handled in this turn? The first of a turn always may. */
  allows(event: ProtocolEvent, turn: Turn, sliceMs: number): boolean {
    if (this.#turn !== turn.number) {
      this.#turn = turn.number
      this.#unlooked = this.#lookedAt = 0
      return true
    }
    const isMessage = event.type === 'message'
    const bytes = isMessage ? BYTES_PER_MESSAGE + event.data.length : BYTES_PER_MESSAGE
    // Of one that was inflated a few bytes can cost a millisecond, and looking is nothing beside what zlib does.
    if (this.#unlooked < bytes || (isMessage && event.inflated)) return this.#look(turn, sliceMs)
    this.#unlooked -= bytes
    return true
  }

  #look(turn: Turn, sliceMs: number): boolean {
    const at = now()
    const before = this.#lookedAt
    if (before === 0) {
      // From here on this turn has an end.
      turn.begin()
      this.#end = at + sliceMs
    } else if (at >= this.#end) return false
    this.#unlooked = before > 0 && at - before >= QUICK_MS ? 0 : STRIDE_BYTES
    this.#lookedAt = at
    return true
  }
}
