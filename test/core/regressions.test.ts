// Corners that were wrong once: what a stalled peer costs the others, drains with odd times, and what a caller may change
// or ask for late.

import { Buffer } from 'node:buffer'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer, reject } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, serve, TestServer, TLS } from '../support/core-server.ts'
import { eventually, inTime } from '../support/log.ts'

afterEach(cleanUp)

const MIB = 1024 * 1024

/** Time in which nothing should happen. */
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('memory', () => {
  test('relief closes those who hold a lot, not those with a few bytes', async () => {
    const test = await serve({ closeTimeoutMs: 200, maxTotalBytes: 20 * MIB, maxBufferedBytes: 4 * MIB })
    const small = []
    for (let i = 0; i < 10; i++) {
      const pair = await test.connect()
      pair.client.send({ opcode: Op.BINARY, fin: false, payload: 'begun' })
      small.push(pair)
    }
    const stalled = [await test.connect(), await test.connect()]
    for (const { client, socket } of stalled) {
      client.socket.pause()
      socket.write(Buffer.alloc(15 * MIB))
    }
    await test.closed.count(1)
    await eventually(() => stalled.some(({ socket }) => socket.readyState === 'closed'))
    // Some ticks more, in which nothing may be over any more.
    await wait(150)
    expect(test.closed.all.every(({ socket }) => stalled.some((one) => one.socket === socket))).toBe(true)
    expect(small.map(({ socket }) => socket.readyState)).toEqual(small.map(() => 'open'))
    for (const { client } of small) client.send({ opcode: Op.CONTINUATION, payload: ' and ended' })
    await test.messages.count(10)
    expect(test.texts).toEqual(small.map(() => 'begun and ended'))
    expect((await test.answer()).status).toBe(101)
  })
})

