// The messages of the compressed scenarios: JSON as an application would send, another one for each publisher and number,
// that anybody can make again from these two. What a frame inflates to is compared in full, but only once for each
// message: a socket after the first must get the same bytes, which makes checking one a single comparison.

import { constants, inflateRawSync } from 'node:zlib'
import type { Envelope } from './dialect.ts'
import { type CheckerOptions, type FrameOptions, headerOf, MASK, type MessageChecker } from './frames.ts'

const NAMES = ['Leto', 'Chani', 'Stilgar', 'Jessica', 'Duncan', 'Gurney', 'Alia', 'Irulan']
const TEXTS = [
  'is anybody here who knows the way',
  'good morning, everyone',
  'we shall need more water than this',
  'wait for me at the north gate',
  'that is what I said yesterday',
  'see you all tomorrow, same place',
  'nobody told me that it would be so loud',
  'thank you, that was a good game',
]
/** After the events; the note is as long as the message has room. */
const BEFORE_NOTE = '],"note":"'
const AFTER_NOTE = '"}'
/** What each compressed message leaves out at its end. RFC 7692 §7.2.2. */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

/** Exactly `bytes` bytes of JSON, all ASCII; the same for the same publisher and number. */
export function jsonOf(publisher: number, number: number, bytes: number): string {
  let seed = (publisher * 0x9e3779b1 + number * 0x85ebca6b + 1) | 0
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0
    return Math.floor(((seed >>> 0) / 2 ** 32) * below)
  }
  const one = (list: readonly string[]): string => list[random(list.length)]!
  let json = `{"publisher":${publisher},"number":${number},"channel":"lobby","events":[`
  const most = bytes - BEFORE_NOTE.length - AFTER_NOTE.length
  for (let id = number * 10, comma = ''; ; id++, comma = ',') {
    const user = `{"id":${1000 + random(100)},"name":"${one(NAMES)}","online":true}`
    const at = `{"x":${random(2000)},"y":${random(2000)}}`
    const event = `${comma}{"id":${id},"type":"message","user":${user},"at":${at},"text":"${one(TEXTS)}"}`
    if (json.length + event.length > most) break
    json += event
  }
  return json + BEFORE_NOTE + ''.padEnd(most - json.length, one(TEXTS)) + AFTER_NOTE
}

/** Returns a function that makes `count` frames of one publisher in one buffer, numbered on from `number`. They are not
 * compressed, as RFC 7692 §6 allows: what is measured is the server's own compression. */
export function jsonFramesOf(options: FrameOptions): (number: number, count: number) => Buffer {
  const { publisher, payloadBytes, envelope } = options
  const length = payloadBytes + envelope.before.length + envelope.after.length
  const header = Buffer.from([...headerOf(length, { masked: true }), ...MASK])
  return (number, count) =>
    Buffer.concat(
      Array.from({ length: count }, (_, i) => {
        const json = jsonOf(publisher, number + i, payloadBytes)
        const payload = Buffer.from(envelope.before + json + envelope.after)
        for (let at = 0; at < payload.length; at++) payload[at]! ^= MASK[at & 3]!
        return Buffer.concat([header, payload])
      }),
    )
}

/** A message that some socket got first. */
interface Known {
  publisher: number
  number: number
  /** The whole frame. */
  bytes: Buffer
  /** How many sockets are past it. */
  passed: number
}

/** Checks compressed messages. Sockets usually get them in one order: each has a place in the list of what is known, and
 * the frame there is compared first. A frame that is another one is inflated and read. */
export class DeflatedChecker implements MessageChecker {
  delivered = 0
  readonly firstByte = 0xc1
  readonly expected: Uint32Array
  readonly #sockets: number
  readonly #publishers: number
  readonly #payloadBytes: number
  readonly #envelope: Envelope
  readonly #known: (Known | undefined)[] = []
  /** For each socket: its place in the list. */
  readonly #places: Uint32Array

  constructor(options: CheckerOptions) {
    this.expected = new Uint32Array(options.sockets * options.publishers)
    this.#places = new Uint32Array(options.sockets)
    this.#sockets = options.sockets
    this.#publishers = options.publishers
    this.#payloadBytes = options.payloadBytes
    this.#envelope = options.envelope
  }

  walk(bytes: Buffer, start: number, end: number, socket: number): number {
    let at = start
    while (end - at >= 4 && bytes[at] === this.firstByte) {
      const isShort = bytes[at + 1]! < 126
      const length = isShort ? bytes[at + 1]! : bytes.readUInt16BE(at + 2)
      if (bytes[at + 1]! > 126 || length >= this.#payloadBytes) throw new Error('a compressed frame of a wrong length')
      const payloadAt = at + (isShort ? 2 : 4)
      const next = payloadAt + length
      if (next > end) break
      this.#take(bytes, at, next, socket) ?? this.#learn(bytes, at, next, payloadAt, socket)
      this.delivered++
      at = next
    }
    return at
  }

  /** Takes the frame as the one at the socket's place, if it has the same bytes. */
  #take(bytes: Buffer, at: number, next: number, socket: number): true | undefined {
    const known = this.#next(socket)
    if (known === undefined || known.bytes.length !== next - at) return undefined
    if (known.bytes.compare(bytes, at, next) !== 0) return undefined
    this.#count(known.publisher, known.number, socket)
    this.#pass(known, socket)
    return true
  }

  /** What is known at the socket's place, past all that it got by another way. */
  #next(socket: number): Known | undefined {
    for (;;) {
      const known = this.#known[this.#places[socket]!]
      if (known === undefined) return undefined
      if (this.expected[socket * this.#publishers + known.publisher]! <= known.number) return known
      this.#pass(known, socket)
    }
  }

  #pass(known: Known, socket: number): void {
    const place = this.#places[socket]!++
    if (++known.passed === this.#sockets) this.#known[place] = undefined
  }

  /** Inflates and reads a frame; the first of its kind is known from now on. */
  #learn(bytes: Buffer, at: number, next: number, payloadAt: number, socket: number): void {
    const isLast = this.#places[socket] === this.#known.length
    const payload = inflateRawSync(Buffer.concat([bytes.subarray(payloadAt, next), TAIL]), {
      finishFlush: constants.Z_SYNC_FLUSH,
    }).toString('latin1')
    const { before, after } = this.#envelope
    const json = payload.slice(before.length, payload.length - after.length)
    const { publisher, number } = JSON.parse(json) as { publisher: number; number: number }
    if (payload !== before + jsonOf(publisher, number, this.#payloadBytes) + after) {
      throw new Error('a payload was changed')
    }
    this.#count(publisher, number, socket)
    if (!isLast) return
    const known = { publisher, number, bytes: Buffer.from(bytes.subarray(at, next)), passed: 0 }
    this.#known.push(known)
    this.#pass(known, socket)
  }

  #count(publisher: number, number: number, socket: number): void {
    const index = socket * this.#publishers + publisher
    if (publisher >= this.#publishers || this.expected[index] !== number) {
      throw new Error(`message ${number} of publisher ${publisher} out of order or lost`)
    }
    this.expected[index] = number + 1
  }
}
