// Who lives and who is gone. A peer that takes our bytes lives, however slowly it reads; one that is gone is noticed, also
// while what it sent waits for a callback; and nobody is blamed for what our own absence did.

import type { Socket } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, type Pair } from '../support/core-server.ts'
import { eventually } from '../support/log.ts'
import type { RawClient } from '../support/raw-client.ts'
import { closePlaces, type Place, places } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

const MIB = 1_048_576
const EVERYWHERE = places('own port', 'unix socket', 'TLS', 'attached http', 'Duplex')

const FRAME = Buffer.alloc(65_536)

/** Reads about a frame, then rests for so long. */
function readSlowly({ socket }: RawClient, restMs: number): void {
  let bytes = 0
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes < FRAME.length) return
    bytes = 0
    socket.pause()
    setTimeout(() => socket.resume(), restMs)
  })
}

/** Accepted at once, whatever waits. */
const UNBOUNDED = { maxBufferedBytes: Number.POSITIVE_INFINITY }

function writeAll(socket: Socket<undefined>, bytes: number): void {
  for (let sum = 0; sum < bytes; sum += FRAME.length) socket.write(FRAME)
}

/** Blocks the event loop. */
function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

describe.each(EVERYWHERE)('$name: a peer that reads slowly', (place: Place) => {
  test('and never says a word is no lost one', async () => {
    const server = await place.serve({ ...UNBOUNDED, idleTimeoutMs: 200, pongTimeoutMs: 500 })
    const { client, socket } = await server.connect()
    readSlowly(client, 4)
    writeAll(socket, 24 * MIB)
    // What the kernel has is out of our sight: a ping behind megabytes of it may come too late.
    await eventually(() => socket.bufferedBytes === 0, 'all of it to be taken')
    expect(socket.readyState).toBe('open')
    await eventually(() => client.frameBytes >= 24 * MIB, 'all of it')
  })

  test('gets all of it after our Close, also later than closeTimeoutMs', async () => {
    const server = await place.serve({ ...UNBOUNDED, closeTimeoutMs: 1_500 })
    const { client, socket } = await server.connect()
    readSlowly(client, 6)
    writeAll(socket, 24 * MIB)
    socket.close(4000, 'done')
    expect(await client.answerClose()).toEqual({ code: 4000, reason: 'done' })
    expect(await server.closed.at(0)).toMatchObject({ code: 4000, by: 'server', clean: true })
    expect(server.server.stats().limits).toEqual({})
  })

  test('and takes longer than four times closeTimeoutMs is ended', async () => {
    const server = await place.serve({ ...UNBOUNDED, closeTimeoutMs: 100 })
    const { client, socket } = await server.connect()
    readSlowly(client, 4)
    writeAll(socket, 64 * MIB)
    socket.close(4000)
    expect(await server.closed.at(0)).toMatchObject({ code: 4000, by: 'server', clean: false })
    expect(server.server.stats().limits).toEqual({ closeTimeoutMs: 1 })
    expect(client.frameBytes).toBeLessThan(64 * MIB)
  })
})

describe.each(EVERYWHERE)('$name: a peer that does not read at all', (place: Place) => {
  test('is lost after idle and pong', async () => {
    const server = await place.serve({ ...UNBOUNDED, idleTimeoutMs: 50, pongTimeoutMs: 100 })
    const { client, socket } = await server.connect()
    client.socket.pause()
    writeAll(socket, 24 * MIB)
    expect(await server.closed.at(0)).toMatchObject({ code: 1006, by: 'network', clean: false })
    expect(server.server.stats().limits).toEqual({ pongTimeoutMs: 1 })
  })

  test('is ended closeTimeoutMs after our Close', async () => {
    const server = await place.serve({ ...UNBOUNDED, closeTimeoutMs: 100 })
    const { client, socket } = await server.connect()
    client.socket.pause()
    writeAll(socket, 24 * MIB)
    socket.close(4000)
    expect(await server.closed.at(0)).toMatchObject({ code: 4000, by: 'server', clean: false })
    expect(server.server.stats().limits).toEqual({ closeTimeoutMs: 1 })
  })
})

/** What makes that nothing is read on: a callback that hangs, or the user. */
const HOLDS = [
  { why: 'a callback hangs, a message waits', message: () => new Promise(() => {}), texts: ['1', '2'], reads: true },
  {
    why: 'a callback hangs, more waits than is read',
    message: () => new Promise(() => {}),
    texts: ['1', ...Array.from({ length: 10 }, () => 'x'.repeat(50_000))],
    reads: false,
  },
  {
    why: 'it is paused, a message waits',
    message: (socket: { pause(): void }) => socket.pause(),
    texts: ['1', '2'],
    reads: false,
  },
]

/** A unix socket and TLS have no reset of their own. */
const LEAVES: readonly (readonly [string, (client: RawClient) => void, RegExp])[] = [
  ['a FIN', (client) => void client.socket.end(), /./],
  ['a FIN, its side left open', (client) => void client.socket.end(), /^(?!TLS)/],
  ['a reset', (client) => client.reset(), /^(?!TLS|unix)/],
  ['a close', (client) => void client.socket.destroy(), /./],
]

