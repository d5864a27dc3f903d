// What a client's bytes mean, decided again and as simply as can be: all bytes at once, arithmetic instead of state. It is
// what the protocol is compared with, so it shares no code with the sources and has no speed.

import { Buffer } from 'node:buffer'
import { inflateRawSync } from 'node:zlib'
import { masked } from './client-frames.ts'
import { describeMessage } from './describe.ts'

/** First bytes a client may send between messages, and within one: RFC 6455 §5.2, §5.4, §5.5, without extensions. */
export const FIRST_BYTES = {
  between: [0x01, 0x02, 0x81, 0x82, 0x88, 0x89, 0x8a],
  within: [0x00, 0x80, 0x88, 0x89, 0x8a],
} as const

/** With permessage-deflate also these, between messages only: RFC 7692 §6. */
export const DEFLATE_FIRST_BYTES = [0x41, 0x42, 0xc1, 0xc2] as const

const MAX_FRAGMENTS = 131_072
const MAX_EMPTY_IN_ROW = 1024
const MAX_STREAMS = 128
const EMPTY_FINAL_BLOCK = Buffer.of(1, 0, 0, 0xff, 0xff)

/** Whole characters; or a valid beginning, cut within a character; or neither: then nothing that follows can mend it. */
export type Utf8Verdict = 'whole' | 'cut' | 'bad'

/** RFC 3629 by arithmetic: a code point in the fewest bytes, no surrogate, at most U+10FFFF. */
export function utf8Verdict(bytes: Uint8Array): Utf8Verdict {
  for (let i = 0; i < bytes.length; ) {
    const lead = bytes[i]!
    const size = lead < 0x80 ? 1 : lead >= 0xc0 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : 4
    if ((lead >= 0x80 && lead < 0xc0) || lead >= 0xf8) return 'bad'
    let value = size === 1 ? lead : lead & (0x7f >> size)
    let have = 1
    for (; have < size && i + have < bytes.length; have++) {
      const byte = bytes[i + have]!
      if (byte >> 6 !== 0b10) return 'bad'
      value = value * 64 + (byte & 0x3f)
    }
    // All code points that this may still become: is any of them one that takes this many bytes?
    const span = 64 ** (size - have)
    const least = Math.max(value * span, [0, 0x80, 0x800, 0x1_0000][size - 1]!)
    const most = Math.min(value * span + span - 1, 0x10_ffff)
    if (least > most || (least >= 0xd800 && most <= 0xdfff)) return 'bad'
    if (have < size) return 'cut'
    i += size
  }
  return 'whole'
}

export interface ReferenceOptions {
  maxMessageBytes?: number
  deflate?: boolean
  /** How much of its earlier messages a client's compressed ones may refer to. */
  clientWindowBytes?: number
}

