// Memory that small messages are framed into, one next to the other: what one socket is sent within a turn is then mostly
// one piece already, with no object per message and nothing to join. One slab serves all sockets of a server.

import { Buffer } from 'node:buffer'

/** Bytes of a slab. A piece that a slow peer does not take keeps its whole slab in memory, so it is small. */
const SLAB_BYTES = 16_384

export class Slab {
  bytes: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #used = 0

  /** Sets `size` bytes aside, at most `SLAB_BYTES`: where they begin in `bytes`, which is another from time to time. */
  take(size: number): number {
    if (this.#used + size > SLAB_BYTES) {
      this.bytes = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#used = 0
    }
    const at = this.#used
    this.#used += size
    return at
  }
}
