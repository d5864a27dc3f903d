// The two frames of a measurement, at byte level: what a publisher sends, and the loop that checks what came. Every
// message of a scenario has the same length and carries its publisher and number at fixed places, so checking one is a
// handful of comparisons and makes no object. All payload bytes are characters that JSON leaves as they are, since
// Socket.IO sends a text as JSON: numbers are written 5 bits to a byte, above 0x60. Compressed messages are in deflated.ts.

import type { Envelope } from './dialect.ts'

/** Where messages are counted and checked, one for all sockets of a load generator. */
export interface MessageChecker {
  /** How many messages came. */
  readonly delivered: number
  /** For each socket and publisher: the number that must come next. */
  readonly expected: Uint32Array
  /** How the frame of a message begins. */
  readonly firstByte: number
  /** Walks over the whole messages in `bytes[start, end)`. Stops at the first byte that does not begin a whole message:
   * cut off, or a frame of another kind. A wrong order or content throws.
   * @returns where it stopped. */
  walk(bytes: Buffer, start: number, end: number, socket: number): number
}

export const MASK: readonly number[] = [0x37, 0xfa, 0x21, 0x3d]
/** Publisher: 2 characters, number: 5, then text. */
const NUMBER_AT = 2
const TEXT_AT = 7
/** Every digit has these bits, and 5 below them. */
const DIGIT = 0x60

/** Header bytes of a text frame, as short as its payload allows (RFC 6455 §5.2). */
export function headerOf(payloadBytes: number, { masked }: { masked: boolean }): number[] {
  const maskBit = masked ? 0x80 : 0
  if (payloadBytes < TEXT_AT || payloadBytes > 65_535) throw new RangeError(`payload of ${payloadBytes} bytes`)
  if (payloadBytes < 126) return [0x81, maskBit | payloadBytes]
  return [0x81, maskBit | 126, payloadBytes >> 8, payloadBytes & 0xff]
}

/** Any short frame of a client's, masked with zeros. */
export function frameOf(firstByte: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([firstByte, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}

/** What the frames of one publisher need. */
export interface FrameOptions {
  publisher: number
  payloadBytes: number
  envelope: Envelope
}

/** Returns a function that makes `count` frames of one publisher in one buffer, numbered on from `number`. */
export function framesOf({
  publisher,
  payloadBytes,
  envelope,
}: FrameOptions): (number: number, count: number) => Buffer {
  const text = Buffer.alloc(payloadBytes, '.')
  text[0] = DIGIT | (publisher & 31)
  text[1] = DIGIT | (publisher >> 5)
  const payload = Buffer.concat([Buffer.from(envelope.before), text, Buffer.from(envelope.after)])
  for (let i = 0; i < payload.length; i++) payload[i]! ^= MASK[i & 3]!
  const template = Buffer.concat([Buffer.from([...headerOf(payload.length, { masked: true }), ...MASK]), payload])
  const inPayload = envelope.before.length + NUMBER_AT
  const numberAt = template.length - payload.length + inPayload

  return (number, count) => {
    const frames = Buffer.allocUnsafe(template.length * count)
    for (let i = 0; i < count; i++) {
      template.copy(frames, i * template.length)
      const at = i * template.length + numberAt
      for (let digit = 0; digit < 5; digit++) {
        frames[at + digit] = (DIGIT | (((number + i) >> (5 * digit)) & 31)) ^ MASK[(inPayload + digit) & 3]!
      }
    }
    return frames
  }
}

/** Every this many messages the rest of the payload is compared as well. */
const WHOLE_PAYLOAD_EVERY = 1024

/** What a checker has to know. */
export interface CheckerOptions {
  sockets: number
  publishers: number
  payloadBytes: number
  envelope: Envelope
}

/** Checks the messages of this file. */
export class Checker implements MessageChecker {
  delivered = 0
  readonly firstByte = 0x81
  readonly expected: Uint32Array
  readonly #publishers: number
  readonly #header: number[]
  readonly #before: Buffer
  /** The text, and what the envelope has after it. */
  readonly #text: Buffer

  constructor({ sockets, publishers, payloadBytes, envelope }: CheckerOptions) {
    this.expected = new Uint32Array(sockets * publishers)
    this.#publishers = publishers
    this.#header = headerOf(payloadBytes + envelope.before.length + envelope.after.length, { masked: false })
    this.#before = Buffer.from(envelope.before)
    this.#text = Buffer.from(''.padEnd(payloadBytes - TEXT_AT, '.') + envelope.after)
  }

  walk(bytes: Uint8Array, start: number, end: number, socket: number): number {
    const expected = this.expected
    const publishers = this.#publishers
    const headerBytes = this.#header.length
    const beforeBytes = this.#before.length
    const frameBytes = headerBytes + beforeBytes + TEXT_AT + this.#text.length
    const [first, second, third, fourth] = this.#header
    const base = socket * publishers
    let delivered = this.delivered
    let at = start
    while (end - at >= frameBytes) {
      if (bytes[at] !== first || bytes[at + 1] !== second) break
      if (headerBytes === 4 && (bytes[at + 2] !== third || bytes[at + 3] !== fourth)) break
      const text = at + headerBytes + beforeBytes
      const publisher = (bytes[text]! & 31) | ((bytes[text + 1]! & 31) << 5)
      const number =
        (bytes[text + 2]! & 31) |
        ((bytes[text + 3]! & 31) << 5) |
        ((bytes[text + 4]! & 31) << 10) |
        ((bytes[text + 5]! & 31) << 15) |
        ((bytes[text + 6]! & 31) << 20)
      if (publisher >= publishers || expected[base + publisher] !== number) {
        throw new Error(`message ${number} of publisher ${publisher} out of order or lost`)
      }
      expected[base + publisher] = number + 1
      if ((++delivered & (WHOLE_PAYLOAD_EVERY - 1)) === 0) this.#compareAll(bytes, text)
      at += frameBytes
    }
    this.delivered = delivered
    return at
  }

  #compareAll(bytes: Uint8Array, text: number): void {
    const isSame =
      this.#before.equals(bytes.subarray(text - this.#before.length, text)) &&
      this.#text.equals(bytes.subarray(text + TEXT_AT, text + TEXT_AT + this.#text.length))
    if (!isSame) throw new Error('a payload was changed')
  }
}
