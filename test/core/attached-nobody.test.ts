// An upgrade to a path that is none of ours, on an http server of the application's. With no listener beside ours somebody
// must answer it, once; with one it is that one's, now or later, and until it takes it an error of the stream is heard.

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, serve, type TestServer } from '../support/core-server.ts'
import { eventually, Log, nextTurn } from '../support/log.ts'
import { RawClient } from '../support/raw-client.ts'
import { ATTACHED, attachTo, closePlaces, host, portOf } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

const rejected = (...servers: TestServer[]): unknown[] => servers.map(({ server }) => server.stats().rejections)

describe.each(ATTACHED)('$name, no listener but ours', (place) => {
  test('404, once, and counted once', async () => {
    const server = await place.serve({ pathname: '/ours' })
    const client = await server.tcp()
    expect(await client.upgrade({ url: '/x' })).toMatchObject({ status: 404, headers: { error: 'not_found' } })
    await client.ended()
    expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(rejected(server)).toEqual([{ 404: 1 }])
  })
})

describe.each([false, true])('several of ours on one http server (https: %s)', (tls) => {
  async function three(): Promise<TestServer[]> {
    const web = await host({ tls })
    return ['/1', '/2', '/3'].map((pathname) => attachTo(web, { pathname, closeTimeoutMs: 100 }, tls))
  }

  test('each serves its own path, the last answers 404 for all, counted once', async () => {
    const servers = await three()
    for (const [index, server] of servers.entries()) await server.connect({ url: `/${index + 1}` })
    expect((await servers[0]!.answer({ url: '/x' })).status).toBe(404)
    expect(rejected(...servers)).toEqual([{}, {}, { 404: 1 }])
    expect(servers.map(({ opened }) => opened.length)).toEqual([1, 1, 1])
  })

  test.each([
    ['first to last', [0, 1, 2]],
    ['last to first', [2, 1, 0]],
    ['from the middle', [1, 0, 2]],
  ])('closed %s: the last of those that are left answers', async (_, order) => {
    const servers = await three()
    for (const [step, index] of order.entries()) {
      await servers[index]!.server.close()
      const left = servers.filter((server) => !order.slice(0, step + 1).includes(servers.indexOf(server)))
      const last = left.at(-1)
      if (last === undefined) break
      const before = last.server.stats().rejections[404] ?? 0
      // Also the path of one that is closed is nobody's now.
      expect((await last.answer({ url: '/x' })).status).toBe(404)
      expect((await last.answer({ url: `/${index + 1}` })).status).toBe(404)
      expect(last.server.stats().rejections[404]).toBe(before + 2)
      expect((await left[0]!.answer({ url: `/${servers.indexOf(left[0]!) + 1}` })).status).toBe(101)
    }
  })
})

/** What a listener that is not ours does with an upgrade. */
type Foreign = (request: IncomingMessage, socket: Duplex) => void

async function beside(
  foreign: Foreign,
  { tls = false, before = false, handshakeTimeoutMs = 150, each = (_: Duplex): void => {} } = {},
): Promise<{ server: TestServer; streams: Log<Duplex> }> {
  const web = await host({ tls })
  web.on(tls ? 'secureConnection' : 'connection', each)
  const streams = new Log<Duplex>('streams')
  const listen = (): void =>
    void web.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
      if (request.url === '/ours') return
      foreign(request, socket)
      streams.push(socket)
    })
  if (before) listen()
  const server = attachTo(web, { pathname: '/ours', handshakeTimeoutMs }, tls)
  if (!before) listen()
  return { server, streams }
}

const COMBINATIONS = [false, true].flatMap((tls) => [false, true].map((before) => ({ tls, before })))

