// The context of one client's compressed messages (RFC 7692 §7.2.2): a client may refer to what its earlier ones inflated
// to. zlib would keep that in a stream of tens of kilobytes per connection; but the sliding window is nothing else than the
// last bytes of those messages, and zlib's one-shot functions take them as a dictionary. So these bytes are all that is
// kept, and nothing for a client that sent none.

import { Buffer } from 'node:buffer'
import { EMPTY } from './parser.ts'

/** The first allocation, in bytes: many clients send little. */
const FIRST_BYTES = 256

/** The last bytes of one client's compressed messages. */
export class ContextWindow {
  readonly #maxBytes: number
  #bytes: Buffer = EMPTY
  #length = 0

  /** @param maxBytes the size of the window that was agreed to. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** What the next message may refer to. It is valid until the next `remember`. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Bytes allocated for it. */
  get heldBytes(): number {
    return this.#bytes.length
  }

  /** Takes in the end of a message that was inflated. It is copied: the message is the user's, who may change it. */
  remember(message: Buffer): void {
    const taken = Math.min(message.length, this.#maxBytes)
    const kept = Math.min(this.#length, this.#maxBytes - taken)
    const before = this.#bytes
    if (kept + taken > before.length) {
      const doubled = Math.max(kept + taken, before.length * 2, FIRST_BYTES)
      this.#bytes = Buffer.allocUnsafeSlow(Math.min(doubled, this.#maxBytes))
    }
    before.copy(this.#bytes, 0, this.#length - kept, this.#length)
    message.copy(this.#bytes, kept, message.length - taken)
    this.#length = kept + taken
  }
}
