// What users meet at the edges: routes and `extra`, several lines of one header, responses that have no body, origins of
// apps, a test framework that fakes timers, a socket that shows nothing but what it promises.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstat, utimes, writeFile } from 'node:fs/promises'
import { IncomingMessage } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { accept, createServer, reject } from '@roomcast/core'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { cleanUp, serve, TestServer, temporaryFolder, track } from '../support/core-server.ts'
import { inTime } from '../support/log.ts'
import { RawClient } from '../support/raw-client.ts'
import { ATTACHED, closePlaces, host, OWN, PLACES, portOf } from './places.ts'

afterEach(async () => {
  vi.useRealTimers()
  await cleanUp()
  closePlaces()
})

test('routes: each path has its handler and its state, other paths are 404', async () => {
  const texts: string[] = []
  const server = track(
    createServer({
      port: 0,
      host: '127.0.0.1',
      routes: {
        '/chat': {
          handshake: () => ({ room: 'lobby' }),
          message: ({ state }) => void texts.push(JSON.stringify(state)),
        },
        '/count': { init: () => 42, message: ({ state }) => void texts.push(JSON.stringify(state)) },
        '/plain': { message: ({ path, state }) => void texts.push(`${path} ${state}`) },
      },
    }),
  )
  const target = { port: (await server.listen()).port }
  for (const path of ['/chat', '/count', '/plain', '/plain?x=1']) {
    const client = await RawClient.connect(target)
    expect((await client.upgrade({ url: path })).status).toBe(101)
    client.say('x')
    client.sendClose(1000)
    await client.ended()
  }
  expect(texts).toEqual(['{"room":"lobby"}', '42', '/plain undefined', '/plain undefined'])
  for (const path of ['/', '/chat/', '/Chat', '/constructor', '/__proto__', '/chat/x']) {
    const client = await RawClient.connect(target)
    expect((await client.upgrade({ url: path })).status, path).toBe(404)
  }
})

test('extra: what upgrade() is given, handshake finds, else node’s request', async () => {
  const web = await host()
  const session = { user: 'leto' }
  const found: unknown[] = []
  const server = new TestServer({
    handler: {
      handshake({ extra }) {
        found.push(extra)
        return undefined as never
      },
    },
  })
  web.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.url === '/with') server.server.upgrade(request, socket, head, session)
    else server.server.upgrade(request, socket, head)
  })
  server.target = { port: portOf(web) }
  await server.answer({ url: '/with' })
  await server.answer({ url: '/without' })
  expect(found[0]).toBe(session)
  expect(found[1]).toMatchObject({ url: '/without', socket: { remotePort: expect.any(Number) } })
})

test.each([...OWN, ...ATTACHED])('extra is node’s request: $name', async (place) => {
  let extra: unknown
  const server = await place.serve({
    handler: {
      handshake(request) {
        extra = request.extra
        return undefined as never
      },
    },
  })
  await server.answer({ url: '/x' })
  expect(extra).toBeInstanceOf(IncomingMessage)
  expect(extra).toMatchObject({ url: '/x' })
})

describe('headers with several lines', () => {
  const cookies = ['a=1; Path=/', 'b=2']

  test.each<[string, number, () => never]>([
    ['accept', 101, () => accept(null, { headers: { 'Set-Cookie': cookies, 'X-One': 'x' } }) as never],
    ['reject', 401, () => reject(401, 'no', { headers: { 'set-cookie': cookies, 'X-One': 'x' } }) as never],
  ])('%s', async (_, status, handshake) => {
    const server = await serve({ handler: { handshake } })
    const answer = await server.answer()
    expect(answer.status).toBe(status)
    expect(answer.head.match(/^set-cookie: .*$/gim)?.map((line) => line.slice(12))).toEqual(cookies)
    expect(answer.headers['x-one']).toBe('x')
  })

  test('a line that HTTP does not allow throws at the call', () => {
    for (const make of [reject.bind(null, 401, 'x'), accept.bind(null, 1) as never as typeof reject]) {
      const given = make as (options: object) => unknown
      expect(() => given({ headers: { 'Set-Cookie': ['a=1', 'b=2\r\nX: y'] } })).toThrow(RangeError)
      expect(() => given({ headers: { 'Set-Cookie': ['a=1', 2] } })).toThrow(TypeError)
    }
  })
})

