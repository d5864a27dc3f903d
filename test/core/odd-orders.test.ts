// What happens when things come in an order that nobody plans: a write between an empty queue and `drained`, an end within
// an end, a drain within a handshake, a listener before ours, a stream of the application's that is broken.

import { Buffer } from 'node:buffer'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { Duplex, duplexPair } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { accept, createServer, reject, type Socket } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { PeerClock } from '../../packages/core/src/connection/peer-clock.ts'
import { resolveLimits } from '../../packages/core/src/limits.ts'
import { clientFrame, closeBody, Op } from '../support/client-frames.ts'
import { cleanUp, serve, TLS, track } from '../support/core-server.ts'
import { eventually, inTime, nextTurn } from '../support/log.ts'
import { handshakeText, RawClient } from '../support/raw-client.ts'
import { ATTACHED, closePlaces, host } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

const MIB = 1_048_576

describe.each([
  ['plain', {}],
  ['TLS', { tls: TLS }],
])('over %s', (_, place) => {
  test.each([
    ['a small write', 15],
    ['a large write', 16 * MIB],
  ])('drained is true when it is told, also after %s while it was due', async (_name, bytes) => {
    const gate: { open: () => void } = { open: () => {} }
    const unsent: number[] = []
    const test = await serve({
      ...place,
      maxBufferedBytes: 64 * MIB,
      handler: {
        message: () => new Promise<void>((resolve) => (gate.open = resolve)),
        drained: (socket) => void unsent.push(socket.bufferedBytes),
      },
    })
    const { client, socket } = await test.connect()
    client.socket.pause()
    client.say('pending')
    await test.messages.count(1)
    socket.write(Buffer.alloc(16 * MIB))
    await eventually(() => socket.write('x') === 'backpressure')
    client.socket.resume()
    await eventually(() => socket.bufferedBytes === 0)
    socket.write(Buffer.alloc(bytes))
    gate.open()
    await test.drained.count(1)
    await eventually(() => socket.bufferedBytes === 0)
    await nextTurn()
    expect(unsent).toEqual([0])
  })
})

describe('an end within an end: not clean, as our Close never left', () => {
  const close = clientFrame({ opcode: Op.CLOSE, payload: closeBody(1000) })
  test.each<[string, (socket: Socket<undefined>) => void, number]>([
    ['terminate() in message, the peer’s Close behind it', (socket) => socket.terminate(), 1006],
    [
      'close() and terminate() in message',
      (socket) => {
        socket.close(4000)
        socket.terminate()
      },
      4000,
    ],
    [
      'terminate() in onClosing, of the peer’s Close',
      (socket) => {
        socket.write('accepted')
        socket.onClosing(() => socket.terminate())
      },
      1000,
    ],
  ])('%s', async (_, act, code) => {
    const test = await serve({ handler: { message: (socket) => act(socket as Socket<undefined>) } })
    const { client } = await test.connect()
    client.write(clientFrame({ opcode: Op.TEXT, payload: 'go' }), close)
    expect(await test.closed.at(0)).toMatchObject({ code, clean: false })
  })
})

test.each(['init', 'origin'])('a drain that begins within %s refuses this very handshake', async (where) => {
  const test = await serve<undefined, undefined>({
    handler: { init: () => (where === 'init' ? void test.server.drain() : undefined) as undefined },
    origin: () => {
      if (where === 'origin') void test.server.drain()
      return true
    },
  })
  const client = await test.tcp({ halfOpen: true })
  expect((await client.upgrade({ headers: { Origin: 'http://localhost' } })).status).toBe(503)
  await nextTurn()
  expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
  expect([test.opened.length, test.closed.length, test.server.stats().bytesOut]).toEqual([0, 0, 0])
})

test.each([false, true])('a listener that comes before ours, tls %s: what it takes is left alone', async (tls) => {
  const web = await host({ tls })
  const server = track(
    createServer({ server: web, pathname: '/ours', handshakeTimeoutMs: 60, handler: { message() {} } }),
  )
  web.prependListener('upgrade', (_, socket) => {
    socket.on('error', () => {})
    socket.on('data', () => {})
    socket.write('HTTP/1.1 101 Theirs\r\n\r\n')
  })
  const { port } = web.address() as AddressInfo
  const client = await RawClient.connect({ port, tls })
  expect((await client.upgrade({ url: '/theirs' })).status).toBe(101)
  // The time-out of another, which nobody takes, comes later than theirs would.
  web.removeAllListeners('upgrade')
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect([client.ends.length, client.frameBytes]).toEqual([0, 0])
  expect(server.stats()).toMatchObject({ rejections: {}, limits: {} })
})

test.each(ATTACHED.map(({ name, serve }) => ({ name, serve })))(
  '$name: many headers do not hide the upgrade from us',
  async ({ serve: attached }) => {
    const test = await attached()
    for (const count of [101, 2100]) {
      const extra = Array.from({ length: count }, () => 'a: b')
      const text = handshakeText().replace('\r\n', `\r\n${extra.join('\r\n')}\r\n`)
      const client = await test.tcp()
      client.write(text)
      // Newer versions of node count them, too.
      expect((await client.response()).status).toBeOneOf([400, 431])
    }
  },
)

test('an application that keeps few headers is upgraded all the same', async () => {
  const web = createHttpServer()
  web.maxHeadersCount = 8
  const server = track(createServer({ server: web, handler: { message() {} } }))
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  track({ close: () => new Promise<void>((resolve) => web.close(() => resolve())) })
  const client = await RawClient.connect({ port: (web.address() as AddressInfo).port })
  const text = handshakeText().replace(
    '\r\n',
    `\r\n${Array.from({ length: 12 }, (_, i) => `x-${i}: y`).join('\r\n')}\r\n`,
  )
  client.write(text)
  expect((await client.response()).status).toBeOneOf([101, 431])
  client.reset()
  await eventually(() => server.stats().sockets === 0)
})

