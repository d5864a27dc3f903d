// Sentinels and clusters: a real failover begins every room anew and goes on; of a cluster, one master that is gone takes its
// own rooms with it and no others; rooms are spread over all of them.

import { createRedisStore } from '@roomcast/redis-bridge'
import { type BusRecord, type HistoryRule, type Publication, type Store, StoreUnavailableError } from '@roomcast/rooms'
import { afterEach, expect, test } from 'vitest'
import { describeRedis, startCluster, startSentinel, until } from '../../support/redis.ts'
import { Cleanup } from '../real/rig.ts'

const RULE: HistoryRule = { size: 100, ttlMs: 600_000, maxBytes: 1_000_000, metaTtlMs: 600_000 }
const cleanup = new Cleanup()
afterEach(() => cleanup.run())

let drafts = 0
const publish = (store: Store, room: string) => store.publish(room, { id: `m${++drafts}`, data: 'x' }, RULE, undefined)

/** A store that is there, and what it heard. */
async function started(target: Omit<Parameters<typeof createRedisStore>[0], 'prefix'>) {
  const store = cleanup.add(createRedisStore({ ...target, prefix: 'app', onError: () => {} }))
  const heard: Publication[] = []
  const marks: string[] = []
  store.start({
    deliver: (_room, record: BusRecord) => record.kind === 'publication' && heard.push(record.publication),
    mark: (room) => marks.push(room),
    gap: () => {},
    answer: () => ({}),
  })
  await until('the store to be ready', () => store.status === 'ready', 20_000)
  return { store, heard, marks }
}

describeRedis('masters', () => {
  test('a real failover: the room begins anew, what is joined is heard again, presence is asserted', async () => {
    const { master, sentinel, stop } = await startSentinel({ downAfterMs: 500 })
    cleanup.add({ stop })
    const target = { sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: 'mymaster' }
    const [a, b] = [await started(target), await started(target)]
    b.store.join('r', RULE)
    await b.store.ready('r')
    const before = await publish(a.store, 'r')
    await a.store.lease()
    await a.store.enter('r', { client: 'c', user: 'u' })
    await until('it to come', () => b.heard.length === 1)
    await master.kill()
    await until('the stores to notice', () => a.store.status === 'degraded' && b.store.status === 'degraded')
    await until('them to be back', () => a.store.status === 'ready' && b.store.status === 'ready', 30_000)
    const after = await publish(a.store, 'r')
    expect(after.offset).toBe(1)
    expect(after.epoch).not.toBe(before.epoch)
    await until('it to come', () => b.heard.length === 2)
    await until('it to be told where the room stands', () => b.marks.includes('r'))
    // It cannot be known whether the replica had all: the engine asserts.
    expect(await a.store.lease()).toBe('lost')
    await a.store.assert([['r', { client: 'c', user: 'u' }]])
    expect(await a.store.lease()).toBe('kept')
    expect((await b.store.presence('r')).map(({ client }) => client)).toEqual(['c'])
  }, 60_000)

  test('one of three masters is gone: the rooms of the others go on', async () => {
    const { nodes, stop } = await startCluster()
    cleanup.add({ stop })
    const cluster = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
    const [a, b] = [await started({ cluster }), await started({ cluster })]
    const rooms = Array.from({ length: 60 }, (_, i) => `room ${i}`)
    for (const room of rooms) b.store.join(room, RULE)
    await Promise.all(rooms.map((room) => b.store.ready(room)))
    const first = new Map<string, string>()
    for (const room of rooms) first.set(room, (await publish(a.store, room)).epoch)
    await until('all to come', () => b.heard.length === rooms.length)
    const keys = await Promise.all(nodes.map(async ({ admin }) => (await admin.keys('app:*}:m:room *')) as string[]))
    // All keys of a room are in one slot.
    const lost = new Set(keys[1]!.map((key) => key.slice(key.indexOf(':m:') + 3)))
    expect(keys.flat()).toHaveLength(rooms.length)
    expect(Math.min(...keys.map(({ length }) => length))).toBeGreaterThan(2)
    await nodes[1]!.kill()
    const others = rooms.filter((room) => !lost.has(room))
    for (const room of others) expect(await publish(a.store, room)).toEqual({ epoch: first.get(room), offset: 2 })
    await expect(publish(a.store, [...lost][0]!)).rejects.toThrow(StoreUnavailableError)
    await nodes[1]!.boot()
    await until('both to be back', () => a.store.status === 'ready' && b.store.status === 'ready', 30_000)
    // It came back empty.
    for (const room of lost) expect((await publish(a.store, room)).epoch).not.toBe(first.get(room))
    for (const room of others) expect((await publish(a.store, room)).epoch).toBe(first.get(room))
  }, 90_000)
})