describe('drain', () => {
  test('ends by its deadline, while refused clients come back', async () => {
    const test = await serve({ closeTimeoutMs: 60_000 })
    await test.connect({}, { halfOpen: true })
    let stop = false
    const comeBack = async (): Promise<void> => {
      while (!stop) {
        const client = await test.tcp({ halfOpen: true })
        expect((await client.upgrade()).status).toBe(503)
        await wait(20)
        client.socket.destroy()
      }
    }
    const drained = test.server.drain({ deadlineMs: 300 })
    const clients = Array.from({ length: 40 }, comeBack)
    try {
      expect(await inTime(drained, 'drain', 2_000)).toEqual({ closed: 0, terminated: 1 })
      expect(test.server.stats().rejections[503]).toBeGreaterThan(40)
    } finally {
      stop = true
      await Promise.all(clients)
    }
  })

  test('without end: nobody is terminated', async () => {
    const test = await serve()
    const { client } = await test.connect()
    const drained = test.server.drain({
      deadlineMs: Number.POSITIVE_INFINITY,
      intervalMs: Number.POSITIVE_INFINITY,
      batch: 1,
    })
    await client.close()
    await wait(50)
    expect(test.closed.length).toBe(0)
    client.sendClose(1012)
    expect(await drained).toEqual({ closed: 1, terminated: 0 })
  })

  test('an interval without end: the second batch does not come', async () => {
    const test = await serve()
    const [one, two] = [await test.connect(), await test.connect()]
    const drained = test.server.drain({ intervalMs: Number.POSITIVE_INFINITY, batch: 1, deadlineMs: 100 })
    await one.client.answerClose()
    await wait(20)
    expect(two.socket.readyState).toBe('open')
    expect(await drained).toEqual({ closed: 1, terminated: 1 })
  })

  test('with a signal that is aborted already: rejects, and nothing has happened', async () => {
    const test = await serve()
    const { socket } = await test.connect()
    const reason = new Error('not today')
    await expect(test.server.drain({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(socket.readyState).toBe('open')
    expect((await test.answer()).status).toBe(101)
  })
})

describe('handshake', () => {
  test('a signal that is read for the first time after the peer left is aborted', async () => {
    let look = (): void => {}
    const gate = new Promise<void>((resolve) => {
      look = resolve
    })
    const aborted: boolean[] = []
    const test = await serve({
      handler: {
        async handshake(request) {
          await gate
          aborted.push(request.signal.aborted)
        },
      },
    })
    const client = await test.tcp()
    client.ask()
    await eventually(() => test.server.stats().pendingHandshakes === 1)
    client.socket.destroy()
    await eventually(() => test.server.stats().pendingHandshakes === 0)
    look()
    await eventually(() => aborted.length > 0)
    expect(aborted).toEqual([true])
  })

  test('a lookup that gave up because its peer did is no error, another one is', async () => {
    const test = await serve({
      handler: {
        async handshake({ signal, path }) {
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          throw path === '/own' ? new Error('own') : signal.reason
        },
      },
    })
    for (const url of ['/', '/own']) {
      const client = await test.tcp()
      client.ask({ url })
      await eventually(() => test.server.stats().pendingHandshakes === 1)
      client.socket.destroy()
      await eventually(() => test.server.stats().pendingHandshakes === 0)
    }
    await eventually(() => test.errors.length > 0)
    expect(test.errors.all.map(({ error }) => `${error}`)).toEqual(['Error: own'])
  })

  test('maxHeaderBytes holds on somebody else’s http server', async () => {
    const http = createHttpServer({ maxHeaderSize: 65_536 })
    const test = new TestServer({ server: http, maxHeaderBytes: 2_000 })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', () => resolve()))
    test.target = { port: (http.address() as AddressInfo).port }
    const large = await test.answer({ headers: { 'X-A': 'a'.repeat(40_000) } })
    expect(large.status).toBe(431)
    expect(large.headers.error).toBe('headers_too_large')
    expect((await test.answer({ url: `/${'u'.repeat(2_000)}` })).status).toBe(431)
    expect((await test.answer({ headers: { 'X-A': 'a'.repeat(1_000) } })).status).toBe(101)
    expect(test.server.stats().limits).toEqual({ maxHeaderBytes: 2 })
    http.closeAllConnections()
    http.close()
  })

  test('headers given to reject() may change afterwards', async () => {
    const test = await serve({
      handler: {
        handshake() {
          const headers: Record<string, string> = { 'X-A': 'as it was' }
          const rejection = reject(401, 'no', { headers })
          headers['X-A'] = 'bad\r\nInjected: 1'
          headers['X-B'] = 'new'
          return rejection
        },
      },
    })
    const { status, headers } = await test.answer()
    expect(status).toBe(401)
    expect(headers).toMatchObject({ 'x-a': 'as it was', error: 'no' })
    expect(headers).not.toHaveProperty('injected')
    expect(headers).not.toHaveProperty('x-b')
    expect(test.errors.all).toEqual([])
  })

  test.each([
    { handshakeTimeoutMs: Number.POSITIVE_INFINITY },
    { handshakeTimeoutMs: 1500.5 },
    { handshakeTimeoutMs: Number.POSITIVE_INFINITY, port: 0, host: '127.0.0.1', tls: TLS },
    { handshakeTimeoutMs: 1500.5, port: 0, host: '127.0.0.1', tls: TLS },
  ])('a server of our own takes handshakeTimeoutMs: $handshakeTimeoutMs', async (options) => {
    const test = await serve(options)
    expect((await test.answer()).status).toBe(101)
  })

  test.each([42, 'yes', true, null])('tls: %j is a TypeError', (tls) => {
    expect(() => createServer({ port: 0, tls: tls as never, handler: { message() {} } })).toThrow(TypeError)
  })
})

describe('a peer that pings as often as it may', () => {
  test.each(['before its first ping', 'after its first ping'])(
    'outlives a pause of ours that began %s',
    async (when) => {
      const perSecond = 40
      const test = await serve({ maxControlFramesPerSecond: perSecond, closeTimeoutMs: 100 })
      const { client, socket } = await test.connect()
      if (when.startsWith('after')) {
        client.send({ opcode: Op.PING })
        await client.frames.count(1)
      }
      socket.pause()
      // 60 pings in 2 s where 80 are allowed.
      for (let i = 0; i < 60; i++) {
        client.send({ opcode: Op.PING, payload: `${i}` })
        await wait(33)
      }
      socket.resume()
      await client.frames.find(({ payload }) => payload.toString() === '59')
      expect(socket.readyState).toBe('open')
      expect(test.server.stats().limits).toEqual({})
    },
  )
})

describe('a socket’s registry', () => {
  test('an onClosing listener that is taken back by another, while they run, is not called', async () => {
    const test = await serve()
    const { socket } = await test.connect()
    const called: string[] = []
    let takeBack = (): void => {}
    socket.onClosing(() => {
      called.push('first')
      takeBack()
    })
    takeBack = socket.onClosing(() => called.push('second'))
    socket.onClosing(() => called.push('third'))
    socket.close()
    expect(called).toEqual(['first', 'third'])
  })

  test('a listener given twice is called twice, and taken back one at a time', async () => {
    const test = await serve()
    const { socket } = await test.connect()
    let calls = 0
    const listener = (): void => void calls++
    const takeBack = socket.onClosing(listener)
    socket.onClosing(listener)
    takeBack()
    takeBack()
    socket.close()
    expect(calls).toBe(1)
  })

  test('server.sockets can be gone through again and again', async () => {
    const test = await serve()
    const [one, two] = [await test.connect(), await test.connect()]
    const { sockets } = test.server
    expect([...sockets]).toEqual([one.socket, two.socket])
    expect([...sockets]).toEqual([one.socket, two.socket])
    one.socket.close()
    expect([...sockets]).toEqual([two.socket])
    const third = await test.connect()
    expect([...sockets]).toEqual([two.socket, third.socket])
  })
})
