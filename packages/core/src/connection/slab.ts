// Memory that small messages are framed into, one next to the other: what one socket is sent within a turn is then mostly
// one piece already, with no object per message and nothing to join. One slab serves all sockets of a server. It pays for
// who is sent many small messages of its own in a turn: `pnpm bench echo-deep`, and bench/README.md.

import { Buffer } from 'node:buffer'
import { type Payload, writeSmallFrame } from '../protocol/framed.ts'

/** Bytes of a slab. A piece that a slow peer does not take keeps its whole slab in memory, so it is small. */
const SLAB_BYTES = 16_384

export class Slab {
  bytes: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #used = 0

  /** Frames a message of which `smallFrameSize` said `size`; where its frame begins in `bytes`, which is another from time
   * to time. */
  frame(data: Payload, text: boolean, size: number): number {
    if (this.#used + size > SLAB_BYTES) {
      this.bytes = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#used = 0
    }
    const at = this.#used
    this.#used += size
    writeSmallFrame(this.bytes, at, data, text, size)
    return at
  }
}
