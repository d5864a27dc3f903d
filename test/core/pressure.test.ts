// The memory of all sockets together: over `maxTotalBytes` new upgrades are refused, the largest holders are closed with
// 1013, and everybody else goes on.

import { Buffer } from 'node:buffer'
import { afterEach, expect, test } from 'vitest'
import { clientFrame, Op } from '../support/client-frames.ts'
import { cleanUp, type Pair, serve, type TestServer } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'

const KIB = 1024

afterEach(cleanUp)

/** Short deadlines make short ticks: the account of output is looked at once in each. */
const QUICK = { closeTimeoutMs: 200 }

const FRAGMENT_BYTES = 8 * KIB

/** Sends the beginning of a message of `bytes`, and waits until the server has it. The memory for it is doubled when it
 * grows, and begins with what the first read brought: with one whole fragment, so that it is a power of two times that. */
async function hold(test: TestServer, bytes: number): Promise<Pair<undefined>> {
  const pair = await test.connect()
  const payload = Buffer.alloc(FRAGMENT_BYTES)
  const before = test.server.stats().bytesIn
  pair.client.send({ opcode: Op.BINARY, fin: false, payload })
  await eventually(() => test.server.stats().bytesIn >= before + FRAGMENT_BYTES)
  const rest = Math.ceil(bytes / FRAGMENT_BYTES) - 1
  pair.client.send(...Array.from({ length: rest }, () => ({ opcode: Op.CONTINUATION, fin: false, payload })))
  await eventually(() => test.server.stats().bytesIn >= before + (rest + 1) * FRAGMENT_BYTES)
  return pair
}

test('the largest holder of unfinished input is closed with 1013, others live', async () => {
  const test = await serve({ ...QUICK, maxTotalBytes: 500 * KIB })
  const small = await hold(test, 128 * KIB)
  const idle = await test.connect()
  const large = await hold(test, 256 * KIB)
  expect(test.closed.length).toBe(0)
  const third = await hold(test, 128 * KIB)

  expect(await large.client.answerClose()).toEqual({ code: 1013, reason: 'server is short of memory' })
  expect(await test.info()).toEqual({ code: 1013, reason: 'server is short of memory', by: 'server' })
  expect(test.closed.all[0]!.socket).toBe(large.socket)
  expect(test.server.stats()).toMatchObject({ sockets: 3, closes: { 1013: 1 }, limits: { maxTotalBytes: 1 } })
  for (const { client } of [small, third]) client.send({ opcode: Op.CONTINUATION, payload: 'end' })
  idle.client.say('alive')
  await test.messages.count(3)
  expect(test.messages.all.map(({ data }) => data.length).sort((a, b) => a - b)).toEqual([
    5,
    128 * KIB + 3,
    128 * KIB + 3,
  ])
})

test('a message that is held for a pending callback counts', async () => {
  const test = await serve({
    ...QUICK,
    maxTotalBytes: 256 * KIB,
    handler: { message: () => new Promise(() => {}) },
  })
  const [one, two] = [await test.connect(), await test.connect()]
  for (const { client } of [one, two]) {
    client.say('pending')
    client.send({ opcode: Op.BINARY, payload: Buffer.alloc(client === one.client ? 150 * KIB : 140 * KIB) })
  }
  expect((await one.client.answerClose()).code).toBe(1013)
  await test.info()
  expect(two.socket.readyState).toBe('open')
})

test('while it is exceeded, an upgrade gets 503 with Retry-After; afterwards it is accepted', async () => {
  const test = await serve({ closeTimeoutMs: 400, maxTotalBytes: 128 * KIB, maxBufferedBytes: 16 * KIB * KIB })
  const { client, socket } = await test.connect()
  client.socket.pause()
  while (socket.bufferedBytes < 256 * KIB) {
    socket.write(Buffer.alloc(64 * KIB))
    await nextTurn()
  }
  const { status, headers } = await test.answer()
  expect(status).toBe(503)
  expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  expect(headers.error).toBe('busy')
  expect(test.server.stats().limits).toHaveProperty('maxTotalBytes')
  await test.closed.count(1)
  expect((await test.answer()).status).toBe(101)
})

test('a holder of unsent output is told 1013 after what the kernel had, and lets go', async () => {
  const test = await serve({ ...QUICK, maxTotalBytes: 256 * KIB, maxBufferedBytes: 16 * KIB * KIB })
  const { client, socket } = await test.connect()
  const other = await test.connect()
  client.socket.pause()
  let sent = 0
  while (socket.bufferedBytes < 512 * KIB) {
    socket.write(Buffer.alloc(16 * KIB, sent++ % 251))
    if (sent % 8 === 0) await nextTurn()
  }
  await eventually(() => socket.readyState !== 'open')
  client.socket.resume()
  expect((await client.answerClose()).code).toBe(1013)
  expect(await test.info()).toMatchObject({ code: 1013, by: 'server' })
  const data = client.frames.all.slice(0, -1)
  expect(data.every(({ payload }, i) => payload.length === 16 * KIB && payload[0] === i % 251)).toBe(true)
  expect(data.length).toBeLessThan(sent)
  expect(other.socket.readyState).toBe('open')
})

