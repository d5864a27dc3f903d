// Where a deployment touches the server: a proxy before it, TLS before or at it, a unix socket, other listeners and plain
// requests on the same http server and the same connection.

import { once } from 'node:events'
import { createServer as createHttpServer, type Server as HttpServer, ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket as TcpSocket } from 'node:net'
import { type Duplex, Readable } from 'node:stream'
import { createServer, type HandshakeRequest, type Opcode, type Socket } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { clientFrame, Op } from '../support/client-frames.ts'
import { cleanUp, serve, type TestOptions, TestServer, TLS, temporaryFolder, track } from '../support/core-server.ts'
import { FrontProxy, type ProxyOptions } from '../support/front-proxy.ts'
import { eventually, inTime, nextTurn } from '../support/log.ts'
import { handshakeText, type RawClient, type Target } from '../support/raw-client.ts'

afterEach(cleanUp)

const echo = {
  message: (socket: Socket, data: Buffer, opcode: Opcode): void => void socket.write(data, opcode),
}

/** A server, and a proxy before it that clients connect to. */
async function behindProxy<S = undefined>(
  options: TestOptions<undefined, S>,
  proxy: Partial<ProxyOptions> = {},
): Promise<TestServer<undefined, S>> {
  const test = await serve<undefined, S>(options)
  const to = test.target as ProxyOptions['to']
  const { port } = track(await FrontProxy.start({ to, address: '203.0.113.7', ...proxy }))
  test.target = { port, tls: proxy.tls !== undefined }
  return test
}

describe('behind a proxy', () => {
  test('messages of any size both ways; a Close from either side; a peer that is lost', async () => {
    const test = await behindProxy({ handler: echo })
    const { client } = await test.connect()
    const text = 'x'.repeat(1_000_000)
    client.say(text, 'small')
    expect(await client.message()).toBe(text)
    expect(await client.message()).toBe('small')
    client.sendClose(1000, 'done')
    expect(await client.close()).toEqual({ code: 1000, reason: 'done' })
    expect(await test.info()).toEqual({ code: 1000, reason: 'done', by: 'peer' })

    const lost = await test.connect()
    lost.client.reset()
    expect(await test.info(1)).toMatchObject({ code: 1006, by: 'network' })

    const last = await test.connect()
    const closing = test.server.close()
    expect((await last.client.answerClose()).code).toBe(1001)
    await closing
  })

  test('its address by default; the client’s, of request and socket, when it is trusted', async () => {
    for (const [trustProxy, expected] of [
      [undefined, '127.0.0.1'],
      [0, '127.0.0.1'],
      [1, '203.0.113.7'],
      [['127.0.0.1'], '203.0.113.7'],
      [['127.0.0.0/8', '::1'], '203.0.113.7'],
      [['10.0.0.0/8'], '127.0.0.1'],
    ] as const) {
      const seen: string[] = []
      const test = await behindProxy<number>({
        ...(trustProxy !== undefined && { trustProxy }),
        handler: { handshake: ({ remoteAddress }) => seen.push(remoteAddress) },
      })
      const { socket } = await test.connect({ headers: { 'X-Forwarded-For': '6.6.6.6' } })
      expect([socket.remoteAddress, ...seen], `${trustProxy}`).toEqual([expected, expected])
    }
  })

  test('that ends TLS: pages of its own host and scheme may connect, and no others', async () => {
    const seen: HandshakeRequest[] = []
    const handler = { handshake: (request: HandshakeRequest) => seen.push(request) }
    const test = await behindProxy<number>({ trustProxy: 1, handler }, { tls: TLS })
    const ask = (Origin: string, Host = 'chat.example:8443'): Promise<{ status: number }> =>
      test.answer({ headers: { Host, Origin } })
    for (const [origin, host, status] of [
      ['https://chat.example:8443', 'chat.example:8443', 101],
      ['https://chat.example', 'chat.example', 101],
      ['https://chat.example', 'chat.example:443', 101],
      // What somebody on the way has slipped in, in the clear, under our name.
      ['http://chat.example:8443', 'chat.example:8443', 403],
      ['http://chat.example', 'chat.example', 403],
      ['https://chat.example', 'chat.example:8443', 403],
      ['https://backend.internal', 'chat.example', 403],
      ['https://evil.example', 'chat.example', 403],
    ] as const) {
      expect((await ask(origin, host)).status, `${origin} for ${host}`).toBe(status)
    }
    expect(seen.map(({ secure }) => secure)).toEqual([true, true, true])
  })

  test('that is not trusted: the Host it sends is the one that pages are judged by', async () => {
    const seen: boolean[] = []
    const handler = { handshake: ({ secure }: HandshakeRequest) => seen.push(secure) }
    const test = await behindProxy<number>({ handler }, { tls: TLS })
    const status = async (Origin: string): Promise<number> =>
      (await test.answer({ headers: { Host: 'chat.example', Origin } })).status
    expect(await status('https://chat.example')).toBe(403)
    expect(await status('https://backend.internal')).toBe(101)
    expect(seen).toEqual([false])
  })

  test('a predicate is given the host that the client asked for', async () => {
    const hosts: string[] = []
    const test = await behindProxy({ trustProxy: 1, origin: (_, { host }) => hosts.push(host) > 0 })
    await test.connect({ headers: { Host: 'chat.example', Origin: 'x:y' } })
    expect(hosts).toEqual(['chat.example'])
  })

  test('over a unix socket', async () => {
    const test = await behindProxy({ unix: `${await temporaryFolder()}/socket`, trustProxy: 1, handler: echo })
    const { client, socket } = await test.connect()
    expect(socket.remoteAddress).toBe('203.0.113.7')
    client.say('x')
    expect(await client.message()).toBe('x')
  })

  test('refusals come through, and each client has places of its own', async () => {
    const test = await serve({ trustProxy: ['127.0.0.1'], maxConnectionsPerAddress: 1 })
    const to = test.target as { port: number }
    const statuses: number[] = []
    for (const address of ['203.0.113.1', '203.0.113.2', '203.0.113.1', '::ffff:203.0.113.2', '203.0.113.3']) {
      test.target = { port: track(await FrontProxy.start({ to, address })).port }
      statuses.push((await test.answer()).status)
    }
    expect(statuses).toEqual([101, 101, 429, 429, 101])
  })
})

