// Every limit: its default is the contract's, it acts where it should, it says so in the way the contract names, and it
// is counted. Clocks have their own file (heartbeat.test.ts), and so have memory (pressure) and slow peers (back-pressure).

import { Buffer } from 'node:buffer'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer, DEFAULT_LIMITS, type Limits, reject } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { PeerClock } from '../../packages/core/src/connection/peer-clock.ts'
import { resolveLimits } from '../../packages/core/src/limits.ts'
import type { Heartbeat } from '../../packages/core/src/server/heartbeat.ts'
import { clientFrame, fragmentFrames, inParts, Op } from '../support/client-frames.ts'
import { cleanUp, serve, TestServer, TLS, temporaryFolder } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'
import { type HandshakeText, handshakeText, RawClient, describe as short } from '../support/raw-client.ts'

afterEach(cleanUp)

const MIB = 1024 * 1024

test('the defaults are the contract’s', () => {
  expect(DEFAULT_LIMITS).toEqual({
    maxMessageBytes: 1_048_576,
    maxBufferedBytes: 1_048_576,
    slowConsumer: 'close',
    handshakeTimeoutMs: 10_000,
    maxHeaderBytes: 16_384,
    maxHeaders: 100,
    idleTimeoutMs: 25_000,
    pongTimeoutMs: 10_000,
    messageTimeoutMs: 30_000,
    closeTimeoutMs: 5_000,
    maxConnections: Number.POSITIVE_INFINITY,
    maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
    maxPendingHandshakes: 1_024,
    maxTotalBytes: 268_435_456,
    maxControlFramesPerSecond: 256,
    sliceMs: 8,
  })
})

describe('a wrong value throws at the call', () => {
  const handler = { message(): void {} }
  const numbers = Object.entries(DEFAULT_LIMITS).flatMap(([name, value]) => (typeof value === 'number' ? [name] : []))

  test.each(numbers)('%s', (name) => {
    for (const value of [0, -1, Number.NaN]) {
      expect(() => createServer({ handler, [name]: value }), `${value}`).toThrow(RangeError)
    }
    for (const value of ['5', null, true, {}, 5n]) {
      expect(() => createServer({ handler, [name]: value }), `${value}`).toThrow(TypeError)
    }
    createServer({ handler, [name]: undefined })
    createServer({ handler, [name]: 1 })
    createServer({ handler, [name]: Number.POSITIVE_INFINITY })
  })

  test('slowConsumer', () => {
    expect(() => createServer({ handler, slowConsumer: 'wait' as Limits['slowConsumer'] })).toThrow(RangeError)
    for (const slowConsumer of ['close', 'drop'] as const) createServer({ handler, slowConsumer })
  })

  test('an unknown option', () => {
    expect(() => createServer({ handler, ...({ maxMesageBytes: 5 } as object) })).toThrow(/maxMesageBytes/)
  })
})

describe('maxMessageBytes', () => {
  test.each([
    [1, 1],
    [2, 1],
    [1000, 1],
    [1000, 0],
  ])('exactly the default in %i fragments passes, one more is 1009', async (count) => {
    const test = await serve()
    const { client, socket } = await test.connect()
    const payload = Buffer.alloc(MIB, 'x')
    client.write(...fragmentFrames(Op.BINARY, inParts(payload, count)))
    await test.messages.count(1)
    expect(test.messages.all[0]!.data.equals(payload)).toBe(true)
    expect(socket.readyState).toBe('open')

    client.write(...fragmentFrames(Op.BINARY, inParts(Buffer.concat([payload, Buffer.of(0)]), count)))
    expect(await client.answerClose()).toEqual({ code: 1009, reason: 'message too big' })
    await test.info()
    expect(test.messages.length).toBe(1)
    expect(test.server.stats()).toMatchObject({ closes: { 1009: 1 }, limits: { maxMessageBytes: 1 } })
  })

  test('from the header alone, before any payload', async () => {
    const test = await serve({ maxMessageBytes: 10 })
    for (const declared of [11n, 126n, 65_536n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 63n - 1n]) {
      const { client } = await test.connect()
      client.send({ opcode: Op.BINARY, declared })
      expect((await client.answerClose()).code).toBe(1009)
    }
    const { client } = await test.connect()
    client.send({ opcode: Op.BINARY, declared: 2n ** 63n })
    expect((await client.answerClose()).code).toBe(1002)
  })

  test('10 MiB of endless fragments', async () => {
    const test = await serve({ maxMessageBytes: 100_000 })
    const { client } = await test.connect()
    client.send({ opcode: Op.BINARY, fin: false })
    const fragment = clientFrame({ opcode: Op.CONTINUATION, fin: false, payload: Buffer.alloc(1000) })
    for (let i = 0; i < 100; i++) client.write(fragment)
    client.write(fragment)
    expect((await client.answerClose()).code).toBe(1009)
  })
})

