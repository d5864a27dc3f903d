// A peer that reads slowly: what the kernel refused is bounded per socket, the peer gets a prefix without holes and a
// Close that says why (or exact counts of what was dropped), and a healthy peer never notices.

import { Buffer } from 'node:buffer'
import { spawn } from 'node:child_process'
import { Socket as TcpSocket } from 'node:net'
import { createInterface } from 'node:readline'
import { type Socket, txt, type WriteResult } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, serve, TLS } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'
import { describe as short } from '../support/raw-client.ts'

const MIB = 1024 * 1024

const processes: { kill(): void }[] = []

afterEach(async () => {
  for (const child of processes.splice(0)) child.kill()
  await cleanUp()
})

/** A numbered payload of `bytes` bytes. */
function numbered(i: number, bytes: number): string {
  return `${i}`.padEnd(bytes, '.')
}

/** Writes, a little in each turn, until a write comes to `result`. */
async function fillUntil(socket: Socket, result: WriteResult, bytes = 16_384): Promise<void> {
  for (;;) {
    const came = socket.write(numbered(0, bytes))
    if (came === result) return
    if (came === 'closed') throw new Error(`the socket closed before a write came to '${result}'`)
    await nextTurn()
  }
}

for (const tls of [undefined, TLS]) {
  const over = tls === undefined ? 'tcp' : 'tls'
  const place = tls === undefined ? {} : { port: 0, host: '127.0.0.1', tls }

  describe(`over ${over}, a healthy peer`, () => {
    test.each([
      { frames: 32, bytes: 65_536 },
      { frames: 2, bytes: MIB },
      { frames: 2048, bytes: 1024 },
      { frames: 129, bytes: 16_384 },
    ])('that is sent 2 MiB in one turn as $frames × $bytes gets all and is not closed', async ({ frames, bytes }) => {
      const test = await serve({ ...place })
      const { client, socket } = await test.connect()
      const results = new Set(Array.from({ length: frames }, (_, i) => socket.write(numbered(i, bytes))))
      expect(results).not.toContain('closed')
      await client.frames.count(frames)
      expect(client.frames.all.map(({ payload }) => payload.toString())).toEqual(
        Array.from({ length: frames }, (_, i) => numbered(i, bytes)),
      )
      await eventually(() => socket.bufferedBytes === 0, 'nothing buffered')
      expect(socket.readyState).toBe('open')
    })

    test('that is sent a large message as the first of all gets it, and what follows', async () => {
      const results: string[] = []
      const test = await serve({
        ...place,
        handler: { opened: (socket) => void results.push(socket.write(Buffer.alloc(5 * MIB))) },
      })
      const { client, socket } = await test.connect()
      expect(results).toEqual(['ok'])
      await client.frames.count(1)
      await eventually(() => socket.bufferedBytes === 0)
      expect(socket.write('small')).toBe('ok')
      await client.frames.count(2)
    })

    test('never sees "backpressure" for small writes', async () => {
      const test = await serve({ ...place })
      const { client, socket } = await test.connect()
      const results: string[] = []
      for (let i = 0; i < 300; i++) {
        results.push(socket.write(`${i}a`), socket.write(`${i}b`))
        if (i % 3 !== 0) await nextTurn()
        if (i % 3 === 2) await client.frames.count(2 * i)
      }
      await client.frames.count(600)
      expect(new Set(results)).toEqual(new Set(['ok']))
      expect(test.drained.length).toBe(0)
    })

    test('that echoes under load is not closed', async () => {
      const test = await serve({ ...place, handler: { message: (socket, data) => void socket.write(data) } })
      const { client } = await test.connect()
      for (let i = 0; i < 64; i++) client.send({ opcode: Op.BINARY, payload: Buffer.alloc(65_536, i) })
      await client.frames.count(64)
      expect(client.frames.all.every(({ payload }, i) => payload.length === 65_536 && payload[9] === i)).toBe(true)
    })
  })

  describe(`over ${over}, a peer that does not read`, () => {
    test("closes: 'backpressure', then 'closed'; a prefix without holes and 4008", async () => {
      const test = await serve({ ...place })
      const { client, socket } = await test.connect()
      const other = await test.connect()
      client.socket.pause()
      const results: string[] = []
      for (let i = 0; results.at(-1) !== 'closed'; i++) {
        results.push(socket.write(numbered(i, 16_384)))
        if (i % 8 === 7) await nextTurn()
      }
      expect([...new Set(results)]).toEqual(['ok', 'backpressure', 'closed'])
      expect(socket.readyState).toBe('closing')
      expect(socket.write('more')).toBe('closed')
      expect(test.server.stats().limits).toEqual({ maxBufferedBytes: 1 })
      // Discarded: only what was handed to the kernel is left, and the Close.
      expect(socket.bufferedBytes).toBeLessThanOrEqual(65_536 + 64)

      client.socket.resume()
      expect(await client.answerClose()).toEqual({ code: 4008, reason: 'slow consumer' })
      expect(await test.info()).toEqual({ code: 4008, reason: 'slow consumer', by: 'server' })
      const data = client.frames.all.filter(({ opcode }) => opcode === Op.TEXT)
      expect(data.map(({ payload }) => payload.toString())).toEqual(
        Array.from({ length: data.length }, (_, i) => numbered(i, 16_384)),
      )
      expect(data.length).toBeLessThan(results.length)
      expect(client.frames.all.at(-1)!.opcode).toBe(Op.CLOSE)
      expect(other.socket.write('unharmed')).toBe('ok')
      expect(await other.client.message()).toBe('unharmed')
    })

    test('that never reads again is terminated', async () => {
      const test = await serve({ ...place, closeTimeoutMs: 100, maxBufferedBytes: 65_536 })
      const { client, socket } = await test.connect()
      client.socket.pause()
      await fillUntil(socket, 'closed')
      const { code, reason, by, clean } = await test.closed.at(0)
      expect({ code, reason, by, clean }).toEqual({ code: 4008, reason: 'slow consumer', by: 'server', clean: false })
    })

    test("drops: the tight loop until 'dropped' ends, counts are exact, the rest arrives", async () => {
      const test = await serve({ ...place, slowConsumer: 'drop', maxBufferedBytes: 256 * 1024 })
      const { client, socket } = await test.connect()
      client.socket.pause()
      let [accepted, dropped] = [0, 0]
      const offer = (bytes: number): string => {
        const result = socket.write(numbered(accepted, bytes))
        if (result === 'dropped') dropped++
        else accepted++
        return result
      }
      while (offer(16_384) !== 'dropped');
      for (let i = 0; i < 50; i++) offer(16_384)
      expect(socket.readyState).toBe('open')
      expect(test.server.stats()).toMatchObject({
        dropped,
        messagesOut: accepted,
        limits: { maxBufferedBytes: dropped },
      })
      expect(dropped).toBeGreaterThan(40)

      client.socket.resume()
      await client.frames.count(accepted)
      await eventually(() => socket.bufferedBytes === 0)
      expect(socket.write('after')).toBe('ok')
      await client.frames.count(accepted + 1)
      // What was accepted is what arrived, in order.
      expect(client.frames.all.slice(0, -1).every(({ payload }, i) => `${payload}` === numbered(i, 16_384))).toBe(true)
      expect(client.frames.all.at(-1)!.payload.toString()).toBe('after')
      expect(test.server.stats().dropped).toBe(dropped)
    })

    test('of many tiny frames: the loop ends as well', async () => {
      const test = await serve({ ...place, slowConsumer: 'drop', maxBufferedBytes: 65_536 })
      const { client, socket } = await test.connect()
      client.socket.pause()
      const tiny = txt('a hundred bytes, or about'.repeat(4))
      let accepted = 0
      while (socket.write(tiny) !== 'dropped') accepted++
      client.socket.resume()
      await client.frames.count(accepted)
    })

    test('drained: once per crossing, when nothing is unsent', async () => {
      const buffered: number[] = []
      const test = await serve({
        ...place,
        maxBufferedBytes: 8 * MIB,
        handler: { drained: (socket) => void buffered.push(socket.bufferedBytes) },
      })
      const { client, socket } = await test.connect()
      for (const crossing of [1, 2, 3]) {
        client.socket.pause()
        await fillUntil(socket, 'backpressure')
        for (let i = 0; i < 20; i++) expect(socket.write(numbered(0, 16_384))).toBe('backpressure')
        expect(test.drained.length).toBe(crossing - 1)
        client.socket.resume()
        await test.drained.count(crossing)
        expect(socket.write('now')).toBe('ok')
        await eventually(() => socket.bufferedBytes === 0)
        await nextTurn()
      }
      expect(buffered).toEqual([0, 0, 0])
      expect(test.drained.length).toBe(3)
    })

    test('only the newest pong is kept while bytes are refused', async () => {
      const test = await serve({ ...place, maxControlFramesPerSecond: 10_000 })
      const { client, socket } = await test.connect()
      client.socket.pause()
      await fillUntil(socket, 'backpressure', 65_000)
      const before = socket.bufferedBytes
      const payload = (i: number): string => numbered(i, 125)
      client.send(...Array.from({ length: 1000 }, (_, i) => ({ opcode: Op.PING, payload: payload(i) })), {
        opcode: Op.TEXT,
        payload: 'all pings are here',
      })
      await test.messages.count(1)
      expect(socket.bufferedBytes - before).toBeLessThanOrEqual(2 * 127)
      client.socket.resume()
      const newest = await client.frames.find(({ opcode, payload: p }) => opcode === Op.PONG && `${p}` === payload(999))
      expect(newest.fin).toBe(true)
      expect(client.frames.all.filter(({ opcode }) => opcode === Op.PONG).length).toBeLessThanOrEqual(2)
    })

    test('control frames are exempt from the cap, within a budget', async () => {
      const test = await serve({ ...place, slowConsumer: 'drop', maxBufferedBytes: 65_536 })
      const { client, socket } = await test.connect()
      client.socket.pause()
      await fillUntil(socket, 'dropped')
      const results = Array.from({ length: 100 }, (_, i) => socket.ping(numbered(i, 125)))
      expect([...new Set(results)]).toEqual(['backpressure', 'dropped'])
      const kept = results.indexOf('dropped')
      expect(kept).toBeGreaterThanOrEqual(8)
      expect(test.server.stats().limits).not.toHaveProperty('maxControlFramesPerSecond')
      socket.close(1000)
      client.socket.resume()
      await client.answerClose()
      const pings = client.frames.all.filter(({ opcode }) => opcode === Op.PING)
      expect(pings.map(({ payload }) => `${payload}`)).toEqual(pings.map((_, i) => numbered(i, 125)))
      expect(pings.length).toBe(kept)
      expect(await test.info()).toEqual({ code: 1000, reason: '', by: 'server' })
    })

    test('terminate: what waits is discarded at once', async () => {
      const test = await serve({ ...place })
      const { client, socket } = await test.connect()
      client.socket.pause()
      await fillUntil(socket, 'backpressure')
      socket.terminate()
      expect(await test.info()).toEqual({ code: 1006, reason: '', by: 'server' })
      expect(socket.bufferedBytes).toBe(0)
    })
  })
}

