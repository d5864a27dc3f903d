// A stream that is handed over need not say 'close' when it is over: node's own may be told not to, and who writes a
// `_destroy` may forget to call back. However a connection or an upgrade on such a stream ends, it ends: `closed` is called
// once, the place is given back, and `server.close()` does not wait for ever.

import { Buffer } from 'node:buffer'
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Duplex, type DuplexOptions } from 'node:stream'
import type { CloseInfo, Socket } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { clientFrame, closeBody, Op } from '../support/client-frames.ts'
import { cleanUp, type TestOptions, TestServer } from '../support/core-server.ts'
import { eventually, inTime } from '../support/log.ts'
import { KEY } from '../support/raw-client.ts'

afterEach(cleanUp)

/** What the server wrote to it is `out`. */
class Pipe extends Duplex {
  readonly remoteAddress = '192.0.2.1'
  out = ''
  /** What its writes fail with. */
  broken: Error | null = null

  override _read(): void {}

  override _write(chunk: Buffer, _: string, done: (error?: Error | null) => void): void {
    if (this.broken === null) this.out += chunk.toString('latin1')
    done(this.broken)
  }
}

/** As streams were before node's had a `destroy`: everything is said at once, and each time again. */
class Loud extends Pipe {
  constructor(options: DuplexOptions = {}) {
    super({ ...options, autoDestroy: false, emitClose: false })
  }

  override destroy(error?: Error): this {
    if (error !== undefined) this.emit('error', error)
    return this
  }
}

const STREAMS: Record<string, () => Pipe> = {
  'that does not say close': () => new Pipe({ emitClose: false }),
  'whose destroy never calls back': () => new Pipe({ destroy() {} }),
  'that is not destroyed by an error': () => new Pipe({ emitClose: false, autoDestroy: false }),
  'that only says its errors': () => new Loud(),
}

const LOST: Partial<CloseInfo> = { code: 1006, by: 'network' }
const closeFrame = clientFrame({ opcode: Op.CLOSE, payload: closeBody(4001) })

interface Way {
  readonly options?: TestOptions<undefined, undefined>
  end(pipe: Pipe, socket: Socket<undefined>, test: TestServer): unknown
  readonly is: Partial<CloseInfo>
}

const WAYS: Record<string, Way> = {
  'the peer’s Close and its end': {
    end: (pipe) => [closeFrame, null].map((chunk) => pipe.push(chunk)),
    is: { code: 4001, by: 'peer', clean: true },
  },
  'the peer’s Close': { end: (pipe) => pipe.push(closeFrame), is: { code: 4001, by: 'peer', clean: true } },
  'the peer’s end': { end: (pipe) => pipe.push(null), is: LOST },
  'an error of the stream': {
    end: (pipe) => pipe.destroy(new Error('lost')),
    is: { ...LOST, cause: expect.objectContaining({ message: 'lost' }) },
  },
  'a write that fails': {
    end(pipe, socket) {
      pipe.broken = new Error('lost')
      socket.write('x')
    },
    is: { ...LOST, cause: expect.objectContaining({ message: 'lost' }) },
  },
  'destroy() by the application': { end: (pipe) => pipe.destroy(), is: LOST },
  'destroy() by the application, while it is paused': {
    end(pipe, socket) {
      socket.pause()
      pipe.destroy()
    },
    is: LOST,
  },
  'no pong': { options: { pongTimeoutMs: 40 }, end() {}, is: LOST },
  'a message that takes too long': {
    options: { messageTimeoutMs: 40 },
    end: (pipe) => pipe.push(clientFrame({ opcode: Op.TEXT, payload: 'abc' }).subarray(0, 7)),
    is: { code: 1008, by: 'server', clean: false },
  },
  'terminate()': { end: (_, socket) => socket.terminate(), is: { code: 1006, by: 'server' } },
  'close()': { end: (_, socket) => socket.close(4002), is: { code: 4002, by: 'server', clean: false } },
  'drain()': { end: (_, __, { server }) => server.drain({ deadlineMs: 20 }), is: { code: 1012, by: 'server' } },
  'server.close()': { end: (_, __, { server }) => void server.close(), is: { code: 1001, by: 'server' } },
}

function upgrade(test: TestServer, pipe: Pipe): void {
  const rawHeaders = ['Host', 'localhost', 'Upgrade', 'websocket', 'Connection', 'Upgrade']
  rawHeaders.push('Sec-WebSocket-Key', KEY, 'Sec-WebSocket-Version', '13')
  const request = { method: 'GET', url: '/', httpVersion: '1.1', rawHeaders, headers: {} }
  test.server.upgrade(request as unknown as IncomingMessage, pipe, Buffer.alloc(0))
}

