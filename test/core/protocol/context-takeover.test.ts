// A client that keeps its context: its compressed messages refer to its earlier ones, and come as they were, in any order
// with plain ones and control frames, in any frames, cut anywhere, in every window. No socket.

import { Buffer } from 'node:buffer'
import { constants, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { ContextWindow } from '../../../packages/core/src/protocol/context-window.ts'
import { Protocol } from '../../../packages/core/src/protocol/protocol.ts'
import { clientFrame, fragmentFrames, inParts, Op } from '../../support/client-frames.ts'
import { KeepingClient } from '../../support/keeping-client.ts'
import { bytewise, cutAt, inTwo } from '../../support/splits.ts'

const RSV1 = 4
const MIB = 1024 * 1024

const clients: KeepingClient[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})
function keeping(windowBits = 15): KeepingClient {
  const client = new KeepingClient({ windowBits })
  clients.push(client)
  return client
}

const windowBytes = (bits: number): number => 2 ** Math.max(bits, 9)

/** A compressed message as frames. */
const small = (payload: Buffer, parts = 1, opcode: number = Op.BINARY): Buffer[] =>
  fragmentFrames(opcode, inParts(payload, parts), { rsv: RSV1 })

/** What a connection comes to: messages as they are, the rest by name. */
function receive(
  chunks: Iterable<Buffer>,
  options: { bits?: number; maxMessageBytes?: number; protocol?: Protocol } = {},
): { events: string[]; protocol: Protocol } {
  const { bits = 15, maxMessageBytes = MIB } = options
  const { protocol = new Protocol({ maxMessageBytes, deflate: true, clientWindowBytes: windowBytes(bits) }) } = options
  const events: string[] = []
  for (const chunk of chunks) {
    protocol.receive(Buffer.from(chunk))
    for (let event = protocol.next(); event !== null; event = protocol.next()) {
      if (event.type === 'message') events.push(event.data.toString('latin1'))
      else if (event.type === 'failure') events.push(`failure ${event.error.code}`)
      else events.push(event.type)
      expect(protocol.heldBytes).toBeLessThan(windowBytes(bits) + 4 * MIB)
    }
  }
  return { events, protocol }
}

const TEXT = 'leto atreides, duke of caladan and of arrakis, father of paul and alia'

describe('a client that keeps its context', () => {
  test('the same message again and again is a few bytes, and comes whole', async () => {
    const client = keeping()
    const payloads = await sequence(10, () => client.compress(TEXT))
    expect(payloads.slice(1).every(({ length }) => length < 12)).toBe(true)
    const wire = Buffer.concat(payloads.flatMap((payload) => small(payload)))
    const expected = payloads.map(() => TEXT)
    expect(receive([wire]).events).toEqual(expected)
    expect(receive(bytewise(wire)).events).toEqual(expected)
    for (const chunks of inTwo(wire)) expect(receive(chunks).events).toEqual(expected)
  })

  test('plain messages, control frames and empty messages are no part of the context, wherever they stand', async () => {
    const client = keeping(9)
    const plain = clientFrame({ opcode: Op.TEXT, payload: 'p'.repeat(600) })
    const ping = clientFrame({ opcode: Op.PING, payload: 'are you there' })
    const [a, b, empty, c] = await sequence(4, (i) =>
      client.compress(['one', 'two', '', 'three'][i]! + (i === 2 ? '' : TEXT)),
    )
    const [b1, b2, b3] = small(b!, 3)
    const [c1, c2] = small(c!, 2)
    const wire = Buffer.concat([
      ...small(a!, 2),
      plain,
      ping,
      b1!,
      ping,
      b2!,
      ping,
      b3!,
      plain,
      ...small(empty!),
      ping,
      c1!,
      ping,
      c2!,
    ])
    const p = 'p'.repeat(600)
    const expected = [`one${TEXT}`, p, 'ping', 'ping', 'ping', `two${TEXT}`, p, '', 'ping', 'ping', `three${TEXT}`]
    expect(receive([wire], { bits: 9 }).events).toEqual(expected)
    expect(receive(bytewise(wire), { bits: 9 }).events).toEqual(expected)
    for (const chunks of inTwo(wire)) expect(receive(chunks, { bits: 9 }).events).toEqual(expected)
  })

  test('what the user does to a message does not change the context', async () => {
    const client = keeping()
    const protocol = new Protocol({ maxMessageBytes: MIB, deflate: true, clientWindowBytes: 32_768 })
    for (const length of [50, 5000, 40_000, 70_000]) {
      for (let time = 0; time < 3; time++) {
        const message = Buffer.alloc(length, TEXT)
        protocol.receive(Buffer.concat(small(await client.compress(message))))
        const event = protocol.next()
        if (event?.type !== 'message') throw new Error(`no message: ${event?.type}`)
        expect(event.data.equals(message)).toBe(true)
        event.data.fill(0)
      }
    }
  })

  test('any messages, any window, any frames, plain ones and pings between, a context that is forgotten, cut anywhere', async () => {
    const words = fc.constantFrom('leto ', 'atreides ', 'duke ', 'of ', 'caladan ', '{"id":17,"name":"', '\xff', 'x')
    const data = fc.oneof(
      { weight: 4, arbitrary: fc.array(words, { maxLength: 40 }).map((list) => Buffer.from(list.join(''), 'latin1')) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 700 }).map((bytes) => Buffer.from(bytes)) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.integer({ min: 0, max: 70_000 }), fc.string({ minLength: 1 }))
          .map(([length, unit]) => Buffer.alloc(length, unit)),
      },
    )
    const step = fc.record({
      data,
      compressed: fc.boolean(),
      forgets: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      parts: fc.integer({ min: 1, max: 4 }),
      pings: fc.boolean(),
    })
    const sequenceOf = fc.array(step, { minLength: 1, maxLength: 12 })
    const bits = fc.integer({ min: 8, max: 15 })
    const places = fc.array(fc.nat({ max: 100_000 }), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(sequenceOf, bits, places, async (steps, windowBits, cuts) => {
        const client = new KeepingClient({ windowBits })
        const frames: Buffer[] = []
        const expected: string[] = []
        for (const { data, compressed, forgets, parts, pings } of steps) {
          if (forgets) await client.forget()
          const own = compressed
            ? small(await client.compress(data), parts)
            : fragmentFrames(Op.BINARY, inParts(data, parts))
          for (const [i, frame] of own.entries()) {
            frames.push(frame)
            if (!pings || i === own.length - 1) continue
            frames.push(clientFrame({ opcode: Op.PING }))
            expected.push('ping')
          }
          expected.push(data.toString('latin1'))
        }
        client.close()
        const wire = Buffer.concat(frames)
        for (const chunks of [[wire], frames, cutAt(wire, cuts)]) {
          const { events, protocol } = receive(chunks, { bits: windowBits })
          expect(events).toEqual(expected)
          expect(protocol.heldBytes).toBeLessThanOrEqual(windowBytes(windowBits))
        }
      }),
      { numRuns: 150 },
    )
  })
})

