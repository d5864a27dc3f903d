// One message on Redis is one envelope: a header of 24 bytes and, for messages, ready-made frames. What is decided here:
// which bytes are one. Whoever can publish on Redis can put anything there, and frames go to members as they are, so
// every frame's header is walked first; what is not an envelope through and through is none.
//
//   0 'RC' · 2 version · 3 kind · 4 node (8) · 12 number (8) · 20 age in ms (4) · 24 frames …      integers big-endian

import { Buffer } from 'node:buffer'

/** What an envelope is for. Records are messages that no member gets as they are: each is the payload of a frame. What a
 * store tells beside them has kinds of its own, above these. */
export const Kind = { MESSAGES: 0, TAIL_MARK: 1, PROBE: 2, ASK: 3, RECORDS: 4 } as const
export type Kind = (typeof Kind)[keyof typeof Kind]

/** What the messages of a node are. Who carries the one takes no other. */
export type Carried = typeof Kind.MESSAGES | typeof Kind.RECORDS

export const HEADER_BYTES = 24

/** The age before the first message there ever was, and every age too great to be written. */
export const MAX_AGE = 0xffff_ffff

const MAGIC_AND_VERSION = 0x524301 // 'RC', 1
const TWO_32 = 0x1_0000_0000
const MAX_NUMBER = 2 ** 53

/** A valid envelope. */
export interface Envelope {
  kind: Kind
  /** Whose it is, in hex. */
  node: string
  /** Of the first message in it, of the last published before a mark; from 1. */
  number: number
  /** In ms. */
  age: number
  /** The frames, each whole; views of the bytes that were decoded. Empty unless it carries messages. */
  frames: Buffer[]
}

/** Writes a header at the beginning of `to`. @param node 8 bytes. @param age in ms, rounded up and capped here. */
export function writeHeader(to: Buffer, kind: number, node: Uint8Array, number: number, age: number): void {
  to.writeUInt32BE(MAGIC_AND_VERSION * 256 + kind, 0)
  to.set(node, 4)
  to.writeUInt32BE(Math.floor(number / TWO_32), 12)
  to.writeUInt32BE(number % TWO_32, 16)
  writeAge(to, age)
}

/** Writes the age anew: it counts to when the envelope is written to Redis, which may be later again. */
export function writeAge(to: Buffer, age: number): void {
  to.writeUInt32BE(Math.min(MAX_AGE, Math.max(0, Math.ceil(age))), 20)
}

/** An envelope of messages. @param bytes the sum of the frames' lengths. */
export function encodeMessages(
  node: Uint8Array,
  number: number,
  age: number,
  frames: readonly Buffer[],
  bytes: number,
  carries: Carried = Kind.MESSAGES,
): Buffer {
  const envelope = Buffer.allocUnsafe(HEADER_BYTES + bytes)
  writeHeader(envelope, carries, node, number, age)
  let at = HEADER_BYTES
  for (const frame of frames) {
    envelope.set(frame, at)
    at += frame.length
  }
  return envelope
}

/** An envelope of any other kind. */
export function encodeNotice(kind: Kind, node: Uint8Array, number: number, age: number): Buffer {
  const envelope = Buffer.allocUnsafe(HEADER_BYTES)
  writeHeader(envelope, kind, node, number, age)
  return envelope
}

/** The kind of an envelope, also of one that others know; undefined: it is none, or of another version. */
export function kindOf(bytes: Buffer): number | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUIntBE(0, 3) !== MAGIC_AND_VERSION) return undefined
  return bytes[3]!
}

/** Whose an envelope is, in hex. */
export function nodeOf(bytes: Buffer): string {
  return bytes.toString('hex', 4, 12)
}

/** Reads an envelope, or says undefined: it is none, of another version, or not whole.
 * @param carries what its messages have to be. */
export function decode(bytes: Buffer, carries: Carried = Kind.MESSAGES): Envelope | undefined {
  const kind = kindOf(bytes)
  if (kind === undefined || (kind !== carries && !isNoMessage(kind))) return undefined
  const number = bytes.readUInt32BE(12) * TWO_32 + bytes.readUInt32BE(16)
  const frames = kind === carries ? readFrames(bytes) : bytes.length === HEADER_BYTES ? [] : undefined
  if (frames === undefined || number === 0) return undefined
  // Above 2^53 doubles skip numbers; 2^53 + 1 would read as 2^53.
  const highest = MAX_NUMBER - Math.max(0, frames.length - 1)
  if (number > highest || (number === MAX_NUMBER && bytes.readUInt32BE(16) !== 0)) return undefined
  return {
    kind: kind as Kind,
    node: nodeOf(bytes),
    number,
    age: bytes.readUInt32BE(20),
    frames,
  }
}

function isNoMessage(kind: number): boolean {
  return kind === Kind.TAIL_MARK || kind === Kind.PROBE || kind === Kind.ASK
}

/** The frames after the header, or undefined when there are none or one of them is not a server's whole data frame:
 * FIN without reserved bits, opcode 1 or 2, not masked, its length in the shortest form (RFC 6455 §5.2). */
function readFrames(bytes: Buffer): Buffer[] | undefined {
  const frames: Buffer[] = []
  const end = bytes.length
  let at = HEADER_BYTES
  while (at < end) {
    if (end - at < 2 || (bytes[at] !== 0x81 && bytes[at] !== 0x82)) return undefined
    // A masked frame has the top bit set and so falls in none of the three.
    const short = bytes[at + 1]!
    let next: number
    if (short < 126) {
      next = at + 2 + short
    } else if (short === 126) {
      if (end - at < 4) return undefined
      const length = bytes.readUInt16BE(at + 2)
      if (length < 126) return undefined
      next = at + 4 + length
    } else if (short === 127) {
      if (end - at < 10) return undefined
      const length = bytes.readUInt32BE(at + 2) * TWO_32 + bytes.readUInt32BE(at + 6)
      if (length < 0x1_0000) return undefined
      next = at + 10 + length
    } else {
      return undefined
    }
    if (next > end) return undefined
    frames.push(bytes.subarray(at, next))
    at = next
  }
  return frames.length === 0 ? undefined : frames
}

/** Frames that do not pin much more memory than their own: a slow member may keep one for long, and it is a view of all
 * that came in with it. */
export function unpinned(frames: Buffer[]): Buffer[] {
  const length = frames.reduce((sum, frame) => sum + frame.length, 0)
  if (frames[0]!.buffer.byteLength <= 2 * length) return frames
  const copy = Buffer.concat(frames, length)
  let at = 0
  return frames.map((frame) => copy.subarray(at, (at += frame.length)))
}

/** Does it belong on the bridge's own Redis channel? */
export function isNotice({ kind }: Envelope): boolean {
  return kind === Kind.PROBE || kind === Kind.ASK
}
