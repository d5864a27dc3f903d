// permessage-deflate (RFC 7692), the codec. No connection holds a zlib stream. Out there is no context takeover, whatever
// the client offers (§7.1.1.1: a server may say so unasked), so one compressed frame serves every member of a room. There
// are at most two forms of a frame: for a window of 15 bits, and of 9 for peers that cannot hold more. In, a client may
// keep its context, which to us is a few bytes of plain data: context-window.ts.

import { Buffer, constants as bufferConstants } from 'node:buffer'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { CloseCode } from './close.ts'
import type { ContextWindow } from './context-window.ts'
import { ProtocolError } from './errors.ts'
import { checkFields } from './fields.ts'
import { headerLength, RSV1, writeHeader } from './frame.ts'
import { EMPTY } from './parser.ts'

/** What is compressed, and how. */
export interface CompressionOptions {
  /** Payloads under it go plain: they would hardly shrink. In bytes, default 1,024. */
  thresholdBytes?: number
  /** Payloads over it go plain: they would block the process. In bytes, default 262,144. */
  maxBytes?: number
  /** zlib's level, 1 (fast, the default) to 9. */
  level?: number
  /** May a client's compressed messages refer to its earlier ones? Default `true`: up to 4 KiB are kept for a client that
   * lets us choose its window, up to 32 KiB for another, and they count in `maxTotalBytes`. `false`: clients are told not
   * to, and nothing is kept; some refuse that answer, or do not heed it. */
  clientContextTakeover?: boolean
}

/** The windows that our frames are made for. */
export type WindowBits = 15 | 9

/** Makes the compressed form of frames for one window size. */
export class Deflater {
  readonly #options: Required<Omit<CompressionOptions, 'clientContextTakeover'>>
  readonly #windowBits: WindowBits
  /** How many payloads were compressed. */
  count = 0

  constructor(options: CompressionOptions, windowBits: WindowBits) {
    const { thresholdBytes = 1024, maxBytes = 262_144, level = 1 } = options
    this.#options = { thresholdBytes, maxBytes, level }
    this.#windowBits = windowBits
  }