describe.each(COMBINATIONS)('beside a listener that is not ours (https: $tls, it was first: $before)', (where) => {
  test('that does nothing: a peer that resets is heard, nothing is answered', async () => {
    const { server, streams } = await beside(() => {}, { ...where, handshakeTimeoutMs: 5_000 })
    const client = await server.tcp()
    client.ask({ url: '/x' })
    const stream = await streams.at(0)
    await nextTurn()
    if (where.tls) stream.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    else client.reset()
    await eventually(() => stream.destroyed)
    await nextTurn()
    await server.connect({ url: '/ours' })
    expect(rejected(server)).toEqual([{}])
  })

  test('that takes it at once: its errors are its own, and it is not disturbed', async () => {
    const errors: unknown[] = []
    const { server, streams } = await beside(
      (_, socket) => void socket.on('error', (error) => errors.push(error)),
      where,
    )
    const client = await server.tcp()
    client.ask({ url: '/x' })
    const stream = await streams.at(0)
    await nextTurn()
    // Node's TLS has a listener of its own.
    expect(stream.listeners('error').filter(({ name }) => name === 'onError')).toHaveLength(0)
    stream.write('HTTP/1.1 299 Other\r\nContent-Length: 0\r\n\r\n')
    expect((await client.response()).status).toBe(299)
    await pastTimeout(server)
    expect(client.ends.length).toBe(0)
    expect(rejected(server)).toEqual([{}])
    stream.destroy(new Error('theirs'))
    await eventually(() => errors.length > 0)
    expect(errors).toEqual([new Error('theirs')])
  })

  test.each<[string, (socket: Duplex) => void]>([
    ['listens for errors', (socket) => void socket.on('error', () => {})],
    ['reads', (socket) => void socket.on('data', () => {})],
    ['reads with readable', (socket) => void socket.on('readable', () => socket.read())],
    ['writes', (socket) => void socket.write('HTTP/1.1 102 Processing\r\n\r\n')],
  ])('that takes it later, as it %s: it is not disturbed afterwards', async (_, use) => {
    const { server, streams } = await beside((_request, socket) => void setTimeout(() => use(socket), 20), where)
    const client = await server.tcp()
    client.ask({ url: '/x' })
    const stream = await streams.at(0)
    await pastTimeout(server)
    expect(client.ends.length).toBe(0)
    expect(stream.destroyed).toBe(false)
    expect(stream.listeners('error').filter(({ name }) => name === 'onError')).toHaveLength(0)
    stream.end('HTTP/1.1 299 Other\r\nContent-Length: 0\r\n\r\n')
    await client.responses.find(({ status }) => status === 299)
    expect(rejected(server)).toEqual([{}])
  })

  test('that destroys it: nothing of it is left', async () => {
    const { server } = await beside((_, socket) => void socket.destroy(), where)
    const client = await server.tcp()
    client.ask({ url: '/x' })
    await client.ended()
    await pastTimeout(server)
    expect(rejected(server)).toEqual([{}])
  })

  test('ours is ours', async () => {
    const { server } = await beside(() => {}, where)
    const { client } = await server.connect({ url: '/ours' })
    client.send({ opcode: Op.PING, payload: 'x' })
    expect((await client.frame()).opcode).toBe(Op.PONG)
    expect(server.opened.length).toBe(1)
  })
})

/** What an application may do with every connection, long before an upgrade. */
const EACH: readonly (readonly [string, (socket: Duplex) => void])[] = [
  ['counts the bytes', (socket) => void socket.on('data', count)],
  ['hears the errors', (socket) => void socket.on('error', count)],
  ['hears an error once', (socket) => void socket.once('error', count)],
  ['counts the bytes and hears the errors', (socket) => void socket.on('data', count).on('error', count)],
]
function count(): void {}

/** The application's listeners of `EACH` on a stream. */
const counting = (socket: Duplex): number =>
  ['data', 'error'].flatMap((event) => socket.listeners(event)).filter((listener) => listener === count).length