describe('how far back', () => {
  test.each([8, 9, 10, 11, 12, 13, 14, 15])('a window of %i bits, and not a byte farther', (bits) => {
    const size = windowBytes(bits)
    const context = Buffer.alloc(size, 'abcdefg')
    for (const before of [[context], inParts(context, 3), [Buffer.alloc(3 * size), context]]) {
      const frames = before.flatMap((message) => small(stored(message)))
      const { events } = receive([...frames, ...small(copyFrom(size))], { bits })
      expect(events.at(-1)).toBe('abc')
      if (bits === 15) continue // zlib's format has no word for more.
      expect(receive([...frames, ...small(copyFrom(size + 1))], { bits }).events.at(-1)).toBe('failure 1007')
    }
  })

  test('no farther than to the first message', () => {
    const first = Buffer.from('abcdefgh')
    expect(receive([...small(stored(first)), ...small(copyFrom(8))]).events).toEqual(['abcdefgh', 'abc'])
    expect(receive([...small(stored(first)), ...small(copyFrom(9))]).events.at(-1)).toBe('failure 1007')
    expect(receive(small(copyFrom(1))).events).toEqual(['failure 1007'])
    // What came plain is no part of it.
    const plain = clientFrame({ opcode: Op.BINARY, payload: 'abcdefgh' })
    expect(receive([plain, ...small(copyFrom(8))]).events.at(-1)).toBe('failure 1007')
  })

  test('who offered to keep no context has none', async () => {
    const client = keeping()
    const protocol = new Protocol({ maxMessageBytes: MIB, deflate: true })
    const frames = (await sequence(2, () => client.compress(TEXT))).flatMap((payload) => small(payload))
    expect(receive(frames, { protocol }).events).toEqual([TEXT, 'failure 1007'])
  })
})