test('secure: over TLS of our own, and whatever a peer says of itself', async () => {
  const seen: boolean[] = []
  const handler = { handshake: ({ secure }: HandshakeRequest) => seen.push(secure) }
  const tls = await serve<undefined, number>({ port: 0, host: '127.0.0.1', tls: TLS, handler })
  const plain = await serve<undefined, number>({ handler })
  for (const proto of ['http', 'https']) {
    await tls.connect({ headers: { 'X-Forwarded-Proto': proto } })
    await plain.connect({ headers: { 'X-Forwarded-Proto': proto } })
  }
  expect(seen).toEqual([true, false, true, false])
})

/** An http server with a page at `/`, one at `/slow` that waits for `answer`, and a server attached to it. */
async function attach(
  options: TestOptions<undefined, undefined> = {},
  http: HttpServer = createHttpServer(),
): Promise<TestServer & { http: HttpServer; slow: ServerResponse[] }> {
  const slow: ServerResponse[] = []
  http.on('request', (request, response) => {
    if (request.url === '/slow') slow.push(response)
    else response.end('page')
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', () => resolve()))
  track({
    async close() {
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  })
  const test = new TestServer({ server: http, ...options })
  test.target = { port: (http.address() as AddressInfo).port, tls: 'setSecureContext' in http } as Target
  return Object.assign(test, { http, slow })
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const hello = clientFrame({ opcode: Op.TEXT, payload: 'hello' })

describe('requests on the same connection, before the upgrade', () => {
  test.each(['http', 'https'])('answered ones change nothing: %s', async (scheme) => {
    const http = scheme === 'http' ? createHttpServer() : createHttpsServer(TLS)
    http.keepAliveTimeout = 50
    const test = await attach({ handler: echo }, http)
    const client = await test.tcp()
    for (let i = 0; i < 3; i++) {
      client.write(get('/'))
      expect(await client.responses.at(i)).toMatchObject({ status: 200, body: 'page' })
    }
    client.ask({}, hello)
    expect((await client.responses.at(3)).status).toBe(101)
    expect(await client.message()).toBe('hello')
    // Longer than an idle keep-alive connection may last.
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    client.say('still here')
    expect(await client.message()).toBe('still here')
  })

  test.each(['one', 'two', 'one that was begun'])('unanswered, %s: the upgrade waits for its turn', async (what) => {
    const test = await attach({ handler: echo })
    const client = await test.tcp()
    const count = what === 'two' ? 2 : 1
    client.write(get('/slow').repeat(count), handshakeText(), hello)
    await eventually(() => test.slow.length === count)
    if (what.endsWith('begun')) test.slow[0]!.setHeader('Content-Length', 9).write('slow ')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([client.responses.length, test.opened.length]).toEqual([0, 0])
    for (const response of test.slow.reverse()) response.end(what.endsWith('begun') ? 'page' : 'slow page')
    expect((await client.responses.at(count)).status).toBe(101)
    expect(client.responses.all.slice(0, count).map(({ status }) => status)).toEqual(Array(count).fill(200))
    expect(await client.message()).toBe('hello')
    expect(test.messages.length).toBe(1)
  })

  test('the keep-alive clock that starts with the last answer does not end the socket', async () => {
    const http = createHttpServer()
    http.keepAliveTimeout = 50
    const test = await attach({ handler: echo }, http)
    const client = await test.tcp()
    client.write(get('/slow'), handshakeText())
    await eventually(() => test.slow.length === 1)
    await nextTurn()
    test.slow[0]!.end('slow page')
    expect((await client.responses.at(1)).status).toBe(101)
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    client.say('still here')
    expect(await client.message()).toBe('still here')
  })

  test('also through upgrade(), and a refusal waits as well', async () => {
    const test = await attach({ pathname: '/attached' })
    const manual = track(createServer({ pathname: '/ours', handler: echo }))
    test.http.on('upgrade', (request, socket, head) => {
      if (request.url !== '/attached') manual.upgrade(request, socket, head)
    })
    for (const [url, status] of [
      ['/ours', 101],
      ['/theirs', 404],
    ] as const) {
      const client = await test.tcp()
      client.write(get('/slow'), handshakeText({ url }))
      await eventually(() => test.slow.length === 1)
      await nextTurn()
      expect(client.text).toBe('')
      test.slow.pop()!.end('slow page')
      await client.responses.count(2)
      expect(client.responses.all.map(({ status }) => status)).toEqual([200, status])
    }
  })

  test('an answer that ends the connection: the upgrade behind it is nobody’s', async () => {
    const test = await attach()
    const client = await test.tcp()
    client.write(get('/slow'), handshakeText(), hello)
    await eventually(() => test.slow.length === 1)
    test.slow[0]!.setHeader('Connection', 'close').end('last page')
    await client.ended()
    expect(client.responses.all.map(({ status }) => status)).toEqual([200])
    await test.server.close()
    expect(test.opened.length).toBe(0)
  })

  describe.each(['the handshake’s time is over', 'the server drains', 'the server closes'])(
    'unanswered, and %s: refused in its turn',
    (what) => {
      /** The time has come for a server whose upgrades wait behind requests. */
      async function refused(test: TestServer, count = 1): Promise<void> {
        if (what.endsWith('drains')) await test.server.drain()
        if (what.endsWith('closes')) await inTime(test.server.close(), 'server.close()')
        await eventually(() => test.server.stats().rejections[503] === count)
      }
      const options = { handshakeTimeoutMs: what.includes('time') ? 100 : 60_000 }

      test.each(['http', 'https'])('the application’s answer goes out whole, then ours: %s', async (scheme) => {
        const test = await attach(options, scheme === 'http' ? createHttpServer() : createHttpsServer(TLS))
        const client = await test.tcp()
        client.write(get('/slow'), handshakeText(), hello)
        await eventually(() => test.slow.length === 1)
        await nextTurn()
        test.slow[0]!.setHeader('Content-Length', 9).write('slow ')
        await refused(test)
        expect(client.ends.length).toBe(0)
        test.slow[0]!.end('page')
        await client.ended()
        expect(client.responses.all).toMatchObject([{ status: 200, body: 'slow page' }, { status: 503 }])
        expect(test.server.stats()).toMatchObject({ rejections: { 503: 1 }, sockets: 0, pendingHandshakes: 0 })
        expect([test.opened.length, test.errors.length]).toEqual([0, 0])
      })

      test('a peer that stays is ended a moment after it; one that left, at once', async () => {
        const test = await attach(options)
        const streams: Duplex[] = []
        test.http.on('connection', (stream) => streams.push(stream))
        // Neither ends its side by itself.
        const clients = [await test.tcp({ halfOpen: true }), await test.tcp({ halfOpen: true })]
        for (const [index, client] of clients.entries()) {
          client.write(get('/slow'), handshakeText(), hello)
          await eventually(() => test.slow.length === index + 1)
        }
        await nextTurn()
        await refused(test, 2)
        clients[1]!.reset()
        await eventually(() => test.slow[1]!.closed)
        expect(streams.map(({ destroyed }) => destroyed)).toEqual([false, true])
        test.slow[0]!.end('slow page')
        await clients[0]!.responses.count(2)
        expect(clients[0]!.responses.all.map(({ status }) => status)).toEqual([200, 503])
        await eventually(() => streams[0]!.destroyed)
      })
    },
  )

  test.each(['http', 'https'])(
    'an answer of many writes is not stopped by the upgrade behind it: %s',
    async (scheme) => {
      const http = scheme === 'http' ? createHttpServer() : createHttpsServer(TLS)
      const test = await attach({ handler: echo }, http)
      const client = await test.tcp()
      client.write(get('/slow'), handshakeText(), hello)
      await eventually(() => test.slow.length === 1)
      const pieces = Array<Buffer>(64).fill(Buffer.alloc(65_536, 'x'))
      Readable.from(pieces).pipe(test.slow[0]!.setHeader('Content-Length', 64 * 65_536))
      expect((await client.responses.at(0)).body.length).toBe(64 * 65_536)
      expect((await client.responses.at(1)).status).toBe(101)
      expect(await client.message()).toBe('hello')
    },
  )

  test('nor where a pipe begins after the first drain, which asks whether the answer still waits', async () => {
    const test = await attach({ handler: echo })
    const client = await test.tcp()
    client.write(get('/slow'), handshakeText(), hello)
    await eventually(() => test.slow.length === 1)
    const slow = test.slow[0]!.setHeader('Content-Length', 9 * 2 ** 20)
    if (!slow.write(Buffer.alloc(8 * 2 ** 20, 'x'))) await once(slow, 'drain')
    expect(slow.writableNeedDrain).toBe(false)
    Readable.from([Buffer.alloc(2 ** 19, 'y'), Buffer.alloc(2 ** 19, 'y')]).pipe(slow)
    expect((await client.responses.at(0)).body.length).toBe(9 * 2 ** 20)
    expect((await client.responses.at(1)).status).toBe(101)
  })

  test('refused behind an answer that ends the connection: nothing is written after that', async () => {
    const test = await attach({ handshakeTimeoutMs: 100 })
    const errors: unknown[] = []
    test.http.on('connection', (stream) => stream.on('error', (error: unknown) => errors.push(error)))
    const client = await test.tcp()
    client.write(get('/slow'), handshakeText())
    await eventually(() => test.server.stats().rejections[503] === 1)
    test.slow[0]!.setHeader('Connection', 'close').end('last page')
    await client.ended()
    expect(client.responses.all).toMatchObject([{ status: 200, body: 'last page' }])
    expect(errors).toEqual([])
  })

  test('a response that a framework makes for the upgrade itself is not waited for', async () => {
    const test = await attach({ pathname: '/attached' })
    const manual = track(createServer({ handler: echo }))
    test.http.on('upgrade', (request, socket, head) => {
      const response = new ServerResponse(request)
      response.assignSocket(socket as TcpSocket)
      manual.upgrade(request, socket, head)
    })
    const client = await test.tcp()
    expect((await client.upgrade({ url: '/theirs' })).status).toBe(101)
    client.say('x')
    expect(await client.message()).toBe('x')
  })

  test('a refusal of one with a body waits as well', async () => {
    const test = await attach()
    const client = await test.tcp()
    client.write(get('/slow'), handshakeText({ headers: { 'Content-Length': '5' } }))
    await eventually(() => test.slow.length === 1)
    await nextTurn()
    expect(client.text).toBe('')
    test.slow[0]!.end('slow page')
    await client.responses.count(2)
    expect(client.responses.all.map(({ status }) => status)).toEqual([200, 400])
  })

  test('a peer that leaves while it waits leaves nothing behind', async () => {
    const test = await attach()
    const client = await test.tcp()
    client.write(get('/slow'), handshakeText(), hello)
    await eventually(() => test.slow.length === 1)
    client.reset()
    await client.ended()
    test.slow[0]!.end('for nobody')
    await test.server.close()
    expect(test.server.stats().rejections).toEqual({})
    expect(test.opened.length).toBe(0)
  })
})

test.each(['http', 'https'])('others who listen to the stream, or write to it, harm nothing: %s', async (scheme) => {
  const http = scheme === 'http' ? createHttpServer() : createHttpsServer(TLS)
  let heard = 0
  let stream: Duplex | undefined
  http.on('upgrade', (_, socket) => {
    stream = socket
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.length
    })
  })
  const test = await attach({ handler: echo, pathname: () => true }, http)
  const { client, socket } = await test.connect()
  client.say('hello')
  expect(await client.message()).toBe('hello')
  expect(heard).toBe(11)
  // Behind what the peer does not read, from us and from somebody else.
  client.socket.pause()
  while (socket.write(Buffer.alloc(60_000)) === 'ok') await nextTurn()
  stream!.write(Buffer.from([0x81, 1, 0x78]))
  await nextTurn()
  client.socket.resume()
  await eventually(() => socket.bufferedBytes === 0)
  socket.write('last')
  await eventually(() => `${client.frames.all.at(-1)?.payload}` === 'last')
  expect(client.frames.all.filter(({ opcode }) => opcode === Op.TEXT).map(({ payload }) => `${payload}`)).toEqual([
    'hello',
    'x',
    'last',
  ])
})

describe('beside another upgrade listener, as a development server has', () => {
  async function beside(): Promise<TestServer & { http: HttpServer; theirs: Duplex[] }> {
    const theirs: Duplex[] = []
    const test = await attach({ pathname: '/ours', handler: echo })
    test.http.on('upgrade', (request, socket: Duplex) => {
      if (request.headers['sec-websocket-protocol'] !== 'vite-hmr') return
      theirs.push(socket)
      track({ close: async () => void socket.destroy() })
      socket.on('error', () => {})
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    })
    return Object.assign(test, { theirs })
  }
  const hmr = { headers: { 'Sec-WebSocket-Protocol': 'vite-hmr' } }

  test('each serves its own; draining and closing ours leaves theirs alone', async () => {
    const test = await beside()
    const their = await test.tcp()
    expect((await their.upgrade(hmr)).status).toBe(101)
    const { client } = await test.connect({ url: '/ours' })
    client.say('x')
    expect(await client.message()).toBe('x')

    const drained = test.server.drain()
    const { status, headers } = await test.answer({ url: '/ours' })
    expect([status, headers.error]).toEqual([503, 'draining'])
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    expect((await client.answerClose()).code).toBe(1012)
    expect(await drained).toEqual({ closed: 1, terminated: 0 })
    expect((await test.answer(hmr)).status).toBe(101)
    const page = await test.tcp()
    page.write(get('/'))
    expect((await page.response()).body).toBe('page')

    await test.server.close()
    expect((await test.answer(hmr)).status).toBe(101)
    expect(test.theirs.map(({ destroyed }) => destroyed)).toEqual([false, false, false])
  })

  test('theirs are not counted, not timed and not closed by ours', async () => {
    const test = await beside()
    const before = test.server.stats()
    expect((await test.answer(hmr)).status).toBe(101)
    expect(test.server.stats()).toEqual(before)
    expect(test.theirs[0]!.listenerCount('error')).toBe(1)
  })
})

test('draining, on a connection that was kept alive: 503', async () => {
  const test = await attach()
  const client: RawClient = await test.tcp()
  client.write(get('/'))
  expect((await client.response()).status).toBe(200)
  await test.server.drain()
  client.ask()
  expect(await client.responses.at(1)).toMatchObject({ status: 503, headers: { error: 'draining' } })
  await client.ended()
})
