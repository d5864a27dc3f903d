// Payload → frame bytes, once. A `Framed` is a complete server frame that any number of sockets can share: a broadcast
// frames its message one time and writes the same bytes to everybody.

import { Buffer } from 'node:buffer'
import { CloseCode } from './close.ts'
import { shareWithCopies } from './copies.ts'
import { checkFields } from './fields.ts'
import { FIN, headerLength, MAX_CONTROL_BYTES, OpcodeByte, writeHeader } from './frame.ts'
import type { Deflater } from './permessage-deflate.ts'

/** What a data message is: `'text'` (UTF-8) or `'binary'`. RFC 6455 §5.6. */
export type Opcode = 'text' | 'binary'

/** One piece of a payload: text, or bytes of any kind, also of another realm (a worker's, a test environment's). */
export type Piece = string | ArrayBufferView | ArrayBuffer

/** A payload: a string, bytes, or an array of them that makes one message. */
export type Payload = Piece | readonly Piece[]

/** Options of `txt` and `bin`. */
export interface FramingOptions {
  /** `false`: never compress this one, whatever a socket negotiated. Default `true`. */
  compress?: boolean
}

/** A complete frame, ready for any number of sockets. Made by `txt`, `bin` and `frame`; treat its bytes as read-only. */
export class Framed {
  /** The frame as it goes on the wire: header and payload, not masked. */
  readonly bytes: Buffer
  /** May it be compressed where a socket negotiated that? */
  readonly compress: boolean
  /** Its compressed forms, made on demand: a pair for each deflater that was asked. */
  #forms: { deflater: Deflater; bytes: Buffer }[] | null = null

  constructor(bytes: Buffer, compress: boolean) {
    this.bytes = bytes
    this.compress = compress
  }

  /** The frame for sockets that share `deflater`: compressed once, whoever asks. */
  deflated(deflater: Deflater): Buffer {
    if (!this.compress) return this.bytes
    this.#forms ??= []
    for (const form of this.#forms) if (form.deflater === deflater) return form.bytes
    const bytes = deflater.deflate(this.bytes)
    this.#forms.push({ deflater, bytes })
    return bytes
  }
}

shareWithCopies('Framed', Framed)

/** Frames a text message. Framing a `Framed` is a no-op.
 * @param data a string, bytes that are UTF-8 (not checked), or an array of them.
 * @throws TypeError for another type, or an unknown option. */
export function txt(data: Payload | Framed, options?: FramingOptions): Framed {
  return framed('txt', data, OpcodeByte.TEXT, options)
}

/** Frames a binary message. Framing a `Framed` is a no-op.
 * @param data bytes, a string (sent as its UTF-8), or an array of them.
 * @throws TypeError for another type, or an unknown option. */
export function bin(data: Payload | Framed, options?: FramingOptions): Framed {
  return framed('bin', data, OpcodeByte.BINARY, options)
}

function framed(what: string, data: Payload | Framed, opcode: number, options?: FramingOptions): Framed {
  if (options !== undefined) checkFields(what, options, { compress: 'boolean' })
  return data instanceof Framed ? data : new Framed(dataFrame(data, opcode), options?.compress !== false)
}

/** Frames a message as `socket.write` does: strings are text, bytes binary, an array text when all of it is strings,
 * unless `opcode` says else. Framing a `Framed` is a no-op.
 * @throws TypeError for another type, RangeError for another opcode. */
export function frame(data: Payload | Framed, opcode?: Opcode): Framed {
  return data instanceof Framed ? data : new Framed(frameBytes(data, opcode), true)
}

/** The bytes of `frame`, for a message that only one socket gets. */
export function frameBytes(data: Payload, opcode: Opcode | undefined): Buffer {
  if (opcode === undefined) return dataFrame(data, isText(data) ? OpcodeByte.TEXT : OpcodeByte.BINARY)
  if (opcode === 'text') return dataFrame(data, OpcodeByte.TEXT)
  if (opcode === 'binary') return dataFrame(data, OpcodeByte.BINARY)
  if (typeof opcode !== 'string') throw new TypeError(`opcode must be 'text' or 'binary'`)
  throw new RangeError(`opcode must be 'text' or 'binary': ${opcode}`)
}

/** What a message may take to count as small, in bytes. */
const SMALL_BYTES = 1024

/** The size of a small message's frame; 0: it is not small, or of a kind that is framed by `frameBytes` alone. */
export function smallFrameSize(data: Payload): number {
  let length: number
  if (typeof data === 'string') length = data.length > SMALL_BYTES ? data.length : Buffer.byteLength(data)
  else if (data instanceof Uint8Array) length = data.byteLength
  else return 0
  return length > SMALL_BYTES ? 0 : headerLength(length) + length
}

/** Writes the frame of a small message, whose size is known, at `bytes[at]`. */
export function writeSmallFrame(bytes: Buffer, at: number, data: Payload, text: boolean, size: number): void {
  const length = size < 128 ? size - 2 : size - 4
  writeHeader(bytes, FIN | (text ? OpcodeByte.TEXT : OpcodeByte.BINARY), length, at)
  putPiece(bytes, at + size - length, data as string | Uint8Array)
}

function isText(data: Payload): boolean {
  return typeof data === 'string' || (Array.isArray(data) && data.every((piece) => typeof piece === 'string'))
}

function dataFrame(data: Payload, opcode: number): Buffer {
  if (!Array.isArray(data)) {
    const piece = toPiece(data as Piece)
    const length = lengthOf(piece)
    const bytes = emptyFrame(FIN | opcode, length)
    putPiece(bytes, bytes.length - length, piece)
    return bytes
  }
  // Each piece is read once: an array may be anything that says other things the second time.
  const pieces = joinText(data).map(toPiece)
  const length = pieces.reduce((sum, piece) => sum + lengthOf(piece), 0)
  const bytes = emptyFrame(FIN | opcode, length)
  let at = bytes.length - length
  for (const piece of pieces) at += putPiece(bytes, at, piece)
  return bytes
}

/** Strings that follow one another become one: the halves of a character may be in two of them. */
function joinText(data: readonly Piece[]): Piece[] {
  const pieces: Piece[] = []
  for (const piece of data) {
    const before = pieces.at(-1)
    if (typeof piece === 'string' && typeof before === 'string') pieces[pieces.length - 1] = before + piece
    else pieces.push(piece)
  }
  return pieces
}

/** A frame whose header is written and whose payload is still to be filled. */
function emptyFrame(byte0: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(headerLength(length) + length)
  writeHeader(bytes, byte0, length)
  return bytes
}

/** @throws TypeError for what is neither text nor bytes. */
function toPiece(piece: Piece): string | Uint8Array {
  if (typeof piece === 'string' || piece instanceof Uint8Array) return piece
  if (ArrayBuffer.isView(piece)) return new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)
  // Of another realm it is no instance of our ArrayBuffer.
  if (Object.prototype.toString.call(piece) === '[object ArrayBuffer]') return new Uint8Array(piece)
  throw new TypeError('data must be a string, bytes (an ArrayBuffer or a view of one), an array of these, or a Framed')
}

