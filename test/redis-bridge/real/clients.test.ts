// The ways to reach Redis: an existing client, Sentinel, a cluster.

import { createPublisher } from '@roomcast/redis-bridge/publisher'
import { Cluster, Redis } from 'ioredis'
import { afterEach, expect, test } from 'vitest'
import { describeRedis, RedisServer, startCluster, startSentinel, until } from '../../support/redis.ts'
import { Cleanup, Rig } from './rig.ts'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

/** Says something on one node until it arrives at the other: while a way is being found anew, messages may be lost. */
async function reaches(from: Rig, to: Rig, channel: string): Promise<void> {
  const member = await to.readyMember(channel)
  await from.ready()
  let count = 0
  await until(`a message in ${channel}`, () => {
    if (member.messages.length > 0) return true
    if (count++ % 20 === 0) from.channels.broadcast(channel, `for ${channel}`)
    return false
  })
}

describeRedis('ways to Redis', () => {
  test('an existing client is duplicated, and stays what it was', async () => {
    const redis = cleanup.add(await RedisServer.start())
    const client = redis.connect()
    const heard: unknown[] = []
    for (const event of ['message', 'messageBuffer', 'subscribe', 'end', 'close'] as const) {
      client.on(event, (...args) => heard.push([event, ...args]))
    }
    await client.set('key', 'value')
    const listeners = client.eventNames().map((name) => [name, client.listenerCount(name)])
    const options = { ...client.options }
    const [a, b] = [new Rig({ client }), cleanup.add(new Rig({ client }))]
    await reaches(a, b, 'room')
    expect(await client.get('key')).toBe('value')
    expect(await client.client('GETNAME')).toBe(null)
    await a.close()
    expect(client.status).toBe('ready')
    expect(await client.get('key')).toBe('value')
    expect(client.eventNames().map((name) => [name, client.listenerCount(name)])).toEqual(listeners)
    expect({ ...client.options }).toEqual(options)
    expect(heard).toEqual([])
    await b.close()
    // Nothing of the bridges is left.
    await until('their connections to be gone', async () => !/sub=[1-9]/.test(String(await redis.admin.client('LIST'))))
  })

  test("a client's own settings do not weaken the bridge", async () => {
    const redis = cleanup.add(await RedisServer.start())
    const client = new Redis(redis.path, { keyPrefix: 'mine:', lazyConnect: true, enableAutoPipelining: true, db: 3 })
    cleanup.add({ stop: () => client.disconnect() })
    const plain = cleanup.add(new Rig({ client: redis.connect() }))
    const [a, b] = [cleanup.add(new Rig({ client })), cleanup.add(new Rig({ client }))]
    await reaches(a, b, 'room')
    await reaches(a, plain, 'elsewhere')
    expect(client.status).toBe('wait')
    await redis.kill()
    await Promise.all([a.toBe('degraded'), b.toBe('degraded')])
    await redis.boot()
    await reaches(a, b, 'again')
  })

  test("a client's own patience is not the bridge's: a Redis that is slow is not given up", async () => {
    const redis = cleanup.add(await RedisServer.start())
    const impatient = { commandTimeout: 100, socketTimeout: 100, blockingTimeout: 100, lazyConnect: true }
    const clients = [new Redis(redis.path, impatient), new Redis(redis.path, { readOnly: true, lazyConnect: true })]
    for (const client of clients) cleanup.add({ stop: () => client.disconnect() })
    const [a, b] = clients.map((client) => cleanup.add(new Rig({ client }))) as [Rig, Rig]
    await reaches(a, b, 'room')
    const member = await b.readyMember('another room')
    redis.freeze()
    a.channels.broadcast('another room', 'slowly')
    await new Promise((resolve) => setTimeout(resolve, 500))
    redis.thaw()
    await member.got('slowly')
    for (const { bridge, errors } of [a, b])
      expect([bridge.status, bridge.stats().reconnects, errors]).toEqual(['ready', 0, []])
  })

  test('Sentinel: the bridge follows the master', async () => {
    const { master, replica, sentinel, stop } = await startSentinel({ downAfterMs: 500 })
    cleanup.add({ stop })
    const options = { sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: 'mymaster' }
    const [a, b] = [cleanup.add(new Rig(options)), cleanup.add(new Rig(options))]
    await reaches(a, b, 'before')
    await master.kill()
    await until('the replica to be master', async () => /role:master/.test(await replica.admin.info('replication')))
    await reaches(a, b, 'after')
    await reaches(b, a, 'both ways')
    expect((await replica.admin.pubsub('CHANNELS', 'app:*')) as string[]).toContain('app:after')
  }, 40_000)

  test('a cluster: sharded, spread over the nodes, and back after one was killed', async () => {
    const { nodes, stop } = await startCluster()
    cleanup.add({ stop })
    const cluster = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
    const [a, b] = [cleanup.add(new Rig({ cluster })), cleanup.add(new Rig({ cluster }))]
    const rooms = Array.from({ length: 60 }, (_, i) => `room ${i}`)
    const members = await Promise.all(rooms.map((room) => b.readyMember(room)))
    await a.ready()
    for (const room of rooms) a.channels.broadcast(room, `for ${room}`)
    await Promise.all(members.map((member, i) => member.got(`for ${rooms[i]}`)))
    for (const member of members) expect(member.messages).toHaveLength(1)
    const held = await Promise.all(nodes.map(({ admin }) => admin.call('PUBSUB', 'SHARDCHANNELS', 'app:*')))
    for (const names of held as string[][]) {
      expect(names.filter((name) => name.includes('room')).length).toBeGreaterThan(5)
      for (const name of names) expect(name).toMatch(/^app:\{\d{1,2}\}:/)
    }
    expect(new Set((held as string[][]).flat().map((name) => /\{(\d+)\}/.exec(name)![1])).size).toBeLessThanOrEqual(64)
    // Nothing goes over the whole cluster.
    for (const { admin } of nodes) expect(await admin.pubsub('CHANNELS', '*')).toEqual([])

    await nodes[1]!.kill()
    await until('someone to notice', () => a.bridge.status === 'degraded' || b.bridge.status === 'degraded')
    await nodes[1]!.boot()
    await Promise.all([a.ready(20_000), b.ready(20_000)])
    for (const room of rooms) a.channels.broadcast(room, `again for ${room}`)
    await Promise.all(members.map((member, i) => member.got(`again for ${rooms[i]}`)))
    expect(a.gaps).toEqual([])
  }, 60_000)

  test('a cluster whose slots move under traffic: nothing twice, nothing lost unseen', async () => {
    const { nodes, stop } = await startCluster()
    cleanup.add({ stop })
    const cluster = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
    const [a, b] = [cleanup.add(new Rig({ cluster })), cleanup.add(new Rig({ cluster }))]
    const publisher = cleanup.add(createPublisher({ cluster, prefix: 'app', onError: () => {} }))
    const rooms = Array.from({ length: 30 }, (_, i) => `room ${i}`)
    const members = await Promise.all(rooms.map((room) => b.readyMember(room)))
    await a.ready()
    // Each knows the position of the others.
    for (const room of rooms) a.channels.broadcast(room, 'a 0')
    await Promise.all(rooms.map((room) => publisher.publish(room, 'p 0')))
    await Promise.all(members.flatMap((member) => [member.got('a 0'), member.got('p 0')]))

    let said = 0
    const published: Promise<void>[] = []
    const talk = setInterval(() => {
      said++
      for (const room of rooms) a.channels.broadcast(room, `a ${said}`)
      published.push(...rooms.map((room) => publisher.publish(room, `p ${said}`)))
    }, 10)
    const ids = await Promise.all(nodes.map(({ admin }) => admin.call('CLUSTER', 'MYID')))
    for (let partition = 0; partition < 12; partition++) {
      const slot = Number(await nodes[0]!.admin.call('CLUSTER', 'KEYSLOT', `{${partition}}`))
      const to = partition % 3
      // As its tools do it: so the new owner gets a new epoch, and all others believe it.
      const from = Math.floor((slot * 3) / 16384)
      if (from === to) continue
      await nodes[to]!.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(ids[from]))
      await nodes[from]!.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(ids[to]))
      for (const i of [to, (to + 1) % 3, (to + 2) % 3]) {
        await nodes[i]!.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', String(ids[to]))
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    clearInterval(talk)
    await Promise.all(published)
    await Promise.all([a.ready(), b.ready()])
    await Promise.all(rooms.map((room) => b.channels.ready(room)))
    for (const room of rooms) a.channels.broadcast(room, 'a end')
    await Promise.all(rooms.map((room) => publisher.publish(room, 'p end')))
    await Promise.all(members.flatMap((member) => [member.got('a end'), member.got('p end')]))
    for (const [i, { messages }] of members.entries()) {
      expect(new Set(messages).size).toBe(messages.length)
      const missed = b.gaps.filter(({ channel }) => channel === rooms[i]).map((gap) => gap.missed ?? Number.NaN)
      expect([rooms[i], messages.length + missed.reduce((sum, one) => sum + one, 0)]).toEqual([
        rooms[i],
        2 * (said + 2),
      ])
    }
  }, 60_000)

  test('an existing cluster client is duplicated too', async () => {
    const { nodes, stop } = await startCluster()
    cleanup.add({ stop })
    const client = new Cluster(nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
    cleanup.add({ stop: () => client.disconnect() })
    const [a, b] = [cleanup.add(new Rig({ client })), cleanup.add(new Rig({ client }))]
    await reaches(a, b, 'room')
    await client.set('key', 'value')
    await a.close()
    expect(client.status).toBe('ready')
  })
})
