// The server's own part: where it listens and what it says when it cannot, what `createServer` refuses, which path and
// which origin it serves, and what it counts.

import { getEventListeners } from 'node:events'
import { existsSync } from 'node:fs'
import { link, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { createServer, type ServerOptions } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, serve, TestServer, TLS, temporaryFolder, track } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'
import { ACCEPT, RawClient } from '../support/raw-client.ts'

afterEach(cleanUp)

const handler = { message(): void {} }
const LOCAL = { port: 0, host: '127.0.0.1', handler }

describe('listen', () => {
  test('port 0 resolves with the real port', async () => {
    const server = track(createServer(LOCAL))
    const address = await server.listen()
    expect(address).toEqual({ port: expect.any(Number), host: '127.0.0.1' })
    expect(address.port).toBeGreaterThan(0)
    const client = await RawClient.connect({ port: address.port })
    const { status, headers } = await client.upgrade()
    expect(status).toBe(101)
    expect(headers).toEqual({ upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-accept': ACCEPT })
  })

  test('without a host: every address', async () => {
    const server = track(createServer({ port: 0, handler }))
    const { port } = await server.listen()
    expect((await (await RawClient.connect({ port })).upgrade()).status).toBe(101)
  })

  test('EADDRINUSE rejects, reports nothing, and another attempt may succeed', async () => {
    const first = await serve()
    const { port } = first.target as { port: number }
    const second = new TestServer({ port, host: '127.0.0.1' })
    await expect(second.server.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await expect(second.server.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await first.server.close()
    expect(await second.server.listen()).toMatchObject({ port })
    second.target = { port }
    await second.connect()
    expect(second.errors.all).toEqual([])
  })

  test('a host that is not ours, a folder that is not there: the system’s error', async () => {
    const elsewhere = track(createServer({ port: 0, host: '192.0.2.1', handler }))
    await expect(elsewhere.listen()).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
    const nowhere = track(createServer({ unix: join(await temporaryFolder(), 'no', 'socket'), handler }))
    await expect(nowhere.listen()).rejects.toMatchObject({ code: expect.stringMatching(/^E/) })
  })

  test('twice, after close, attached, without a place: rejects, never throws', async () => {
    const server = track(createServer(LOCAL))
    const first = server.listen()
    await expect(server.listen()).rejects.toThrow(Error)
    await first
    await expect(server.listen()).rejects.toThrow(Error)
    await server.close()
    await expect(server.listen()).rejects.toThrow(Error)

    await expect(track(createServer({ handler })).listen()).rejects.toThrow(Error)
    await expect(track(createServer({ server: createHttpServer(), handler })).listen()).rejects.toThrow(Error)
  })

  test('signal: aborted before, nothing listens; aborted later, the server closes', async () => {
    const server = track(createServer(LOCAL))
    await expect(server.listen({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    const reason = new Error('mine')
    await expect(server.listen({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const { port } = await server.listen()
    await server.close()

    const abort = new AbortController()
    const test = new TestServer({ ...LOCAL })
    const listening = test.server.listen({ signal: abort.signal })
    const address = await listening
    test.target = { port: address.port }
    const { client } = await test.connect()
    abort.abort()
    expect((await client.answerClose()).code).toBe(1001)
    expect(await test.info()).toMatchObject({ code: 1001, by: 'server' })
    await eventually(() => test.server.stats().sockets === 0)
    await expect(RawClient.connect({ port: address.port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(port).toBeGreaterThan(0)
  })

  test('signal: aborted while it begins to listen', async () => {
    const abort = new AbortController()
    const server = track(createServer(LOCAL))
    const listening = server.listen({ signal: abort.signal })
    abort.abort()
    await expect(listening).rejects.toMatchObject({ name: 'AbortError' })
    await server.listen()
  })
})

test('a signal that outlives many servers keeps no listener of theirs', async () => {
  const { signal } = new AbortController()
  for (let i = 0; i < 3; i++) {
    const server = track(createServer(LOCAL))
    await server.listen({ signal })
    expect(getEventListeners(signal, 'abort').length).toBe(1)
    await server.close()
    expect(getEventListeners(signal, 'abort').length).toBe(0)
  }
})

describe('a unix socket', () => {
  test('is listened on; the address says where', async () => {
    const unix = join(await temporaryFolder(), 'socket')
    const test = new TestServer({ unix })
    expect(await test.server.listen()).toMatchObject({ path: unix })
    test.target = { path: unix }
    const { client, socket } = await test.connect()
    client.say('x')
    await test.messages.count(1)
    expect(socket.remoteAddress).toBe('')
  })

  test('with TLS', async () => {
    const unix = join(await temporaryFolder(), 'socket')
    const test = new TestServer({ unix, tls: TLS })
    await test.server.listen()
    const { connect } = await import('node:tls')
    const tls = connect({ path: unix, rejectUnauthorized: false })
    await new Promise((resolve) => tls.once('secureConnect', resolve))
    tls.destroy()
  })

  test('a stale file is replaced', async () => {
    const folder = await temporaryFolder()
    const [was, unix] = [join(folder, 'was'), join(folder, 'stale')]
    // Its server removes the file by the name it had.
    const old = createTcpServer()
    await new Promise<void>((resolve) => old.listen(was, resolve))
    await rename(was, unix)
    await new Promise((resolve) => old.close(resolve))
    expect(existsSync(unix)).toBe(true)
    const test = new TestServer({ unix })
    await test.server.listen()
    test.target = { path: unix }
    await test.connect()
  })

  test('a live one is not, and goes on serving', async () => {
    const unix = join(await temporaryFolder(), 'live')
    const live = await serve({ unix })
    const second = new TestServer({ unix })
    await expect(second.server.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await second.server.close()
    const { client } = await live.connect()
    client.say('still')
    await live.messages.count(1)
  })

  test('a regular file, a folder and a hard link of a file at the path stay', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'file'), 'precious')
    await mkdir(join(folder, 'folder'))
    await link(join(folder, 'file'), join(folder, 'link'))
    for (const name of ['file', 'folder', 'link']) {
      const server = track(createServer({ unix: join(folder, name), handler }))
      await expect(server.listen(), name).rejects.toMatchObject({ code: 'EADDRINUSE' })
      await server.close()
    }
    expect(await readFile(join(folder, 'link'), 'utf8')).toBe('precious')
    expect(existsSync(join(folder, 'folder'))).toBe(true)
  })
})

describe('wss', () => {
  test('messages both ways', async () => {
    const test = await serve({
      port: 0,
      host: '127.0.0.1',
      tls: TLS,
      handler: { message: (socket, data) => void socket.write(data) },
    })
    const { client } = await test.connect()
    client.say('over tls')
    expect((await client.frame()).payload.toString()).toBe('over tls')
    client.sendClose(1000)
    expect(await test.info()).toEqual({ code: 1000, reason: '', by: 'peer' })
  })

  test('node’s options reach TLS; a wrong certificate throws at the call', () => {
    expect(() => createServer({ port: 0, handler, tls: { key: 'no key', cert: 'no certificate' } })).toThrow()
    expect(() => createServer({ port: 0, handler, tls: { ...TLS, minVersion: 'TLSv9' as 'TLSv1.3' } })).toThrow()
  })

  test('noise instead of TLS ends that connection, and nothing else', async () => {
    const test = await serve({ port: 0, host: '127.0.0.1', tls: TLS })
    const { port } = test.target as { port: number }
    const plain = await RawClient.connect({ port })
    plain.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await plain.ended()
    await test.connect()
  })
})

describe('options', () => {
  const LIVE = createHttpServer()
  const TYPES: [string, unknown][] = [
    ['no options', undefined],
    ['null', null],
    ['a string', 'options'],
    ['no handler', {}],
    ['a handler that is none', { handler: null }],
    ['a handler that is a function', { handler: () => {} }],
    ['no message', { handler: { opened() {} } }],
    ...['init', 'handshake', 'opened', 'message', 'drained', 'closed'].map((name): [string, unknown] => [
      `handler.${name} that is no function`,
      { handler: { ...handler, [name]: 5 } },
    ]),
    ['port as a string', { handler, port: '80' }],
    ['port and unix', { handler, port: 0, unix: '/tmp/x' }],
    ['port and server', { handler, port: 0, server: LIVE }],
    ['unix and server', { handler, unix: '/tmp/x', server: LIVE }],
    ['host without port', { handler, host: '127.0.0.1' }],
    ['host with unix', { handler, host: '127.0.0.1', unix: '/tmp/x' }],
    ['host that is no string', { handler, port: 0, host: 5 }],
    ['unix that is no string', { handler, unix: 5 }],
    ['tls without a place', { handler, tls: TLS }],
    ['tls with a server', { handler, tls: TLS, server: LIVE }],
    ['server that is none', { handler, server: {} }],
    ['server null', { handler, server: null }],
    ['pathname that is neither', { handler, pathname: /x/ }],
    ['origin of another type', { handler, origin: 5 }],
    ['origin list with others', { handler, origin: ['https://a.example', 5] }],
    ['subprotocols as a string', { handler, subprotocols: 'chat' }],
    ['subprotocols with others', { handler, subprotocols: ['chat', 5] }],
    ['onError that is no function', { handler, onError: 'log' }],
    ['trustProxy: true, which would trust everybody', { handler, trustProxy: true }],
    ['an option of every object', { handler, constructor: 5 }],
    ['a handler’s opened that is null', { handler: { ...handler, opened: null } }],
    ['an unknown option', { handler, prot: 80 }],
  ]
  test.each(TYPES)('TypeError: %s', (_, options) => {
    expect(() => createServer(options as ServerOptions<undefined, undefined>)).toThrow(TypeError)
  })

  const RANGES: [string, unknown][] = [
    ['port below', { handler, port: -1 }],
    ['port above', { handler, port: 65_536 }],
    ['port 1.5', { handler, port: 1.5 }],
    ['port NaN', { handler, port: Number.NaN }],
    ['origin that is no policy', { handler, origin: 'https://a.example' }],
    ['origin list with a pattern', { handler, origin: ['https://*.example'] }],
    ['origin list with a path', { handler, origin: ['https://a.example/path'] }],
    ['trustProxy with a name', { handler, trustProxy: ['localhost'] }],
    ['a limit of zero', { handler, maxMessageBytes: 0 }],
  ]
  test.each(RANGES)('RangeError: %s', (_, options) => {
    expect(() => createServer(options as ServerOptions<undefined, undefined>)).toThrow(RangeError)
  })

  test('subprotocols that could never be sent throw at the call', () => {
    for (const name of ['', 'a b', 'a,b', 'ä', 'a\r\nX: y']) {
      expect(() => createServer({ handler, subprotocols: [name] }), JSON.stringify(name)).toThrow(RangeError)
    }
  })

  test('undefined is as good as not given', () => {
    const names = [
      'port',
      'host',
      'unix',
      'tls',
      'server',
      'pathname',
      'origin',
      'subprotocols',
      'onError',
      'trustProxy',
    ]
    const options = Object.fromEntries(names.map((name) => [name, undefined]))
    createServer({ handler, ...(options as object) })
  })
})

describe('pathname', () => {
  test.each([
    ['/chat', '/chat', 101],
    ['/chat', '/chat?x=/other', 101],
    ['/chat', '/chat/', 404],
    ['/chat', '/Chat', 404],
    ['/chat', '/', 404],
    ['/chat', '/other?/chat', 404],
    ['/chat', 'http://localhost/chat', 101],
  ])('%s serves %s: %i', async (pathname, url, status) => {
    const test = await serve({ pathname })
    const response = await test.answer({ url })
    expect(response.status).toBe(status)
    if (status === 404) expect(response.headers).toMatchObject({ error: 'not_found', connection: 'close' })
  })

  test('a predicate gets the path without the query, once', async () => {
    const asked: string[] = []
    const test = await serve({
      pathname(path) {
        asked.push(path)
        return path.startsWith('/rooms/')
      },
    })
    expect((await test.answer({ url: '/rooms/1?x' })).status).toBe(101)
    expect((await test.answer({ url: '/other' })).status).toBe(404)
    expect(asked).toEqual(['/rooms/1', '/other'])
  })

  test('a predicate that throws: 500 for that request, onError hears it once', async () => {
    const test = await serve({
      pathname(path) {
        if (path === '/bad') throw new Error('boom')
        return true
      },
    })
    expect((await test.answer({ url: '/bad' })).status).toBe(500)
    expect(test.errors.all).toMatchObject([{ where: 'pathname', error: { message: 'boom' } }])
    expect((await test.answer({ url: '/good' })).status).toBe(101)
  })
})

describe('origin', () => {
  test.each([
    { origin: undefined, sent: undefined, status: 101 },
    { origin: undefined, sent: 'http://localhost', status: 101 },
    { origin: undefined, sent: 'http://evil.example', status: 403 },
    { origin: undefined, sent: 'null', status: 403 },
    { origin: 'any' as const, sent: 'http://evil.example', status: 101 },
    { origin: ['https://a.example'], sent: 'https://a.example', status: 101 },
    { origin: ['https://a.example'], sent: 'https://a.example.evil.example', status: 403 },
    { origin: (origin: string) => origin === 'x:y', sent: 'x:y', status: 101 },
    { origin: (origin: string) => origin === 'x:y', sent: 'http://localhost', status: 403 },
  ])('$origin, sent $sent: $status', async ({ origin, sent, status }) => {
    const test = await serve(origin === undefined ? {} : { origin })
    const response = await test.answer({ headers: { Origin: sent ?? null } })
    expect(response.status).toBe(status)
    if (status === 403) expect(response.headers.error).toBe('origin_not_allowed')
  })

  test('a predicate that throws: 500, onError hears it', async () => {
    const test = await serve({
      origin() {
        throw new Error('boom')
      },
    })
    expect((await test.answer({ headers: { Origin: 'http://localhost' } })).status).toBe(500)
    expect(test.errors.all).toMatchObject([{ where: 'origin' }])
  })
})

test('a request that is no upgrade: 426', async () => {
  const test = await serve()
  for (const method of ['GET', 'POST', 'OPTIONS']) {
    const client = await test.tcp()
    client.write(`${method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`)
    const { status, headers } = await client.response()
    expect(status).toBe(426)
    expect(headers.upgrade).toBe('websocket')
    expect(headers.connection!.toLowerCase()).toContain('close')
    await client.ended()
  }
  expect(test.server.stats().rejections).toEqual({ 426: 3 })
})

test('no request at all: 400', async () => {
  const test = await serve()
  for (const noise of ['\0\0\0\0\r\n\r\n', 'hello\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00']) {
    const client = await test.tcp()
    client.write(noise)
    expect((await client.response()).status).toBe(400)
    await client.ended()
  }
})

test('sockets: the open ones, safe while they come and go', async () => {
  const test = await serve()
  expect([...test.server.sockets]).toEqual([])
  const pairs = [await test.connect(), await test.connect(), await test.connect()]
  expect([...test.server.sockets]).toEqual(pairs.map(({ socket }) => socket))
  const seen: unknown[] = []
  for (const socket of test.server.sockets) {
    seen.push(socket)
    socket.close()
    pairs[2]!.socket.terminate()
  }
  expect(seen).toEqual([pairs[0]!.socket, pairs[1]!.socket])
  expect([...test.server.sockets]).toEqual([])
})

test('stats: exact counts, a new object each time', async () => {
  const test = await serve<undefined, number>({
    maxMessageBytes: 100,
    handler: {
      handshake: ({ path }) => (path === '/wait' ? new Promise<number>(() => {}) : 1),
      message: (socket, data, opcode) => void socket.write(data, opcode),
    },
  })
  expect(test.server.stats()).toEqual({
    sockets: 0,
    pendingHandshakes: 0,
    bytesIn: 0,
    bytesOut: 0,
    messagesIn: 0,
    messagesOut: 0,
    dropped: 0,
    closes: {},
    rejections: {},
    limits: {},
  })
  const { client } = await test.connect()
  const other = await test.connect()
  client.say('12345', '678')
  client.send({ opcode: Op.PING, payload: 'p' })
  await client.frames.count(3)
  expect((await test.answer({ url: '/', headers: { 'Sec-WebSocket-Version': '8' } })).status).toBe(426)
  const waiting = await test.tcp()
  waiting.ask({ url: '/wait' })
  await eventually(() => test.server.stats().pendingHandshakes === 1)
  other.client.send({ opcode: Op.TEXT, payload: 'x'.repeat(101) })
  await other.client.answerClose()
  await test.closed.count(1)
  await nextTurn()
  const stats = test.server.stats()
  expect(stats).toMatchObject({
    sockets: 1,
    pendingHandshakes: 1,
    messagesIn: 2,
    messagesOut: 2,
    dropped: 0,
    closes: { 1009: 1 },
    rejections: { 426: 1 },
    limits: { maxMessageBytes: 1 },
  })
  expect(stats.bytesIn).toBeGreaterThanOrEqual(11 + 9 + 7)
  expect(stats.bytesOut).toBeGreaterThanOrEqual(7 + 5 + 3)
  stats.closes[1009] = 99
  stats.sockets = 99
  expect(test.server.stats()).toMatchObject({ sockets: 1, closes: { 1009: 1 } })
})
