// What a caller gives that cannot be meant throws at the call, before anything is taken, closed or opened by it: a place that
// is no http server, arguments that nobody reads, an upgrade that is none, callbacks that throw when they are looked for.

import { Buffer } from 'node:buffer'
import { EventEmitter, once } from 'node:events'
import { createServer as createHttpServer, Server as HttpServer } from 'node:http'
import { createServer as createHttp2Server, createSecureServer } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, Socket as TcpSocket } from 'node:net'
import { Duplex, PassThrough, Readable, Writable } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import { runInNewContext } from 'node:vm'
import { createServer } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { clientFrame, Op } from '../support/client-frames.ts'
import { cleanUp, serve, TestServer, TLS, track } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'
import { handshakeText } from '../support/raw-client.ts'

afterEach(cleanUp)

const message = (): void => {}
const handler = { message }

describe('server', () => {
  const express = Object.assign(() => {}, EventEmitter.prototype)
  const OTHERS: readonly (readonly [string, () => unknown])[] = [
    ['an application that is a function', () => express],
    ['an emitter', () => new EventEmitter()],
    ['a net server', () => createTcpServer()],
    ['a tls server', () => createTlsServer()],
    ['an http2 server without TLS', () => createHttp2Server()],
    ['an http2 server that speaks no HTTP/1', () => createSecureServer(TLS)],
    ['the process', () => process],
    ['a client’s socket', () => new TcpSocket()],
    ['a server of ours', () => createServer({ handler })],
  ]

  test.each(OTHERS)('%s: TypeError', (_, make) => {
    expect(() => createServer({ server: make() as HttpServer, handler })).toThrow(TypeError)
  })

  class Own extends HttpServer {}
  const HTTP: readonly (readonly [string, () => HttpServer, tls: boolean])[] = [
    ['http', () => createHttpServer(), false],
    ['https', () => createHttpsServer(TLS), true],
    ['a class of its own', () => new Own(), false],
    ['http2 that speaks HTTP/1 too', () => createSecureServer({ ...TLS, allowHTTP1: true }) as never, true],
  ]

  test.each(HTTP)('%s is served', async (_, make, tls) => {
    const web = make()
    const server = new TestServer({ server: web })
    await once(web.listen(0, '127.0.0.1'), 'listening')
    track({ close: async () => void web.close() })
    server.target = { port: (web.address() as AddressInfo).port, tls }
    const { client } = await server.connect()
    client.send({ opcode: Op.PING, payload: 'x' })
    expect((await client.frame()).opcode).toBe(Op.PONG)
  })

  test('one behind a proxy of its object', () => {
    track(createServer({ server: new Proxy(createHttpServer(), {}), handler }))
  })
})

test('host without an address would listen on all: TypeError', () => {
  expect(() => createServer({ port: 0, host: '', handler })).toThrow(TypeError)
})

describe('methods of a server', () => {
  const NOT_SIGNALS = [new AbortController(), new EventTarget(), {}, null, true]
  const LISTEN: readonly (readonly unknown[])[] = [
    [8080],
    [() => {}],
    ['127.0.0.1'],
    [null],
    [[]],
    [{ port: 1234 }],
    [{ signall: undefined }],
    [{}, () => {}],
    [undefined, () => {}],
    ...NOT_SIGNALS.map((signal) => [{ signal }]),
  ]

  test.each(LISTEN)('listen(%o, %o): TypeError, and nothing listens', async (...given) => {
    const server = track(createServer({ port: 0, host: '127.0.0.1', handler }))
    const { listen } = server as unknown as Record<'listen', (...given: unknown[]) => unknown>
    expect(() => listen.apply(server, given)).toThrow(TypeError)
    // It was no attempt.
    expect((await server.listen()).port).toBeGreaterThan(0)
  })

  const OTHERS: readonly (readonly [method: 'close' | 'drain', ...given: unknown[]])[] = [
    ['close', () => {}],
    ['close', { deadlineMs: 5 }],
    ['drain', () => {}],
    ['drain', {}, () => {}],
    ...NOT_SIGNALS.map((signal) => ['drain', { signal }] as const),
  ]

  test.each(OTHERS)('%s(%o, %o): TypeError, and nobody is closed', async (name, ...given) => {
    const test = await serve()
    const { socket } = await test.connect()
    const method = test.server[name as 'close' | 'drain'] as (...given: unknown[]) => unknown
    expect(() => method.apply(test.server, given)).toThrow(TypeError)
    await nextTurn()
    expect(socket.readyState).toBe('open')
    expect((await test.answer()).status).toBe(101)
  })

  test('undefined is as good as nothing', async () => {
    const server = createServer({ port: 0, host: '127.0.0.1', handler })
    const loose = server as unknown as Record<'listen' | 'drain' | 'close', (...given: unknown[]) => unknown>
    await loose.listen(undefined, undefined)
    await loose.drain(undefined, undefined)
    await loose.close(undefined)
  })
})

