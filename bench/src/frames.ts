// The two frames of a measurement, at byte level: what a publisher sends, and the loop that checks what came. Every
// message of a scenario has the same length and carries its publisher and number at fixed places, so checking one is a
// handful of comparisons and makes no object. All payload bytes are ASCII: numbers are written 7 bits to a byte.
// Compressed messages are in deflated.ts.

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
const PUBLISHER_AT = 0
const NUMBER_AT = 2
const TEXT_AT = 6

/** Header bytes of a text frame, as short as its payload allows (RFC 6455 §5.2). */
export function headerOf(payloadBytes: number, { masked }: { masked: boolean }): number[] {
  const maskBit = masked ? 0x80 : 0
  if (payloadBytes < TEXT_AT || payloadBytes > 65_535) throw new RangeError(`payload of ${payloadBytes} bytes`)
  if (payloadBytes < 126) return [0x81, maskBit | payloadBytes]
  return [0x81, maskBit | 126, payloadBytes >> 8, payloadBytes & 0xff]
}

/** Returns a function that makes `count` frames of one publisher in one buffer, numbered on from `number`. */
export function framesOf(publisher: number, payloadBytes: number): (number: number, count: number) => Buffer {
  const payload = Buffer.alloc(payloadBytes, '.')
  payload[PUBLISHER_AT] = publisher & 0x7f
  payload[PUBLISHER_AT + 1] = publisher >> 7
  for (let i = 0; i < payloadBytes; i++) payload[i]! ^= MASK[i & 3]!
  const template = Buffer.concat([Buffer.from([...headerOf(payloadBytes, { masked: true }), ...MASK]), payload])
  const numberAt = template.length - payloadBytes + NUMBER_AT

  return (number, count) => {
    const frames = Buffer.allocUnsafe(template.length * count)
    for (let i = 0; i < count; i++) {
      template.copy(frames, i * template.length)
      const at = i * template.length + numberAt
      for (let byte = 0; byte < 4; byte++) {
        frames[at + byte] = (((number + i) >> (7 * byte)) & 0x7f) ^ MASK[(NUMBER_AT + byte) & 3]!
      }
    }
    return frames
  }
}

/** Every this many messages the rest of the payload is compared as well. */
const WHOLE_PAYLOAD_EVERY = 1024

/** Checks the messages of this file. */
export class Checker implements MessageChecker {
  delivered = 0
  readonly firstByte = 0x81
  readonly expected: Uint32Array
  readonly #publishers: number
  readonly #header: number[]
  readonly #text: Buffer

  constructor(options: { sockets: number; publishers: number; payloadBytes: number }) {
    this.expected = new Uint32Array(options.sockets * options.publishers)
    this.#publishers = options.publishers
    this.#header = headerOf(options.payloadBytes, { masked: false })
    this.#text = Buffer.alloc(options.payloadBytes - TEXT_AT, '.')
  }

  walk(bytes: Uint8Array, start: number, end: number, socket: number): number {
    const expected = this.expected
    const headerBytes = this.#header.length
    const frameBytes = headerBytes + TEXT_AT + this.#text.length
    const [first, second, third, fourth] = this.#header
    const base = socket * this.#publishers
    let at = start
    while (end - at >= frameBytes) {
      if (bytes[at] !== first || bytes[at + 1] !== second) break
      if (headerBytes === 4 && (bytes[at + 2] !== third || bytes[at + 3] !== fourth)) break
      const payload = at + headerBytes
      const publisher = bytes[payload]! | (bytes[payload + 1]! << 7)
      const number =
        bytes[payload + 2]! | (bytes[payload + 3]! << 7) | (bytes[payload + 4]! << 14) | (bytes[payload + 5]! << 21)
      if (publisher >= this.#publishers || expected[base + publisher] !== number) {
        throw new Error(`socket ${socket}: message ${number} of publisher ${publisher} out of order or lost`)
      }
      expected[base + publisher] = number + 1
      if ((++this.delivered & (WHOLE_PAYLOAD_EVERY - 1)) === 0) this.#compareText(bytes, payload + TEXT_AT)
      at += frameBytes
    }
    return at
  }

  #compareText(bytes: Uint8Array, at: number): void {
    if (!this.#text.equals(bytes.subarray(at, at + this.#text.length))) throw new Error('a payload was changed')
  }
}