test('what counts is what the kernel refused of a large message, not all of it', async () => {
  const test = await serve()
  const rows: { large: number; refused: number; buffered: number; small: WriteResult }[] = []
  for (let large = 2 * MIB; large <= 6 * MIB; large += MIB / 4) {
    const { client, socket } = await test.connect()
    const written = watchWrites()
    try {
      socket.write(Buffer.alloc(large))
      // Over the 64 KiB that are joined: the large one is handed on before this one is accepted.
      const small = socket.write('small')
      rows.push({ large, refused: large + 10 - written.taken(), buffered: socket.bufferedBytes, small })
    } finally {
      written.stop()
    }
    client.socket.destroy()
  }
  // 64 KiB of tolerance: a piece that the kernel took in part.
  const within = rows.filter(({ refused }) => refused > 0 && refused + 65_536 + 10 < MIB)
  expect(within.length, JSON.stringify(rows)).toBeGreaterThan(0)
  expect(within.filter(({ small }) => small === 'closed')).toEqual([])
  expect(within.filter(({ buffered, refused }) => buffered > refused + 65_536 + 10)).toEqual([])
})

/** Says what the kernel took of all that was written to TCP sockets since. */
function watchWrites(): { taken(): number; stop(): void } {
  const real = TcpSocket.prototype._write
  let given = 0
  let last: { writableLength: number; _handle?: { writeQueueSize: number } } | null = null
  TcpSocket.prototype._write = function (this: TcpSocket, ...args: Parameters<TcpSocket['_write']>): void {
    last = this as unknown as typeof last
    given += (args[0] as Uint8Array).length
    real.apply(this, args)
  }
  return {
    taken: () => given - (last?._handle?.writeQueueSize ?? 0),
    stop: () => void (TcpSocket.prototype._write = real),
  }
}