test.each([
  ['a signal', ['SIGTERM', 15]],
  ['beforeExit', [0]],
  ['abort', [new Event('abort')]],
])('close as the listener of %s', async (_, given) => {
  const events = new EventEmitter()
  const server = track(createServer({ port: 0, host: '127.0.0.1', handler }))
  await server.listen()
  events.once('end', server.close.bind(server)).emit('end', ...given)
  await expect(server.listen()).rejects.toThrow('closed')
})

describe('upgrade()', () => {
  const lines = handshakeText().trimEnd().split('\r\n').slice(1)
  const request = { method: 'GET', httpVersion: '1.1', url: '/', rawHeaders: lines.flatMap((line) => line.split(': ')) }
  const NONE = Buffer.alloc(0)
  const streams = (): Duplex => new Duplex({ read() {}, write: (_, __, done) => done() })

  const WRONG: readonly (readonly [string, ...unknown[]])[] = [
    ['no head', request, streams()],
    ['a head that is null', request, streams(), null],
    ['a head that is text', request, streams(), 'abc'],
    ['a head that is a list', request, streams(), []],
    ['a head that is an ArrayBuffer', request, streams(), new ArrayBuffer(1)],
    ['a head of words', request, streams(), new Uint16Array(1)],
    ['no request', undefined, streams(), NONE],
    ['a request that is null', null, streams(), NONE],
    ['a request without its headers', { method: 'GET', url: '/', headers: {} }, streams(), NONE],
    ['a request of fetch', new Request('http://localhost/'), streams(), NONE],
    ['no stream', request, undefined, NONE],
    ['a stream that is null', request, null, NONE],
    ['a stream that cannot be read', request, new Writable(), NONE],
    ['a stream that cannot be written', request, new Readable(), NONE],
    ['the stream in the request’s place', streams(), request, NONE],
  ]

  test.each(WRONG)('%s: TypeError, and nothing of it is taken', async (_, ...given) => {
    const server = track(createServer({ handler }))
    const { upgrade } = server as unknown as Record<'upgrade', (...given: unknown[]) => void>
    expect(() => upgrade.apply(server, given)).toThrow(TypeError)
    expect(server.stats().rejections).toEqual({})
    const [, stream] = given
    if (!(stream instanceof Duplex)) return
    // Not a listener was left on it, and it may be given again.
    expect(stream.eventNames().filter((name) => stream.listenerCount(name) > 0)).toEqual([])
    server.upgrade(request as never, stream, NONE)
    await eventually(() => server.stats().sockets === 1)
    stream.destroy()
  })

  const frame = clientFrame({ opcode: Op.TEXT, payload: 'hello' })
  const HEADS: readonly (readonly [string, (bytes: Buffer) => Uint8Array])[] = [
    ['a Buffer', (bytes) => bytes],
    ['a Uint8Array', (bytes) => new Uint8Array(bytes)],
    ['a view in the middle', (bytes) => new Uint8Array(Buffer.concat([NONE, bytes, bytes])).subarray(0, bytes.length)],
    ['bytes of another realm', (bytes) => runInNewContext('Uint8Array.from(bytes)', { bytes: [...bytes] })],
  ]

  test.each(HEADS)('a head that is %s is read, and left as it was', async (_, make) => {
    const texts: string[] = []
    const server = track(createServer({ handler: { message: (_socket, data) => void texts.push(`${data}`) } }))
    const head = make(Buffer.from(frame))
    const stream = new PassThrough({ allowHalfOpen: true })
    server.upgrade(request as never, stream, head)
    await eventually(() => texts.length === 1)
    expect(texts).toEqual(['hello'])
    expect(Buffer.from(head)).toEqual(frame)
    stream.destroy()
  })
})

