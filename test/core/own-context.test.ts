// Each callback of a socket runs in the AsyncLocalStorage context of its own upgrade, whoever made it happen; and when a
// connection is closed nothing of ours keeps that context: the first request's store is as mortal as any other.

import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Socket } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { clientFrame, Op } from '../support/client-frames.ts'
import { cleanUp, type Pair, type TestOptions, TestServer } from '../support/core-server.ts'
import { eventually, Log, nextTurn } from '../support/log.ts'
import { closePlaces, host, portOf } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

const MIB = 1_048_576
const als = new AsyncLocalStorage<{ name: string }>()
const here = (): string => als.getStore()?.name ?? 'none'

type State = { path: string }
type Options = Omit<TestOptions<undefined, State>, 'handler'>
type Watched = TestServer<undefined, State> & { calls: Log<string> }

/** A server of ours whose callbacks write down whose they are and where they ran; each request has a store of its own. */
async function watched(options: Options = {}, stored: (store: { name: string }) => void = () => {}): Promise<Watched> {
  const calls = new Log<string>('calls')
  const say = (what: string, socket: Socket<State>): void => calls.push(`${what} of ${socket.state.path} in ${here()}`)
  const web = await host()
  const server = new TestServer<undefined, State>({
    maxBufferedBytes: 64 * MIB,
    ...options,
    handler: {
      handshake({ path, signal }) {
        signal.addEventListener('abort', () => calls.push(`abort of ${path} in ${here()}`))
        return path.startsWith('/pending') ? new Promise<never>(() => {}) : { path }
      },
      opened(socket) {
        say('opened', socket)
        socket.onClosing(() => say('onClosing', socket))
      },
      message: (socket) => say('message', socket),
      pong: (socket) => say('pong', socket),
      drained: (socket) => say('drained', socket),
      closed: (socket) => say('closed', socket),
    },
  })
  web.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {})
    const store = { name: request.url! }
    stored(store)
    als.run(store, () => server.server.upgrade(request, socket, head))
  })
  server.target = { port: portOf(web) }
  return Object.assign(server, { calls })
}

/** Each call in its own context. */
function expectOwn({ calls }: Watched, ...some: string[]): void {
  for (const call of calls.all) expect(call).toMatch(/^\w+ of (\S+) in \1$/)
  expect(calls.all).toEqual(expect.arrayContaining(some.map((one) => `${one} in ${one.split(' of ')[1]}`)))
}

async function two(options: Options = {}): Promise<{ server: Watched; a: Pair<State>; b: Pair<State> }> {
  const server = await watched(options)
  // B's own timers and turns are begun by A.
  const a = await server.connect({ url: '/a' })
  const b = await server.connect({ url: '/b' })
  return { server, a, b }
}