const PLACE = { maxConnections: 1, maxConnectionsPerAddress: 1, maxPendingHandshakes: 1 }
const TIMES = { closeTimeoutMs: 60, idleTimeoutMs: 60, handshakeTimeoutMs: 60 }

describe.each(Object.entries(STREAMS))('a stream %s', (_, make) => {
  // There is nothing to see of what a `destroy` does that only says errors.
  const ways = Object.entries(WAYS).filter(([way]) => !(make() instanceof Loud && way.startsWith('destroy()')))
  test.each(ways)('%s: closed, once', async (_, { options = {}, end, is }) => {
    const test = new TestServer({ ...PLACE, ...TIMES, ...options })
    const pipe = make()
    upgrade(test, pipe)
    await eventually(() => pipe.out.startsWith('HTTP/1.1 101 '))
    const socket = test.opened.all[0]!
    await end(pipe, socket, test)
    expect(await test.closed.at(0)).toMatchObject(is)
    expect(socket.readyState).toBe('closed')
    expect(test.server.stats()).toMatchObject({ sockets: 0, closes: { [is.code!]: 1 } })
    // What comes late is nobody's.
    const { bytesIn } = test.server.stats()
    pipe.emit('data', clientFrame({ opcode: Op.TEXT, payload: 'late' }))
    for (const event of ['error', 'end', 'close']) pipe.emit(event, new Error('late'))
    expect(test.server.stats().bytesIn).toBe(bytesIn)
    const next = new Pipe()
    upgrade(test, next)
    await eventually(() => next.out !== '')
    if (!next.out.startsWith('HTTP/1.1 101 ')) expect(next.out).toContain('Error: draining')
    next.destroy()
    await inTime(test.server.close(), 'close()')
    expect(test.closed.all.filter((one) => one.socket === socket)).toHaveLength(1)
    expect(test.errors.all).toEqual([])
  })

  const handshakes: Record<string, (pipe: Pipe) => unknown> = {
    'is refused when its time is over': () => {},
    'is left by the peer': (pipe) => pipe.push(null),
    'errs, and its place is free': (pipe) => pipe.destroy(new Error('lost')),
  }

  test.each(Object.entries(handshakes))('whose handshake %s is nothing that close() waits for', async (_, end) => {
    const asked: AbortSignal[] = []
    const test = new TestServer({
      ...{ ...PLACE, ...TIMES },
      handler: {
        handshake({ signal }) {
          asked.push(signal)
          return asked.length === 1 ? new Promise<never>(() => {}) : undefined
        },
      },
    })
    const pipe = make()
    upgrade(test, pipe)
    expect(asked).toHaveLength(1)
    end(pipe)
    await eventually(() => asked[0]!.aborted)
    expect(test.server.stats().pendingHandshakes).toBe(0)
    await inTime(test.server.close(), 'close()')
    expect(test.opened.all).toEqual([])
  })

  test('that is refused is nothing that close() waits for', async () => {
    const test = new TestServer({ ...TIMES, pathname: '/elsewhere' })
    const pipe = make()
    upgrade(test, pipe)
    await eventually(() => pipe.out.startsWith('HTTP/1.1 404 '))
    await inTime(test.server.close(), 'close()')
  })

  test('that waits behind a request without an answer is nothing that close() waits for', async () => {
    const test = new TestServer({ ...TIMES })
    const pipe = Object.assign(make(), { _httpMessage: new EventEmitter() })
    upgrade(test, pipe)
    await inTime(test.server.close(), 'close()')
    expect(pipe.out).toBe('')
  })

  test('that is gone unheard takes no more than a bound', async () => {
    const test = new TestServer({ ...TIMES, idleTimeoutMs: 5_000, maxBufferedBytes: 200_000 })
    const pipe = make()
    upgrade(test, pipe)
    await eventually(() => pipe.out.startsWith('HTTP/1.1 101 '))
    const socket = test.opened.all[0]!
    pipe.broken = new Error('lost')
    pipe.destroy()
    let most = 0
    for (let i = 0; i < 100 && socket.readyState === 'open'; i++) {
      socket.write(Buffer.alloc(200_000))
      most = Math.max(most, socket.bufferedBytes)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(most).toBeLessThan(2 ** 23)
    expect((await test.closed.at(0)).clean).toBe(false)
  })
})

test('one that destroys slowly is closed when it says so', async () => {
  let gone = (): void => {}
  const test = new TestServer({ closeTimeoutMs: 60_000 })
  const pipe = new Pipe({ destroy: (_, done) => void (gone = () => done(null)) })
  upgrade(test, pipe)
  await eventually(() => pipe.out.startsWith('HTTP/1.1 101 '))
  test.opened.all[0]!.terminate()
  // The clock looks at it meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 600))
  expect(test.infos).toEqual([])
  gone()
  expect(await test.info()).toMatchObject({ code: 1006, by: 'server' })
})