describe.each(EVERYWHERE)('$name: a peer that is gone by', (place: Place) => {
  const ways = LEAVES.filter(([, , where]) => where.test(place.name))
  // A FIN lies behind what is not read, and whoever sent it may still read: only one that is gone is noticed then.
  const rows = HOLDS.flatMap((hold) =>
    ways.filter(([how]) => hold.reads || !how.startsWith('a FIN')).map(([how, leave]) => ({ ...hold, how, leave })),
  )

  test.each(rows)('$how, while $why, is closed and gives its place back', async ({ how, leave, message, texts }) => {
    const limits = { maxConnectionsPerAddress: 1, maxConnections: 1 }
    const server = await place.serve({ ...limits, idleTimeoutMs: 60, pongTimeoutMs: 60, handler: { message } })
    const { client } = await server.connect({}, { halfOpen: how.includes('left open') })
    client.say(...texts)
    await server.messages.at(0)
    leave(client)
    const { code, by, clean } = await server.closed.at(0)
    expect({ code, by, clean }).toEqual({ code: 1006, by: 'network', clean: false })
    expect(server.server.stats().sockets).toBe(0)
    await server.connect()
  })
})

describe.each(EVERYWHERE)('$name: a peer that is there', (place: Place) => {
  test.each(['held', 'paused'])('while its messages are %s, is not ended, and they come afterwards', async (how) => {
    let release = (): void => {}
    const server = await place.serve({
      idleTimeoutMs: 30,
      pongTimeoutMs: 30,
      handler: {
        message(socket, data) {
          if (`${data}` !== 'first') return undefined
          if (how === 'held') return new Promise<void>((resolve) => (release = resolve))
          socket.pause()
          release = () => socket.resume()
          return undefined
        },
      },
    })
    const { client, socket } = await server.connect()
    client.say('first', 'second', 'third')
    await server.messages.at(0)
    // It is asked again and again, and its answers wait too.
    await client.frames.count(5)
    expect(client.frames.all.map(({ opcode }) => opcode)).toEqual(Array(5).fill(Op.PING))
    release()
    await server.messages.count(3)
    expect(server.texts).toEqual(['first', 'second', 'third'])
    expect(socket.readyState).toBe('open')
    expect(server.infos).toEqual([])
  })
})

describe('the rate of control frames', () => {
  const RATE = 10
  const ping = { opcode: Op.PING, payload: 'x' }
  const pings = (count: number): (typeof ping)[] => Array.from({ length: count }, () => ping)

  async function pair(hold = false): Promise<Pair<undefined> & { closes: unknown[]; release: () => void }> {
    let release = (): void => {}
    const [place] = places('own port')
    const server = await place!.serve({
      maxControlFramesPerSecond: RATE,
      handler: {
        message: () => (hold ? new Promise<void>((resolve) => (release = resolve)) : undefined),
        closed: (_, { code }) => void closes.push(code),
      },
    })
    const closes: number[] = []
    return { ...(await server.connect()), closes, release: () => release() }
  }

  test('so many seconds’ worth at once is too much', async () => {
    const { client } = await pair()
    client.send(...pings(3 * RATE))
    expect((await client.close()).code).toBe(1008)
  })

  test('what came while our event loop was blocked counts by when it was sent', async () => {
    const { client, closes } = await pair()
    // The server has ticked: its clock runs.
    client.send(ping)
    await client.frames.count(1)
    block(2_500)
    // What a peer in another process sent meanwhile is read all at once.
    client.send(...pings(2.4 * RATE))
    await client.frames.count(2.4 * RATE + 1)
    expect(closes).toEqual([])
    // Once: the absence does not last.
    client.send(...pings(3 * RATE))
    expect((await client.close()).code).toBe(1008)
  })

  test('what was sent while a message was held counts by when it was sent', async () => {
    const { client, closes, release } = await pair(true)
    client.say('held', 'behind it')
    let sent = 0
    // Somewhat slower than it may.
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        client.send(ping)
        if (++sent < 2.4 * RATE) return
        clearInterval(timer)
        resolve()
      }, 1_100 / RATE)
    })
    release()
    await eventually(() => {
      release()
      return client.frames.length >= 2.4 * RATE
    }, 'a pong for each')
    expect(closes).toEqual([])
  })

  test('pongs that answer our pings are free, unasked ones are not', async () => {
    const { client, socket, closes } = await pair()
    for (let i = 0; i < 6 * RATE; i++) expect(socket.ping(`${i}`)).toBe('ok')
    const asked = await client.frames.count(6 * RATE)
    client.send(...asked.map(({ payload }) => ({ opcode: Op.PONG, payload })))
    client.send(ping)
    await client.frames.find(({ opcode }) => opcode === Op.PONG)
    expect(closes).toEqual([])
    client.send(...Array.from({ length: 2 * RATE }, () => ({ opcode: Op.PONG })))
    expect((await client.close()).code).toBe(1008)
  })
})
