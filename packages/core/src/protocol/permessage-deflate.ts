// permessage-deflate (RFC 7692), the codec. It is stateless: no context takeover in both directions,
// whatever the client offers (§7.1.1: a server may answer with both parameters unasked), so a connection holds no zlib
// state, and one compressed frame serves every member of a room. There are at most two forms of a frame: for a window of
// 15 bits, and of 9 for peers that cannot hold more.

import { Buffer, constants as bufferConstants } from 'node:buffer'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { CloseCode } from './close.ts'
import { ProtocolError } from './errors.ts'
import { headerLength, RSV1, writeHeader } from './frame.ts'

/** What is compressed, and how. */
export interface CompressionOptions {
  /** Payloads under it go plain: they would hardly shrink. In bytes, default 1,024. */
  thresholdBytes?: number
  /** Payloads over it go plain: they would block the process. In bytes, default 262,144. */
  maxBytes?: number
  /** zlib's level, 1 (fast, the default) to 9. */
  level?: number
}

/** The windows that our frames are made for. */
export type WindowBits = 15 | 9

/** Makes the compressed form of frames for one window size. */
export class Deflater {
  readonly #options: Required<CompressionOptions>
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
    const payload = frame.subarray(frame[1]! < 126 ? 2 : frame[1] === 126 ? 4 : 10)
    if (payload.length < thresholdBytes || payload.length > maxBytes) return frame
    this.count++
    // §7.2.1: flush to a byte boundary, then leave out the four bytes that every such flush ends in.
    const flushed = deflateRawSync(payload, {
      windowBits: this.#windowBits,
      level,
      finishFlush: constants.Z_SYNC_FLUSH,
    })
    const length = flushed.length - TAIL.length
    if (length >= payload.length) return frame
    const bytes = Buffer.allocUnsafe(headerLength(length) + length)
    writeHeader(bytes, frame[0]! | RSV1, length)
    flushed.copy(bytes, bytes.length - length, 0, length)
    return bytes
  }
}

/** The deflaters of a server, one for each window size; null when `compression` is off. */
export function createDeflaters(
  compression: boolean | CompressionOptions | undefined,
): Readonly<Record<WindowBits, Deflater>> | null {
  if (compression === undefined || compression === false) return null
  const options = compression === true ? {} : compression
  return { 15: new Deflater(options, 15), 9: new Deflater(options, 9) }
}

/** What a flushed deflate block ends in, and each message leaves out. §7.2.1, §7.2.2. */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

/** The payload of a compressed message.
 * @throws ProtocolError 1009 as soon as it inflates to more than `maxBytes`, 1007 for what is not deflate data. */
export function inflate(payload: Buffer, maxBytes: number): Buffer {
  try {
    const data = inflateRawSync(Buffer.concat([payload, TAIL]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: Math.min(maxBytes, bufferConstants.MAX_LENGTH),
    })
    // zlib gives a slice of a buffer of its own size: a small message must not pin it.
    return data.length * 2 >= data.buffer.byteLength ? data : Buffer.from(data)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw new ProtocolError('message too big', CloseCode.MESSAGE_TOO_BIG, '10.4', 'maxMessageBytes')
    }
    if (!code?.startsWith('Z_')) throw new ProtocolError('cannot inflate', CloseCode.INTERNAL_ERROR, '')
    throw new ProtocolError('corrupt compressed data', CloseCode.INVALID_PAYLOAD, '')
  }
}

/** Checks the `compression` option.
 * @throws TypeError for another type or an unknown option, RangeError for a wrong value. */
export function checkCompression(compression: boolean | CompressionOptions | undefined): void {
  if (compression === undefined || typeof compression === 'boolean') return
  const mistake = 'compression must be true or options: thresholdBytes, maxBytes, level'
  if (typeof compression !== 'object' || compression === null || Array.isArray(compression))
    throw new TypeError(mistake)
  for (const [name, value] of Object.entries(compression)) {
    if (!['thresholdBytes', 'maxBytes', 'level'].includes(name)) throw new TypeError(`${mistake}, not ${name}`)
    if (value === undefined) continue
    if (typeof value !== 'number') throw new TypeError(`compression.${name} must be a number`)
    const fits = name === 'level' ? Number.isInteger(value) && value >= 1 && value <= 9 : value >= 0
    if (!fits) throw new RangeError(`compression.${name} is out of range: ${value}`)
  }
}