describe('with another connection as the trigger', () => {
  test('messages and pongs', async () => {
    const { server, a, b } = await two()
    als.run({ name: 'elsewhere' }, () => a.socket.ping())
    a.client.send({ opcode: Op.PONG }, { opcode: Op.TEXT, payload: 'x' })
    b.client.send({ opcode: Op.PONG }, { opcode: Op.TEXT, payload: 'x' })
    await server.calls.count(6)
    expectOwn(server, 'opened of /a', 'message of /a', 'pong of /a', 'opened of /b', 'message of /b', 'pong of /b')
  })

  test('drained, in a turn that another’s write began', async () => {
    const { server, a, b } = await two()
    const elsewhere = (work: () => unknown): unknown => als.run({ name: 'elsewhere' }, work)
    a.client.socket.pause()
    elsewhere(() => b.socket.write('begins the turn'))
    elsewhere(() => a.socket.write(Buffer.alloc(16 * MIB)))
    await eventually(() => a.socket.bufferedBytes > 0)
    await nextTurn()
    expect(elsewhere(() => a.socket.write('more'))).toBe('backpressure')
    elsewhere(() => b.socket.write('again'))
    a.client.socket.removeAllListeners('data')
    a.client.socket.resume()
    await server.calls.find((call) => call.startsWith('drained'))
    expectOwn(server, 'drained of /a')
  })

  test.each<[string, (one: Watched, a: Pair<State>) => unknown]>([
    ['drain()', ({ server }) => server.drain({ deadlineMs: 50 })],
    ['server.close()', ({ server }) => void server.close()],
    ['terminate()', (_, { socket }) => socket.terminate()],
    ['close()', (_, { socket }) => socket.close()],
    ['a reset', (_, { client }) => client.reset()],
  ])('%s from elsewhere: onClosing and closed', async (_, end) => {
    const { server, a, b } = await two({ closeTimeoutMs: 50 })
    b.socket.onClosing(() => a.socket.terminate())
    await als.run({ name: 'elsewhere' }, () => end(server, a))
    als.run({ name: 'elsewhere' }, () => b.socket.terminate())
    await server.closed.count(2)
    expectOwn(server, 'onClosing of /a', 'closed of /a', 'onClosing of /b', 'closed of /b')
  })

  test.each<[string, Options, (pair: Pair<State>) => unknown]>([
    ['no pong', { idleTimeoutMs: 30, pongTimeoutMs: 30 }, () => {}],
    [
      'a message that takes too long',
      { messageTimeoutMs: 40, closeTimeoutMs: 40 },
      ({ client }) => client.write(clientFrame({ opcode: Op.TEXT, payload: 'abc' }).subarray(0, 7)),
    ],
    ['a Close that is not answered', { closeTimeoutMs: 40 }, ({ socket }) => socket.close()],
  ])('the heartbeat, which the first connection began: %s', async (_, options, begin) => {
    const { server, a, b } = await two(options)
    begin(a)
    begin(b)
    await server.closed.count(2)
    expectOwn(server, 'onClosing of /a', 'closed of /a', 'onClosing of /b', 'closed of /b')
  })

  test.each<[string, (server: Watched) => unknown]>([
    ['the handshake’s time is over', () => {}],
    ['the server drains', ({ server }) => void server.drain()],
    ['the server closes', ({ server }) => void server.close()],
  ])('the abort of signal, when %s', async (_, end) => {
    const server = await watched({ handshakeTimeoutMs: 300, closeTimeoutMs: 50 })
    await server.connect({ url: '/a' })
    const client = await server.tcp()
    client.ask({ url: '/pending' })
    await eventually(() => server.server.stats().pendingHandshakes === 1)
    als.run({ name: 'elsewhere' }, () => end(server))
    await server.calls.find((call) => call.startsWith('abort'))
    expectOwn(server, 'abort of /pending')
  })
})

test('onClosing of a socket that is closed runs in no connection’s context: its own is kept by nobody', async () => {
  const server = await als.run({ name: 'the server’s' }, () => watched())
  const a = await server.connect({ url: '/a' })
  a.client.sendClose(1000)
  await server.closed.count(1)
  const ran: string[] = []
  als.run({ name: '/b' }, () => a.socket.onClosing(() => void ran.push(here())))
  // At once, as ever.
  expect(ran).toEqual(['the server’s'])
})

test('nothing keeps the store of a connection that is closed, the first one’s neither', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const stores = new Map<string, WeakRef<object>>()
  const server = await watched({ idleTimeoutMs: 60, pongTimeoutMs: 5_000 }, (store) => {
    stores.set(store.name, new WeakRef(store))
  })
  const stays = await connectAndLeave(server)
  // Turns and ticks go on for who stays.
  stays.socket.write('x')
  await stays.client.frames.count(2)
  await eventually(() => {
    gc()
    return ['/first', '/second', '/refused'].every((name) => stores.get(name)!.deref() === undefined)
  }, 'the stores of those who left to be collected')
  expect(stores.get('/stays')!.deref()).toBeDefined()
})

/** The pairs of those who leave must not live in the frame of the test. */
async function connectAndLeave(server: Watched): Promise<Pair<State>> {
  for (const url of ['/first', '/second']) {
    const { client, socket } = await server.connect({ url })
    socket.write('x')
    client.say('x')
    await server.calls.find((call) => call.startsWith(`message of ${url}`))
    client.sendClose(1000)
    await client.ended()
  }
  await server.answer({ url: '/refused', headers: { 'Sec-WebSocket-Key': null } })
  const stays = await server.connect({ url: '/stays' })
  await server.closed.count(2)
  for (const log of [server.opened, server.closed, server.messages]) log.all.splice(0)
  return stays
}
