// The sending half of one socket, against a stream that takes bytes when it is told to, and once against a peer that does
// not read: what waits costs about its bytes, arrives whole and in order, and `drained` tells the truth.

import { AsyncResource } from 'node:async_hooks'
import { Buffer } from 'node:buffer'
import { Socket as TcpSocket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createServer, type Socket } from '@roomcast/core'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { Outbox } from '../../packages/core/src/connection/outbox.ts'
import { SendQueue } from '../../packages/core/src/connection/send-queue.ts'
import { DEFAULT_LIMITS, type Limits } from '../../packages/core/src/limits.ts'
import { Heartbeat } from '../../packages/core/src/server/heartbeat.ts'
import { Pressure } from '../../packages/core/src/server/pressure.ts'
import { Counters } from '../../packages/core/src/server/stats.ts'
import { Turn } from '../../packages/core/src/server/turn.ts'
import { clientFrame, Op } from '../support/client-frames.ts'
import { cleanUp, serve, track } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'
import { RawClient } from '../support/raw-client.ts'

const KIB = 1024
const MIB = KIB * KIB

afterEach(cleanUp)

/** A stream whose kernel takes a write only at `take`. */
class Stalled {
  readonly destroyed = false
  /** What waits in the stream's own queue. */
  writableLength = 0
  readonly written: Buffer[] = []
  readonly calls: string[] = []
  waiting = 0
  #taken: (() => void) | null = null

  _write(bytes: Buffer, _encoding: string, taken: () => void): void {
    expect(this.#taken, 'one write at a time').toBeNull()
    this.#record('_write', bytes, taken)
  }

  write(bytes: Buffer, taken: () => void): void {
    this.#record('write', bytes, taken)
    this.writableLength += bytes.length
  }

  #record(call: string, bytes: Buffer, taken: () => void): void {
    this.calls.push(`${call} ${bytes.length}`)
    this.written.push(bytes)
    this.waiting = bytes.length
    this.#taken = taken
  }

  end(): void {}

  /** The kernel takes what was written; false: there was nothing. */
  take(): boolean {
    const taken = this.#taken
    this.#taken = null
    this.waiting = this.writableLength = 0
    taken?.()
    return taken !== null
  }

  takeAll(): Buffer {
    while (this.take());
    return Buffer.concat(this.written)
  }
}

// For the queue it is a TCP stream.
Object.setPrototypeOf(Stalled.prototype, TcpSocket.prototype)

/** A queue with its outbox over a stream that stalls. */
function stalledQueue(options: { tls?: boolean; limits?: Partial<Limits> } = {}): {
  queue: SendQueue
  outbox: Outbox
  stream: Stalled
} {
  const stream = new Stalled()
  if (options.tls === true) Object.assign(stream, { encrypted: true })
  const scope = new AsyncResource('test')
  const turn = new Turn(scope, () => {})
  const outbox = new Outbox(turn, DEFAULT_LIMITS.sliceMs)
  const all = { ...DEFAULT_LIMITS, ...options.limits }
  const context = {
    limits: all,
    turn,
    outbox,
    heartbeat: new Heartbeat(all, [], scope, () => {}),
    pressure: new Pressure(Number.POSITIVE_INFINITY, turn, () => []),
    counters: new Counters({}),
  }
  const queue = new SendQueue(context, stream as unknown as TcpSocket, {
    onQueueEmpty() {},
    onStreamError() {},
  })
  return { queue, outbox, stream }
}

/** So many frames of `bytes` bytes, each different from its neighbours. */
function frames(from: number, count: number, bytes: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => Buffer.alloc(bytes, (from + i) % 251))
}

/** Accepts a frame as a connection does: 'ok', or 'backpressure' while the kernel refuses bytes. */
function accept(queue: SendQueue, frame: Buffer): 'ok' | 'backpressure' {
  expect(queue.fits(frame)).toBe(true)
  queue.append(frame)
  return queue.refused ? 'backpressure' : 'ok'
}

function acceptAll(queue: SendQueue, all: readonly Buffer[]): void {
  for (const frame of all) accept(queue, frame)
}