test('a holder that never reads again is gone after closeTimeoutMs, even if it holds one large message', async () => {
  const test = await serve({ ...QUICK, maxTotalBytes: 256 * KIB })
  const { client, socket } = await test.connect()
  client.socket.pause()
  // One message that the kernel takes a part of: it is in flight and cannot be discarded.
  socket.write(Buffer.alloc(16 * KIB * KIB))
  await nextTurn()
  expect(socket.bufferedBytes).toBeGreaterThan(0)
  await eventually(() => socket.readyState !== 'open')
  expect((await test.info()).code).toBe(1013)
  expect((await test.answer()).status).toBe(101)
})

test('150 holders of 32 KiB against 2 MiB: what is held stays bounded, and a healthy socket lives', async () => {
  const test = await serve({ ...QUICK, maxTotalBytes: 2 * KIB * KIB })
  const healthy = await test.connect()
  const closes: Promise<unknown>[] = []
  for (let i = 0; i < 150; i++) {
    const { client } = await test.connect()
    client.send({ opcode: Op.BINARY, fin: false, payload: Buffer.alloc(32 * KIB) })
    closes.push(client.close())
  }
  await eventually(() => (test.server.stats().closes[1013] ?? 0) >= 150 - 64)
  healthy.client.say('alive')
  await test.messages.count(1)
  expect(healthy.socket.readyState).toBe('open')
  expect(test.server.stats().closes[1013]).toBeLessThanOrEqual(150)
  await Promise.race(closes)
})

test('a room’s broadcast of one shared frame to healthy peers sheds nobody', async () => {
  const test = await serve({ ...QUICK, maxTotalBytes: 4 * KIB * KIB })
  const pairs = await Promise.all(Array.from({ length: 50 }, () => test.connect()))
  for (let i = 0; i < 20; i++) for (const { socket } of pairs) socket.write(Buffer.alloc(16 * KIB))
  await Promise.all(pairs.map(({ client }) => client.frames.count(20)))
  expect(test.closed.length).toBe(0)
})

test('what is let go is let go of: a second wave finds room', async () => {
  const test = await serve({ ...QUICK, maxTotalBytes: 300 * KIB })
  for (let wave = 0; wave < 5; wave++) {
    const pairs = [await hold(test, 128 * KIB), await hold(test, 128 * KIB)]
    expect(pairs.map(({ socket }) => socket.readyState)).toEqual(['open', 'open'])
    const gone = test.closed.length + 2
    for (const { client } of pairs) client.reset()
    await test.closed.count(gone)
  }
  expect(test.server.stats().limits).toEqual({})
})

test('bytes that come before the 101 count, and those who sent them are refused', async () => {
  let answer: (() => void)[] = []
  const test = await serve<undefined, number>({
    ...QUICK,
    maxTotalBytes: 256 * KIB,
    handler: {
      handshake: ({ path }) => (path === '/wait' ? new Promise<number>((resolve) => answer.push(() => resolve(1))) : 1),
    },
  })
  const { socket } = await test.connect()
  const early = clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(60 * KIB) })
  const clients = await Promise.all(Array.from({ length: 8 }, () => test.tcp()))
  for (const client of clients) client.ask({ url: '/wait' }, early)
  await eventually(() => (test.server.stats().rejections[503] ?? 0) > 0)
  await eventually(() => answer.length === 8 || test.server.stats().pendingHandshakes < 5)
  await nextTurn()
  const { rejections, limits, pendingHandshakes } = test.server.stats()
  // 4 × 60 KiB fit.
  expect(pendingHandshakes).toBeLessThanOrEqual(4)
  expect(pendingHandshakes).toBeGreaterThanOrEqual(3)
  expect(limits).toEqual({ maxTotalBytes: rejections[503] })
  expect(socket.readyState).toBe('open')

  // Those that stay are opened with all they sent, and then nothing is held any more.
  for (const go of answer) go()
  answer = []
  await test.messages.count(pendingHandshakes)
  expect(test.messages.all.map(({ data }) => data.length)).toEqual(Array(pendingHandshakes).fill(60 * KIB))
  for (let i = 0; i < 8; i++) expect((await test.answer({ url: '/now' })).status).toBe(101)
})