test('a peer that sent much and was reset before a framework decided is never opened', async () => {
  const web = await host({ tls: true })
  const opened: unknown[] = []
  const server = track(createServer({ handler: { opened: (socket) => void opened.push(socket), message() {} } }))
  let decide: (() => void) | null = null
  web.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {})
    decide = () => server.upgrade(request, socket, head)
  })
  const raw = connectTcp({ port: (web.address() as AddressInfo).port, host: '127.0.0.1' }).on('error', () => {})
  const peer = connectTls({ socket: raw, rejectUnauthorized: false }).on('error', () => {})
  peer.write(handshakeText())
  await eventually(() => decide !== null)
  // More than the stream reads ahead: it does not see the reset behind it.
  await new Promise((resolve) => peer.write(Buffer.alloc(30_000), resolve))
  await nextTurn()
  raw.resetAndDestroy()
  await new Promise((resolve) => raw.once('close', resolve))
  for (let i = 0; i < 5; i++) await nextTurn()
  decide!()
  for (let i = 0; i < 10; i++) await nextTurn()
  await eventually(() => server.stats().pendingHandshakes === 0)
  expect([opened.length, server.stats().sockets]).toEqual([0, 0])
})

describe('a stream of the application’s', () => {
  const request = {
    method: 'GET',
    httpVersion: '1.1',
    url: '/',
    rawHeaders: [
      ...['Host', 'localhost', 'Upgrade', 'websocket', 'Connection', 'Upgrade'],
      ...['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version', '13'],
    ],
  } as never

  test('its memory is not changed, and the message is not that memory', async () => {
    const texts: string[] = []
    const server = track(
      createServer({ closeTimeoutMs: 50, handler: { message: (_, data) => void texts.push(`${data}`) } }),
    )
    const [ours, theirs] = duplexPair()
    theirs.resume()
    server.upgrade(request, ours, Buffer.alloc(0))
    const frame = clientFrame({ opcode: Op.TEXT, payload: 'hello' })
    const before = frame.toString('hex')
    for (let i = 0; i < 3; i++) theirs.write(frame)
    await eventually(() => texts.length === 3)
    expect([texts, frame.toString('hex')]).toEqual([['hello', 'hello', 'hello'], before])
    theirs.destroy()
  })

  test('that throws when it is written ends alone', async () => {
    const closed: unknown[] = []
    const test = await serve({ handler: { closed: (_, info) => void closed.push(info) } })
    const { client, socket } = await test.connect()
    let broken = false
    const stream = new Duplex({
      read() {},
      write(_, __, done) {
        if (broken) throw new Error('broken')
        done()
      },
    })
    test.server.upgrade(request, stream, Buffer.alloc(0))
    const last = await test.opened.at(1)
    await nextTurn()
    broken = true
    last.write('to the broken one')
    socket.write('to the other')
    expect(await client.message()).toBe('to the other')
    await eventually(() => closed.length === 1)
    socket.write('and on')
    expect(await client.message()).toBe('and on')
    expect(closed).toMatchObject([{ code: 1006, by: 'network', cause: { message: 'broken' } }])
  })

  test('that never ends does not keep close() from resolving', async () => {
    const server = createServer({ closeTimeoutMs: 50, handler: { message() {} } })
    const [ours] = duplexPair()
    server.upgrade(request, ours, Buffer.alloc(0))
    await inTime(server.close(), 'close()')
    expect(server.stats()).toMatchObject({ sockets: 0, closes: { 1001: 1 } })
  })
})

test('a peer that takes refused bytes, however seldom the kernel tells, is not lost for four time-outs', () => {
  const limits = resolveLimits({ idleTimeoutMs: 100, pongTimeoutMs: 100 })
  const lostAfter = (refused: boolean, takenAt: number): number => {
    const clock = new PeerClock(0)
    for (let now = 10; now <= 2000; now += 10) {
      if (clock.tick(now, 10, { refused, takenAt }, limits) === 'lost') return now
    }
    return Number.POSITIVE_INFINITY
  }
  expect([lostAfter(false, 0), lostAfter(true, 0), lostAfter(true, 300)]).toEqual([200, 500, 700])
  // All of it was taken after the ping, which still stands behind it; or before.
  expect([lostAfter(false, 300), lostAfter(false, 90)]).toEqual([700, 200])
})

describe('headers that would be lost', () => {
  test.each([
    ['Headers', new Headers({ 'Set-Cookie': 'a=b' })],
    ['a Map', new Map([['Set-Cookie', 'a=b']])],
    ['a list of pairs', [['Set-Cookie', 'a=b']]],
    ['a string', 'Set-Cookie: a=b'],
    ['a number', 5],
  ])('%s: a TypeError at the call', (_, headers) => {
    expect(() => accept(1, { headers: headers as never })).toThrow(TypeError)
    expect(() => reject(401, '', { headers: headers as never })).toThrow(TypeError)
  })

  test('an error that is no string', () => {
    expect(() => reject(401, ['a', 'b'] as never)).toThrow(TypeError)
  })
})

test('a class that extends one with a foreign callback', () => {
  class Base {
    open(): void {}
  }
  class Chat extends Base {
    message(): void {}
  }
  expect(() => createServer({ handler: new Chat() })).toThrow(TypeError)
})