describe('what waits behind refused bytes', () => {
  test('small frames are few objects', () => {
    const { queue, outbox, stream } = stalledQueue()
    const first = Buffer.alloc(60 * KIB)
    queue.append(first)
    outbox.flushOne(queue)
    const waiting = frames(0, 300_000, 3)
    for (const frame of waiting) if (accept(queue, frame) !== 'backpressure') throw new Error('not refused')
    expect(queue.bufferedBytes).toBe(first.length + 900_000)
    expect(queue.list.length).toBeLessThan(2_000)
    expect(stream.takeAll().equals(Buffer.concat([first, ...waiting]))).toBe(true)
    expect(queue.bufferedBytes).toBe(0)
  })

  const step = fc.oneof(
    fc.record({
      kind: fc.constant('accept' as const),
      count: fc.integer({ min: 1, max: 1_300 }),
      bytes: fc.constantFrom(2, 3, 200),
    }),
    fc.record({ kind: fc.constant('accept' as const), count: fc.constant(1), bytes: fc.constantFrom(70_000, 200_000) }),
    fc.record({ kind: fc.constant('take' as const) }),
  )

  test('discarded, a small message that was not flushed is gone too', () => {
    const { queue, outbox, stream } = stalledQueue()
    queue.append(Buffer.from('begun'))
    outbox.flushOne(queue)
    stream.takeAll()
    expect(accept(queue, Buffer.from('forgotten'))).toBe('ok')
    queue.discard()
    expect(queue.bufferedBytes).toBe(0)
    const before = stream.written.length
    queue.append(Buffer.from('last'))
    outbox.flushOne(queue)
    expect(Buffer.concat(stream.written.slice(before)).toString()).toBe('last')
  })

  test('arrives whole and in order; discarded, it is a prefix that ends with a frame', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14 }), fc.boolean(), (steps, discard) => {
        const { queue, outbox, stream } = stalledQueue({ limits: { maxBufferedBytes: 16 * MIB } })
        const accepted: Buffer[] = []
        for (const one of steps) {
          if (one.kind === 'take') {
            stream.take()
            continue
          }
          const some = frames(accepted.length, one.count, one.bytes)
          acceptAll(queue, some)
          accepted.push(...some)
          outbox.flushOne(queue)
        }
        const sum = accepted.reduce((bytes, { length }) => bytes + length, 0)
        expect(queue.bufferedBytes).toBe(sum - stream.written.reduce((n, b) => n + b.length, 0) + stream.waiting)
        if (discard) queue.discard()
        const received = stream.takeAll()
        expect(queue.bufferedBytes).toBe(0)
        const all = Buffer.concat(accepted)
        expect(received.equals(all.subarray(0, received.length))).toBe(true)
        let edge = 0
        for (const { length } of accepted) if (!discard || edge < received.length) edge += length
        expect(received.length).toBe(edge)
      }),
      { numRuns: 60 },
    )
  })

  test('discarded, it is gone but for the frame that was begun', () => {
    const { queue, outbox, stream } = stalledQueue()
    queue.append(Buffer.alloc(60 * KIB))
    outbox.flushOne(queue)
    acceptAll(queue, frames(0, 900, KIB))
    // Now some of the 900 are in flight, and perhaps the last of these is cut.
    stream.take()
    queue.discard()
    expect(queue.bufferedBytes).toBeLessThanOrEqual(64 * KIB + KIB)
  })

  test('of pongs only the newest waits, however many frames are between them', () => {
    const { queue, outbox, stream } = stalledQueue()
    queue.append(Buffer.alloc(60 * KIB))
    outbox.flushOne(queue)
    for (let i = 0; i < 5_000; i++) queue.appendPong(Buffer.alloc(127, i % 251))
    expect(queue.bufferedBytes).toBe(60 * KIB + 127)
    expect(stream.takeAll().subarray(60 * KIB)).toEqual(Buffer.alloc(127, 4_999 % 251))
  })

  test('an echo of 1-byte messages to a peer that does not read costs the server about its bytes', async () => {
    const count = 250_000
    const server = track(
      createServer({
        port: 0,
        host: '127.0.0.1',
        handler: {
          opened(socket: Socket) {
            let result = ''
            for (let writes = 0; result !== 'backpressure' && writes < 10_000; writes++) {
              result = socket.write(Buffer.alloc(60_000))
            }
          },
          message: (socket, data) => void socket.write(data),
        },
      }),
    )
    const { port } = await server.listen()
    const client = await RawClient.connect({ port })
    client.ask()
    client.socket.pause()
    await eventually(() => server.stats().messagesOut > 0)
    const large = server.stats().messagesOut
    let before = 0
    for (let at = 0; at < count; at += 25_000) {
      client.socket.write(
        Buffer.concat(
          Array.from({ length: 25_000 }, (_, i) =>
            clientFrame({ opcode: Op.BINARY, payload: Uint8Array.of((at + i) % 251) }),
          ),
        ),
      )
      await eventually(() => server.stats().messagesIn === at + 25_000)
      // The first round is for what the code itself takes when it is first run.
      before ||= heapBytes()
    }
    const [socket] = server.sockets
    expect(socket!.bufferedBytes).toBeGreaterThan(3 * count)
    // 1 MiB of bytes; as objects of their own they would take 27 MiB.
    expect(heapBytes() - before).toBeLessThan(8 * MIB)

    client.socket.resume()
    await client.frames.count(large + count)
    const echoed = client.frames.all.slice(large)
    expect(echoed.findIndex(({ opcode, payload }, i) => opcode !== Op.BINARY || payload[0] !== i % 251)).toBe(-1)
    expect(server.stats().limits).toEqual({})
  })

  /** Memory in use after a garbage collection. */
  function heapBytes(): number {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    gc()
    gc()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
})