test('pause on "backpressure", resume in drained: an echo that lets a fast writer wait', async () => {
  const test = await serve({
    handler: {
      message(socket, data) {
        if (socket.write(data, 'text') === 'backpressure') socket.pause()
      },
      drained: (socket) => socket.resume(),
    },
  })
  const { client, socket } = await test.connect()
  client.socket.pause()
  const texts = Array.from({ length: 800 }, (_, i) => numbered(i, 16_384))
  client.say(...texts)
  await eventually(() => socket.bufferedBytes > 0)
  for (let i = 0; i < 20; i++) await nextTurn()
  client.socket.resume()
  await client.frames.count(800)
  expect(client.frames.all.map(({ payload }) => `${payload}`)).toEqual(texts)
})

test('a healthy peer in another process that is sent 2 MiB in one turn gets all', async () => {
  const script = `
    const net = require('node:net')
    let count = 0, head = true
    const socket = net.connect(+process.argv[1], '127.0.0.1')
    socket.write('GET / HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n')
    socket.on('data', (chunk) => {
      if (head) chunk = chunk.subarray(chunk.indexOf('\\r\\n\\r\\n') + 4), head = false
      count += chunk.length
      if (count === 32 * (65536 + 10)) console.log('all')
      if (count > 32 * (65536 + 10)) console.log('more')
    })
    socket.on('close', () => console.log('closed'))
  `
  const test = await serve()
  const { port } = test.target as { port: number }
  const child = spawn(process.execPath, ['-e', script, `${port}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  processes.push(child)
  const socket = await test.opened.at(0)
  const payload = Buffer.alloc(65_536)
  for (let i = 0; i < 32; i++) expect(['ok', 'backpressure']).toContain(socket.write(payload))
  for await (const line of createInterface({ input: child.stdout })) {
    expect(line).toBe('all')
    break
  }
  expect(socket.readyState).toBe('open')
})

test('one of ten stalls: it costs its cap, the others lose nothing', async () => {
  const test = await serve()
  const pairs = await Promise.all(Array.from({ length: 10 }, () => test.connect()))
  const [stalled, ...others] = pairs
  stalled!.client.socket.pause()
  let most = 0
  for (let i = 0; i < 100; i++) {
    const frame = txt(numbered(i, 100_000))
    for (const { socket } of pairs) socket.write(frame)
    most = Math.max(most, stalled!.socket.bufferedBytes)
    await Promise.all(others.map(({ client }) => client.frames.count(i + 1)))
  }
  expect(stalled!.socket.readyState).toBe('closing')
  expect(most).toBeLessThanOrEqual(1.2 * MIB)
  for (const { client, socket } of others) {
    expect(client.frames.all.map(({ payload }) => parseInt(`${payload}`, 10))).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    )
    expect(socket.readyState).toBe('open')
  }
})

test('a slow peer that reads a little now and then gets everything under the cap', async () => {
  const test = await serve()
  const { client, socket } = await test.connect()
  let sent = 0
  const results = new Set<string>()
  for (let round = 0; round < 40; round++) {
    client.socket.pause()
    for (let i = 0; i < 5; i++) {
      results.add(socket.write(numbered(sent, 20_000)))
      sent++
    }
    await nextTurn()
    client.socket.resume()
    await client.frames.count(sent - 5)
  }
  await client.frames.count(sent)
  expect(results).not.toContain('closed')
  expect(client.frames.all.map(short)).toEqual(Array.from({ length: sent }, () => 'text of 20000'))
})
