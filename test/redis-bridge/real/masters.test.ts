// Who is the master, and who can say so: servers that are silent, demoted or gone.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createPublisher } from '@roomcast/redis-bridge/publisher'
import { Redis } from 'ioredis'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { describeRedis, RedisServer, startCluster, startSentinel, until } from '../../support/redis.ts'
import { buildNodes } from './node-process.ts'
import { Cleanup, Rig } from './rig.ts'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

/** Takes connections, and gives the same answer to every command, or none. */
class FakeServer {
  readonly sockets = new Set<Socket>()
  accepted = 0
  readonly #server: Server

  private constructor(answer: string) {
    this.#server = createServer((socket) => {
      this.accepted++
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.sockets.delete(socket))
      socket.on('data', (chunk) => {
        const commands = chunk.toString('latin1').match(/^\*\d+\r$/gm) ?? []
        if (answer !== '') for (const _ of commands) socket.write(answer)
      })
    })
  }

  static async start(answer = ''): Promise<FakeServer> {
    const silent = new FakeServer(answer)
    silent.#server.listen(0, '127.0.0.1')
    await once(silent.#server, 'listening')
    return silent
  }

  get address(): { host: string; port: number } {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port }
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.#server.close()
  }
}

describeRedis('masters', () => {
  beforeAll(buildNodes)

  test('of several Sentinels each is tried, and none is held', async () => {
    const { sentinel, master, stop } = await startSentinel()
    cleanup.add({ stop })
    const silent = cleanup.add(await FakeServer.start())
    const sentinels = [silent.address, { host: '127.0.0.1', port: sentinel.port }]
    const rig = cleanup.add(new Rig({ sentinels, name: 'mymaster' }))
    await rig.ready()
    expect([silent.sockets.size, silent.accepted]).toEqual([0, 1])
    // The one that answered is asked first the next time.
    await master.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await rig.lost(0)
    await rig.ready()
    expect(silent.accepted).toBe(1)
    expect(rig.errors).toHaveLength(1)
  }, 40_000)

  /** An array of bulk strings. */
  const resp = (...texts: string[]): string =>
    `*${texts.length}\r\n${texts.map((text) => `$${text.length}\r\n${text}\r\n`).join('')}`
  const nonsense: Record<string, string> = {
    'another protocol': 'HTTP/1.1 400 Bad Request\r\n\r\n',
    'an error': '-ERR go away\r\n',
    nothing: '*-1\r\n',
    'a number': ':42\r\n',
    'an empty list': '*0\r\n',
    'a host without a port': resp('127.0.0.1'),
    'a port that is none': resp('127.0.0.1', 'redis'),
    'a port that is too large': resp('127.0.0.1', '99999'),
    'port 0': resp('127.0.0.1', '0'),
    'no host': resp('', '6379'),
    'lists of lists': '*2\r\n*1\r\n:1\r\n*1\r\n:2\r\n',
    'where nobody is': resp('127.0.0.1', '1'),
  }

  test('a Sentinel that answers nonsense, or names a master that is none, is passed over', async () => {
    const { sentinel, stop } = await startSentinel()
    cleanup.add({ stop })
    const fakes = await Promise.all(Object.values(nonsense).map((answer) => FakeServer.start(answer)))
    for (const fake of fakes) cleanup.add(fake)
    const rigs = fakes.map(({ address }) => {
      const sentinels = [address, { host: '127.0.0.1', port: sentinel.port }]
      return cleanup.add(new Rig({ sentinels, name: 'mymaster' }))
    })
    await Promise.all(rigs.map((rig) => rig.ready()))
  }, 40_000)

  test('a node of a cluster that answers nonsense is passed over, and nobody is asked all the time', async () => {
    const { nodes, stop } = await startCluster()
    cleanup.add({ stop })
    const fakes = await Promise.all(Object.values(nonsense).map((answer) => FakeServer.start(answer)))
    for (const fake of fakes) cleanup.add(fake)
    const alone = fakes.map(({ address }) => cleanup.add(new Rig({ cluster: [address] })))
    const rig = cleanup.add(
      new Rig({ cluster: [...fakes.map(({ address }) => address), { host: '127.0.0.1', port: nodes[0]!.port }] }),
    )
    await rig.ready()
    const before = fakes.map(({ accepted }) => accepted)
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    // The answer is one for all 64 partitions, and good for 300 ms.
    for (const [i, { accepted }] of fakes.entries()) expect(accepted - before[i]!).toBeLessThan(20)
    for (const { bridge } of alone) expect(bridge.status).toBe('connecting')
  }, 40_000)

  test.each([1, 3])(
    'a process that blocks for 3 s after %i turns gives up no Sentinel for it',
    async (turns) => {
      const { sentinel, stop } = await startSentinel()
      cleanup.add({ stop })
      const rig = cleanup.add(new Rig({ sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: 'mymaster' }))
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
      for (const end = performance.now() + 3_000; performance.now() < end; );
      await rig.ready()
      expect(rig.errors).toEqual([])
    },
    40_000,
  )

  test('a client of Sentinels that prefers replicas: the bridge is at the master', async () => {
    const { sentinel, master, stop } = await startSentinel()
    cleanup.add({ stop })
    const client = new Redis({
      sentinels: [{ host: '127.0.0.1', port: sentinel.port }],
      ...{ name: 'mymaster', role: 'slave', lazyConnect: true },
    })
    cleanup.add({ stop: () => client.disconnect() })
    const rig = cleanup.add(new Rig({ client }))
    await rig.readyMember('room')
    expect(await master.admin.pubsub('CHANNELS', 'app:room')).toEqual(['app:room'])
  }, 40_000)

  test('a master that was demoted and keeps its connections is noticed, by a bridge and by a publisher', async () => {
    const one = cleanup.add(await RedisServer.start({ tcp: true }))
    const other = cleanup.add(await RedisServer.start({ tcp: true }))
    const rig = cleanup.add(new Rig({ url: one.url }))
    const errors: string[] = []
    const publisher = createPublisher({ url: one.url, prefix: 'app', onError: ({ message }) => errors.push(message) })
    cleanup.add(publisher)
    await publisher.publish('room', 'there')
    await rig.readyMember('room')
    await one.admin.replicaof('127.0.0.1', String(other.port))
    await rig.toBe('degraded')
    await until('the publisher to notice', () => errors.length > 0)
    expect([rig.errors[0]!.message, errors[0]]).toEqual(Array(2).fill('Redis is a replica, not the master'))
    // What is said now waits for a master.
    rig.channels.broadcast('room', 'later')
    const late = publisher.publish('room', 'later, too')
    await one.admin.call('REPLICAOF', 'NO', 'ONE')
    await late
    await rig.ready()
    await until('it to be written', () => rig.bridge.stats().queued === 0)
  }, 40_000)

  test('one of three masters is gone: the rooms of the others go on, also for a publisher', async () => {
    const { nodes, stop } = await startCluster()
    cleanup.add({ stop })
    const silent = cleanup.add(await FakeServer.start())
    // The first that is asked may be of no help.
    const cluster = [silent.address, ...nodes.map(({ port }) => ({ host: '127.0.0.1', port }))]
    const [a, b] = [cleanup.add(new Rig({ cluster })), cleanup.add(new Rig({ cluster }))]
    const publisher = cleanup.add(createPublisher({ cluster, prefix: 'app', onError: () => {} }))
    await Promise.all([a.ready(20_000), b.ready(20_000)])
    const rooms = Array.from({ length: 60 }, (_, i) => `room ${i}`)
    const members = new Map(rooms.map((room) => [room, b.member(room)]))
    await Promise.all(rooms.map((room) => b.channels.ready(room)))
    const there = await Promise.all(
      nodes.map(async ({ admin }) => (await admin.call('PUBSUB', 'SHARDCHANNELS', 'app:*room*')) as string[]),
    )
    const roomsAt = (i: number): string[] => there[i]!.map((name) => name.slice(name.lastIndexOf(':') + 1))
    const lost = new Set(roomsAt(1))
    expect(lost.size).toBeGreaterThan(2)
    // Each knows the other's position.
    for (const room of rooms) a.channels.broadcast(room, `hello, ${room}`)
    await Promise.all(rooms.map((room) => members.get(room)!.got(`hello, ${room}`)))
    await nodes[1]!.kill()
    await Promise.all([a.toBe('degraded'), b.toBe('degraded')])
    const others = rooms.filter((room) => !lost.has(room))
    for (const room of others) a.channels.broadcast(room, `go on, ${room}`)
    await Promise.all(others.map((room) => publisher.publish(room, `published to ${room}`)))
    await Promise.all(others.map((room) => members.get(room)!.got(`go on, ${room}`)))
    await Promise.all(others.map((room) => members.get(room)!.got(`published to ${room}`)))
    expect(b.bridge.status).toBe('degraded')
    for (const room of lost) a.channels.broadcast(room, `wait, ${room}`)
    await nodes[1]!.boot()
    await Promise.all([a.ready(20_000), b.ready(20_000)])
    // Written when the master was there again: before the other node had subscribed, it is told as lost.
    await until('each to arrive or to be told', () => {
      const told = new Set(b.gaps.map(({ channel }) => channel))
      return [...lost].every(
        (room) => told.has(room) || members.get(room)!.messages.some((one) => one === `wait, ${room}`),
      )
    })
    expect(b.gaps.every(({ channel }) => lost.has(channel))).toBe(true)
  }, 90_000)

  test.each(['sentinels', 'cluster', 'url'])(
    'close lets go of everything, also in the midst of looking: %s',
    async (how) => {
      const silent = cleanup.add(await FakeServer.start())
      const { host, port } = silent.address
      const target = {
        sentinels: { sentinels: [{ host, port }], name: 'mymaster' },
        cluster: { cluster: [{ host, port }] },
        url: { url: `redis://${host}:${port}` },
      }[how]
      const program = `
      import { createRedisBridge } from '@roomcast/redis-bridge'
      import { createPublisher } from '@roomcast/redis-bridge/publisher'
      const options = { ...JSON.parse(process.argv[1]), prefix: 'app', onError() {} }
      const bridge = createRedisBridge(options)
      bridge.start({ deliver() {}, gap() {} })
      bridge.join('room')
      const publisher = createPublisher(options)
      await new Promise((resolve) => setTimeout(resolve, 700))
      await Promise.all([bridge.close(), publisher.close()])
      const held = process.getActiveResourcesInfo().filter((one) => /TCP|Timeout/.test(one))
      const began = performance.now()
      process.on('exit', () => console.log(JSON.stringify({ held, ms: Math.round(performance.now() - began) })))
    `
      const args = ['--input-type=module', '-e', program, JSON.stringify(target)]
      const { stdout } = await promisify(execFile)(process.execPath, args, {
        cwd: fileURLToPath(new URL('../../../', import.meta.url)),
        timeout: 15_000,
        env: { PATH: process.env.PATH },
      })
      const { held, ms } = JSON.parse(stdout) as { held: string[]; ms: number }
      expect(held).toEqual([])
      // What held it before did so for seconds.
      expect(ms).toBeLessThan(2_000)
      await until('no connection', () => silent.sockets.size === 0)
    },
  )
})
