// One compressed message of several deflate streams: a block with BFINAL ends one, and RFC 7692 §7.2.1 lets another begin
// at the next byte. All of them are the message, the limit counts them together, and what is no stream is 1007.

import { Buffer } from 'node:buffer'
import { constants, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_STREAMS } from '../../../packages/core/src/protocol/permessage-deflate.ts'
import { Protocol } from '../../../packages/core/src/protocol/protocol.ts'
import { fragmentFrames, inParts, Op } from '../../support/client-frames.ts'
import { bytewise, inTwo } from '../../support/splits.ts'

const RSV1 = 4
const MIB = 1024 * 1024

interface Stream {
  data: string | Uint8Array
  /** Is BFINAL set in its last block? */
  final: boolean
  level?: number
  strategy?: number
  /** What it may refer to. */
  before?: Buffer
}

/** The streams of one message, without the four bytes that a message leaves out. */
function messageOf(...streams: Stream[]): Buffer {
  const parts = streams.map(({ data, final, level = 6, strategy = 0, before }) =>
    deflateRawSync(data, {
      level,
      strategy,
      finishFlush: final ? constants.Z_FINISH : constants.Z_SYNC_FLUSH,
      ...(before && before.length > 0 && { dictionary: before.subarray(-32_768) }),
    }),
  )
  const all = Buffer.concat(parts)
  return streams.at(-1)!.final ? all : all.subarray(0, -4)
}

const final = (data: string | Uint8Array): Buffer => messageOf({ data, final: true })
const open = (data: string | Uint8Array): Buffer => messageOf({ data, final: false })
/** `1,2,3` in hexadecimal. */
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** What the payload comes to: the message, or the code that it fails with. */
function received(payload: Buffer, options: { parts?: number; maxMessageBytes?: number } = {}): string | number {
  const { parts = 1, maxMessageBytes = MIB } = options
  const wire = Buffer.concat(fragmentFrames(Op.BINARY, inParts(payload, parts), { rsv: RSV1 }))
  return outcome([wire], maxMessageBytes)
}

function outcome(chunks: Iterable<Buffer>, maxMessageBytes = MIB): string | number {
  const protocol = new Protocol({ maxMessageBytes, deflate: true })
  for (const chunk of chunks) {
    protocol.receive(Buffer.from(chunk))
    const event = protocol.next()
    if (event === null) continue
    expect(protocol.next()).toBeNull()
    expect(protocol.heldBytes).toBe(0)
    if (event.type === 'failure') return event.error.code
    if (event.type === 'message') return event.data.toString('latin1')
  }
  return 'nothing'
}

