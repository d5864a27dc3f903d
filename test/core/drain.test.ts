// server.drain(): nobody new, sockets closed in batches with their data first, and whatever is left ended at the deadline.

import { Buffer } from 'node:buffer'
import type { DrainOptions } from '@roomcast/core'
import { type Acceptance, accept } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { cleanUp, type Pair, serve, type TestServer } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'

afterEach(cleanUp)

async function connected(test: TestServer, count: number): Promise<Pair<undefined>[]> {
  const pairs: Pair<undefined>[] = []
  for (let i = 0; i < count; i++) pairs.push(await test.connect())
  return pairs
}

test('1012 to all, data first; resolves with the count', async () => {
  const test = await serve()
  const pairs = await connected(test, 5)
  for (const { socket } of pairs) socket.write('last words')
  const drained = test.server.drain()
  for (const { client, socket } of pairs) {
    expect(socket.readyState).toBe('closing')
    expect(await client.message()).toBe('last words')
    expect(await client.answerClose()).toEqual({ code: 1012, reason: 'service restart' })
  }
  expect(await drained).toEqual({ closed: 5, terminated: 0 })
  expect(test.infos).toEqual(pairs.map(() => ({ code: 1012, reason: 'service restart', by: 'server' })))
})

test('nobody there: at once', async () => {
  const test = await serve()
  expect(await test.server.drain()).toEqual({ closed: 0, terminated: 0 })
})

test('in batches, an interval between them', async () => {
  const test = await serve()
  const pairs = await connected(test, 10)
  const closes: number[] = []
  const began = performance.now()
  for (const { client, socket } of pairs) {
    socket.onClosing(() => void closes.push(performance.now() - began))
    void client.answerClose()
  }
  const drained = test.server.drain({ batch: 4, intervalMs: 60 })
  expect(closes.length).toBe(4)
  expect(await drained).toEqual({ closed: 10, terminated: 0 })
  const batchOf = (at: number): number => Math.round(at / 60)
  expect(closes.map(batchOf).slice(0, 4)).toEqual([0, 0, 0, 0])
  for (const at of closes.slice(4, 8)) expect(at).toBeGreaterThanOrEqual(55)
  for (const at of closes.slice(8)) expect(at).toBeGreaterThanOrEqual(110)
})

test('the defaults: a thousand at a time', async () => {
  const test = await serve()
  const pairs = await connected(test, 30)
  const drained = test.server.drain()
  expect(pairs.every(({ socket }) => socket.readyState === 'closing')).toBe(true)
  for (const { client } of pairs) void client.answerClose()
  expect(await drained).toEqual({ closed: 30, terminated: 0 })
})

test('what does not answer until the deadline is terminated', async () => {
  const test = await serve()
  const pairs = await connected(test, 6)
  for (const { client } of pairs.slice(0, 4)) void client.answerClose()
  const began = performance.now()
  expect(await test.server.drain({ deadlineMs: 150 })).toEqual({ closed: 4, terminated: 2 })
  const took = performance.now() - began
  expect(took).toBeGreaterThanOrEqual(145)
  expect(took).toBeLessThan(2000)
  expect(test.infos.map(({ code, by }) => `${code} ${by}`).sort()).toEqual(
    [...Array<string>(6).fill('1012 server')].sort(),
  )
  expect(test.server.stats().sockets).toBe(0)
})

test('what no batch reached by the deadline is terminated as well', async () => {
  const test = await serve()
  const pairs = await connected(test, 5)
  for (const { client } of pairs) void client.answerClose().catch(() => {})
  const result = await test.server.drain({ batch: 2, intervalMs: 10_000, deadlineMs: 100 })
  expect(result).toEqual({ closed: 2, terminated: 3 })
})

test('a slow consumer cannot hold it up beyond the deadline', async () => {
  const test = await serve()
  const [pair] = await connected(test, 1)
  pair!.client.socket.pause()
  while (pair!.socket.write(Buffer.alloc(65_536)) !== 'backpressure');
  expect(await test.server.drain({ deadlineMs: 100 })).toEqual({ closed: 0, terminated: 1 })
})

test('sockets that leave by themselves count as closed, and again nobody is closed twice', async () => {
  const test = await serve()
  const pairs = await connected(test, 4)
  const drained = test.server.drain({ batch: 2, intervalMs: 100 })
  pairs[3]!.client.sendClose(1000)
  pairs[2]!.client.reset()
  for (const { client } of pairs.slice(0, 2)) void client.answerClose()
  expect(await drained).toEqual({ closed: 4, terminated: 0 })
  expect(test.closed.length).toBe(4)
})