function lengthOf(piece: string | Uint8Array): number {
  return typeof piece === 'string' ? Buffer.byteLength(piece) : piece.byteLength
}

function putPiece(bytes: Buffer, at: number, piece: string | Uint8Array): number {
  if (typeof piece === 'string') return bytes.write(piece, at)
  bytes.set(piece, at)
  return piece.byteLength
}

function controlFrame(opcode: number, payload: string | Uint8Array): Buffer {
  const length = lengthOf(payload)
  if (length > MAX_CONTROL_BYTES) throw new RangeError(`a control frame carries at most ${MAX_CONTROL_BYTES} bytes`)
  const bytes = emptyFrame(FIN | opcode, length)
  putPiece(bytes, 2, payload)
  return bytes
}

/** A ping frame. §5.5.2.
 * @throws RangeError for a payload over 125 bytes, TypeError for another type. */
export function pingFrame(payload: string | ArrayBufferView): Buffer {
  if (typeof payload !== 'string' && !ArrayBuffer.isView(payload)) {
    throw new TypeError('a ping carries a string, or bytes in a view such as Uint8Array')
  }
  return controlFrame(OpcodeByte.PING, toPiece(payload))
}

/** A pong frame, which gives back a ping's payload. §5.5.3. */
export function pongFrame(payload: Uint8Array): Buffer {
  return controlFrame(OpcodeByte.PONG, payload)
}

/** A Close frame; without a code (1005) its body is empty. §5.5.1. */
export function closeFrame(code: number, reason: string): Buffer {
  if (code === CloseCode.NO_STATUS) return controlFrame(OpcodeByte.CLOSE, '')
  const bytes = emptyFrame(FIN | OpcodeByte.CLOSE, 2 + Buffer.byteLength(reason))
  bytes.writeUInt16BE(code, 2)
  bytes.write(reason, 4)
  return bytes
}
