// One write per socket and turn: counted at the TCP sockets of a real server, where `write` of node's net.Socket is
// watched. What is shared is shared, what is large is not copied, order is acceptance order, and a long flush gives way.

import { Buffer } from 'node:buffer'
import { Socket as TcpSocket } from 'node:net'
import { type Framed, type Socket, txt } from '@roomcast/core'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, type Pair, serve, type TestServer } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'
import { describe as short } from '../support/raw-client.ts'

interface Write {
  tcp: TcpSocket
  bytes: Buffer
  turn: number
}

const KIB = 1024

let writes: Write[] = []
let turn = 0
let counting = true
const own = Object.getOwnPropertyDescriptor(TcpSocket.prototype, '_write')!
const real = TcpSocket.prototype._write

beforeEach(() => {
  writes = []
  counting = true
  const count = (): void => {
    turn++
    if (counting) setImmediate(count)
  }
  setImmediate(count)
  TcpSocket.prototype._write = function (this: TcpSocket, ...given: Parameters<TcpSocket['_write']>): void {
    writes.push({ tcp: this, bytes: given[0] as Buffer, turn })
    real.apply(this, given)
  }
})

afterEach(async () => {
  counting = false
  Object.defineProperty(TcpSocket.prototype, '_write', own)
  await cleanUp()
})

/** The writes of the server's side. */
function served(test: TestServer): Write[] {
  const { port } = test.target as { port: number }
  return writes.filter(({ tcp }) => tcp.localPort === port)
}

async function connected(test: TestServer, count: number): Promise<Pair<undefined>[]> {
  const pairs: Pair<undefined>[] = []
  for (let i = 0; i < count; i++) pairs.push(await test.connect())
  await nextTurn()
  writes = []
  return pairs
}

/** How many writes each TCP socket had. */
function perSocket(test: TestServer): number[] {
  const counts = new Map<TcpSocket, number>()
  for (const { tcp } of served(test)) counts.set(tcp, (counts.get(tcp) ?? 0) + 1)
  return [...counts.values()]
}

test('16 frames to 50 sockets are 50 writes, of one joined buffer', async () => {
  const test = await serve()
  const pairs = await connected(test, 50)
  for (const count of [1, 2]) {
    writes = []
    for (let i = 0; i < 16; i++) {
      const frame = txt(`message ${i}`)
      for (const { socket } of pairs) socket.write(frame)
    }
    expect(served(test)).toEqual([])
    await Promise.all(pairs.map(({ client }) => client.frames.count(16 * count)))
    expect(perSocket(test)).toEqual(Array<number>(50).fill(1))
    expect(new Set(served(test).map(({ bytes }) => bytes)).size).toBe(1)
  }
  expect(test.server.stats()).toMatchObject({ messagesOut: 1600 })
})

test('a single shared frame goes out as it is', async () => {
  const test = await serve()
  const pairs = await connected(test, 20)
  const frame = txt('to everybody')
  for (const { socket } of pairs) socket.write(frame)
  await Promise.all(pairs.map(({ client }) => client.frame()))
  expect(served(test).map(({ bytes }) => bytes)).toEqual(Array.from({ length: 20 }, () => frame.bytes))
  expect(new Set(served(test).map(({ bytes }) => bytes))).toEqual(new Set([frame.bytes]))
})

test('a socket whose list differs gets its own bytes, and only its own', async () => {
  const test = await serve()
  const pairs = await connected(test, 9)
  const [a, b] = [txt('a'), txt('b')]
  for (const [i, { socket }] of pairs.entries()) {
    socket.write(a)
    if (i === 4) socket.write('only for you')
    if (i !== 7) socket.write(b)
  }
  await Promise.all(pairs.map(({ client }, i) => client.frames.count(i === 4 ? 3 : i === 7 ? 1 : 2)))
  await nextTurn()
  expect(pairs.map(({ client }) => client.frames.all.map(({ payload }) => `${payload}`).join())).toEqual(
    pairs.map((_, i) => (i === 4 ? 'a,only for you,b' : i === 7 ? 'a' : 'a,b')),
  )
  expect(perSocket(test)).toEqual(Array<number>(9).fill(1))
})

