// The load generator's judgement of compressed messages: what is lost, doubled, changed or out of order must fail a run,
// and orders that differ between sockets but not within a publisher must not.

import { constants, deflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { DeflatedChecker, jsonFramesOf, jsonOf } from '../../bench/src/deflated.ts'

const PAYLOAD_BYTES = 1040
const envelope = { before: '', after: '' }
const OPTIONS = { sockets: 3, publishers: 2, payloadBytes: PAYLOAD_BYTES, envelope }

/** A compressed text frame as a server sends it. */
function frameOf(payload: string): Buffer {
  const deflated = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
  return Buffer.concat([Buffer.from([0xc1, 126, deflated.length >> 8, deflated.length & 0xff]), deflated])
}

/** The frames of messages written as `publisher.number`, in a row. */
function stream(...messages: string[]): Buffer {
  const frames = messages.map((message) => {
    const [publisher, number] = message.split('.').map(Number)
    return frameOf(jsonOf(publisher!, number!, PAYLOAD_BYTES))
  })
  return Buffer.concat(frames)
}

/** Feeds each socket its messages, one socket after the other. */
function feed(...sockets: Buffer[]): DeflatedChecker {
  const checker = new DeflatedChecker(OPTIONS)
  sockets.forEach((bytes, socket) => {
    expect(checker.walk(bytes, 0, bytes.length, socket)).toBe(bytes.length)
  })
  return checker
}

describe('DeflatedChecker', () => {
  const all = ['0.0', '1.0', '0.1', '1.1', '0.2']

  test('counts what every socket got', () => {
    const checker = feed(stream(...all), stream(...all), stream(...all))
    expect(checker.delivered).toBe(15)
    expect([...checker.expected]).toEqual([3, 2, 3, 2, 3, 2])
  })

  test('takes another order of the publishers', () => {
    const other = stream('1.0', '1.1', '0.0', '0.1', '0.2', '1.2')
    const checker = feed(stream(...all, '1.2'), other, stream(...all, '1.2'))
    expect([...checker.expected]).toEqual([3, 3, 3, 3, 3, 3])
  })

  test.each([
    ['a lost message', stream('0.0', '1.0', '0.2')],
    ['a doubled message', stream('0.0', '0.0')],
    ['an older message', stream('0.0', '1.0', '0.1', '0.0')],
    ['a publisher out of order', stream('0.1', '0.0')],
    ['a publisher that does not exist', stream('7.0')],
    ['another text', frameOf(jsonOf(0, 0, PAYLOAD_BYTES).replace('lobby', 'LOBBY'))],
    ['what is not deflate data', Buffer.from([0xc1, 3, 0xff, 0xff, 0xff])],
  ])('refuses %s, on the first socket and after it', (_, bytes) => {
    expect(() => feed(bytes)).toThrow()
    expect(() => feed(stream(...all), bytes)).toThrow()
  })

  test('waits for the rest of a frame that was cut, wherever', () => {
    const bytes = stream('0.0', '1.0')
    const first = stream('0.0').length
    for (let end = 0; end < bytes.length; end++) {
      expect(new DeflatedChecker(OPTIONS).walk(bytes, 0, end, 0)).toBe(end < first ? 0 : first)
    }
  })

  test('stops at a frame that is not compressed', () => {
    const bytes = Buffer.concat([stream('0.0'), Buffer.from([0x81, 2, 0x68, 0x69])])
    expect(new DeflatedChecker(OPTIONS).walk(bytes, 0, bytes.length, 0)).toBe(bytes.length - 4)
  })
})

test.each([1040, 4096])('messages are JSON of %i bytes, all different, and shrink well', (bytes) => {
  const seen = new Set<string>()
  for (let publisher = 0; publisher < 4; publisher++) {
    for (let number = 0; number < 50; number++) {
      const json = jsonOf(publisher, number * 997, bytes)
      expect(Buffer.byteLength(json)).toBe(bytes)
      expect(JSON.parse(json)).toMatchObject({ publisher, number: number * 997 })
      expect(deflateRawSync(json).length).toBeLessThan(bytes / 2.5)
      seen.add(json)
    }
  }
  expect(seen.size).toBe(200)
})

test('a publisher sends whole masked frames, numbered on', () => {
  const frames = jsonFramesOf({ publisher: 1, payloadBytes: PAYLOAD_BYTES, envelope })(5, 2)
  const size = frames.length / 2
  for (const i of [0, 1]) {
    const frame = frames.subarray(i * size, (i + 1) * size)
    expect([...frame.subarray(0, 4)]).toEqual([0x81, 0x80 | 126, PAYLOAD_BYTES >> 8, PAYLOAD_BYTES & 0xff])
    const payload = frame.subarray(8).map((byte, at) => byte ^ frame[4 + (at & 3)]!)
    expect(Buffer.from(payload).toString()).toBe(jsonOf(1, 5 + i, PAYLOAD_BYTES))
  }
})