test('behind what others wrote, and over TLS, it is the stream that writes', () => {
  for (const tls of [false, true]) {
    const { queue, outbox, stream } = stalledQueue({ tls })
    const write = (text: string): void => {
      queue.append(Buffer.from(text))
      outbox.flushOne(queue)
    }
    stream.writableLength = tls ? 0 : 5
    write('first')
    expect(queue.bufferedBytes).toBe(5)
    stream.take()
    expect(queue.bufferedBytes).toBe(0)
    write('second')
    expect(stream.calls).toEqual(['write 5', tls ? 'write 6' : '_write 6'])
  }
})

describe('over TLS', () => {
  test('many reads in one turn do not make a write of this turn look refused', async () => {
    const { queue, outbox, stream } = stalledQueue({ tls: true })
    const results = new Set<string>()
    for (let reads = 0; reads < 3_000; reads++) {
      if (reads % 100 === 0) results.add(accept(queue, Buffer.alloc(7)))
      outbox.readHandled()
    }
    expect(stream.written.length).toBeGreaterThan(0)
    expect(results).toEqual(new Set(['ok']))
    await eventually(() => queue.refused)
    expect(accept(queue, Buffer.alloc(7))).toBe('backpressure')
  })
})

describe('drained', () => {
  /** Writes until the kernel refuses bytes. */
  function fill(socket: Socket<never>): void {
    for (;;) {
      const result = socket.write(Buffer.alloc(60_000))
      if (result === 'backpressure') return
      if (result !== 'ok') throw new Error(`a write came to '${result}'`)
    }
  }

  test.each(['reset', 'fin', 'pong', 'terminate'])('is not called for a connection that is lost: %s', async (how) => {
    const test = await serve(how === 'pong' ? { idleTimeoutMs: 60, pongTimeoutMs: 60 } : {})
    const { client, socket } = await test.connect()
    client.socket.pause()
    fill(socket as Socket<never>)
    if (how === 'reset') client.reset()
    else if (how === 'fin') client.socket.end()
    else if (how === 'terminate') socket.terminate()
    expect(await test.info()).toMatchObject({ code: 1006 })
    await nextTurn()
    expect(test.drained.all).toEqual([])
  })

  test('is not called late, when bytes wait again', async () => {
    let goOn = (): void => {}
    const gate = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const buffered: number[] = []
    const test = await serve({
      handler: {
        async message(socket) {
          fill(socket as Socket<never>)
          await gate
          // More than the kernel takes at all while the peer does not read, so that bytes wait for as long.
          socket.write(Buffer.alloc(24 << 20))
          fill(socket as Socket<never>)
        },
        drained: (socket) => void buffered.push(socket.bufferedBytes),
      },
    })
    const { client, socket } = await test.connect()
    client.socket.pause()
    client.say('go')
    await eventually(() => socket.bufferedBytes > 0)
    client.socket.resume()
    await eventually(() => socket.bufferedBytes === 0)
    client.socket.pause()
    await nextTurn()
    goOn()
    await eventually(() => socket.bufferedBytes > 0)
    await nextTurn()
    expect(buffered).toEqual([])
    client.socket.resume()
    await test.drained.count(1)
    expect(buffered).toEqual([0])
  })
})

test('a write that is told that the peer has gone says so, and is not counted', async () => {
  const test = await serve()
  const { client, socket } = await test.connect()
  const before = test.server.stats().messagesOut
  client.reset()
  // Each goes out when there is no room for the next, and from the second on the kernel refuses.
  const results = Array.from({ length: 4 }, () => socket.write(Buffer.alloc(70_000)))
  expect(results).toEqual(['ok', 'closed', 'closed', 'closed'])
  expect(test.server.stats()).toMatchObject({ messagesOut: before + 1, limits: {} })
})
