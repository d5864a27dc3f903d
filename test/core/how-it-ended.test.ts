// What `closed` is told, on every kind of connection: the first thing that ended it decides over code, reason and `by`,
// also when the other side never answered; `clean` tells whether both Closes, and all that was accepted, came through;
// `cause` is the system's error. And who waits for `closed`.

import type { CloseInfo } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { clientFrame, closeBody, Op } from '../support/client-frames.ts'
import { cleanUp, type Pair, serve, type TestOptions, type TestServer } from '../support/core-server.ts'
import { eventually, inTime } from '../support/log.ts'
import { closePlaces, type Place, places } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

const MIB = 1_048_576
const EVERYWHERE = places('own port', 'unix socket', 'TLS', 'attached http', 'upgrade()', 'Duplex')

interface Row {
  name: string
  options?: TestOptions<undefined, undefined>
  end(pair: Pair<undefined>, server: TestServer): unknown
  info: CloseInfo
  /** The limits that were counted. Default: none. */
  limits?: Record<string, number>
}

function by(who: CloseInfo['by'], code: number, reason: string, clean: boolean): CloseInfo {
  return { code, reason, by: who, clean }
}

/** More than the kernel takes, then one frame too many. */
function overflow({ client, socket }: Pair<undefined>): void {
  client.socket.pause()
  for (let i = 0; i < 400 && socket.readyState === 'open'; i++) socket.write(Buffer.alloc(65_536))
}

const ROWS: readonly Row[] = [
  {
    name: 'the peer’s Close with a code',
    end: ({ client }) => client.sendClose(4001, 'bye'),
    info: by('peer', 4001, 'bye', true),
  },
  { name: 'the peer’s Close without one', end: ({ client }) => client.sendClose(), info: by('peer', 1005, '', true) },
  {
    name: 'a protocol failure',
    end: ({ client }) => client.write(Buffer.of(0x83, 0x80, 0, 0, 0, 0)),
    info: by('server', 1002, expect.any(String) as unknown as string, false),
  },
  {
    name: 'a message too big',
    options: { maxMessageBytes: 10 },
    end: ({ client }) => client.say('x'.repeat(11)),
    info: by('server', 1009, expect.any(String) as unknown as string, false),
    limits: { maxMessageBytes: 1 },
  },
  {
    name: 'our close, answered',
    end: ({ client, socket }) => {
      socket.close(4000, 'done')
      return client.answerClose()
    },
    info: by('server', 4000, 'done', true),
  },
  {
    name: 'our close, never answered',
    options: { closeTimeoutMs: 50 },
    end: ({ socket }) => socket.close(4000, 'done'),
    info: by('server', 4000, 'done', false),
    limits: { closeTimeoutMs: 1 },
  },
  {
    name: 'our close, answered with a broken frame',
    end: ({ client, socket }) => {
      socket.close(4000)
      return client.write(Buffer.of(0xff, 0xff, 0, 0))
    },
    info: by('server', 4000, '', false),
  },
  {
    name: 'our close, answered with a FIN',
    end: ({ client, socket }) => {
      socket.close(4000)
      return client.socket.end()
    },
    info: by('server', 4000, '', false),
  },
  {
    name: 'a slow consumer that reads at last, and answers',
    end: (pair) => {
      overflow(pair)
      pair.client.socket.resume()
      return pair.client.answerClose()
    },
    info: by('server', 4008, 'slow consumer', true),
    limits: { maxBufferedBytes: 1 },
  },
  {
    name: 'a slow consumer that never reads',
    options: { closeTimeoutMs: 50 },
    end: overflow,
    info: by('server', 4008, 'slow consumer', false),
    limits: { maxBufferedBytes: 1, closeTimeoutMs: 1 },
  },
  {
    name: 'a drain, answered',
    end: ({ client }, { server }) => {
      void server.drain()
      return client.answerClose()
    },
    info: by('server', 1012, 'service restart', true),
  },
  {
    name: 'a drain, not answered by its deadline',
    end: (_, { server }) => void server.drain({ deadlineMs: 50 }),
    info: by('server', 1012, 'service restart', false),
  },
  {
    name: 'server.close(), answered',
    end: ({ client }, { server }) => {
      void server.close()
      return client.answerClose()
    },
    info: by('server', 1001, 'server is closing', true),
  },
  {
    name: 'server.close(), never answered',
    options: { closeTimeoutMs: 50 },
    end: (_, { server }) => void server.close(),
    info: by('server', 1001, 'server is closing', false),
    limits: { closeTimeoutMs: 1 },
  },
  { name: 'terminate', end: ({ socket }) => socket.terminate(), info: by('server', 1006, '', false) },
  {
    name: 'terminate after close',
    end: ({ socket }) => {
      socket.close(4000)
      return socket.terminate()
    },
    info: by('server', 4000, '', false),
  },
  { name: 'a FIN', end: ({ client }) => client.socket.end(), info: by('network', 1006, '', false) },
  {
    name: 'no pong',
    options: { idleTimeoutMs: 30, pongTimeoutMs: 30 },
    end: () => {},
    info: by('network', 1006, '', false),
    limits: { pongTimeoutMs: 1 },
  },
  {
    name: 'a callback that throws',
    options: { handler: { message: () => Promise.reject(new Error('ours')) } },
    end: ({ client }) => {
      client.say('x')
      return client.answerClose()
    },
    info: by('server', 1011, '', true),
  },
]

