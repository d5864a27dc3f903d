// Two copies of core in one process, as a package manager leaves them that could not make them one: what `reject`,
// `accept`, `txt` and `bin` of the one made means the same to the other. A refusal never opens a door.

import { createServer as createHttpServer } from 'node:http'
import * as core from '@roomcast/core'
import { WebSocketServer } from '@roomcast/core/ws'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { cleanUp, serve, track } from '../support/core-server.ts'
import { nextTurn } from '../support/log.ts'
import { RawClient, describe as short } from '../support/raw-client.ts'

afterEach(cleanUp)

vi.resetModules()
const other: typeof core = await import('@roomcast/core')
const otherChannels: typeof import('@roomcast/channels') = await import('@roomcast/channels')

test('there are two', () => {
  expect(other.reject).not.toBe(core.reject)
  expect(other.Rejection).not.toBe(core.Rejection)
  expect(other.Framed).not.toBe(core.Framed)
})

test('each knows what the other made, and nothing else', () => {
  expect(other.reject(401)).toBeInstanceOf(core.Rejection)
  expect(other.accept(1)).toBeInstanceOf(core.Acceptance)
  expect(other.txt('x')).toBeInstanceOf(core.Framed)
  expect(core.txt('x')).toBeInstanceOf(other.Framed)
  class Own extends core.Rejection {}
  for (const value of [other.accept(1), { ...other.reject(401) }, null, undefined, 'x', 1, () => {}]) {
    expect(value instanceof core.Rejection).toBe(false)
  }
  expect(other.reject(401) instanceof Own).toBe(false)
})

describe.each<[string, (made: unknown) => unknown]>([
  ['returned', (made) => made],
  ['returned later', async (made) => nextTurn().then(() => made)],
  [
    'thrown',
    (made) => {
      throw made
    },
  ],
])('a reject that is %s', (_, give) => {
  test('refuses', async () => {
    const handshake = (() => give(other.reject(402, 'no_money', { headers: { 'X-A': 'b' }, body: 'pay' }))) as never
    const server = await serve({ handler: { handshake } })
    expect(await server.answer()).toMatchObject({
      status: 402,
      headers: { error: 'no_money', 'x-a': 'b' },
      body: 'pay',
    })
    expect([server.opened.length, server.errors.length]).toEqual([0, 0])
  })

  test('and cannot be sent: 500', async () => {
    const made = Object.assign(other.reject(401), { error: 'zoë ✓' })
    const server = await serve({ handler: { handshake: (() => give(made)) as never } })
    expect((await server.answer()).status).toBe(500)
    expect([server.opened.length, server.errors.length]).toEqual([0, 1])
  })

  test('refuses with the words of ws, too', async () => {
    const web = createHttpServer()
    const wss = track(new WebSocketServer({ server: web, handshake: (() => give(other.reject(402))) as never }))
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
    track({ close: async () => void web.close() })
    const client = await RawClient.connect({ port: (web.address() as { port: number }).port })
    expect((await client.upgrade()).status).toBe(402)
    expect(wss.clients.size).toBe(0)
  })
})

test('an accept: its state, its headers and its subprotocol', async () => {
  const server = await serve<undefined, unknown>({
    handler: { handshake: () => other.accept({ id: 1 }, { subprotocol: 'b', headers: { 'X-A': 'b' } }) as never },
  })
  const client = await server.tcp()
  const { headers } = await client.upgrade({ headers: { 'Sec-WebSocket-Protocol': 'a, b' } })
  expect(headers).toMatchObject({ 'sec-websocket-protocol': 'b', 'x-a': 'b' })
  expect((await server.opened.at(0)).state).toEqual({ id: 1 })
})

test('what it made is no state', () => {
  expect(() => core.accept(other.reject(401))).toThrow(TypeError)
  expect(() => core.accept(other.accept(1))).toThrow(TypeError)
})

describe('a frame', () => {
  const LONG = 'x'.repeat(5000)

  test('is sent as it is, and framing it is a no-op', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    expect([socket.write(other.txt('a') as never), socket.write(other.bin('b') as never)]).toEqual(['ok', 'ok'])
    const framed = other.txt('c')
    expect(core.frame(framed as never)).toBe(framed)
    expect(core.bin(framed as never)).toBe(framed)
    await client.frames.count(2)
    expect(client.frames.all.map(short)).toEqual(['text a', 'binary b'])
  })

  test('is compressed once for all, and not where it must not be', async () => {
    const test = await serve({ compression: true })
    const offer = { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } }
    const { client, socket } = await test.connect(offer)
    const framed = other.txt(LONG)
    socket.write(framed as never)
    socket.write(framed as never)
    socket.write(other.txt(LONG, { compress: false }) as never)
    await client.frames.count(3)
    expect(client.frames.all.map(({ payload }) => payload.length === LONG.length)).toEqual([false, false, true])
  })

  test('of channels that stand on the other copy', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    const channels = otherChannels.createChannels()
    channels.join('lobby', socket as never)
    channels.broadcast('lobby', 'atreides')
    expect(await client.message()).toBe('atreides')
  })
})
