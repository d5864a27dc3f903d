// What a client puts on the wire, built by hand so that it can also be wrong: any opcode and flags, any form of the length,
// any masking key or none. It shares no code with the sources. `serverFrame` is the other direction, to compare with.

import { Buffer } from 'node:buffer'

export const Op = { CONTINUATION: 0x0, TEXT: 0x1, BINARY: 0x2, CLOSE: 0x8, PING: 0x9, PONG: 0xa } as const

/** The masking key when none is given: four different bytes, the top bit set. */
const KEY = 0xa1b2_c3d4

export interface ClientFrame {
  opcode: number
  /** Default: none. */
  payload?: string | Uint8Array
  /** Default: true. */
  fin?: boolean
  /** The three reserved bits as a number: 4 is RSV1. Default: 0. */
  rsv?: number
  /** The masking key; null: the frame is not masked. */
  key?: number | null
  /** Bits of the length field. Default: the shortest that fits. */
  form?: 7 | 16 | 64
  /** The length that the header claims. Default: that of the payload. */
  declared?: bigint
}

/** A client's frame. */
export function clientFrame(frame: ClientFrame): Buffer {
  const { opcode, fin = true, rsv = 0, key = KEY } = frame
  const payload = Buffer.from(frame.payload ?? '')
  const declared = frame.declared ?? BigInt(payload.length)
  const form = frame.form ?? (declared < 126n ? 7 : declared < 65_536n ? 16 : 64)
  const length = Buffer.alloc(form === 7 ? 1 : form === 16 ? 3 : 9)
  if (form === 7) length[0] = Number(declared)
  else if (form === 16) length.writeUInt16BE(Number(declared), 1)
  else length.writeBigUInt64BE(declared, 1)
  if (form !== 7) length[0] = form === 16 ? 126 : 127
  const byte0 = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  if (key === null) return Buffer.concat([Buffer.of(byte0), length, payload])
  length[0] = length[0]! | 0x80
  const mask = Buffer.alloc(4)
  mask.writeUInt32BE(key >>> 0)
  return Buffer.concat([Buffer.of(byte0), length, mask, masked(payload, mask)])
}

/** RFC 6455 §5.3 to the letter: octet i is XORed with octet i modulo 4 of the key. */
export function masked(payload: Uint8Array, mask: Uint8Array, phase = 0): Buffer {
  return Buffer.from(payload.map((byte, i) => byte ^ mask[(i + phase) % 4]!))
}

/** One message as a frame for each of `pieces`: the first has the opcode and the reserved bits, the last has FIN. */
export function fragmentFrames(
  opcode: number,
  pieces: readonly (string | Uint8Array)[],
  options: Pick<ClientFrame, 'key' | 'rsv'> = {},
): Buffer[] {
  const later = { ...options, rsv: 0, opcode: Op.CONTINUATION }
  return pieces.map((payload, i) =>
    clientFrame({ ...(i === 0 ? { ...options, opcode } : later), fin: i === pieces.length - 1, payload }),
  )
}

/** `bytes` in `count` parts that differ by one byte at most. */
export function inParts(bytes: Buffer, count: number): Buffer[] {
  const edge = (i: number): number => Math.floor((bytes.length * i) / count)
  return Array.from({ length: count }, (_, i) => bytes.subarray(edge(i), edge(i + 1)))
}

/** The body of a Close frame. */
export function closeBody(code: number, reason: string | Uint8Array = ''): Buffer {
  return Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(reason)])
}

/** The frame a server sends: not masked, its length in the shortest form. */
export function serverFrame(byte0: number, payload: string | Uint8Array): Buffer {
  const frame = clientFrame({ opcode: 0, payload, key: null })
  frame[0] = byte0
  return frame
}