/** The events of a connection that got `wire`, as `observe` words them; a failure is told by its code alone. */
export function reference(wire: Buffer, options: ReferenceOptions = {}): string[] {
  const { maxMessageBytes = 1024 * 1024, deflate = false, clientWindowBytes = 0 } = options
  const events: string[] = []
  let opcode: 'text' | 'binary' = 'text'
  let compressed = false
  let message: Buffer | null = null
  let context = Buffer.alloc(0)
  let fragments = 0
  let empty = 0
  for (let at = 0; at + 2 <= wire.length; ) {
    const byte0 = wire[at]!
    const byte1 = wire[at + 1]!
    const control = (byte0 & 0x08) !== 0
    const extra = deflate && message === null ? DEFLATE_FIRST_BYTES : []
    const allowed: readonly number[] = [...(message === null ? FIRST_BYTES.between : FIRST_BYTES.within), ...extra]
    if (!allowed.includes(byte0) || byte1 < 0x80 || (control && byte1 > 0xfd)) return [...events, 'failure 1002']

    const bits = byte1 === 0xff ? 64 : byte1 === 0xfe ? 16 : 7
    const key = at + (bits === 64 ? 10 : bits === 16 ? 4 : 2)
    if (wire.length < key) return events
    const length =
      bits === 64 ? wire.readBigUInt64BE(at + 2) : BigInt(bits === 16 ? wire.readUInt16BE(at + 2) : byte1 & 0x7f)
    if ((bits === 16 && length < 126n) || (bits === 64 && length < 65_536n) || length >= 1n << 63n) {
      return [...events, 'failure 1002']
    }

    if (!control) {
      const begins = (byte0 & 0x0f) !== 0
      if (begins) fragments = empty = 0
      empty = length === 0n ? empty + 1 : 0
      if (BigInt(message?.length ?? 0) + length > BigInt(maxMessageBytes)) return [...events, 'failure 1009']
      if (++fragments > MAX_FRAGMENTS || (!begins && empty > MAX_EMPTY_IN_ROW)) return [...events, 'failure 1008']
    }

    const end = key + 4 + Number(length)
    if (wire.length < key + 4) return events
    const payload = masked(wire.subarray(key + 4, Math.min(end, wire.length)), wire.subarray(key, key + 4))
    const whole = end <= wire.length
    at = end

    if (control) {
      if (!whole) return events
      if (byte0 === 0x8a) events.push('pong')
      else if (byte0 === 0x89)
        events.push(`ping, owes 8a${Buffer.of(payload.length).toString('hex')}${payload.toString('hex')}`)
      else return [...events, closing(payload)]
      continue
    }
    if ((byte0 & 0x0f) !== 0) {
      opcode = (byte0 & 0x0f) === 1 ? 'text' : 'binary'
      compressed = (byte0 & 0x40) !== 0
    }
    message = Buffer.concat([message ?? Buffer.alloc(0), payload])
    const last = whole && byte0 >= 0x80
    if (compressed && last) {
      const inflated = inflate(message, maxMessageBytes, context)
      if (typeof inflated === 'string') return [...events, inflated]
      message = inflated
      if (clientWindowBytes > 0) context = Buffer.concat([context, message]).subarray(-clientWindowBytes)
    }
    const verdict = opcode === 'text' && (!compressed || last) ? utf8Verdict(message) : 'whole'
    if (verdict === 'bad' || (last && verdict === 'cut')) return [...events, 'failure 1007']
    if (!whole) return events
    if (last) {
      events.push(describeMessage(opcode, message))
      message = null
    }
  }
  return events
}

/** RFC 7692 §7.2.2: one deflate stream after the other, until the message is used up; each may refer to what was before. */
function inflate(payload: Buffer, maxMessageBytes: number, context: Buffer): Buffer | string {
  const left = inflateWith(payload, Buffer.of(0, 0, 0xff, 0xff), { maxMessageBytes, context })
  // A message that already ends where a block ends, with nothing left out, is taken as it is.
  return left === 'failure 1007' ? inflateWith(payload, Buffer.alloc(0), { maxMessageBytes, context }) : left
}

function inflateWith(
  payload: Buffer,
  tail: Buffer,
  { maxMessageBytes, context }: { maxMessageBytes: number; context: Buffer },
): Buffer | string {
  const whole = Buffer.concat([payload, tail])
  let message = Buffer.alloc(0)
  for (let at = 0, streams = 0; at < payload.length; streams++) {
    if (streams === MAX_STREAMS) return 'failure 1008'
    // zlib says how far it came in a stream that ends; in one that does not, an end is put behind it.
    const rest = Buffer.concat([whole.subarray(at), EMPTY_FINAL_BLOCK])
    const dictionary = Buffer.concat([context, message]).subarray(-32_768)
    try {
      const before = dictionary.length > 0 ? { dictionary } : {}
      const options = { info: true, maxOutputLength: maxMessageBytes + 1, ...before }
      const { buffer, engine } = inflateRawSync(rest, options) as unknown as {
        buffer: Buffer
        engine: { bytesWritten: number }
      }
      message = Buffer.concat([message, buffer])
      at += engine.bytesWritten
    } catch (error) {
      return error instanceof RangeError ? 'failure 1009' : 'failure 1007'
    }
    if (message.length > maxMessageBytes) return 'failure 1009'
    const beyond = at - payload.length
    if (beyond > 0 && beyond !== 4 && beyond !== tail.length + EMPTY_FINAL_BLOCK.length) return 'failure 1007'
  }
  return message
}

function closing(body: Buffer): string {
  if (body.length === 0) return 'close 1005 ""'
  const code = body.length === 1 ? 0 : body.readUInt16BE(0)
  const sendable =
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999)
  if (!sendable) return 'failure 1002'
  if (utf8Verdict(body.subarray(2)) !== 'whole') return 'failure 1007'
  return `close ${code} ${JSON.stringify(new TextDecoder('utf-8', { ignoreBOM: true }).decode(body.subarray(2)))}`
}

/** Events as `reference` words them. */
export function byCode(events: readonly string[]): string[] {
  return events.map((event) => (event.startsWith('failure') ? event.slice(0, 'failure 1002'.length) : event))
}
