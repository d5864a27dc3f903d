// What a server tells on node's diagnostics channels: each event with its payload, in step with stats(), nothing when nobody
// listens, and a subscriber that throws harms no socket.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type Diagnostics, reject } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { channels } from '../../packages/core/src/server/diagnostics.ts'
import { Op } from '../support/client-frames.ts'
import { cleanUp, serve } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'

const undo: (() => void)[] = []

afterEach(async () => {
  await cleanUp()
  for (const one of undo.splice(0)) one()
})

function on<K extends keyof Diagnostics>(name: K, listener: (message: Diagnostics[K]) => void): void {
  const onMessage = (message: unknown): void => listener(message as Diagnostics[K])
  subscribe(name, onMessage)
  undo.push(() => unsubscribe(name, onMessage))
}

/** All messages of a channel, as they come. */
function record<K extends keyof Diagnostics>(name: K): Diagnostics[K][] {
  const all: Diagnostics[K][] = []
  on(name, (message) => all.push(message))
  return all
}

test('open and close: the socket, and how it ended, once each', async () => {
  const opens = record('roomcast:open')
  const closes = record('roomcast:close')
  const order: string[] = []
  on('roomcast:open', () => order.push('open'))
  on('roomcast:close', () => order.push('close'))
  const test = await serve({
    handler: { opened: () => void order.push('opened'), closed: () => void order.push('closed') },
  })
  const { client, socket } = await test.connect()
  expect(opens).toEqual([{ server: test.server, socket }])
  client.sendClose(4000, 'bye')
  await test.closed.count(1)
  expect(closes).toEqual([{ server: test.server, socket, code: 4000, reason: 'bye', by: 'peer', clean: true }])
  expect(order).toEqual(['open', 'opened', 'close', 'closed'])

  const other = await serve()
  await other.connect()
  expect(opens[1]!.server).toBe(other.server)
})

test('what a subscriber of open writes follows the 101', async () => {
  on('roomcast:open', ({ socket }) => void socket.write('from outside'))
  const test = await serve({ handler: { opened: (socket) => void socket.write('from inside') } })
  const { client } = await test.connect()
  expect([await client.message(), await client.message()]).toEqual(['from outside', 'from inside'])
})

test('reject: every status that stats() counts, with path but never query', async () => {
  const rejects = record('roomcast:reject')
  const test = await serve<undefined, undefined>({
    pathname: (path) => path !== '/none',
    maxHeaderBytes: 2_000,
    handler: { handshake: ({ path }) => (path === '/no' ? reject(401, 'invalid_token') : undefined) },
  })
  await test.answer({ url: '/no?token=secret' })
  await test.answer({ url: '/none?token=secret' })
  await test.answer({ url: '/old', headers: { 'Sec-WebSocket-Version': '8' } })
  await test.answer({ url: '/page', headers: { Origin: 'http://evil.example' } })
  await test.answer({ url: '/large', headers: { Cookie: 'c'.repeat(3_000) } })
  const plain = await test.tcp()
  plain.write('GET /plain?token=secret HTTP/1.1\r\nHost: x\r\n\r\n')
  await plain.ended()
  const noise = await test.tcp()
  noise.write('hello\r\n\r\n')
  await noise.ended()
  const hosts = new Set<string>()
  const said = rejects.map(({ server, remoteAddress, host, ...rest }) => {
    expect([server, remoteAddress]).toEqual([test.server, '127.0.0.1'])
    hosts.add(host)
    return Object.values(rest).join(' ').trimEnd()
  })
  expect([...hosts]).toEqual(['localhost', '', 'x'])
  expect(said).toEqual([
    '401 invalid_token /no',
    '404 not_found /none',
    '426 unsupported_version /old',
    '403 origin_not_allowed /page http://evil.example',
    '431 headers_too_large',
    '426 upgrade_required /plain',
    '400 bad_request',
  ])
  expect(test.server.stats().rejections).toEqual({ 400: 1, 401: 1, 403: 1, 404: 1, 426: 2, 431: 1 })
})

