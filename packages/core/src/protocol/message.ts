// Fragments and pieces → one message. Bytes are copied into one growing buffer, so the memory that a message pins follows
// the bytes that came, not the pieces they came in and not the length that was declared. Text is checked as it comes.

import { Buffer } from 'node:buffer'
import { CloseCode } from './close.ts'
import { ProtocolError } from './errors.ts'
import { EMPTY } from './parser.ts'
import { advanceUtf8, UTF8_COMPLETE, UTF8_INVALID } from './utf8.ts'

/** The first allocation, in bytes: small, as a peer may never send more. */
const FIRST_BYTES = 256

/** The message under way on one connection. */
export class MessageBuffer {
  #bytes: Buffer = EMPTY
  #length = 0
  #utf8 = UTF8_COMPLETE

  /** Bytes allocated for it. */
  get heldBytes(): number {
    return this.#bytes.length
  }

  /** Copies `chunk[start, end)` to its end.
   * @param more payload bytes that are sure to follow, as far as is known (the rest of the last frame); they never make
   * the buffer larger than doubling would, they only keep it from growing past the message.
   * @throws ProtocolError 1007 at the first byte that is not UTF-8, when `text`. */
  append(chunk: Buffer, start: number, end: number, options: { text: boolean; more: number }): void {
    if (options.text) {
      this.#utf8 = advanceUtf8(this.#utf8, chunk, start, end)
      if (this.#utf8 === UTF8_INVALID) throw invalidText()
    }
    const length = this.#length + (end - start)
    if (length > this.#bytes.length) {
      const doubled = Math.max(length, this.#bytes.length * 2, FIRST_BYTES)
      const grown = Buffer.allocUnsafeSlow(Math.min(doubled, length + options.more))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    chunk.copy(this.#bytes, this.#length, start, end)
    this.#length = length
  }

  /** The whole message; the buffer begins anew.
   * @throws ProtocolError 1007 for text that ends within a character. */
  finish(): Buffer {
    if (this.#utf8 !== UTF8_COMPLETE) throw invalidText()
    const message = this.#bytes.subarray(0, this.#length)
    this.#bytes = EMPTY
    this.#length = 0
    return message
  }
}

/** Text that is not UTF-8. RFC 6455 §8.1. */
export function invalidText(): ProtocolError {
  return new ProtocolError('text is not UTF-8', CloseCode.INVALID_PAYLOAD, '8.1')
}
