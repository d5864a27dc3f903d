// Fragments and pieces → one message: exact bytes, memory that follows the bytes that came, and the bounds on fragments.

import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../../packages/core/src/protocol/errors.ts'
import { MessageBuffer } from '../../../packages/core/src/protocol/message.ts'
import { Protocol, type ProtocolEvent } from '../../../packages/core/src/protocol/protocol.ts'
import { clientFrame, Op } from '../../support/client-frames.ts'
import { describeMessage, observe, run } from '../../support/splits.ts'
import { Failure } from '../../vectors/frames.ts'

const MIB = 1024 * 1024
const MORE = Number.POSITIVE_INFINITY

describe('the buffer', () => {
  const steps: [name: string, sizes: number[]][] = [
    ['nothing', []],
    ['empty pieces', [0, 0, 0]],
    ['single bytes', Array(5000).fill(1)],
    ['pieces around the first allocation', [255, 1, 1, 0, 255]],
    ['growing pieces', Array.from({ length: 18 }, (_, i) => 2 ** i)],
    ['shrinking pieces', Array.from({ length: 18 }, (_, i) => 2 ** (17 - i))],
    ['a large piece, then small ones', [100_000, ...Array(300).fill(3)]],
  ]

  it.each(steps)('%s: the bytes are exact, memory at most twice them', (_name, sizes) => {
    const source = Buffer.from(Array.from({ length: 262_144 }, (_, i) => (i * 31) & 0xff))
    const total = sizes.reduce((sum, size) => sum + size, 0)
    for (const known of [true, false]) {
      const message = new MessageBuffer()
      let length = 0
      for (const size of sizes) {
        message.append(source, length, length + size, { text: false, more: known ? total - length - size : MORE })
        length += size
        if (message.heldBytes > Math.max(256, 2 * length)) expect.fail(`${message.heldBytes} held for ${length}`)
        if (known && message.heldBytes > total) expect.fail(`${message.heldBytes} held for a total of ${total}`)
      }
      expect(message.finish().equals(source.subarray(0, total))).toBe(true)
      expect(message.heldBytes).toBe(0)
    }
  })

  it('begins anew after finish, in other memory', () => {
    const message = new MessageBuffer()
    message.append(Buffer.from('first'), 0, 5, { text: true, more: MORE })
    const first = message.finish()
    message.append(Buffer.from('other'), 0, 5, { text: true, more: MORE })
    expect([first.toString(), message.finish().toString()]).toEqual(['first', 'other'])
  })

  it('takes a part of a chunk, and does not keep the chunk', () => {
    const message = new MessageBuffer()
    const chunk = Buffer.alloc(65_536, 'abcd')
    message.append(chunk, 3, 7, { text: false, more: MORE })
    chunk.fill(0)
    const data = message.finish()
    expect(data.toString()).toBe('dabc')
    expect(data.buffer.byteLength).toBe(256)
  })

  it('text: 1007 with the bad piece, or at a cut end; binary is not looked at', () => {
    const feed = (text: boolean, ...pieces: number[][]): number => {
      const message = new MessageBuffer()
      try {
        for (const piece of pieces) message.append(Buffer.from(piece), 0, piece.length, { text, more: MORE })
        return message.finish().length
      } catch (error) {
        return error instanceof ProtocolError ? error.code : 0
      }
    }
    expect(feed(true, [0xf0], [0x9f], [], [0x98], [0xba])).toBe(4)
    expect(feed(true, [0xf0], [0x9f], [0x98])).toBe(1007)
    expect(feed(true, [0xed], [0xa0])).toBe(1007)
    expect(feed(false, [0xed], [0xa0])).toBe(2)
  })
})