describe('limit', () => {
  test('names the limit and the socket', async () => {
    const limits = record('roomcast:limit')
    const test = await serve({ maxMessageBytes: 10, maxHeaders: 20 })
    const { client, socket } = await test.connect()
    client.send({ opcode: Op.TEXT, payload: 'x'.repeat(11) })
    await client.answerClose()
    await test.answer({ extra: Array<string>(30).fill('a: b') })
    expect(limits).toEqual([
      { server: test.server, limit: 'maxMessageBytes', socket },
      { server: test.server, limit: 'maxHeaders', socket: undefined },
    ])
  })

  test('never within the write that hit it', async () => {
    let writing = false
    const seen: boolean[] = []
    on('roomcast:limit', ({ limit, socket }) => {
      seen.push(writing)
      expect([limit, socket!.write('x')]).toEqual(['maxBufferedBytes', 'closed'])
    })
    const test = await serve({ maxBufferedBytes: 1_000 })
    const { client, socket } = await test.connect()
    client.socket.pause()
    for (let result = ''; result !== 'closed'; ) {
      writing = true
      result = socket.write(Buffer.alloc(65_536))
      writing = false
      await nextTurn()
    }
    expect(seen).toEqual([false])
  })
})

test('error: what onError hears', async () => {
  const errors = record('roomcast:error')
  const boom = new Error('boom')
  const test = await serve({
    handler: {
      message() {
        throw boom
      },
    },
  })
  const { client, socket } = await test.connect()
  client.say('x')
  await client.answerClose()
  expect(errors).toEqual([{ server: test.server, error: boom, where: 'message', socket }])
  expect(test.errors.all).toEqual([{ error: boom, where: 'message', socket }])
})

test('nothing is made when nobody listens', async () => {
  const made: string[] = []
  const spied = Object.entries(channels).map(([name, channel]) => {
    const own = channel as { publish?: unknown }
    own.publish = () => made.push(name)
    return () => delete own.publish
  })
  undo.push(...spied)
  const test = await serve({ maxMessageBytes: 10, handler: { opened: () => Promise.reject(new Error('boom')) } })
  const { client } = await test.connect()
  await client.answerClose()
  await test.closed.count(1)
  await test.answer({ headers: { 'Sec-WebSocket-Version': '8' } })
  const other = await serve({ maxMessageBytes: 10 })
  const pair = await other.connect()
  pair.client.say('x'.repeat(11))
  await pair.client.answerClose()
  expect(made).toEqual([])
})

test('a subscriber that throws: node raises it by itself, no socket notices', async () => {
  const raised: unknown[] = []
  process.setUncaughtExceptionCaptureCallback((error) => raised.push(error))
  undo.push(() => process.setUncaughtExceptionCaptureCallback(null))
  const names = ['open', 'close', 'reject', 'limit', 'error'].map((name) => `roomcast:${name}` as keyof Diagnostics)
  for (const name of names) {
    on(name, () => {
      throw new Error(name)
    })
  }
  const test = await serve({
    maxMessageBytes: 10,
    handler: {
      message(socket, data) {
        if (data.toString() === 'throw') throw new Error('boom')
        socket.write(data.toString())
      },
    },
  })
  const [one, two, three] = [await test.connect(), await test.connect(), await test.connect()]
  one.client.say('throw')
  expect((await one.client.answerClose()).code).toBe(1011)
  two.client.say('x'.repeat(11))
  expect((await two.client.answerClose()).code).toBe(1009)
  expect((await test.answer({ headers: { 'Sec-WebSocket-Version': '8' } })).status).toBe(426)
  three.client.say('fine')
  expect(await three.client.message()).toBe('fine')
  await test.closed.count(2)
  await eventually(() => raised.length === 8)
  expect(raised.map((error) => (error as Error).message).sort()).toEqual(
    [...names, 'roomcast:open', 'roomcast:open', 'roomcast:close'].sort(),
  )
  expect(test.server.stats()).toMatchObject({ sockets: 1, closes: { 1009: 1, 1011: 1 }, rejections: { 426: 1 } })
})