describe('the request head', () => {
  test('slow: 408, and so is silence', async () => {
    const test = await serve({ handshakeTimeoutMs: 120 })
    const [slow, silent, other] = [await test.tcp(), await test.tcp(), await test.tcp()]
    const head = handshakeText({ headers: { Cookie: 'c'.repeat(400) } })
    let at = 0
    const timer = setInterval(() => slow.write(head.slice(at, ++at)), 5)
    const responses = await Promise.all([slow.response(), silent.response()])
    clearInterval(timer)
    expect(responses.map(({ status }) => status)).toEqual([408, 408])
    expect(responses[0]!.headers).toMatchObject({ connection: 'close', error: 'request_timeout' })
    await Promise.all([slow.ended(), silent.ended(), other.ended()])
    expect(test.server.stats()).toMatchObject({ rejections: { 408: 3 }, limits: { handshakeTimeoutMs: 3 } })
    expect((await test.answer()).status).toBe(101)
  })

  test('slow or silent before TLS is up: ended in time too', async () => {
    const test = await serve({ port: 0, host: '127.0.0.1', tls: TLS, handshakeTimeoutMs: 120 })
    const { port } = test.target as { port: number }
    const [silent, plain] = [await RawClient.connect({ port }), await RawClient.connect({ port })]
    plain.write('GET / HTTP/1.1\r\n\r\n')
    await Promise.all([silent.ended(), plain.ended()])
    expect(test.server.stats()).toMatchObject({ rejections: {}, limits: { handshakeTimeoutMs: 1 } })
    expect((await test.answer()).status).toBe(101)
  })

  test('a head in single bytes that is in time passes', async () => {
    const test = await serve()
    const client = await test.tcp()
    for (const byte of handshakeText()) client.write(byte)
    expect((await client.response()).status).toBe(101)
  })

  test.each([
    { option: {}, fill: 15_000, status: 101 },
    { option: {}, fill: 17_000, status: 431 },
    { option: { maxHeaderBytes: 1000 }, fill: 500, status: 101 },
    { option: { maxHeaderBytes: 1000 }, fill: 1001, status: 431 },
    { option: { maxHeaderBytes: 65_536 }, fill: 40_000, status: 101 },
  ])('maxHeaderBytes $option: a cookie of $fill comes to $status', async ({ option, fill, status }) => {
    const test = await serve(option)
    const response = await test.answer({ headers: { Cookie: 'c'.repeat(fill) } })
    expect(response.status).toBe(status)
    if (status !== 431) return
    expect(response.headers).toMatchObject({ connection: 'close', error: 'headers_too_large' })
    expect(test.server.stats()).toMatchObject({ rejections: { 431: 1 }, limits: { maxHeaderBytes: 1 } })
  })

  /** The head has five headers of its own. */
  const more = (count: number): string[] => Array.from({ length: count - 5 }, (_, i) => `${'abcdefgh'[i % 8]}:1`)

  test.each([
    { option: {}, count: 100, statuses: [101] },
    { option: {}, count: 101, statuses: [400] },
    { option: {}, count: 2100, statuses: [400] },
    { option: {}, count: 10_000, statuses: [400, 431] },
    { option: { maxHeaders: 7 }, count: 7, statuses: [101] },
    { option: { maxHeaders: 7 }, count: 8, statuses: [400] },
    { option: { maxHeaders: 3000, maxHeaderBytes: 65_536 }, count: 2999, statuses: [101] },
    { option: { maxHeaders: 3000 }, count: 2999, statuses: [431] },
  ])('maxHeaders $option: $count headers come to $statuses', async ({ option, count, statuses }) => {
    const test = await serve(option)
    const client = await test.tcp()
    const { status, headers } = await client.upgrade({ extra: more(count) })
    expect(statuses).toContain(status)
    if (status === 400) {
      expect(headers.error).toBe('too_many_headers')
      expect(test.server.stats().limits).toEqual({ maxHeaders: 1 })
    }
    if (status !== 101) expect(await client.ended()).toBe('fin')
  })

  test('maxHeaders on somebody else’s http server', async () => {
    const http = createHttpServer()
    const test = new TestServer({ server: http })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', () => resolve()))
    test.target = { port: (http.address() as AddressInfo).port }
    expect((await test.answer({ extra: more(101) })).status).toBe(400)
    // Newer versions of node refuse more than 2,000 by themselves.
    expect((await test.answer({ extra: more(2100) })).status).toBeOneOf([400, 431])
    expect((await test.answer({ extra: more(100) })).status).toBe(101)
    http.closeAllConnections()
    http.close()
  })

  test('requests with too many headers, over and over: the server goes on', async () => {
    const test = await serve()
    for (let i = 0; i < 300; i++) {
      const client = await test.tcp()
      expect((await client.upgrade({ extra: more([101, 2100, 10_000][i % 3]!) })).status).toBeOneOf([400, 431])
      client.socket.destroy()
    }
    expect((await test.answer()).status).toBe(101)
  })
})