test('upgrades get 503 with Retry-After at once, also those that wait for their handshake, and go on getting it', async () => {
  let answer = (): void => {}
  const test = await serve<undefined, undefined>({
    handler: {
      handshake: ({ path }) =>
        path === '/wait'
          ? new Promise<Acceptance<undefined>>((resolve) => (answer = () => resolve(accept(undefined))))
          : accept(undefined),
    },
  })
  const { client } = await test.connect()
  const waiting = await test.tcp()
  waiting.ask({ url: '/wait' })
  await eventually(() => test.server.stats().pendingHandshakes === 1)
  const drained = test.server.drain()
  for (const response of [await waiting.response(), await test.answer()]) {
    expect(response.status).toBe(503)
    expect(response.headers).toMatchObject({ error: 'draining', connection: 'close' })
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
  }
  answer()
  await client.answerClose()
  expect(await drained).toEqual({ closed: 1, terminated: 0 })
  expect((await test.answer()).status).toBe(503)
  expect(test.opened.length).toBe(1)
})

test('begun within a handshake: that one is refused too, once, and is not pending', async () => {
  const test: TestServer = await serve<undefined, undefined>({
    handler: {
      async handshake() {
        void test.server.drain()
      },
    },
  })
  const client = await test.tcp({ halfOpen: true })
  expect((await client.upgrade()).status).toBe(503)
  await nextTurn()
  expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
  expect(test.server.stats()).toMatchObject({ pendingHandshakes: 0, sockets: 0, rejections: { 503: 1 } })
  expect([test.opened.length, test.errors.length]).toEqual([0, 0])
})

test('another code', async () => {
  const test = await serve()
  const [pair] = await connected(test, 1)
  const drained = test.server.drain({ code: 4100 })
  expect((await pair!.client.answerClose()).code).toBe(4100)
  await drained
  expect(test.infos).toMatchObject([{ code: 4100, by: 'server' }])
})

test('a second call joins the first; close() after it, and during it', async () => {
  const test = await serve()
  const [pair] = await connected(test, 1)
  const drains = [test.server.drain(), test.server.drain({ code: 4100 })]
  void pair!.client.answerClose()
  expect(await Promise.all(drains)).toEqual([
    { closed: 1, terminated: 0 },
    { closed: 1, terminated: 0 },
  ])
  await test.server.close()

  const other = await serve()
  const pairs = await connected(other, 3)
  for (const { client } of pairs) void client.answerClose()
  const drained = other.server.drain({ batch: 1, intervalMs: 10_000 })
  await Promise.all([other.server.close(), drained])
  expect(other.infos.map(({ code }) => code).sort()).toEqual([1001, 1001, 1012])
  expect(await drained).toEqual({ closed: 3, terminated: 0 })
})

describe('signal', () => {
  test('given up: rejects with the reason, the rest stays open, upgrades are accepted again', async () => {
    const test = await serve()
    const pairs = await connected(test, 4)
    const abort = new AbortController()
    const drained = test.server.drain({ batch: 1, intervalMs: 50, signal: abort.signal })
    for (const { client } of pairs) void client.answerClose().catch(() => {})
    const reason = new Error('not today')
    abort.abort(reason)
    await expect(drained).rejects.toBe(reason)
    await new Promise((resolve) => setTimeout(resolve, 120))
    expect([...test.server.sockets].length).toBe(3)
    expect((await test.answer()).status).toBe(101)
    // And it can be drained again.
    const again = test.server.drain({ deadlineMs: 300 })
    expect(await again).toMatchObject({ closed: 3, terminated: 1 })
  })

  test('aborted before: rejects, nothing happened', async () => {
    const test = await serve()
    const [pair] = await connected(test, 1)
    await expect(async () => test.server.drain({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
    await nextTurn()
    expect(pair!.socket.readyState).toBe('open')
    expect((await test.answer()).status).toBe(101)
  })
})

test.each([
  { batch: 0 },
  { batch: 1.5 },
  { batch: Number.NaN },
  { intervalMs: -1 },
  { intervalMs: Number.NaN },
  { deadlineMs: 0 },
  { deadlineMs: Number.NaN },
  { code: 1005 },
  { code: 999 },
] satisfies DrainOptions[])('a caller’s mistake, %o: RangeError, and nobody is closed', async (options) => {
  const test = await serve()
  const [pair] = await connected(test, 1)
  await expect(async () => test.server.drain(options)).rejects.toThrow(RangeError)
  expect(pair!.socket.readyState).toBe('open')
  expect((await test.answer()).status).toBe(101)
})
