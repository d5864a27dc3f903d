// When the way to Redis fails: how soon the bridge knows, that it comes back by itself, and that what was lost is told.

import { txt } from '@roomcast/core'
import { expect, type TestContext, test } from 'vitest'
import { type Direction, FaultProxy, type Leg } from '../../support/fault-proxy.ts'
import { describeRedis, RedisServer, until } from '../../support/redis.ts'
import { Cleanup, Rig } from './rig.ts'

/** What is promised, and what a busy machine adds. */
const DETECTION_MS = 9_000 + 1_500

/** Two nodes on a Redis, the second behind a proxy, both with a member in 'room'. */
async function setUp({ onTestFinished }: TestContext, options: { maxQueuedBytes?: number } = {}) {
  const cleanup = new Cleanup()
  onTestFinished(() => cleanup.run())
  const redis = cleanup.add(await RedisServer.start())
  const free = cleanup.add(await FaultProxy.start(redis.path))
  const proxy = cleanup.add(await FaultProxy.start(redis.path))
  const far = cleanup.add(new Rig({ url: free.url, ...options }))
  const near = cleanup.add(new Rig({ url: proxy.url, ...options }))
  const [atFar, atNear] = await Promise.all([far.readyMember('room'), near.readyMember('room')])
  // Each knows the other's position.
  far.channels.broadcast('room', 'hello from far')
  near.channels.broadcast('room', 'hello from near')
  await Promise.all([atNear.got('hello from far'), atFar.got('hello from near')])
  return { redis, proxy, far, near, atFar, atNear }
}

const sum = (gaps: readonly { missed?: number }[]): number => gaps.reduce((all, { missed }) => all + (missed ?? 0), 0)