test('lists of the same bytes but other frames are each right', async () => {
  const test = await serve()
  const pairs = await connected(test, 3)
  for (const [i, { socket }] of pairs.entries()) {
    socket.write(`${i}x`)
    socket.write(`${i}y`)
  }
  await Promise.all(pairs.map(({ client }) => client.frames.count(2)))
  expect(pairs.map(({ client }) => client.frames.all.map(({ payload }) => `${payload}`))).toEqual([
    ['0x', '0y'],
    ['1x', '1y'],
    ['2x', '2y'],
  ])
})

test('writes, pings, pongs and the Close of one turn are one write, in acceptance order', async () => {
  const test = await serve({
    handler: {
      message(socket) {
        socket.write('one')
        socket.ping('two')
        socket.write(txt('three'))
        socket.close(4000)
      },
    },
  })
  const [pair] = await connected(test, 1)
  pair!.client.send({ opcode: Op.PING, payload: 'zero' }, { opcode: Op.TEXT, payload: 'go' })
  await pair!.client.answerClose()
  expect(pair!.client.frames.all.map(short)).toEqual(['pong zero', 'text one', 'ping two', 'text three', 'close 4000'])
  expect(served(test).length).toBe(1)
})

test('acceptance order, whatever is written directly, shared or both, in however many turns', async () => {
  const test = await serve()
  const pairs = await connected(test, 5)
  const step = fc.oneof(
    fc.record({ kind: fc.constant('direct' as const), to: fc.nat(4), bytes: fc.constantFrom(1, 200, 20_000, 70_000) }),
    fc.record({
      kind: fc.constant('shared' as const),
      except: fc.nat(5),
      bytes: fc.constantFrom(1, 200, 20_000, 70_000),
    }),
    fc.record({ kind: fc.constant('turn' as const) }),
  )
  let number = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const expected: string[][] = pairs.map(() => [])
      const from = pairs.map(({ client }) => client.frames.length)
      for (const one of steps) {
        if (one.kind === 'turn') {
          await nextTurn()
          continue
        }
        const text = `${number++}`.padEnd(one.bytes, '.')
        const frame = txt(text)
        for (const [i, { socket }] of pairs.entries()) {
          if (one.kind === 'direct' ? one.to !== i : one.except === i) continue
          expect(socket.write(one.kind === 'direct' ? text : frame)).not.toBe('closed')
          expected[i]!.push(text)
        }
      }
      await Promise.all(pairs.map(({ client }, i) => client.frames.count(from[i]! + expected[i]!.length)))
      const received = pairs.map(({ client }, i) => client.frames.all.slice(from[i]).map(({ payload }) => `${payload}`))
      expect(received.map((texts) => texts.map((text) => parseInt(text, 10)))).toEqual(
        expected.map((texts) => texts.map((text) => parseInt(text, 10))),
      )
    }),
    { numRuns: 25 },
  )
})

