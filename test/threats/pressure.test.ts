// M10–M13 and the end of a server: peers that do not read, that hold memory together, that vanish, and that must be drained.

import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { expect } from 'vitest'
import { clientFrame, Op } from '../support/client-frames.ts'
import { coreModule } from './support/processes.ts'
import { each, FULL, pause, rows, size, type Threat, tally, until } from './support/threat.ts'

const MIB = 1024 * 1024

const m10: Threat = {
  id: 'M10',
  sent: 'pings whose pongs are never read: against the default rate, and against none',
  setup: async ({ core, notes }) => {
    const open = core.createServer({
      port: 0,
      host: '127.0.0.1',
      maxControlFramesPerSecond: 1e9,
      handler: { message() {} },
    })
    notes.port = (await open.listen()).port
    notes.open = open
    return {}
  },
  async attack(t) {
    const one = clientFrame({ opcode: Op.PING, payload: 'p'.repeat(125) })
    const limited = await t.connect()
    limited.socket.write(Buffer.alloc(one.length * 1000, one))
    expect((await limited.close()).code).toBe(1008)
    expect((await t.victim.stats()).limits).toEqual({ maxControlFramesPerSecond: 1 })
    const pongs = limited.frames.all.length - 1

    const port = await t.victim.run(({ notes }) => notes.port as number)
    const client = await t.tcp(port)
    await client.upgrade()
    client.socket.pause()
    const total = t.count(60_000, 1_000_000)
    const flood = Buffer.alloc(one.length * 1000, one)
    const watch = t.victim.run(async ({ notes }, total) => {
      const server = notes.open as import('@roomcast/core').Server
      const [socket] = server.sockets
      let most = 0
      const end = performance.now() + 120_000
      while (server.stats().bytesIn < total * 131 && performance.now() < end) {
        most = Math.max(most, socket!.bufferedBytes)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      return { most, read: server.stats().bytesIn, held: socket!.bufferedBytes, state: socket!.readyState }
    }, total)
    for (let sent = 0; sent < total; sent += 1000) {
      await new Promise<void>((resolve) => client.socket.write(flood, () => resolve()))
    }
    const { most, read, held, state } = await watch
    expect([read, state]).toEqual([total * one.length, 'open'])
    expect(Math.max(most, held)).toBeLessThanOrEqual(64 * 1024 + 125 + 2)
    client.reset()
    await t.victim.run(({ notes }) => (notes.open as { close(): Promise<void> }).close())
    return `default: ${pongs} pongs, then 1008; without: ${total} pings read, at most ${size(most)} waiting`
  },
}

const m11: Threat = {
  id: 'M11',
  sent: 'one member of a room that never reads, while all others do',
  setup: ({ channels, notes }) => {
    const rooms = channels.createChannels()
    notes.rooms = rooms
    return { handler: { opened: (socket) => void rooms.join('room', socket) } }
  },
  forbids: 'a room of a thousand members that is sent GiBs takes the whole core, as it should',
  async attack(t) {
    const members = t.count(40, 1000)
    const [messageBytes, batch] = [16_384, 4]
    const total = t.count(400, 640)
    const clients = await each(Array.from({ length: members }), 25, () => t.connect())
    const stalled = clients[0]!
    stalled.socket.pause()
    const received = clients.map(() => 0)
    for (const [i, { socket }] of clients.entries()) {
      if (i === 0) continue
      socket.removeAllListeners('data')
      socket.on('data', (chunk: Buffer) => {
        received[i]! += chunk.length
      })
    }
    const before = await t.victim.memory()
    let cost = 0
    for (let sent = 0; sent < total; sent += batch) {
      const { most, tripped } = await t.victim.run(
        ({ notes, server }, { messageBytes, batch }) => {
          let most = 0
          // The healthy ones have everything of before, so only the stalled one can hold anything.
          for (const { bufferedBytes } of server.sockets) most = Math.max(most, bufferedBytes)
          const rooms = notes.rooms as import('@roomcast/channels').Channels
          const data = Buffer.alloc(messageBytes, 'r')
          for (let i = 0; i < batch; i++) rooms.broadcast('room', data)
          return { most, tripped: server.stats().limits.maxBufferedBytes !== undefined }
        },
        { messageBytes, batch },
      )
      cost = Math.max(cost, most)
      // Now it reads: before `closeTimeoutMs` has passed, it finds what the kernel had and the Close.
      if (tripped) stalled.socket.resume()
      const due = (sent + batch) * (messageBytes + 4)
      await until(() => received.every((bytes, i) => i === 0 || bytes >= due), 'the batch', 60_000)
    }
    const { limits, sockets } = await t.victim.stats()
    stalled.socket.resume()
    expect((await stalled.close()).code).toBe(4008)
    stalled.socket.destroy()
    const read = stalled.frames.all.slice(0, -1)
    expect(read.every(({ payload }) => payload.length === messageBytes)).toBe(true)
    expect(sockets, 'the bystander and the others').toBe(members)
    expect(limits).toMatchObject({ maxBufferedBytes: 1 })
    expect(cost, 'bytes held for it').toBeLessThan(1.2 * MIB)
    const all = total * (messageBytes + 4)
    expect(received.every((bytes, i) => i === 0 || bytes === all)).toBe(true)
    const rss = (await t.victim.memory()).rss - before.rss
    return `4008 after ${read.length} whole messages; at most ${size(cost)} for it; ${members - 1} others got all ${size(all)} each; RSS +${size(rss)}`
  },
}

const m12: Threat = {
  id: 'M12',
  sent: 'unfinished messages of 1 MiB on 600 sockets',
  options: FULL ? {} : { maxTotalBytes: 16 * MIB },
  forbids: 'hundreds of MiB come through the one core that also echoes the bystander',
  async attack(t) {
    const [holders, bytes, most] = [t.count(60, 600), t.count(512 * 1024, MIB - 1), t.count(16 * MIB, 256 * MIB)]
    const before = await t.victim.memory()
    const watch = t.victim.run(async ({ load, notes }, module) => {
      notes.watching = true
      let [now, held, rss] = [0, 0, 0]
      // The account that the server itself keeps of what is unfinished.
      const { Pressure } = (await load(module)) as unknown as {
        Pressure: { prototype: { input(delta: number): void } }
      }
      const { input } = Pressure.prototype
      Pressure.prototype.input = function (delta) {
        now += delta
        return input.call(this, delta)
      }
      while (notes.watching) {
        rss = Math.max(rss, process.memoryUsage().rss)
        held = Math.max(held, now)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      Pressure.prototype.input = input
      return { held, rss }
    }, coreModule('server/pressure.js'))
    const frame = clientFrame({ opcode: Op.BINARY, fin: false, payload: Buffer.alloc(bytes) })
    const statuses = await each(Array.from({ length: holders }), 16, async () => {
      const client = await t.tcp()
      const { status } = await client.upgrade()
      if (status !== 101) return status
      await new Promise<void>((resolve) => client.socket.write(frame, () => resolve()))
      return status
    })
    await pause(500)
    const { held, rss } = await t.victim.run(({ notes }) => void (notes.watching = false)).then(() => watch)
    const { closes, limits, rejections } = await t.victim.stats()
    for (const status of statuses) expect([101, 503]).toContain(status)
    expect((closes[1013] ?? 0) + (rejections[503] ?? 0)).toBeGreaterThanOrEqual(holders - most / bytes)
    expect(limits.maxTotalBytes).toBeGreaterThan(0)
    // What comes within one turn is read before anybody is shed.
    expect(held, 'bytes held').toBeLessThan(most * 1.25)
    expect(rss - before.rss, 'RSS').toBeLessThan(most * 2 + 64 * MIB)
    // The bystander holds nothing and stays; with room again, others may come.
    await until(async () => (await t.connect().catch(() => null)) !== null, 'a new client', 5000)
    return `${tally(statuses)}; closes ${JSON.stringify(closes)}; at most ${size(held)} of ${size(most)} held, RSS +${size(rss - before.rss)}`
  },
}

/** Two peers with a wire between them that can be cut so that nobody hears of it. */
async function cuttable(port: number): Promise<{ port: number; cut(): void; end(): void }> {
  const sockets: Socket[] = []
  const proxy = createServer((near) => {
    const far = connectTcp({ port, host: '127.0.0.1' })
    near.pipe(far).pipe(near)
    sockets.push(near, far)
    for (const socket of [near, far]) socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address() as { port: number }
  return {
    port: address.port,
    cut() {
      for (const socket of sockets) socket.unpipe().pause()
    },
    end() {
      for (const socket of sockets) socket.destroy()
      proxy.close()
    },
  }
}

const m13: Threat = {
  id: 'M13',
  light: true,
  sent: 'TCP connections that go silent without an end',
  setup: ({ channels, notes }, options) => {
    const rooms = channels.createChannels()
    notes.rooms = rooms
    notes.left = []
    return {
      ...options,
      handler: {
        opened: (socket) => void rooms.join('room', socket),
        closed: (_socket, info) => void (notes.left as unknown[]).push({ ...info, members: rooms.memberCount('room') }),
      },
    }
  },
  options: FULL ? {} : { idleTimeoutMs: 1000, pongTimeoutMs: 600 },
  async attack(t) {
    const [count, limitMs] = [t.count(20, 200), t.count(1600, 35_000)]
    const wire = await cuttable(t.port)
    try {
      await each(Array.from({ length: count }), 10, async () => {
        const client = await t.tcp(wire.port)
        await client.upgrade()
      })
      await until(
        () => t.victim.run(({ notes }) => (notes.rooms as { channelCount: number }).channelCount === 1),
        'the room',
        5000,
      )
      wire.cut()
      const began = performance.now()
      const left = (): Promise<{ code: number; by: string; members: number }[]> =>
        t.victim.run(({ notes }) => notes.left as { code: number; by: string; members: number }[])
      await until(async () => (await left()).length === count, 'the end of all', limitMs + 5000)
      const took = performance.now() - began
      expect(took).toBeLessThan(t.count(4000, 36_000))
      expect(took).toBeGreaterThan(limitMs * 0.8)
      for (const [i, info] of (await left()).entries()) {
        expect(info).toMatchObject({ code: 1006, by: 'network' })
        expect(info.members).toBeLessThanOrEqual(count - 1 - i)
      }
      const rooms = await t.victim.run(({ notes }) => (notes.rooms as { channelCount: number }).channelCount)
      expect(rooms).toBe(0)
      expect((await t.victim.stats()).limits).toEqual({ pongTimeoutMs: count })
      return `${count} × 1006 by the network after ${(took / 1000).toFixed(1)} s, each left the room first, the room is gone`
    } finally {
      wire.end()
    }
  },
}

const drained: Threat = {
  id: 'D1',
  light: true,
  ends: 1012,
  sent: 'a drain of 1,000 sockets, each with messages still queued; new upgrades meanwhile',
  async attack(t) {
    const [count, messages] = [t.count(300, 1000), 20]
    const clients = await each(Array.from({ length: count }), 50, () => t.connect())
    for (const client of clients) void client.answerClose().catch(() => {})
    const draining = t.victim.run(
      async ({ server }, { messages, batch }) => {
        const text = 'm'.repeat(1000)
        for (const socket of server.sockets) {
          if (socket.path === '/bystander') continue
          for (let i = 0; i < messages; i++) socket.write(`${i} ${text}`)
        }
        const began = performance.now()
        const result = await server.drain({ batch, deadlineMs: 10_000 })
        return { ...result, ms: performance.now() - began }
      },
      // Reduced: several batches, too.
      { messages, batch: t.count(100, 1000) },
    )
    const refused = await t.tcp()
    const { status } = await refused.upgrade()
    const { closed, terminated, ms } = await draining
    expect(status).toBe(503)
    expect([closed, terminated]).toEqual([count + 1, 0])
    expect(ms).toBeLessThan(10_000)
    for (const { frames } of clients) {
      expect(frames.all.slice(0, -1).map(({ payload }) => Number.parseInt(`${payload}`, 10))).toEqual(
        Array.from({ length: messages }, (_, i) => i),
      )
      expect(frames.all.at(-1)!.payload.readUInt16BE()).toBe(1012)
    }
    return `${closed} closed with 1012, ${terminated} terminated in ${(ms / 1000).toFixed(1)} s; ${count * messages} queued messages delivered; a new upgrade: ${status}`
  },
}

rows('threats by pressure', [m10, m11, m12, m13, drained])