describe('M2: tiny fragments', () => {
  it('131,000 of one byte: held at most twice the bytes and 16 KiB, at every moment; the message is exact', () => {
    const payload = Buffer.from(Array.from({ length: 131_000 }, (_, i) => (i * 7) & 0xff))
    const protocol = new Protocol({ maxMessageBytes: MIB })
    const events: ProtocolEvent[] = []
    for (const [i, byte] of payload.entries()) {
      protocol.receive(Buffer.of(i === 0 ? 0x02 : i === payload.length - 1 ? 0x80 : 0x00, 0x81, 0, 0, 0, 0, byte))
      const event = protocol.next()
      if (event !== null) events.push(event)
      if (protocol.heldBytes > 2 * (i + 1) + 16_384) expect.fail(`${protocol.heldBytes} held for ${i + 1}`)
    }
    expect(events).toHaveLength(1)
    const [event] = events
    if (event?.type !== 'message') expect.fail('no message')
    expect(event.data.equals(payload)).toBe(true)
    expect(event.data.buffer.byteLength).toBeLessThanOrEqual(2 * payload.length)
    expect(protocol.heldBytes).toBe(0)
  })

  it('131,000 of one byte, never finished: 40 connections take under 20 MB', () => {
    const rest = clientFrame({ opcode: Op.CONTINUATION, fin: false, payload: 'x', key: 0 })
    const chunk = Buffer.concat([
      clientFrame({ opcode: Op.BINARY, fin: false, payload: 'x', key: 0 }),
      ...Array<Buffer>(130_999).fill(rest),
    ])
    for (let connection = 0; connection < 4; connection++) {
      // A key of zeros: unmasking in place leaves the chunk as it is, so that all may have the same.
      const protocol = new Protocol({ maxMessageBytes: MIB })
      protocol.receive(chunk)
      expect(protocol.next()).toBeNull()
      expect(protocol.heldBytes).toBeGreaterThanOrEqual(131_000)
      expect(protocol.heldBytes).toBeLessThan(20e6 / 40)
    }
  })

  /** A message of so many frames, each of one byte. */
  function message(frames: number): Buffer {
    const rest = clientFrame({ opcode: Op.CONTINUATION, fin: false, payload: 'x', key: 0 })
    return Buffer.concat([
      clientFrame({ opcode: Op.TEXT, fin: false, payload: 'x', key: 0 }),
      ...Array<Buffer>(frames - 2).fill(rest),
      clientFrame({ opcode: Op.CONTINUATION, payload: 'x', key: 0 }),
    ])
  }

  it('131,072 frames in one message, and as many in the next', () => {
    const said = describeMessage('text', Buffer.alloc(131_072, 'x'))
    expect(observe([message(131_072), message(131_072)])).toEqual([said, said])
  })

  it('131,073: 1008, also when it is the last', () => {
    expect(observe([message(131_073)])).toEqual([Failure.FRAGMENTS])
    expect(observe([message(131_074)])).toEqual([Failure.FRAGMENTS])
  })

  it('65,537 frames of 64 bytes, the last one empty', () => {
    const rest = clientFrame({ opcode: Op.CONTINUATION, fin: false, payload: Buffer.alloc(64, 'ab'), key: 0 })
    const wire = Buffer.concat([
      clientFrame({ opcode: Op.TEXT, fin: false, payload: Buffer.alloc(64, 'ab'), key: 0 }),
      ...Array<Buffer>(65_535).fill(rest),
      clientFrame({ opcode: Op.CONTINUATION, key: 0 }),
    ])
    const said = describeMessage('text', Buffer.alloc(65_536 * 64, 'ab'))
    expect(observe([wire], { maxMessageBytes: 16 * MIB })).toEqual([said])
  })

  it('M4: 128,000 fragments in under a second', () => {
    const wire = message(128_000)
    const began = performance.now()
    const { events } = run([wire])
    expect(performance.now() - began).toBeLessThan(1000)
    expect(events).toHaveLength(1)
  })
})

describe('M3: empty fragments', () => {
  const empty = clientFrame({ opcode: Op.CONTINUATION, fin: false })
  const start = clientFrame({ opcode: Op.BINARY, fin: false })
  const end = clientFrame({ opcode: Op.CONTINUATION })
  const byte = clientFrame({ opcode: Op.CONTINUATION, fin: false, payload: 'x' })
  const ping = clientFrame({ opcode: Op.PONG })

  const cases: [name: string, frames: Buffer[], events: string[]][] = [
    ['three', [start, empty, end], ['binary ']],
    ['1,024 in a row', [start, ...Array<Buffer>(1022).fill(empty), end], ['binary ']],
    ['1,025 in a row', [start, ...Array<Buffer>(1024).fill(empty), end], [Failure.EMPTY]],
    ['1,025 in a row, the last with FIN', [start, ...Array<Buffer>(1023).fill(empty), end], [Failure.EMPTY]],
    [
      '1,024 in a row, twice in one message',
      [start, ...Array<Buffer>(1023).fill(empty), byte, ...Array<Buffer>(1023).fill(empty), end],
      ['binary 78'],
    ],
    [
      '1,024 in a row in each of two messages',
      [start, ...Array<Buffer>(1022).fill(empty), end, start, ...Array<Buffer>(1022).fill(empty), end],
      ['binary ', 'binary '],
    ],
    [
      '1,025 in a row with control frames between',
      [start, ...Array.from({ length: 1024 }, () => [empty, ping]).flat()],
      [...Array<string>(1023).fill('pong'), Failure.EMPTY],
    ],
  ]
  it.each(cases)('%s', (_name, frames, events) => {
    expect(observe(frames)).toEqual(events)
    expect(observe([Buffer.concat(frames)])).toEqual(events)
  })

  it('a million: over at the 1,025th, before its payload could come, with nothing held', () => {
    const protocol = new Protocol({ maxMessageBytes: MIB })
    protocol.receive(Buffer.concat([start, ...Array<Buffer>(1023).fill(empty)]))
    expect(protocol.next()).toBeNull()
    expect(protocol.heldBytes).toBe(0)
    const flood = Buffer.concat(Array<Buffer>(1_000_000).fill(empty))
    const began = performance.now()
    protocol.receive(flood)
    expect(protocol.next()).toMatchObject({ type: 'failure', error: { code: 1008 } })
    expect(protocol.next()).toBeNull()
    expect(performance.now() - began).toBeLessThan(100)
    expect(protocol.heldBytes).toBe(0)
  })

  it('empty messages are no fragments: 5,000 in a row', () => {
    const wire = Buffer.concat(Array<Buffer>(5000).fill(clientFrame({ opcode: Op.TEXT })))
    expect(observe([wire])).toEqual(Array(5000).fill('text '))
  })
})