describeRedis('outages', () => {
  test.concurrent.for<{ leg: Leg; direction?: Direction }>([
    { leg: 'subscriber' },
    { leg: 'publisher' },
    { leg: 'subscriber', direction: 'down' },
    { leg: 'subscriber', direction: 'up' },
    { leg: 'publisher', direction: 'up' },
    { leg: 'publisher', direction: 'down' },
  ])('a leg that swallows everything: $leg $direction', async ({ leg, direction }, context) => {
    const { proxy, far, near, atFar, atNear } = await setUp(context)
    // The other node talks all the time: others' traffic must not pass for our own echo.
    let count = 0
    const talk = setInterval(() => far.channels.broadcast('room', `talk ${count++}`), 200)
    const { reconnects } = near.bridge.stats()
    proxy.stall(direction ? { leg, direction } : { leg })
    // A room that Redis cannot be told of is deaf, whatever still comes for the others.
    const late = direction === 'up' && leg === 'subscriber' ? near.member('late room') : undefined
    await near.lost(reconnects, DETECTION_MS)
    await near.ready()
    clearInterval(talk)
    await near.channels.ready('late room')
    far.channels.broadcast('late room', 'not too late')
    await late?.got('not too late')
    far.channels.broadcast('room', 'next from far')
    near.channels.broadcast('room', 'next from near')
    await Promise.all([atNear.got('next from far'), atFar.got('next from near')])
    // What was said meanwhile came, or was reported, and nothing came twice.
    const talked = atNear.messages.filter((one) => String(one).startsWith('talk'))
    expect(new Set(talked).size).toBe(talked.length)
    expect(talked.length + sum(near.gaps)).toBe(count)
    expect(near.bridge.stats().reconnects).toBe(1)
    expect(far.gaps).toEqual([])
  })

  test.concurrent('a connection to publish on that ends, with another that swallows everything', async (context) => {
    const { proxy, far, near, atFar, atNear } = await setUp(context)
    let count = 0
    const talk = setInterval(() => far.channels.broadcast('room', `talk ${count++}`), 200)
    proxy.stall({ leg: 'publisher', newcomers: true })
    proxy.cut({ leg: 'publisher' })
    near.channels.broadcast('room', 'waits')
    await near.toBe('degraded', DETECTION_MS)
    proxy.heal()
    await near.ready()
    clearInterval(talk)
    far.channels.broadcast('room', 'next from far')
    await Promise.all([atNear.got('next from far'), atFar.got('waits')])
    // What was said meanwhile came, or was reported.
    const talked = atNear.messages.filter((one) => String(one).startsWith('talk'))
    expect(talked.length + sum(near.gaps)).toBe(count)
    expect(far.gaps).toEqual([])
  })

  test.concurrent('a subscriber that Redis killed: the hole is reported once, with its size', async (context) => {
    const { redis, proxy, far, near, atNear } = await setUp(context)
    // Nothing of the node comes through until the messages are gone.
    const [client] = String(await redis.admin.call('CLIENT', 'LIST', 'TYPE', 'pubsub'))
      .split('\n')
      .slice(-2)
    expect(client).toContain('id=')
    proxy.refuse()
    proxy.cut({ leg: 'subscriber' })
    await near.toBe('degraded')
    for (let i = 0; i < 5; i++) far.channels.broadcast('room', `lost ${i}`)
    await until('Redis to have them', () => far.bridge.stats().queued === 0)
    proxy.heal()
    await near.ready()
    await until('the gap', () => near.gaps.length > 0)
    far.channels.broadcast('room', 'next')
    await atNear.got('next')
    expect(near.gaps).toEqual([{ channel: 'room', node: expect.stringMatching(/^[0-9a-f]{16}$/), missed: 5 }])
    expect(near.bridge.stats().gaps).toBe(1)
  })

  test.concurrent('CLIENT KILL of every connection, again and again: nothing twice, nothing lost unseen', async (context) => {
    const { redis, far, near, atFar, atNear } = await setUp(context)
    for (let i = 0; i < 20; i++) {
      far.channels.broadcast('room', `far ${i}`)
      near.channels.broadcast('room', `near ${i}`)
      await redis.admin.call('CLIENT', 'KILL', 'TYPE', i % 2 ? 'normal' : 'pubsub', 'SKIPME', 'yes')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await Promise.all([far.ready(), near.ready()])
    far.channels.broadcast('room', 'end of far')
    near.channels.broadcast('room', 'end of near')
    await Promise.all([atNear.got('end of far'), atFar.got('end of near')])
    for (const [member, gaps, other] of [
      [atNear, near.gaps, 'far'],
      [atFar, far.gaps, 'near'],
    ] as const) {
      const got = member.messages.map(String).filter((one) => one.startsWith(`${other} `))
      expect(got).toEqual([...new Set(got)].sort((a, b) => Number(a.split(' ')[1]) - Number(b.split(' ')[1])))
      expect(got.length + sum(gaps)).toBe(20)
    }
  })

  test.concurrent('Redis is away: rooms go on, the queue is bounded, what it had to drop is counted and told', async (context) => {
    const maxQueuedBytes = 4 << 20
    const { redis, proxy, far, near, atFar, atNear } = await setUp(context, { maxQueuedBytes })
    await redis.kill()
    await Promise.all([far.toBe('degraded'), near.toBe('degraded')])
    const total = 12_345
    const began = process.cpuUsage()
    for (let i = 0; i < total; i++) expect(near.channels.broadcast('room', `m ${i}`)).toBe(1)
    expect(atNear.messages.at(-1)).toBe(`m ${total - 1}`)
    const { queued, dropped } = near.bridge.stats()
    expect(dropped).toBe(total - queued)
    expect(dropped).toBeGreaterThan(1000)
    // Each takes more than its few bytes, but not much more.
    expect(queued).toBeGreaterThan(maxQueuedBytes / 1000)
    // Who publishes is told.
    expect(near.bridge.publish('room', txt('one more'))).toBe(false)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(process.cpuUsage(began).user).toBeLessThan(20e6)
    // The other is back first: what was kept arrives, and what was not is one gap.
    proxy.refuse()
    await redis.boot()
    await far.ready()
    proxy.heal()
    await near.ready()
    near.channels.broadcast('room', 'end')
    await atFar.got('end')
    const got = atFar.messages.filter((one) => String(one).startsWith('m '))
    expect(new Set(got).size).toBe(got.length)
    expect(got).toHaveLength(queued)
    expect(got.length + sum(far.gaps)).toBe(total + 1)
    expect(far.gaps).toHaveLength(1)
    expect(near.bridge.stats()).toMatchObject({ queued: 0, dropped: dropped + 1 })
  })

  test.concurrent('the queue is bounded in bytes, however few messages these are', async (context) => {
    const { redis, far, near, atFar } = await setUp(context, { maxQueuedBytes: 16 << 20 })
    await redis.kill()
    await near.toBe('degraded')
    const body = 'x'.repeat(1 << 20)
    for (let i = 0; i < 40; i++) near.channels.broadcast('room', body)
    const { queued, dropped } = near.bridge.stats()
    expect([queued + dropped, queued]).toEqual([40, 15])
    await redis.boot()
    await Promise.all([far.ready(), near.ready()])
    near.channels.broadcast('room', 'end')
    await atFar.got('end')
    expect(atFar.messages.filter((one) => one === body).length + sum(far.gaps)).toBe(40)
  })

  test.concurrent('starting without a Redis: rooms work, and it is found when it comes', async (context) => {
    const cleanup = new Cleanup()
    context.onTestFinished(() => cleanup.run())
    const redis = cleanup.add(await RedisServer.start())
    const proxy = cleanup.add(await FaultProxy.start(redis.path))
    await redis.kill()
    const rig = cleanup.add(new Rig({ url: proxy.url }))
    const other = cleanup.add(new Rig({ url: proxy.url }))
    const [member, atOther] = [rig.member('room'), other.member('room')]
    expect(rig.channels.broadcast('room', 'alone')).toBe(1)
    expect(member.messages).toEqual(['alone'])
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(rig.statuses.map(({ status }) => status)).not.toContain('ready')
    // 50 ms at first, 2 s at last: no busy loop. Two nodes, two connections each.
    expect(proxy.accepted).toBeLessThan(80)
    await redis.boot()
    await Promise.all([rig.channels.ready('room'), other.channels.ready('room')])
    await rig.ready()
    rig.channels.broadcast('room', 'together')
    await atOther.got('together')
  })

  test.concurrent('back-off: a Redis that refuses everyone is asked rarely', async (context) => {
    const { proxy, near } = await setUp(context)
    proxy.refuse()
    proxy.cut()
    await near.toBe('degraded')
    const before = proxy.accepted
    await new Promise((resolve) => setTimeout(resolve, 5_000))
    // Full jitter over 50 ms, 100, 200 … 2 s, two connections each: about 10 attempts, hardly ever 40.
    expect(proxy.accepted - before).toBeGreaterThan(2)
    expect(proxy.accepted - before).toBeLessThan(80)
    proxy.heal()
    await near.ready()
  })

  test.concurrent('close while Redis is away or silent ends soon and leaves no connection', async (context) => {
    const { redis, proxy, far, near } = await setUp(context)
    proxy.stall({ newcomers: true })
    redis.freeze()
    near.channels.broadcast('room', 'too late')
    const began = performance.now()
    await Promise.all([near.close(), far.close()])
    expect(performance.now() - began).toBeLessThan(10_000)
    expect([near.bridge.status, far.bridge.status]).toEqual(['closed', 'closed'])
    redis.thaw()
    proxy.heal()
    await until('no connection', () => proxy.count() === 0)
  })
})