describe('a response without a body', () => {
  test('304, whatever the body given', async () => {
    const server = await serve({ handler: { handshake: () => reject(304, '', { body: 'body' }) as never } })
    const client = await server.tcp()
    await client.upgrade()
    await client.ended()
    expect(client.text).toMatch(/^HTTP\/1\.1 304 [\s\S]*\r\n\r\n$/)
    expect(client.text).not.toMatch(/content-length/i)
  })

  test('HEAD: the head alone', async () => {
    const server = await serve()
    const client = await server.tcp()
    client.write('HEAD / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    await client.ended()
    expect(client.text).toMatch(/^HTTP\/1\.1 405 [\s\S]*\r\n\r\n$/)
    expect(client.text).toMatch(/content-length: [1-9]/i)
  })
})

describe('origins of apps', () => {
  const APPS = ['capacitor://localhost', 'tauri://localhost', 'chrome-extension://abcdefgh', 'app+x://a.b:81']

  async function statusFor(origin: 'same' | string[], Origin: string): Promise<number> {
    const server = await serve({ origin })
    return (await server.answer({ headers: { Origin } })).status
  }

  test.each(APPS)('%s, listed, may connect; not as the same, nor as another', async (app) => {
    expect(await statusFor([app], app)).toBe(101)
    expect(await statusFor(['https://a.example', app.toUpperCase()], app)).toBe(101)
    expect(await statusFor('same', app)).toBe(403)
    expect(await statusFor(['https://localhost', 'http://localhost'], app)).toBe(403)
    expect(await statusFor([app], `${app}.evil`)).toBe(403)
  })

  test('null: where it is listed, and only there', async () => {
    expect(await statusFor(['null'], 'null')).toBe(101)
    expect(await statusFor(['https://a.example', 'null'], 'null')).toBe(101)
    expect(await statusFor(['https://null'], 'null')).toBe(403)
    expect(await statusFor('same', 'null')).toBe(403)
    expect(await statusFor(['null'], 'https://a.example')).toBe(403)
  })

  test.each(['ws://a', 'wss://a', '*', 'a', '://a', 'https://a/', 'file:///x', 'capacitor:localhost'])(
    'a list with %j: RangeError',
    (entry) => {
      expect(() => createServer({ handler: { message() {} }, origin: [entry] })).toThrow(RangeError)
    },
  )
})

test.each([
  ['setImmediate', 'setInterval', 'setTimeout', 'performance', 'queueMicrotask', 'Date'],
  ['setImmediate'],
  ['setInterval', 'performance'],
] as const)('a test framework that fakes %s does not stop the server', async (...toFake) => {
  const wait = globalThis.setTimeout
  const server = await serve({
    idleTimeoutMs: 40,
    pongTimeoutMs: 40,
    handler: { message: (socket, data) => void socket.write(data) },
  })
  vi.useFakeTimers({ toFake: [...toFake] })
  const peer = connectTcp({ port: (server.target as { port: number }).port, host: '127.0.0.1' })
  const received: Buffer[] = []
  peer.on('data', (chunk) => received.push(chunk))
  peer.write(
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  const [first] = await once(peer, 'data')
  expect(`${first}`).toMatch(/^HTTP\/1\.1 101 /)
  peer.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]))
  // The echo, then a ping of the heartbeat, then its end.
  await new Promise<void>((resolve, fail) => {
    const late = wait(() => fail(new Error('the server stands still')), 5_000)
    peer.on('close', () => {
      clearTimeout(late)
      resolve()
    })
  })
  vi.useRealTimers()
  expect(Buffer.concat(received).subarray(first.length).toString('latin1')).toBe('\x82\x02hi\x89\x00')
})

test.each(PLACES)('$name: a socket shows what handler.ts promises, and nothing else', async (place) => {
  const server = await place.serve()
  const { socket } = await server.connect()
  const shown = new Set<string>()
  for (let one: object = socket; one !== Object.prototype; one = Object.getPrototypeOf(one)) {
    for (const key of Reflect.ownKeys(one)) shown.add(String(key))
  }
  const promised = ['state', 'readyState', 'bufferedBytes', 'path', 'remoteAddress', 'subprotocol', 'write', 'ping']
  promised.push('close', 'terminate', 'pause', 'resume', 'onClosing', 'constructor')
  expect([...shown].sort()).toEqual(promised.sort())
})

describe('a unix socket', () => {
  /** A socket file whose server was killed. */
  async function stale(path: string): Promise<void> {
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`
    await once(spawn(process.execPath, ['-e', script], { stdio: 'ignore' }), 'exit')
    expect((await lstat(path)).isSocket()).toBe(true)
  }

  test('stale, taken by two servers at once: one of them listens, and it is the one that is there', async () => {
    const folder = await temporaryFolder()
    for (let round = 0; round < 20; round++) {
      const unix = join(folder, `${round}`)
      await stale(unix)
      const all = Array.from({ length: 2 }, () => track(createServer({ unix, handler: { message() {} } })))
      const results = await Promise.allSettled(all.map((server) => server.listen()))
      const listening = results.filter(({ status }) => status === 'fulfilled')
      expect(listening).toHaveLength(1)
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'EADDRINUSE' })
      }
      const client = await RawClient.connect({ path: unix })
      expect((await client.upgrade()).status).toBe(101)
      client.socket.destroy()
      await inTime(Promise.all(all.map((server) => server.close())), 'close()')
    }
  })

  test('stale, whoever was about to take it was killed just now, too: listens', async () => {
    const unix = join(await temporaryFolder(), 'socket')
    await stale(unix)
    await writeFile(`${unix}.lock`, '')
    const soon = new Date(Date.now() + 500)
    await utimes(`${unix}.lock`, soon, soon)
    const server = track(createServer({ unix, handler: { message() {} } }))
    expect((await server.listen()).path).toBe(unix)
    await expect(lstat(`${unix}.lock`)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test.runIf(process.platform === 'linux')(
    'an abstract name: listens, in use is EADDRINUSE, closed is free',
    async () => {
      const unix = `\0roomcast-${process.pid}-${Date.now()}`
      const make = () => track(createServer({ unix, handler: { message() {} } }))
      const [first, second] = [make(), make()]
      expect((await first.listen()).path).toBe(unix)
      const client = await RawClient.connect({ path: unix })
      expect((await client.upgrade()).status).toBe(101)
      client.socket.destroy()
      await expect(second.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
      await first.close()
      await second.listen()
    },
  )
})
