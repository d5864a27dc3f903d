// Which bytes are an envelope. The vectors are those of the package's README.

import { readFileSync } from 'node:fs'
import { bin, txt } from '@roomcast/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decode,
  encodeMessages,
  encodeNotice,
  HEADER_BYTES,
  Kind,
  unpinned,
} from '../../packages/redis-bridge/src/bus/envelope.ts'

const NODE = Buffer.from('0123456789abcdef', 'hex')
const README = readFileSync(new URL('../../packages/redis-bridge/README.md', import.meta.url), 'utf8')

function messages(number: number, age: number, frames: Buffer[]): Buffer {
  return encodeMessages(
    NODE,
    number,
    age,
    frames,
    frames.reduce((sum, frame) => sum + frame.length, 0),
  )
}

const VECTORS: [string, Buffer][] = [
  ['the first message, `hi`', messages(1, 0xffff_ffff, [txt('hi').bytes])],
  ['the second and third, text and binary, 1,500 ms later', messages(2, 1500, [txt('é').bytes, bin('\x00').bytes])],
  ['a tail mark after them, one second later', encodeNotice(Kind.TAIL_MARK, NODE, 3, 1000)],
  ['a probe', encodeNotice(Kind.PROBE, NODE, 1, 0)],
  ['an ask after 2.5 s of deafness', encodeNotice(Kind.ASK, NODE, 2, 2500)],
  ['number 2^53', messages(2 ** 53, 0, [txt('').bytes])],
]

describe('vectors', () => {
  test.each(VECTORS)('%s', (name, bytes) => {
    expect(README).toContain(`| ${name}`)
    expect(README).toContain(bytes.toString('hex'))
    expect(decode(bytes)).toBeDefined()
  })
})

describe('decoding', () => {
  test('gives back what was encoded', () => {
    const frames = [0, 125, 126, 65_535, 65_536].map((length) => bin(Buffer.alloc(length, 7)).bytes)
    expect(decode(messages(5, 1.2, frames))).toEqual({ kind: 0, node: NODE.toString('hex'), number: 5, age: 2, frames })
    expect(decode(encodeNotice(Kind.TAIL_MARK, NODE, 2 ** 40 + 1, 1e12))).toEqual({
      kind: 1,
      node: NODE.toString('hex'),
      number: 2 ** 40 + 1,
      age: 0xffff_ffff,
      frames: [],
    })
  })

  const good = messages(1, 0, [txt('x').bytes])
  const altered = (at: number, value: number, from = good): Buffer => {
    const bytes = Buffer.from(from)
    bytes[at] = value
    return bytes
  }
  const framed = (hex: string): Buffer => messages(1, 0, [Buffer.from(hex, 'hex')])
  const numbered = (high: number, low: number, from = good): Buffer => {
    const bytes = Buffer.from(from)
    bytes.writeUInt32BE(high, 12)
    bytes.writeUInt32BE(low, 16)
    return bytes
  }

  test.each([
    ['empty', Buffer.alloc(0)],
    ['JSON of another app', Buffer.from('{"type":"message","data":"of another application"}')],
    ['cut in the header', good.subarray(0, HEADER_BYTES - 1)],
    ['another magic', altered(0, 0x53)],
    ['version 0', altered(2, 0)],
    ['version 2', altered(2, 2)],
    ['kind 4', altered(3, 4)],
    ['number 0', numbered(0, 0)],
    ['number 2^53 + 1', numbered(0x20_0000, 1)],
    ['number 2^53 + 2', numbered(0x20_0000, 2)],
    ['number 2^64 - 1', numbered(0xffff_ffff, 0xffff_ffff)],
    ['2^53, and one more', numbered(0x20_0000, 0, messages(1, 0, [txt('').bytes, txt('').bytes]))],
    ['no frames', good.subarray(0, HEADER_BYTES)],
    ['a mark with something after it', Buffer.concat([encodeNotice(Kind.TAIL_MARK, NODE, 1, 0), txt('x').bytes])],
    ['no FIN', framed('010178')],
    ['RSV1', framed('c10178')],
    ['a continuation', framed('800178')],
    ['opcode 3', framed('830178')],
    ['a Close frame', framed('8800')],
    ['a ping', framed('8900')],
    ['masked', framed('81810000000078')],
    ['masked, 16 bits of length', framed('81fe007e00000000')],
    ['half a header', framed('81')],
    ['half a 16-bit length', framed('817e00')],
    ['half a 64-bit length', framed('817f000000000001')],
    ['16 bits for 125', messages(1, 0, [Buffer.from('817e007d', 'hex'), Buffer.alloc(125)])],
    ['64 bits for 65,535', messages(1, 0, [Buffer.from('817f000000000000ffff', 'hex'), Buffer.alloc(65_535)])],
    ['longer than it is', framed('81057878')],
    ['far longer than it is', framed('817fffffffffffffffff')],
    ['a whole frame and a byte', framed('81017881')],
  ])('refuses: %s', (_, bytes) => {
    expect(decode(bytes)).toBeUndefined()
  })

  test('never throws, and what it passes on is frames end to end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (random, headed) => {
        const bytes = headed ? Buffer.concat([good.subarray(0, HEADER_BYTES), random]) : Buffer.from(random)
        const envelope = decode(bytes)
        if (envelope?.kind === Kind.MESSAGES) {
          expect(Buffer.concat(envelope.frames)).toEqual(bytes.subarray(HEADER_BYTES))
        }
      }),
      { numRuns: 5000 },
    )
  })
})

test('frames that are a small part of a large buffer are copied, once for all', () => {
  const large = Buffer.alloc(100_000)
  const frames = [large.subarray(10, 13), large.subarray(13, 20)]
  frames.forEach((frame, i) => {
    frame.fill(i + 1)
  })
  const copies = unpinned(frames)
  expect(copies).toEqual(frames)
  expect(copies[0]!.buffer.byteLength).toBeLessThan(large.length)
  expect(copies[0]!.buffer).toBe(copies[1]!.buffer)
  const whole = Buffer.alloc(1000)
  const kept = [whole.subarray(0, 500), whole.subarray(500)]
  expect(unpinned(kept)).toBe(kept)
})
