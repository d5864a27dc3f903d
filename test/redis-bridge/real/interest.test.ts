// Who subscribes to what: Redis knows exactly the nodes with members, and nothing goes to the others.

import { randomBytes } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { HOSTILE_NAMES } from '../../support/broker-suite.ts'
import { FaultProxy } from '../../support/fault-proxy.ts'
import { describeRedis, RedisServer, until } from '../../support/redis.ts'
import { BusSpy } from './bus-spy.ts'
import { Cleanup, Rig } from './rig.ts'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

/** Nodes on a Redis, each behind a proxy that counts. */
async function setUp(count: number, options: { lingerMs?: number } = {}) {
  const redis = cleanup.add(await RedisServer.start())
  const nodes = await Promise.all(
    Array.from({ length: count }, async () => {
      const proxy = cleanup.add(await FaultProxy.start(redis.path))
      return { proxy, rig: await cleanup.add(new Rig({ url: proxy.url, ...options })).ready() }
    }),
  )
  const subscribers = async (channel: string): Promise<number> => {
    const [, number] = (await redis.admin.pubsub('NUMSUB', `app:${channel}`)) as [string, number]
    return Number(number)
  }
  return { redis, nodes, subscribers }
}

describeRedis('interest', () => {
  test('PUBSUB NUMSUB is the number of nodes with members', async () => {
    const { nodes, subscribers, redis } = await setUp(3, { lingerMs: 100 })
    const channels = Array.from({ length: 30 }, (_, i) => `room ${i}`)
    const members = channels.map((channel, i) => {
      // 0 to 3 nodes, by turns, each with two members.
      return nodes.slice(0, i % 4).map(({ rig }) => [rig.member(channel), rig.member(channel)])
    })
    await Promise.all(nodes.flatMap(({ rig }) => channels.map((channel) => rig.channels.ready(channel))))
    for (const [i, channel] of channels.entries()) expect(await subscribers(channel), channel).toBe(i % 4)

    // One of two leaves: nothing changes. Both: the node is gone, once it lingered.
    for (const nodesOf of members) for (const [one] of nodesOf) one!.close()
    for (const nodesOf of members) for (const [, other] of nodesOf.slice(1)) other!.close()
    for (const [i, channel] of channels.entries()) {
      await until(`one node in ${channel}`, async () => (await subscribers(channel)) === Math.min(i % 4, 1))
    }
    for (const { rig } of nodes) await rig.close()
    await until('nobody', async () => (await redis.admin.pubsub('CHANNELS', '*')).length === 0)
  })

  test('join, leave, join costs Redis nothing while it lingers', async () => {
    const { nodes, redis } = await setUp(1)
    const [{ rig, proxy }] = nodes as [(typeof nodes)[0]]
    await rig.readyMember('kept')
    const visitor = await rig.readyMember('room')
    const before = Number(/cmdstat_subscribe:calls=(\d+)/.exec(await redis.admin.info('commandstats'))?.[1])
    const bytes = proxy.bytes({ leg: 'subscriber', direction: 'up' })
    visitor.close()
    for (let i = 0; i < 100; i++) rig.member('room').close()
    await rig.readyMember('room')
    const info = await redis.admin.info('commandstats')
    expect(Number(/cmdstat_subscribe:calls=(\d+)/.exec(info)?.[1])).toBe(before)
    expect(info).not.toMatch(/cmdstat_unsubscribe/)
    expect(proxy.bytes({ leg: 'subscriber', direction: 'up' })).toBe(bytes)
  })

  test('a node with no member of a channel receives no byte of it', async () => {
    const { nodes } = await setUp(3)
    const [a, b, c] = nodes as [(typeof nodes)[0], (typeof nodes)[0], (typeof nodes)[0]]
    const listener = await b.rig.readyMember('busy')
    await c.rig.readyMember('quiet')
    // Its own probes and others' asks are on the bridge's own Redis channel and have nothing to do with rooms: they are
    // far smaller than what would come of one message.
    const body = randomBytes(50_000).toString('hex')
    const before = c.proxy.bytes({ direction: 'down' })
    for (let i = 0; i < 50; i++) a.rig.channels.broadcast('busy', body)
    a.rig.channels.broadcast('busy', 'end')
    await listener.got('end')
    expect(b.proxy.bytes({ direction: 'down' })).toBeGreaterThan(50 * body.length)
    expect(c.proxy.bytes({ direction: 'down' }) - before).toBeLessThan(body.length / 2)
    expect(a.proxy.bytes({ leg: 'subscriber', direction: 'down' })).toBeLessThan(body.length / 2)
    expect(c.rig.bridge.stats()).toMatchObject({ delivered: 0 })
  })

  test('names go to Redis byte for byte', async () => {
    const { nodes, redis } = await setUp(2)
    const [a, b] = nodes as [(typeof nodes)[0], (typeof nodes)[0]]
    const spy = await BusSpy.start(redis.connect(), 'app')
    const members = await Promise.all(HOSTILE_NAMES.map((name) => b.rig.readyMember(name)))
    const held = (await redis.admin.pubsub('CHANNELS', 'app:*')) as string[]
    // Each node has a Redis channel of its own, which no channel can be called.
    const own = held.filter((name) => name.startsWith('app:\0') && /^[0-9a-f]{16}$/.test(name.slice(5)))
    expect(own).toHaveLength(2)
    const others = held.filter((name) => !own.includes(name))
    expect(new Set(others)).toEqual(new Set(['app:', ...HOSTILE_NAMES.map((name) => `app:${name}`)]))
    for (const name of HOSTILE_NAMES) a.rig.channels.broadcast(name, `for ${name}`)
    await Promise.all(members.map((member, i) => member.got(`for ${HOSTILE_NAMES[i]}`)))
    for (const member of members) expect(member.messages).toHaveLength(1)
    const seen = spy.envelopes.filter(({ kind }) => kind === 0).map(({ redisChannel }) => redisChannel)
    expect(new Set(seen)).toEqual(new Set(HOSTILE_NAMES.map((name) => `app:${name}`)))
  })

  test('a turn is one envelope for a channel, and its commands go together', async () => {
    const { nodes, redis } = await setUp(2)
    const [a, b] = nodes as [(typeof nodes)[0], (typeof nodes)[0]]
    const spy = await BusSpy.start(redis.connect(), 'app')
    const one = await b.rig.readyMember('one')
    const two = await b.rig.readyMember('two')
    for (let i = 0; i < 100; i++) {
      a.rig.channels.broadcast('one', `one ${i}`)
      a.rig.channels.broadcast('two', `two ${i}`)
    }
    await Promise.all([one.got('one 99'), two.got('two 99')])
    const messages = spy.envelopes.filter(({ kind }) => kind === 0)
    expect(messages.map((envelope) => [envelope.redisChannel, envelope.messages.length, envelope.number])).toEqual([
      ['app:one', 100, 1n],
      ['app:two', 100, 1n],
    ])
    expect(messages[0]).toMatchObject({ version: 1, age: 0xffffffff })
    expect(one.messages).toEqual(Array.from({ length: 100 }, (_, i) => `one ${i}`))
  })
})
