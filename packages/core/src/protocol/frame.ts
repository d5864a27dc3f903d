// The frame header (RFC 6455 §5.2): opcodes, layout, and the rules that a peer's header must keep, as one ordered list,
// one clause each. The first rule that is broken decides.
//
//   byte 0  FIN RSV1 RSV2 RSV3 opcode(4)
//   byte 1  MASK length(7)     126: 16 bits follow, 127: 64 bits follow, then 4 bytes of masking key

import type { Buffer } from 'node:buffer'
import { CloseCode } from './close.ts'
import { ProtocolError } from './errors.ts'

export const FIN = 0x80
export const RSV1 = 0x40
const MASK = 0x80

/** The opcodes of RFC 6455 §5.2; the others are reserved. */
export const OpcodeByte = { CONTINUATION: 0x0, TEXT: 0x1, BINARY: 0x2, CLOSE: 0x8, PING: 0x9, PONG: 0xa } as const

/** The longest payload of a control frame, in bytes. §5.5. */
export const MAX_CONTROL_BYTES = 125

/** Fragments of one message: each is cheap in memory here (bytes are copied together), so this guards CPU only, well
 * above what real clients and the Autobahn suite (65,537) send. */
export const MAX_FRAGMENTS = 131_072

/** Empty fragments in a row: legal, but they carry nothing and would go on for ever. */
export const MAX_EMPTY_FRAGMENTS = 1024

/** What the rules have to know of the connection besides the header. */
export interface HeaderContext {
  /** A message has begun and its last fragment has not come. */
  readonly fragmented: boolean
  /** permessage-deflate is negotiated, so RSV1 has a meaning. */
  readonly deflate: boolean
}

function violation(message: string, section: string): never {
  throw new ProtocolError(message, CloseCode.PROTOCOL_ERROR, section)
}

/** The rules that the first two bytes of a client's frame must keep.
 * @throws ProtocolError 1002 */
export function checkHeader(byte0: number, byte1: number, context: HeaderContext): void {
  const opcode = byte0 & 0x0f
  const control = opcode >= 0x8
  const fin = (byte0 & FIN) !== 0
  // §5.2: RSV2 and RSV3 must be 0: no extension defines them.
  if ((byte0 & 0x30) !== 0) violation('RSV2 or RSV3 is set', '5.2')
  // §5.2: RSV1 must be 0 unless an extension defines it.
  if ((byte0 & RSV1) !== 0 && !context.deflate) violation('RSV1 is set', '5.2')
  // RFC 7692 §6.1: RSV1 is set on the first frame of a message only, never on a control frame (§7.2.3.1).
  if ((byte0 & RSV1) !== 0 && (control || opcode === OpcodeByte.CONTINUATION)) violation('RSV1 on a wrong frame', '5.2')
  // §5.2: opcodes 3–7 and B–F are reserved.
  if ((opcode > 0x2 && opcode < 0x8) || opcode > 0xa) violation('reserved opcode', '5.2')
  // §5.5: control frames must not be fragmented.
  if (control && !fin) violation('fragmented control frame', '5.5')
  // §5.4: a continuation needs a message to continue.
  if (opcode === OpcodeByte.CONTINUATION && !context.fragmented) violation('continuation of nothing', '5.4')
  // §5.4: fragments of one message must not be interleaved with another message.
  if (!control && opcode !== OpcodeByte.CONTINUATION && context.fragmented) violation('message inside a message', '5.4')
  // §5.1: a client must mask every frame.
  if ((byte1 & MASK) === 0) violation('frame is not masked', '5.1')
  // §5.5: control frames carry at most 125 bytes.
  if (control && (byte1 & 0x7f) > MAX_CONTROL_BYTES) violation('control frame over 125 bytes', '5.5')
}

/** The rules of an extended length. §5.2: in the shortest form, and a 64-bit one below 2^63.
 * @throws ProtocolError 1002 */
export function checkLength(short: number, high: number, low: number): void {
  if (short === 126 && low < 126) violation('length is not minimal', '5.2')
  if (short === 127 && high >= 0x8000_0000) violation('length has its top bit set', '5.2')
  if (short === 127 && high === 0 && low < 0x1_0000) violation('length is not minimal', '5.2')
}

/** Bytes of a server's frame header (servers never mask) for a payload of `length` bytes: 2, 4 or 10. */
export function headerLength(length: number): number {
  return length < 126 ? 2 : length < 0x1_0000 ? 4 : 10
}

/** Writes a server's frame header at `bytes[at]`, in the shortest form. §5.2. */
export function writeHeader(bytes: Buffer, byte0: number, length: number, at = 0): void {
  bytes[at] = byte0
  if (length < 126) {
    bytes[at + 1] = length
  } else if (length < 0x1_0000) {
    bytes[at + 1] = 126
    bytes.writeUInt16BE(length, at + 2)
  } else {
    bytes[at + 1] = 127
    bytes.writeUInt32BE(Math.floor(length / 0x1_0000_0000), at + 2)
    bytes.writeUInt32BE(length >>> 0, at + 6)
  }
}