describe('connections', () => {
  test('maxConnections: exactly as many, then 503 with Retry-After; a place that is given back is given again', async () => {
    const test = await serve({ maxConnections: 5 })
    const answers = await Promise.all(Array.from({ length: 15 }, () => test.answer()))
    expect(answers.filter(({ status }) => status === 101).length).toBe(5)
    const refused = answers.filter(({ status }) => status === 503)
    expect(refused.length).toBe(10)
    for (const { headers } of refused) {
      expect(headers).toMatchObject({ connection: 'close', error: 'busy' })
      expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    }
    expect(test.server.stats()).toMatchObject({
      sockets: 5,
      rejections: { 503: 10 },
      limits: { maxConnections: 10 },
    })
    test.opened.all[0]!.terminate()
    await test.closed.count(1)
    expect([(await test.answer()).status, (await test.answer()).status]).toEqual([101, 503])
  })

  test('maxConnections counts pending handshakes; init and handshake are not asked beyond it', async () => {
    let asked = 0
    let let_: (() => void)[] = []
    const test = await serve<void, number>({
      maxConnections: 3,
      handler: {
        init: () => void asked++,
        handshake: () => new Promise<1>((resolve) => let_.push(() => resolve(1))),
      },
    })
    const clients = await Promise.all([1, 2, 3, 4, 5].map(() => test.tcp()))
    for (const client of clients) client.ask()
    await eventually(() => test.server.stats().rejections[503] === 2)
    expect(asked).toBe(3)
    expect(test.server.stats().pendingHandshakes).toBe(3)
    for (const go of let_) go()
    let_ = []
    await test.opened.count(3)
    expect(test.server.stats()).toMatchObject({ sockets: 3, pendingHandshakes: 0 })
  })

  test('maxConnectionsPerAddress: so many, then 429 with Retry-After, before init and handshake are asked', async () => {
    let asked = 0
    const test = await serve<undefined, undefined>({
      trustProxy: 1,
      maxConnectionsPerAddress: 2,
      handler: { init: () => void asked++ },
    })
    const from = (address: string): HandshakeText => ({ headers: { 'X-Forwarded-For': address } })
    const status = async (address: string): Promise<number> => (await test.answer(from(address))).status
    for (const spellings of [
      ['192.0.2.1', '::ffff:192.0.2.1', '::FFFF:c000:201', '192.0.2.1:5'],
      ['2001:db8::1', '2001:db8::2', '2001:DB8:0:0:ffff::', '[2001:db8::3]:80'],
      ['::1', '::2', '0:0:0:0:1::', '::3'],
    ]) {
      const statuses = []
      for (const address of spellings) statuses.push(await status(address))
      expect(statuses, spellings[0]).toEqual([101, 101, 429, 429])
    }
    expect([await status('192.0.2.2'), await status('2001:db8:0:1::1')]).toEqual([101, 101])
    const refused = await test.answer(from('::1'))
    expect(refused.headers).toMatchObject({ connection: 'close', error: 'busy' })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(asked).toBe(8)
    expect(test.server.stats()).toMatchObject({
      sockets: 8,
      rejections: { 429: 7 },
      limits: { maxConnectionsPerAddress: 7 },
    })
  })

  test('maxConnectionsPerAddress: every way to leave gives the place back, once', async () => {
    const test = await serve<undefined, number>({
      maxConnectionsPerAddress: 1,
      handshakeTimeoutMs: 100,
      handler: {
        handshake({ path }) {
          if (path === '/reject') return reject(401)
          if (path === '/throw') throw new Error('boom')
          return path === '/wait' ? new Promise<number>(() => {}) : 1
        },
      },
    })
    for (const [url, ask] of [
      ['/reject', {}],
      ['/throw', {}],
      ['/wait', {}],
      ['/', { headers: { 'Sec-WebSocket-Version': '8' } }],
      ['/', { headers: { Origin: 'http://evil.example' } }],
    ] as const) {
      expect((await test.answer({ url, ...ask })).status, url).not.toBeOneOf([101, 429])
    }
    for (let i = 0; i < 3; i++) {
      const waiting = await test.tcp()
      waiting.ask({ url: '/wait' })
      await eventually(() => test.server.stats().pendingHandshakes === 1)
      expect((await test.answer()).status).toBe(429)
      waiting.reset()
      await eventually(() => test.server.stats().pendingHandshakes === 0)
      const { client } = await test.connect()
      expect((await test.answer()).status).toBe(429)
      if (i === 0) client.sendClose(1000)
      if (i === 1) client.reset()
      if (i === 2) client.send({ opcode: Op.CONTINUATION })
      await test.closed.count(i + 1)
    }
    expect((await test.answer()).status).toBe(101)
  })

  test('maxConnectionsPerAddress: a unix socket has no addresses to count', async () => {
    const test = await serve({ unix: `${await temporaryFolder()}/socket`, maxConnectionsPerAddress: 1 })
    expect([(await test.answer()).status, (await test.answer()).status]).toEqual([101, 101])
  })

  test('maxPendingHandshakes: 503 with Retry-After; a peer that leaves gives its place back', async () => {
    const test = await serve<undefined, undefined>({
      maxPendingHandshakes: 2,
      handler: { handshake: ({ path }) => (path === '/now' ? undefined : new Promise<undefined>(() => {})) },
    })
    const [one, two] = [await test.tcp(), await test.tcp()]
    one.ask()
    two.ask()
    await eventually(() => test.server.stats().pendingHandshakes === 2)
    const refused = await test.answer()
    expect(refused.status).toBe(503)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(test.server.stats().limits).toEqual({ maxPendingHandshakes: 1 })

    for (const leave of [() => one.reset(), () => two.socket.end()]) {
      leave()
      await eventually(() => test.server.stats().pendingHandshakes === 1)
      const next = await test.tcp()
      next.ask()
      await eventually(() => test.server.stats().pendingHandshakes === 2)
    }
    expect((await test.answer()).status).toBe(503)
  })

  test('2,000 hanging handshakes: 1,024 wait, the others get 503; when the peers have left, none is left', async () => {
    const test = await serve<undefined, undefined>({ handler: { handshake: () => new Promise<undefined>(() => {}) } })
    const clients: RawClient[] = []
    for (let i = 0; i < 2000; i++) {
      const client = await test.tcp()
      client.ask()
      clients.push(client)
    }
    await eventually(() => test.server.stats().rejections[503] === 976)
    expect(test.server.stats()).toMatchObject({ pendingHandshakes: 1024, limits: { maxPendingHandshakes: 976 } })
    for (const client of clients) client.reset()
    await eventually(() => test.server.stats().pendingHandshakes === 0)
    expect(test.server.stats()).toMatchObject({ sockets: 0, rejections: { 503: 976 } })
  })

  test('hanging handshakes are all answered and gone after the timeout', async () => {
    const test = await serve<undefined, undefined>({
      handshakeTimeoutMs: 300,
      handler: { handshake: () => new Promise<undefined>(() => {}) },
    })
    const clients = await Promise.all(Array.from({ length: 100 }, () => test.tcp()))
    for (const client of clients) client.ask()
    const answers = await Promise.all(clients.map((client) => client.response()))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]))
    await Promise.all(clients.map((client) => client.ended()))
    expect(test.server.stats()).toMatchObject({ pendingHandshakes: 0, limits: { handshakeTimeoutMs: 100 } })
  })

  test('a handshake that takes too long: 503, its signal aborts, and a late answer is nothing', async () => {
    let late = (): void => {}
    let signal: AbortSignal | undefined
    const test = await serve<undefined, undefined>({
      handshakeTimeoutMs: 80,
      handler: {
        handshake(request) {
          signal = request.signal
          return new Promise<undefined>((resolve) => (late = () => resolve(undefined)))
        },
      },
    })
    const began = performance.now()
    const client = await test.tcp()
    const { status, headers } = await client.upgrade()
    expect(performance.now() - began).toBeGreaterThanOrEqual(75)
    expect(status).toBe(503)
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    expect(signal!.aborted).toBe(true)
    late()
    await client.ended()
    expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(test.server.stats()).toMatchObject({ pendingHandshakes: 0, sockets: 0, limits: { handshakeTimeoutMs: 1 } })
    expect([test.opened.length, test.closed.length]).toEqual([0, 0])
  })
})

