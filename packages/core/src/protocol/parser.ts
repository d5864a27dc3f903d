// Chunks → pieces of frames. `push` takes what one read delivered; `next` goes on to the next piece of payload, unmasked
// where it lies, or says that more bytes are needed. The answer is the same however TCP cuts the bytes: a header that a
// chunk's end cut is kept (13 bytes at most) and decided when it is whole, a payload is passed on as it comes.
//
// Sizes are decided from the header, before any payload (RFC 6455 §10.4), and nothing is allocated by declaration.

import { Buffer } from 'node:buffer'
import { CloseCode } from './close.ts'
import { ProtocolError } from './errors.ts'
import {
  checkHeader,
  checkLength,
  FIN,
  type HeaderContext,
  MAX_EMPTY_FRAGMENTS,
  MAX_FRAGMENTS,
  OpcodeByte,
  RSV1,
} from './frame.ts'
import { unmask } from './mask.ts'

export const EMPTY: Buffer = Buffer.alloc(0)

/** The longest header of a client: 2 bytes, 8 of length, 4 of masking key. */
const MAX_HEADER_BYTES = 14

/** One connection's frames. After `next` said true, the piece is `chunk[start, end)`. */
export class FrameParser implements HeaderContext {
  readonly deflate: boolean
  readonly #maxMessageBytes: number

  chunk: Buffer = EMPTY
  start = 0
  end = 0
  /** The frame that the piece belongs to, as its header says. */
  fin = false
  rsv1 = false
  opcode = 0
  /** Is the piece the first, the last of its frame? It may be both, and it may be empty. */
  first = false
  last = false
  /** Is the piece all ASCII? */
  ascii = true
  /** Payload bytes of this frame that have not come yet. */
  remaining = 0
  /** A message has begun and its last fragment has not. */
  fragmented = false

  #inPayload = false
  #key = 0
  #phase = 0
  #messageBytes = 0
  #fragments = 0
  #emptyInRow = 0
  #cutHeader: Buffer | null = null
  #cutBytes = 0

  constructor(maxMessageBytes: number, deflate: boolean) {
    this.#maxMessageBytes = maxMessageBytes
    this.deflate = deflate
  }

  /** Takes a chunk, which is the parser's from now on (it is unmasked in place). */
  push(chunk: Buffer): void {
    this.chunk = this.end < this.chunk.length ? Buffer.concat([this.chunk.subarray(this.end), chunk]) : chunk
    this.start = this.end = 0
  }

  /** Forgets what was pushed and not passed on. */
  drop(): void {
    this.#cutHeader = null
    this.#cutBytes = 0
    this.#wait()
  }

  /** Is a frame or a message under way? */
  get midway(): boolean {
    return this.#inPayload || this.#cutBytes > 0 || this.fragmented
  }

  /** Bytes that were pushed and not passed on. */
  get keptBytes(): number {
    return this.chunk.length - this.end + this.#cutBytes
  }

  /** Goes on to the next piece; false: more bytes are needed.
   * @throws ProtocolError where a rule or a limit is broken. */
  next(): boolean {
    if (this.#inPayload) {
      if (this.end === this.chunk.length) return this.#wait()
      this.first = false
    } else {
      if (!this.#readHeader()) return this.#wait()
      this.first = true
      this.#phase = 0
    }
    const taken = Math.min(this.chunk.length - this.end, this.remaining)
    this.start = this.end
    this.end += taken
    this.ascii = true
    if (taken > 0) {
      this.ascii = unmask(this.chunk, this.start, this.end, this.#key, this.#phase)
      this.#phase = (this.#phase + taken) & 3
      this.remaining -= taken
    }
    this.last = this.remaining === 0
    this.#inPayload = !this.last
    return true
  }

  /** The chunk is used up: an idle connection must not keep it in memory. */
  #wait(): false {
    this.chunk = EMPTY
    this.start = this.end = 0
    return false
  }

  #readHeader(): boolean {
    if (this.#cutHeader === null) {
      const size = this.#parseHeader(this.chunk, this.end, this.chunk.length)
      if (size > 0) {
        this.end += size
        return true
      }
      if (this.end < this.chunk.length) {
        this.#cutHeader = Buffer.alloc(MAX_HEADER_BYTES)
        this.#cutBytes = this.chunk.copy(this.#cutHeader, 0, this.end)
      }
      return false
    }
    while (this.end < this.chunk.length) {
      this.#cutHeader[this.#cutBytes++] = this.chunk[this.end++]!
      if (this.#parseHeader(this.#cutHeader, 0, this.#cutBytes) > 0) {
        this.#cutHeader = null
        this.#cutBytes = 0
        return true
      }
    }
    return false
  }

  /** Reads a header from `bytes[at, end)`; its size, or 0 when it is not whole. Each rule acts as soon as its bytes are
   * there; the state changes only with the last of them. */
  #parseHeader(bytes: Buffer, at: number, end: number): number {
    const have = end - at
    if (have < 2) return 0
    const byte0 = bytes[at]!
    const byte1 = bytes[at + 1]!
    checkHeader(byte0, byte1, this)
    let length = byte1 & 0x7f
    let size = 6
    if (length === 126) {
      size = 8
      if (have < 4) return 0
      const low = bytes.readUInt16BE(at + 2)
      checkLength(126, 0, low)
      length = low
    } else if (length === 127) {
      size = 14
      if (have < 10) return 0
      const high = bytes.readUInt32BE(at + 2)
      const low = bytes.readUInt32BE(at + 6)
      checkLength(127, high, low)
      length = high * 0x1_0000_0000 + low
    }
    const opcode = byte0 & 0x0f
    const data = opcode < OpcodeByte.CLOSE
    if (data) this.#checkMessage(opcode, length)
    if (have < size) return 0
    const key = at + size - 4
    this.#key = (bytes[key]! << 24) | (bytes[key + 1]! << 16) | (bytes[key + 2]! << 8) | bytes[key + 3]!
    this.fin = (byte0 & FIN) !== 0
    this.rsv1 = (byte0 & RSV1) !== 0
    this.opcode = opcode
    this.remaining = length
    if (data) this.#countFragment(opcode, length)
    return size
  }

  /** The bounds of a message, decided before its payload: bytes, fragments, empty fragments in a row. */
  #checkMessage(opcode: number, length: number): void {
    const begins = opcode !== OpcodeByte.CONTINUATION
    if ((begins ? 0 : this.#messageBytes) + length > this.#maxMessageBytes) {
      throw new ProtocolError('message too big', CloseCode.MESSAGE_TOO_BIG, '10.4', 'maxMessageBytes')
    }
    if (begins) return
    if (this.#fragments >= MAX_FRAGMENTS) {
      throw new ProtocolError('too many fragments', CloseCode.POLICY_VIOLATION, '10.4')
    }
    if (length === 0 && this.#emptyInRow >= MAX_EMPTY_FRAGMENTS) {
      throw new ProtocolError('too many empty fragments', CloseCode.POLICY_VIOLATION, '10.4')
    }
  }

  #countFragment(opcode: number, length: number): void {
    if (opcode !== OpcodeByte.CONTINUATION) this.#messageBytes = this.#fragments = this.#emptyInRow = 0
    this.#messageBytes += length
    this.#fragments++
    this.#emptyInRow = length === 0 ? this.#emptyInRow + 1 : 0
    this.fragmented = !this.fin
  }
}