describe.each(COMBINATIONS)('where the application listens to all (https: $tls, it was first: $before)', (where) => {
  test.each(EACH)('and %s: that takes nothing; 404 when nobody took it', async (_, each) => {
    const { server, streams } = await beside(() => {}, { ...where, each })
    const client = await server.tcp()
    client.ask({ url: '/x' })
    const stream = await streams.at(0)
    const before = counting(stream)
    expect((await client.response()).status).toBe(404)
    expect(before).toBeGreaterThan(0)
    expect(counting(stream)).toBe(before)
    await client.ended()
    expect(rejected(server)).toEqual([{ 404: 1 }])
  })

  test.each(EACH)('and %s: a peer that resets is heard', async (_, each) => {
    const { server, streams } = await beside(() => {}, { ...where, each, handshakeTimeoutMs: 5_000 })
    const client = await server.tcp()
    client.ask({ url: '/x' })
    const stream = await streams.at(0)
    await nextTurn()
    stream.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    await eventually(() => stream.destroyed)
    await nextTurn()
    await server.connect({ url: '/ours' })
    expect(rejected(server)).toEqual([{}])
  })

  test.each(EACH)('and %s: ours is ours', async (_, each) => {
    const { server } = await beside(() => {}, { ...where, each })
    const { client } = await server.connect({ url: '/ours' })
    client.send({ opcode: Op.PING, payload: 'x' })
    expect((await client.frame()).opcode).toBe(Op.PONG)
  })

  test.each<[string, (socket: Duplex) => void]>([
    ['another function', (socket) => void socket.on('error', () => {})],
    ['the very same function', (socket) => void socket.on('error', count)],
  ])('who takes it by %s is not disturbed', async (_, use) => {
    const { server, streams } = await beside((_request, socket) => use(socket), { ...where, each: EACH[3]![1] })
    const client = await server.tcp()
    client.ask({ url: '/x' })
    const stream = await streams.at(0)
    await pastTimeout(server)
    expect(stream.listeners('error').filter(({ name }) => name === 'onError')).toHaveLength(0)
    stream.end('HTTP/1.1 299 Other\r\nContent-Length: 0\r\n\r\n')
    await client.responses.find(({ status }) => status === 299)
    expect(rejected(server)).toEqual([{}])
  })
})

test.each([false, true])('a taker that was put before ours is not disturbed (https: %s)', async (tls) => {
  const web = await host({ tls })
  const server = attachTo(web, { pathname: '/ours', handshakeTimeoutMs: 150 }, tls)
  const streams = new Log<Duplex>('streams')
  web.prependListener('upgrade', (request: IncomingMessage, socket: Duplex) => {
    if (request.url === '/ours') return
    socket.on('error', () => {})
    socket.write('HTTP/1.1 102 Processing\r\n\r\n')
    streams.push(socket)
  })
  const client = await server.tcp()
  client.ask({ url: '/x' })
  const stream = await streams.at(0)
  await pastTimeout(server)
  stream.end('HTTP/1.1 299 Other\r\nContent-Length: 0\r\n\r\n')
  await client.responses.find(({ status }) => status === 299)
  expect(rejected(server)).toEqual([{}])
})

/** Waits until an upgrade that nobody takes, and that came later, was ended: the same timer's turn has passed. */
async function pastTimeout(server: TestServer): Promise<void> {
  const web = await host()
  web.on('upgrade', () => {})
  const later = attachTo(web, { pathname: '/ours', handshakeTimeoutMs: 200 })
  expect((await later.answer({ url: '/later' })).status).toBe(404)
  await server.connect({ url: '/ours' })
}

test.each([false, true])(
  'a listener that does nothing (it was first: %s): 404 when nobody took it in time, counted with its limit',
  async (before) => {
    const { server } = await beside(() => {}, { before })
    expect((await server.answer({ url: '/x' })).status).toBe(404)
    expect(rejected(server)).toEqual([{ 404: 1 }])
    expect(server.server.stats().limits).toEqual({ handshakeTimeoutMs: 1 })
  },
)

test('two servers of ours and a listener that does nothing: 404 by the last, once', async () => {
  const web = await host()
  web.on('upgrade', () => {})
  const [first, last] = ['/1', '/2'].map((pathname) => attachTo(web, { pathname, handshakeTimeoutMs: 100 }))
  expect((await first!.answer({ url: '/x' })).status).toBe(404)
  expect(rejected(first!, last!)).toEqual([{}, { 404: 1 }])
})

test('a server of ours on a port of its own changes nothing for one that is attached', async () => {
  const own = await serve()
  const web = await host()
  const server = attachTo(web, { pathname: '/ours' })
  const client = await RawClient.connect({ port: portOf(web) })
  expect((await client.upgrade({ url: '/x' })).status).toBe(404)
  expect((await own.answer({ url: '/x' })).status).toBe(101)
  expect(rejected(own, server)).toEqual([{}, { 404: 1 }])
})