describe('maxControlFramesPerSecond', () => {
  const pings = (count: number): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, i) => clientFrame({ opcode: Op.PING, payload: `${i}` })))

  test('as many as the default at once are answered, more are 1008', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    client.write(pings(256))
    await client.frames.count(256)
    expect(client.frames.all.map(short)).toEqual(Array.from({ length: 256 }, (_, i) => `pong ${i}`))
    expect(socket.readyState).toBe('open')
    client.write(pings(256))
    expect(await client.answerClose()).toEqual({ code: 1008, reason: 'too many control frames' })
    expect(await test.info()).toMatchObject({ code: 1008, by: 'server' })
    expect(test.server.stats().limits).toEqual({ maxControlFramesPerSecond: 1 })
  })

  test('data between them changes nothing, and pongs count too', async () => {
    const test = await serve({ maxControlFramesPerSecond: 20 })
    for (const opcode of [Op.PING, Op.PONG]) {
      const { client } = await test.connect()
      for (let i = 0; i < 30; i++) client.send({ opcode }, { opcode: Op.TEXT, payload: 'data' })
      expect((await client.answerClose()).code).toBe(1008)
    }
  })

  test('a moderate rate lasts', async () => {
    const test = await serve({ maxControlFramesPerSecond: 200 })
    const { client, socket } = await test.connect()
    for (let i = 0; i < 40; i++) {
      client.write(pings(1))
      await client.frames.count(i + 1)
      await new Promise((resolve) => setTimeout(resolve, 8))
    }
    expect(socket.readyState).toBe('open')
  })

  test('data alone is not limited', async () => {
    const test = await serve({ maxControlFramesPerSecond: 1 })
    const { client } = await test.connect()
    client.say(...Array.from({ length: 2000 }, () => 'x'))
    await test.messages.count(2000)
    await nextTurn()
    expect(test.closed.length).toBe(0)
  })

  test('below one in a second, one may come at once', async () => {
    const test = await serve({ maxControlFramesPerSecond: 0.01 })
    const { client } = await test.connect()
    client.write(pings(1))
    await client.frames.count(1)
    expect(client.frames.all.map(short)).toEqual(['pong 0'])
    client.write(pings(1))
    expect(await client.answerClose()).toEqual({ code: 1008, reason: 'too many control frames' })
  })

  test.each([0.01, 0.5, 1, 1.1, 3, 256])('%d in a second last, and twice as many do not', (perSecond) => {
    const limits = resolveLimits({ maxControlFramesPerSecond: perSecond })
    /** How many of 1,000 are taken that come one by one, by a clock that goes on every 250 ms. */
    const taken = (everyMs: number, firstAt: number): number => {
      const clock = new PeerClock(0)
      for (let count = 0; count < 1000; count++) {
        const peerNow = Math.floor((firstAt + count * everyMs) / 250) * 250
        if (!clock.mayControl({ peerNow, absentMs: 0, catchUp() {} } as unknown as Heartbeat, limits)) return count
      }
      return 1000
    }
    for (const firstAt of [1000, 1001, 1100, 1249]) expect(taken(1000 / perSecond, firstAt)).toBe(1000)
    expect(taken(500 / perSecond, 1000)).toBeLessThan(1000)
  })
})
