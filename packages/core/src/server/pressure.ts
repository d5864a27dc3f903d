// The memory that all sockets of one server hold together: unfinished input, and output that the kernel refused with what
// waits behind it. Over `maxTotalBytes` new upgrades are refused, then the largest holders are closed.

import type { Turn, TurnTask } from './turn.ts'

/** Who holds bytes, and can be told to let go. */
export interface Holder {
  readonly heldBytes: number
  /** Closes with 1013 and discards what is held. */
  shed(): void
}

/** How far below the limit shedding goes, so that the next message does not shed again. */
const RELIEF = 0.9

/** The account of one server. */
export class Pressure implements TurnTask {
  readonly #maxBytes: number
  readonly #turn: Turn
  readonly #holders: () => Iterable<Holder>
  #input = 0
  #output = 0
  #scheduled = false

  constructor(maxBytes: number, turn: Turn, holders: () => Iterable<Holder>) {
    this.#maxBytes = maxBytes
    this.#turn = turn
    this.#holders = holders
  }

  /** Is the limit exceeded at this moment? */
  get over(): boolean {
    return this.#input + this.#output > this.#maxBytes
  }

  /** Input is memory of its own for every socket: over the limit it is shed when the turn ends. */
  input(delta: number): void {
    this.#input += delta
    if (delta > 0 && !this.#scheduled && this.#input > this.#maxBytes) {
      this.#scheduled = true
      this.#turn.atEnd(this)
    }
  }

  onTurnEnd(): void {
    this.#scheduled = false
    this.relieve()
  }

  /** Output may be one frame that many sockets share and that leaves within milliseconds: it is judged at the
   * heartbeat's next look. */
  output(delta: number): void {
    this.#output += delta
  }

  /** Closes the largest holders until the account is under the limit again. */
  relieve(): void {
    if (!this.over) return
    const holders = [...this.#holders()].filter((holder) => holder.heldBytes > 0)
    holders.sort((a, b) => b.heldBytes - a.heldBytes)
    // What is in flight is let go of a little later: counted as gone, or everybody would be closed for it.
    let left = this.#input + this.#output
    for (const holder of holders) {
      if (left <= this.#maxBytes * RELIEF) return
      left -= holder.heldBytes
      holder.shed()
    }
  }
}