describe('sizes', () => {
  test('a frame over 64 KiB goes out uncopied, between its neighbours', async () => {
    const test = await serve()
    const pairs = await connected(test, 3)
    const frames = [txt('before'), txt('x'.repeat(300 * KIB)), txt('after'), txt('y'.repeat(65 * KIB))]
    for (const { socket } of pairs) for (const frame of frames) socket.write(frame)
    await Promise.all(pairs.map(({ client }) => client.frames.count(4)))
    for (const large of [frames[1]!, frames[3]!]) {
      const carried = served(test).filter(({ bytes }) => within(bytes, large))
      expect(carried.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBe(3 * large.bytes.length)
    }
    for (const { client } of pairs)
      expect(client.frames.all.map(({ payload }) => payload.length)).toEqual([6, 300 * KIB, 5, 65 * KIB])
  })

  test('what is joined is at most 64 KiB', async () => {
    const test = await serve()
    const [pair] = await connected(test, 1)
    for (let i = 0; i < 400; i++) pair!.socket.write('z'.repeat(1000))
    await pair!.client.frames.count(400)
    expect(Math.max(...served(test).map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(64 * KIB)
    expect(served(test).length).toBeLessThanOrEqual(8)
  })

  test('a list that reaches 64 KiB is written at once, alone', async () => {
    const test = await serve()
    const [one, two] = await connected(test, 2)
    two!.socket.write('waits')
    for (let i = 0; i < 10; i++) {
      one!.socket.write(Buffer.alloc(16 * KIB))
      expect(one!.socket.bufferedBytes).toBeLessThanOrEqual(64 * KIB)
    }
    expect(served(test).length).toBeGreaterThanOrEqual(2)
    expect(two!.socket.bufferedBytes).toBe(7)
    await Promise.all([one!.client.frames.count(10), two!.client.frames.count(1)])
  })

  /** Are these bytes a part of the frame's own memory? */
  function within(bytes: Buffer, frame: Framed): boolean {
    const start = bytes.byteOffset - frame.bytes.byteOffset
    return bytes.buffer === frame.bytes.buffer && start >= 0 && start + bytes.length <= frame.bytes.length
  }
})

test('512 reads end a turn: the first replies do not wait for the last of many', async () => {
  let handled = 0
  const test = await serve({
    handler: {
      message(socket, data) {
        handled++
        socket.write(data)
      },
    },
  })
  const pairs = await connected(test, 700)
  let atFirstWrite = 0
  const real = writes.push.bind(writes)
  writes.push = (...items) => {
    if (items.some(({ tcp }) => tcp.localPort === (test.target as { port: number }).port)) atFirstWrite ||= handled
    return real(...items)
  }
  for (const { client } of pairs) client.say('x')
  await Promise.all(pairs.map(({ client }) => client.frames.count(1)))
  expect(atFirstWrite).toBeGreaterThan(0)
  expect(atFirstWrite).toBeLessThanOrEqual(512)
})

describe('slices', () => {
  /** A slice that is over after its first look at the clock. */
  const TINY = { sliceMs: 0.000_1 }

  function turns(test: TestServer): number[] {
    const counts = new Map<number, number>()
    for (const write of served(test)) counts.set(write.turn, (counts.get(write.turn) ?? 0) + 1)
    return [...counts.values()]
  }

  test('a flush that takes longer goes on in the next turns', async () => {
    const test = await serve(TINY)
    const pairs = await connected(test, 120)
    const frame = txt('to all')
    for (const { socket } of pairs) socket.write(frame)
    await Promise.all(pairs.map(({ client }) => client.frames.count(1)))
    expect(perSocket(test)).toEqual(Array<number>(120).fill(1))
    expect(turns(test).length).toBeGreaterThanOrEqual(3)
    expect(Math.max(...turns(test))).toBeLessThanOrEqual(64)
  })

  test('by default, 120 quick sockets take one turn', async () => {
    const test = await serve({ sliceMs: 1000 })
    const pairs = await connected(test, 120)
    const frame = txt('to all')
    for (const { socket } of pairs) socket.write(frame)
    await Promise.all(pairs.map(({ client }) => client.frames.count(1)))
    expect(turns(test)).toEqual([120])
  })

  test('fresh sockets go first, then the backlog, which always gets its slice', async () => {
    const test = await serve(TINY)
    const pairs = await connected(test, 203)
    const fresh = pairs.splice(0, 3)
    const frame = txt('to all')
    for (const { socket } of pairs) socket.write(frame)
    // The turn in which they were written ends before this one's wait does.
    await nextTurn()
    const early = served(test).length
    expect(early).toBeGreaterThan(0)
    expect(early).toBeLessThan(150)
    for (const { socket } of fresh) socket.write('directly')
    await Promise.all(fresh.map(({ client }) => client.frames.count(1)))
    await Promise.all(pairs.map(({ client }) => client.frames.count(1)))
    const order = served(test).map(({ bytes }) => (bytes === frame.bytes ? 'backlog' : 'fresh'))
    const last = order.lastIndexOf('fresh')
    // Whatever was written before the direct writes were made was written before; then they come.
    expect(order.filter((what) => what === 'fresh').length).toBe(3)
    expect(last).toBeLessThan(early + 3 + 64)
    expect(order.length - last).toBeGreaterThan(50)
  })

  test('who is caught behind a few dozen does not wait for the hundreds before them', async () => {
    const test = await serve(TINY)
    const pairs = await connected(test, 480)
    const dozens = pairs.splice(0, 80)
    const [first, second] = [txt('to hundreds'), txt('to dozens')]
    for (const { socket } of pairs) socket.write(first)
    await eventually(() => served(test).length > 0)
    for (const { socket } of dozens) socket.write(second)
    await Promise.all([...dozens, ...pairs].map(({ client }) => client.frames.count(1)))
    const order = served(test).map(({ bytes }) => (bytes === first.bytes ? 'hundreds' : 'dozens'))
    expect(order.filter((what) => what === 'dozens')).toHaveLength(80)
    expect(order.length - order.lastIndexOf('dozens')).toBeGreaterThan(100)
  })

  test('who is written right after hundreds, in the same turn, does not wait for them', async () => {
    const test = await serve(TINY)
    const pairs = await connected(test, 400)
    const [after] = pairs.splice(0, 1)
    const frame = txt('to all')
    for (const { socket } of pairs) socket.write(frame)
    after!.socket.write('directly')
    await Promise.all([after!, ...pairs].map(({ client }) => client.frames.count(1)))
    const order = served(test).map(({ bytes }) => (bytes === frame.bytes ? 'room' : 'directly'))
    expect(order.length - order.indexOf('directly')).toBeGreaterThan(100)
  })

  test('a steady stream of fresh writes does not starve the backlog', async () => {
    const test = await serve(TINY)
    const pairs = await connected(test, 260)
    const busy = pairs.splice(0, 60)
    const frame = txt('to all')
    for (const { socket } of pairs) socket.write(frame)
    let turns = 0
    while (pairs.some(({ client }) => client.frames.length === 0)) {
      for (const { socket } of busy) socket.write('busy')
      await nextTurn()
      if (++turns > 500) throw new Error('the backlog starves')
    }
  })

  test('order is kept for a socket that is written while it waits, and its Close is the last', async () => {
    const test = await serve(TINY)
    const pairs = await connected(test, 100)
    const sent = new Map<Socket, number>()
    for (let round = 0; round < 6; round++) {
      const frame = txt(`${round}`)
      for (const { socket } of pairs) {
        socket.write(frame)
        sent.set(socket, round)
      }
      if (round % 2 === 0) await nextTurn()
    }
    for (const { socket } of pairs) socket.close(4000)
    await Promise.all(pairs.map(({ client }) => client.answerClose()))
    for (const { client } of pairs) {
      expect(client.frames.all.map(short)).toEqual(
        ['0', '1', '2', '3', '4', '5'].map((n) => `text ${n}`).concat('close 4000'),
      )
    }
    await test.closed.count(100)
  })

  test('a socket that ends while it waits in the backlog harms nobody', async () => {
    const test = await serve(TINY)
    const pairs = await connected(test, 100)
    const frame = txt('to all')
    for (const { socket } of pairs) socket.write(frame)
    for (const [i, { socket, client }] of pairs.entries()) {
      if (i % 3 === 0) socket.terminate()
      if (i % 3 === 1) client.reset()
    }
    await Promise.all(pairs.filter((_, i) => i % 3 === 2).map(({ client }) => client.frames.count(1)))
    await test.closed.count(67)
    expect(test.errors.all).toEqual([])
  })
})
