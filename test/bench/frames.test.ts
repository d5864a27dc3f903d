// The load generator's judgement of plain messages, for every way a server wraps them: what is lost, doubled or out of
// order must fail a run, wherever a read cuts.

import { describe, expect, test } from 'vitest'
import { DIALECTS } from '../../bench/src/dialect.ts'
import { Checker, framesOf, MASK } from '../../bench/src/frames.ts'

const PAYLOAD_BYTES = 64

/** A server's frames of messages written as `publisher.number`, in a row: what a publisher sends, unmasked. */
function stream(envelope: { before: string; after: string }, payloadBytes: number, ...messages: string[]): Buffer {
  return Buffer.concat(
    messages.map((message) => {
      const [publisher, number] = message.split('.').map(Number)
      const frame = framesOf({ publisher: publisher!, payloadBytes, envelope })(number!, 1)
      const headerBytes = (frame[1]! & 0x7f) < 126 ? 2 : 4
      const header = Buffer.from(frame.subarray(0, headerBytes))
      header[1]! &= 0x7f
      return Buffer.concat([header, frame.subarray(headerBytes + 4).map((byte, i) => byte ^ MASK[i & 3]!)])
    }),
  )
}

describe.each([
  ['plain', DIALECTS.plain.text, PAYLOAD_BYTES],
  ['plain, long', DIALECTS.plain.text, 4096],
  ['Socket.IO', DIALECTS['socket.io'].text, PAYLOAD_BYTES],
])('Checker: %s', (_, envelope, payloadBytes) => {
  const options = { sockets: 2, publishers: 40, payloadBytes, envelope }
  const walk = (...messages: string[]): Checker => {
    const checker = new Checker(options)
    const bytes = stream(envelope, payloadBytes, ...messages)
    expect(checker.walk(bytes, 0, bytes.length, 1)).toBe(bytes.length)
    return checker
  }

  test('counts what comes in order', () => {
    const checker = walk('0.0', '39.0', '0.1', '39.1', '0.2')
    expect(checker.delivered).toBe(5)
    expect([checker.expected[40], checker.expected[79], checker.expected[0]]).toEqual([3, 2, 0])
  })

  test('numbers go on past what one digit holds', () => {
    const checker = new Checker(options)
    checker.expected[40] = 1_000_000
    const bytes = stream(envelope, payloadBytes, '0.1000000', '0.1000001')
    expect(checker.walk(bytes, 0, bytes.length, 1)).toBe(bytes.length)
  })

  test.each([
    ['a lost message', ['0.0', '0.2']],
    ['a doubled message', ['0.0', '0.0']],
    ['an older message', ['0.0', '0.1', '0.0']],
    ['a publisher that does not exist', ['0.0', '41.0']],
  ])('refuses %s', (_name, messages) => {
    expect(() => walk(...messages)).toThrow('out of order or lost')
  })

  test('compares the whole payload now and then', () => {
    const messages = Array.from({ length: 2000 }, (_value, number) => `3.${number}`)
    const bytes = stream(envelope, payloadBytes, ...messages)
    const frameBytes = bytes.length / messages.length
    for (let at = frameBytes - 1; at < bytes.length; at += frameBytes) bytes[at] = 0x21
    expect(() => new Checker(options).walk(bytes, 0, bytes.length, 1)).toThrow('changed')
  })

  test('waits for the rest of a frame that was cut, and stops at another kind or length', () => {
    const bytes = stream(envelope, payloadBytes, '0.0', '1.0')
    const stops = Array.from(bytes, (_byte, end) => new Checker(options).walk(bytes, 0, end, 0))
    expect(stops).toEqual(stops.map((_stop, end) => (end < bytes.length / 2 ? 0 : bytes.length / 2)))
    for (const other of [stream(envelope, payloadBytes + 1, '0.0'), Buffer.from([0x89, 0])]) {
      expect(new Checker(options).walk(other, 0, other.length, 0)).toBe(0)
    }
  })
})

test('what Socket.IO sends is the JSON it would make itself', () => {
  const { before, after } = DIALECTS['socket.io'].text
  const text = stream(DIALECTS.plain.text, PAYLOAD_BYTES, '31.33554431').subarray(2).toString()
  expect(`42${JSON.stringify(['message', text])}`).toBe(before + text + after)
})