describe('a message of several streams', () => {
  test.each<[string, Buffer, string]>([
    ['final, open', Buffer.concat([final('one '), open('two')]), 'one two'],
    ['final, final', Buffer.concat([final('one '), final('two')]), 'one two'],
    ['final, and the empty block that §7.2.1 wants', Buffer.concat([final('one'), hex('00')]), 'one'],
    ['final, and nothing behind it', final('one'), 'one'],
    ['final, final, final, open', Buffer.concat([...['a', 'b', 'c'].map(final), open('d')]), 'abcd'],
    ['final and empty, open', Buffer.concat([final(''), open('two')]), 'two'],
    ['only empty ones', Buffer.concat([final(''), final(''), open('')]), ''],
    ['open blocks, final, open', Buffer.concat([open('a'), hex('0000ffff'), final('b'), open('c')]), 'abc'],
    ['stored and final, then open', Buffer.concat([hex('01 0200 fdff 6869'), open(' you')]), 'hi you'],
    // An empty stored block ends the message, and its last four bytes are those that a message leaves out.
    ['BFINAL in the block that is left out', Buffer.concat([hex('00 0200 fdff 6869'), hex('01')]), 'hi'],
    ['no byte at all, of a zlib with nothing to flush', Buffer.alloc(0), ''],
    // These peers leave nothing out, and end where a block ends.
    ['the tail that a message leaves out', Buffer.concat([open('hi'), hex('0000ffff')]), 'hi'],
    ['a stored block and nothing behind it', hex('00 0200 fdff 6869'), 'hi'],
    ['that behind a final one', Buffer.concat([final('one '), hex('00 0200 fdff 6869')]), 'one hi'],
  ])('%s', (_, payload, expected) => {
    for (const parts of [1, 2, Math.max(payload.length, 1)]) expect(received(payload, { parts })).toBe(expected)
    const wire = Buffer.concat(fragmentFrames(Op.BINARY, [payload], { rsv: RSV1 }))
    expect(outcome(bytewise(wire))).toBe(expected)
    for (const chunks of inTwo(wire)) expect(outcome(chunks)).toBe(expected)
  })

  test.each<[string, Buffer]>([
    ['no stream behind a final one', Buffer.concat([final('one '), hex('ffffff')])],
    ['no stream behind two', Buffer.concat([final('one '), final('two'), hex('07')])],
    ['a wrong stored length behind a final one', Buffer.concat([final('one '), hex('00 0500 0000 48656c6c6f')])],
    ['a distance before the beginning', Buffer.concat([final(''), hex('4b04 a2 01')])],
    ['a final stream that is cut', final('one two three').subarray(0, -2)],
    ['an open one that is cut', open('one two three').subarray(0, -2)],
    ['one that is cut within a stored block', hex('00 0500 faff 4865')],
    ['a second one that is cut', Buffer.concat([final('one '), open('two three').subarray(0, -3)])],
    ['a header that is cut', Buffer.concat([final('one '), hex('04')])],
  ])('%s is 1007', (_, payload) => {
    for (const parts of [1, 2]) expect(received(payload, { parts })).toBe(1007)
  })

  test('a later stream may refer to an earlier one: the window is the message’s', () => {
    const before = Buffer.from('leto atreides, duke of caladan and arrakis; '.repeat(3))
    const second: Stream = { data: before, final: false, before }
    const payload = messageOf({ data: before, final: true }, second)
    expect(payload.length).toBeLessThan(
      messageOf({ data: before, final: true }, { ...second, before: Buffer.alloc(0) }).length,
    )
    expect(received(payload)).toBe(before.toString().repeat(2))
    // Alone, the second refers to what was never there.
    expect(received(messageOf(second))).toBe(1007)
  })

  test('any streams, any levels and kinds of blocks, in any frames', () => {
    const words = fc.array(fc.constantFrom('leto ', 'atreides ', 'x', 'ümläut '), { maxLength: 60 })
    const stream = fc.record({
      data: fc.oneof(
        words.map((list) => Buffer.from(list.join(''))),
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.integer({ min: 0, max: 70_000 }).map((length) => Buffer.alloc(length, 'abcdefg')),
      ),
      final: fc.boolean(),
      level: fc.integer({ min: 0, max: 9 }),
      strategy: fc.constantFrom(
        constants.Z_DEFAULT_STRATEGY,
        constants.Z_HUFFMAN_ONLY,
        constants.Z_RLE,
        constants.Z_FIXED,
      ),
      refers: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(stream, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 5 }), (list, parts) => {
        let before = Buffer.alloc(0)
        const streams = list.map(({ refers, ...own }) => {
          const made: Stream = { ...own, ...(refers && { before }) }
          before = Buffer.concat([before, own.data])
          return made
        })
        expect(received(messageOf(...streams), { parts })).toBe(before.toString('latin1'))
      }),
    )
  })
})

describe('bounds', () => {
  test('the limit holds over all streams together', () => {
    for (const sizes of [
      [500, 500],
      [999, 1],
      [1, 999],
      [1000, 0],
      [0, 0, 1000],
      [400, 300, 300],
    ]) {
      const streams = sizes.map((size): Stream => ({ data: Buffer.alloc(size, 'a'), final: true }))
      expect(received(messageOf(...streams), { maxMessageBytes: 1000 })).toBe('a'.repeat(1000))
      for (const at of streams.keys()) {
        const more = streams.map((stream, i) =>
          i === at ? { ...stream, data: Buffer.alloc(sizes[i]! + 1, 'a') } : stream,
        )
        expect(received(messageOf(...more), { maxMessageBytes: 1000 })).toBe(1009)
      }
      expect(received(messageOf(...streams, { data: 'a', final: false }), { maxMessageBytes: 1000 })).toBe(1009)
    }
  })

  test('100 streams that want to be 1 MiB each: 1009', () => {
    const mebibyte: Stream = { data: Buffer.alloc(MIB), final: true, level: 9 }
    expect(received(messageOf(...Array.from({ length: 100 }, () => mebibyte)))).toBe(1009)
  })

  test(`${MAX_STREAMS} streams are a message, one more is 1008`, () => {
    const streams = Array.from({ length: MAX_STREAMS }, () => final('a'))
    expect(received(Buffer.concat(streams))).toBe('a'.repeat(MAX_STREAMS))
    expect(received(Buffer.concat([...streams.slice(1), open('b')]))).toBe(`${'a'.repeat(MAX_STREAMS - 1)}b`)
    expect(received(Buffer.concat([...streams, open('b')]))).toBe(1008)
  })

  test('half a million streams in a message of 1 MiB: 1008, after the first few', () => {
    expect(received(Buffer.alloc(MIB, final('')))).toBe(1008)
  })
})