  /** The frame to send for a plain data frame: compressed (RSV1, §6.1), or as it is where that would be no gain. */
  deflate(frame: Buffer): Buffer {
    const { thresholdBytes, maxBytes, level } = this.#options
    const zlib = { windowBits: this.#windowBits, level, finishFlush: constants.Z_SYNC_FLUSH }
    const payload = frame.subarray(frame[1]! < 126 ? 2 : frame[1] === 126 ? 4 : 10)
    if (payload.length < thresholdBytes || payload.length > maxBytes) return frame
    this.count++
    // §7.2.1: flush to a byte boundary, then leave out the four bytes that every such flush ends in.
    const flushed = deflateRawSync(payload, zlib)
    const length = flushed.length - TAIL.length
    if (length >= payload.length) return frame
    const bytes = Buffer.allocUnsafe(headerLength(length) + length)
    writeHeader(bytes, frame[0]! | RSV1, length)
    flushed.copy(bytes, bytes.length - length, 0, length)
    return bytes
  }
}

/** The deflaters of a server, one for each window size, and whether its clients may keep their context. */
export interface Deflaters extends Readonly<Record<WindowBits, Deflater>> {
  readonly clientContextTakeover: boolean
}

/** The deflaters of a server; null when `compression` is off. */
export function createDeflaters(compression: boolean | CompressionOptions | undefined): Deflaters | null {
  if (compression === undefined || compression === false) return null
  const options = compression === true ? {} : compression
  const { clientContextTakeover = true } = options
  return { 15: new Deflater(options, 15), 9: new Deflater(options, 9), clientContextTakeover }
}

/** What a flushed deflate block ends in, and each message leaves out. §7.2.1, §7.2.2. */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

/** An empty stored block with BFINAL. It stands behind each message when that is inflated: zlib comes to it only if the
 * message ended where a block ends, so one that was cut short is noticed. */
const FINAL_BLOCK = Buffer.from([0x01, 0x00, 0x00, 0xff, 0xff])

/** How many deflate streams one message may consist of. A peer may begin a new one with each flush (§7.2.1), and every
 * stream costs zlib's set-up, about as much as a small message does. With this bound a message of 1 KiB costs a few
 * milliseconds, whatever is in it, and a message of 1 MiB may still be flushed every 8 KiB. */
export const MAX_STREAMS = 128

/** How far deflate data can refer back. RFC 1951 §2. */
const MAX_WINDOW_BYTES = 32_768

/** The payload of a compressed message. It may be several deflate streams: a block with BFINAL ends one, and the next
 * begins at the next byte (§7.2.1). The RFC has one sliding window for all of a message, so each stream may refer to what
 * the ones before it inflated to; one that does not is not disturbed by that.
 * @param window the client's context, which the message may refer to and is taken into; null: it has none.
 * @throws ProtocolError 1009 as soon as it inflates to more than `maxBytes`, 1007 for what is not deflate data or ends
 * within a block, 1008 for more than `MAX_STREAMS`. */
export function inflate(payload: Buffer, maxBytes: number, window: ContextWindow | null = null): Buffer {
  // A zlib that has nothing to flush gives nothing, also for an empty message.
  if (payload.length === 0) return EMPTY
  const context = window === null ? EMPTY : window.bytes
  // Some peers do not leave out the tail, or have no empty block at the end that it would belong to.
  const data =
    inflateStreams(payload, [TAIL, FINAL_BLOCK], context, maxBytes) ??
    inflateStreams(payload, [FINAL_BLOCK], context, maxBytes)
  if (data === null) throw new ProtocolError('corrupt compressed data', CloseCode.INVALID_PAYLOAD, '')
  window?.remember(data)
  // zlib gives a slice of a buffer of its own size: a small message must not pin it.
  return data.length * 2 >= data.buffer.byteLength ? data : Buffer.from(data)
}

/** What all deflate streams of a payload inflate to with this end behind it; null: it is corrupt. */
function inflateStreams(payload: Buffer, end: readonly Buffer[], context: Buffer, maxBytes: number): Buffer | null {
  const input = Buffer.concat([payload, ...end])
  const parts: Buffer[] = []
  let dictionary = context
  let length = 0
  let at = 0
  while (at < payload.length) {
    if (parts.length === MAX_STREAMS) {
      throw new ProtocolError('too many deflate streams', CloseCode.POLICY_VIOLATION, '')
    }
    const stream = inflateStream(input.subarray(at), dictionary, maxBytes - length)
    if (stream === null) return null
    const { data, consumed } = stream
    parts.push(data)
    length += data.length
    at += consumed
    const recent = data.subarray(-MAX_WINDOW_BYTES)
    if (at < payload.length) dictionary = Buffer.concat([dictionary, recent]).subarray(-MAX_WINDOW_BYTES)
  }
  // The last stream ends with the message, with the tail that the message left out, or with our own block. One that ends
  // elsewhere took some of these bytes for its own.
  if (at !== payload.length && at !== payload.length + TAIL.length && at !== input.length) return null
  return parts.length > 1 ? Buffer.concat(parts, length) : parts[0]!
}

/** The first deflate stream in `input`, and how many bytes it takes there; null: it is corrupt. */
function inflateStream(input: Buffer, dictionary: Buffer, maxBytes: number): { data: Buffer; consumed: number } | null {
  try {
    const { buffer, engine } = inflateRawSync(input, {
      // zlib knows no limit of nothing.
      maxOutputLength: Math.min(Math.max(maxBytes, 1), bufferConstants.MAX_LENGTH),
      info: true,
      ...(dictionary.length > 0 && { dictionary }),
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } }
    if (buffer.length <= maxBytes) return { data: buffer, consumed: engine.bytesWritten }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code?.startsWith('Z_')) return null
    if (code !== 'ERR_BUFFER_TOO_LARGE') throw new ProtocolError('cannot inflate', CloseCode.INTERNAL_ERROR, '')
  }
  throw new ProtocolError('message too big', CloseCode.MESSAGE_TOO_BIG, '10.4', 'maxMessageBytes')
}

const OPTION_TYPES = { thresholdBytes: 'number', maxBytes: 'number', level: 'number', clientContextTakeover: 'boolean' }

/** Checks the `compression` option.
 * @throws TypeError for another type or an unknown option, RangeError for a wrong value. */
export function checkCompression(compression: boolean | CompressionOptions | undefined): void {
  if (compression === undefined || typeof compression === 'boolean') return
  checkFields('compression', compression, OPTION_TYPES)
  for (const [name, value] of Object.entries(compression)) {
    if (typeof value !== 'number') continue
    const fits = name === 'level' ? Number.isInteger(value) && value >= 1 && value <= 9 : value >= 0
    if (!fits) throw new RangeError(`compression.${name} is out of range: ${value}`)
  }
}