describe.each(EVERYWHERE)('$name', (place: Place) => {
  test.each(ROWS)('$name', async ({ options = {}, end, info, limits = {} }) => {
    const server = await place.serve(options)
    const pair = await server.connect()
    await end(pair, server)
    const { socket, ...told } = await server.closed.at(0)
    expect(socket).toBe(pair.socket)
    expect(told).toEqual(info)
    expect(server.server.stats()).toMatchObject({ limits, closes: { [info.code]: 1 }, sockets: 0 })
  })
})

test.each(places('own port', 'attached http', 'upgrade()', 'late upgrade()', 'Duplex'))(
  '$name: a reset: the system’s error is the cause',
  async (place) => {
    const server = await place.serve()
    const { client } = await server.connect()
    client.reset()
    const { socket: _, cause, ...told } = await server.closed.at(0)
    expect(told).toEqual({ code: 1006, reason: '', by: 'network', clean: false })
    expect(cause).toMatchObject({ code: 'ECONNRESET' })
    expect(cause).toBeInstanceOf(Error)
  },
)

describe.each(places('own port', 'unix socket', 'TLS', 'attached https', 'Duplex'))(
  '$name: 24 MiB were accepted, then the peer’s Close',
  (place) => {
    const LARGE = 24 * MIB
    const handler: TestOptions<undefined, undefined>['handler'] = {
      message: (socket) => void expect(socket.write(Buffer.alloc(LARGE))).toBe('ok'),
    }

    test.each(['in the same chunk', 'later'])('%s: all of it arrives', async (when) => {
      const server = await place.serve({ handler, closeTimeoutMs: 3_000 })
      const { client, socket } = await server.connect()
      client.socket.pause()
      const get = clientFrame({ opcode: Op.TEXT, payload: 'get' })
      const close = clientFrame({ opcode: Op.CLOSE, payload: closeBody(1000, 'bye') })
      client.write(get, when === 'later' ? '' : close)
      await server.messages.at(0)
      if (when === 'later') client.write(close)
      await eventually(() => socket.readyState === 'closing')
      // Longer than the second in which the last frames of a peer that owes nothing must arrive.
      await new Promise((resolve) => setTimeout(resolve, 1_200))
      let bytes = 0
      // Past the client's own reading, which copies.
      client.socket.removeAllListeners('data')
      const received: Buffer[] = []
      client.socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        received.push(chunk)
      })
      client.socket.resume()
      expect(await server.closed.at(0)).toMatchObject({ code: 1000, reason: 'bye', by: 'peer', clean: true })
      await eventually(() => client.ends.length > 0, 'the end')
      const all = Buffer.concat(received, bytes)
      expect(bytes).toBe(10 + LARGE + 7)
      expect(all.subarray(-7)).toEqual(Buffer.concat([Buffer.of(0x88, 5), closeBody(1000, 'bye')]))
      expect(server.server.stats().limits).toEqual({})
    })

    test('and it never reads: closed says that it was cut', async () => {
      const server = await place.serve({ handler, closeTimeoutMs: 100 })
      const { client } = await server.connect()
      client.socket.pause()
      client.write(clientFrame({ opcode: Op.TEXT, payload: 'get' }), clientFrame({ opcode: Op.CLOSE }))
      expect(await server.closed.at(0)).toMatchObject({ code: 1005, by: 'peer', clean: false })
      expect(server.server.stats().limits).toEqual({ closeTimeoutMs: 1 })
    })
  },
)

describe('a closed that returns a promise', () => {
  type Ends = (server: TestServer) => Promise<unknown>
  const WAYS: readonly (readonly [string, Ends])[] = [
    ['drain()', ({ server }) => server.drain()],
    ['close()', ({ server }) => server.close()],
  ]

  test.each(WAYS)('%s waits for it', async (_, end) => {
    let finish = (): void => {}
    let done = false
    const server = await serve({
      handler: { closed: () => new Promise<void>((resolve) => (finish = resolve)).then(() => void (done = true)) },
    })
    const { client } = await server.connect()
    const ended = end(server).then(() => done)
    await client.answerClose()
    await server.closed.at(0)
    await client.ended()
    setTimeout(() => finish(), 20)
    expect(await inTime(ended, 'the end')).toBe(true)
  })

  test.each(WAYS)('%s: the reason of a rejection goes to onError', async (_, end) => {
    const server = await serve({ handler: { closed: () => Promise.reject(new Error('ours')) } })
    const { client } = await server.connect()
    const ended = end(server)
    await client.answerClose()
    await inTime(ended, 'the end')
    expect(server.errors.all).toMatchObject([{ error: { message: 'ours' }, where: 'closed' }])
  })

  test('for ever: drain() ends at its deadline, close() after closeTimeoutMs', async () => {
    const server = await serve({ closeTimeoutMs: 80, handler: { closed: () => new Promise(() => {}) } })
    const { client } = await server.connect()
    const drained = server.server.drain({ deadlineMs: 80 })
    await client.answerClose()
    expect(await inTime(drained, 'drain()')).toEqual({ closed: 1, terminated: 0 })
    await inTime(server.server.close(), 'close()')
  })

  test('of a socket that left before: close() waits for it too', async () => {
    let finish = (): void => {}
    const server = await serve({ handler: { closed: () => new Promise<void>((resolve) => (finish = resolve)) } })
    const { client } = await server.connect()
    client.sendClose(1000)
    await server.closed.at(0)
    let closed = false
    const closing = server.server.close().then(() => (closed = true))
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(closed).toBe(false)
    finish()
    await inTime(closing, 'close()')
  })
})