describe('hostile', () => {
  test.each<[string, Buffer, number]>([
    ['corrupt', Buffer.of(7), 1007],
    ['cut', deflateRawSync(TEXT, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -8), 1007],
    ['too far back', copyFrom(30_000), 1007],
    ['behind a final block', Buffer.concat([deflateRawSync('x'), Buffer.of(0xff, 0xff)]), 1007],
  ])('%s, after good messages, and nothing is left', async (_, payload, code) => {
    const client = keeping()
    const frames = (await sequence(5, () => client.compress(TEXT))).flatMap((own) => small(own))
    const { events, protocol } = receive([...frames, ...small(payload)])
    expect(events).toEqual([...Array(5).fill(TEXT), `failure ${code}`])
    expect(protocol.heldBytes).toBe(0)
  })

  test('a bomb that is made of the context: 1009 at the limit', async () => {
    const client = keeping()
    const context = Buffer.alloc(30_000, TEXT)
    const frames = [
      ...small(await client.compress(context)),
      ...small(await client.compress(Buffer.alloc(40 * MIB, TEXT))),
    ]
    expect(frames.at(-1)!.length).toBeLessThan(MIB)
    const { events, protocol } = receive(frames)
    expect(events).toEqual([context.toString(), 'failure 1009'])
    expect(protocol.heldBytes).toBe(0)
  })

  test('a flipped bit after good messages: a message or a close code, never a throw', async () => {
    const client = keeping()
    const good = await sequence(3, (i) => client.compress(`${TEXT} ${i}`))
    const last = good.pop()!
    const before = good.flatMap((payload) => small(payload))
    for (let bit = 0; bit < last.length * 8; bit++) {
      const broken = Buffer.from(last)
      broken[bit >> 3] = broken[bit >> 3]! ^ (1 << (bit & 7))
      const { events, protocol } = receive([...before, ...small(broken)], { maxMessageBytes: 1000 })
      expect(events.length).toBe(3)
      expect(events.at(-1)).not.toMatch(/^failure (?!1007$|1009$)/)
      if (events.at(-1)!.startsWith('failure')) expect(protocol.heldBytes).toBe(0)
    }
  })
})

describe('what it costs', () => {
  test('nothing before the first compressed message, never more than the window', async () => {
    const client = keeping(12)
    const protocol = new Protocol({ maxMessageBytes: MIB, deflate: true, clientWindowBytes: 4096 })
    const plain = clientFrame({ opcode: Op.TEXT, payload: TEXT })
    receive([plain], { protocol })
    expect(protocol.heldBytes).toBe(0)
    receive(small(await client.compress('short')), { protocol })
    expect(protocol.heldBytes).toBe(256)
    let most = 0
    for (let i = 0; i < 100; i++) {
      expect(receive(small(await client.compress(`${i} ${TEXT}`)), { protocol }).events).toEqual([`${i} ${TEXT}`])
      most = Math.max(most, protocol.heldBytes)
    }
    receive(small(await client.compress(Buffer.alloc(100_000))), { protocol })
    expect([most, protocol.heldBytes]).toEqual([4096, 4096])
    protocol.discard()
    expect(protocol.heldBytes).toBe(0)
  })

  test('a protocol that holds a context is not blank: a quiet connection must not let go of it', async () => {
    const protocol = new Protocol({ maxMessageBytes: MIB, deflate: true, clientWindowBytes: 32_768 })
    expect(protocol.blank).toBe(true)
    receive(small(await keeping().compress(TEXT)), { protocol })
    expect(protocol.blank).toBe(false)
    const without = new Protocol({ maxMessageBytes: MIB, deflate: true })
    receive(small(await keeping().compress(TEXT)), { protocol: without })
    expect(without.blank).toBe(true)
  })

  test('the window: any messages, the last bytes of them', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 30 })
    fc.assert(
      fc.property(messages, fc.constantFrom(1, 7, 50, 64, 512), (list, size) => {
        const window = new ContextWindow(size)
        let all = Buffer.alloc(0)
        for (const message of list) {
          window.remember(Buffer.from(message))
          all = Buffer.concat([all, message])
          expect(window.bytes.equals(all.subarray(-size))).toBe(true)
          expect(window.heldBytes).toBeLessThanOrEqual(size)
        }
      }),
    )
  })
})

/** The results of `make`, one after the other. */
async function sequence<T>(count: number, make: (i: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let i = 0; i < count; i++) results.push(await make(i))
  return results
}

/** A compressed message of stored blocks. */
function stored(data: Buffer): Buffer {
  return deflateRawSync(data, { level: 0, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
}

/** A compressed message that is three bytes from so far back, by hand: zlib itself keeps a distance from the end of its
 * window. RFC 1951 §3.2.5, §3.2.6. */
function copyFrom(distance: number): Buffer {
  let code = 0
  let base = 1
  for (let extra = 0; distance >= base + 2 ** extra; extra = Math.max(0, (++code >> 1) - 1)) base += 2 ** extra
  const extra = Math.max(0, (code >> 1) - 1)
  const bits: number[] = []
  const put = (value: number, count: number): void => {
    for (let i = 0; i < count; i++) bits.push((value >> i) & 1)
  }
  const putCode = (value: number, count: number): void => {
    for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1)
  }
  put(0, 1)
  put(1, 2)
  // Length 3, the distance, the end of the block; then the header of the stored block whose rest a message leaves out.
  putCode(257 - 256, 7)
  putCode(code, 5)
  put(distance - base, extra)
  putCode(0, 7)
  put(0, 3)
  const bytes = Buffer.alloc(Math.ceil(bits.length / 8))
  for (const [i, bit] of bits.entries()) bytes[i >> 3]! |= bit << (i & 7)
  return bytes
}