describe('a callback that throws when it is looked for', () => {
  /** A handler whose `name` is there at first. */
  function fading(name: string): { handler: typeof handler; fade: () => void } {
    let faded = false
    const getter = {
      get(): unknown {
        if (faded) throw new Error('gone')
        return () => {}
      },
    }
    return {
      handler: Object.defineProperty({ ...handler }, name, getter),
      fade: () => {
        faded = true
      },
    }
  }

  test.each([
    ['ping', Op.PING],
    ['pong', Op.PONG],
    ['message', Op.TEXT],
  ])('%s: that socket is closed with 1011, onError hears it', async (name, opcode) => {
    const errors: unknown[] = []
    const faded = fading(name)
    const server = createServer({
      port: 0,
      host: '127.0.0.1',
      handler: faded.handler,
      onError: (error, { where }) => errors.push([where, (error as Error).message]),
    })
    track(server)
    const test = await serve()
    test.target = { port: (await server.listen()).port }
    const [client, other] = [await test.tcp(), await test.tcp()]
    for (const one of [client, other]) expect((await one.upgrade()).status).toBe(101)
    faded.fade()
    client.send({ opcode, payload: 'x' })
    expect((await client.answerClose()).code).toBe(1011)
    expect(errors).toEqual([[name, 'gone']])
    expect(server.stats().sockets).toBe(1)
  })

  test('one that is there and undefined keeps no ping, pong or Close waiting behind a message', async () => {
    const settle: (() => void)[] = []
    const busy = (): Promise<void> => new Promise((resolve) => settle.push(resolve))
    const test = await serve({ handler: { message: busy, ping: undefined, pong: undefined } as never })
    const { client } = await test.connect()
    client.say('x')
    for (const payload of ['1', '2']) client.send({ opcode: Op.PING, payload })
    client.send({ opcode: Op.PONG, payload: '3' })
    client.send({ opcode: Op.CLOSE, payload: Buffer.from([3, 232]) })
    await client.ended()
    expect(client.frames.all.map(({ opcode, payload }) => [opcode, `${payload}`.slice(0, 1)])).toEqual([
      [Op.PONG, '1'],
      [Op.PONG, '2'],
      [Op.CLOSE, '\x03'],
    ])
    for (const done of settle) done()
  })

  test('a handler that is a proxy which tells nobody what it has: all of its callbacks are called', async () => {
    const called: string[] = []
    const get = (_: object, name: string) =>
      ['message', 'ping', 'pong'].includes(name) ? () => called.push(name) : undefined
    const server = track(
      createServer({ port: 0, host: '127.0.0.1', handler: new Proxy({}, { get } as object) as never }),
    )
    const test = await serve()
    test.target = { port: (await server.listen()).port }
    const client = await test.tcp()
    expect((await client.upgrade()).status).toBe(101)
    client.send(...[Op.PING, Op.TEXT, Op.PONG].map((opcode) => ({ opcode, payload: 'x' })))
    await eventually(() => called.length === 3)
    expect(called).toEqual(['ping', 'message', 'pong'])
  })

  test('a path of routes: 500, onError hears it', async () => {
    const errors: unknown[] = []
    let faded = false
    const routes = {
      get '/chat'() {
        if (faded) throw new Error('gone')
        return handler
      },
    }
    const onError = (error: unknown): void => void errors.push((error as Error).message)
    const server = track(createServer({ port: 0, host: '127.0.0.1', routes, onError }))
    const test = await serve()
    test.target = { port: (await server.listen()).port }
    expect((await test.answer({ url: '/chat' })).status).toBe(101)
    faded = true
    expect((await test.answer({ url: '/chat' })).status).toBe(500)
    expect(errors).toEqual(['gone'])
  })
})
