// What rooms take in Redis: measured, printed, and bounded.

import { createRedisStore, type RedisStore } from '@roomcast/redis-bridge'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeRedis, RedisServer, until } from '../../support/redis.ts'

const RULE = { size: 100, ttlMs: 600_000, maxBytes: 4_194_304, metaTtlMs: 3_600_000 }
const ROOMS = 2000
const DATA = 'x'.repeat(100)
/** As ids of connections and of publications are. */
const uuid = (i: number): string => `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`

describeRedis('one Redis', () => {
  let redis: RedisServer
  let store: RedisStore
  beforeAll(async () => {
    redis = await RedisServer.start()
    store = createRedisStore({ url: redis.path, prefix: 'shop' })
    store.start({ deliver: () => {}, mark: () => {}, gap: () => {}, answer: () => ({}) })
    await until('it to be there', () => store.status === 'ready')
  })
  afterAll(async () => {
    await store?.close()
    await redis?.stop()
  })

  async function used(): Promise<number> {
    return Number(/used_memory:(\d+)/.exec(await redis.admin.info('memory'))![1])
  }

  /** Bytes that each of so many takes. */
  async function costOf(what: string, count: number, run: (i: number) => Promise<unknown>): Promise<number> {
    const before = await used()
    for (let i = 0; i < count; i += 500) await Promise.all(Array.from({ length: 500 }, (_, k) => run(i + k)))
    const bytes = Math.round(((await used()) - before) / count)
    console.log(`${what}: ${bytes} bytes`)
    return bytes
  }

  /** A stream takes all of its first node at once. */
  async function withNodesOf<T>(bytes: number, run: () => Promise<T>): Promise<T> {
    await redis.admin.config('SET', 'stream-node-max-bytes', String(bytes))
    try {
      return await run()
    } finally {
      await redis.admin.config('SET', 'stream-node-max-bytes', '4096')
    }
  }

  test('each room, publication, key and entry of presence takes so much', async () => {
    const publish = (room: string, i: number, key?: string) =>
      store.publish(room, { id: `abcdefgh${i}`, data: DATA }, RULE, key)
    // What is made once for all of a kind.
    await publish('first', 0, 'first')
    await store.enter('first', { client: 'first', user: '' })
    const told: Record<string, number> = {
      room: await costOf('a room with history that was entered and never published to', ROOMS, (i) =>
        store.read(`empty ${i}`, RULE, { limit: 0 }),
      ),
      first: await costOf('a room with one publication of 100 bytes', ROOMS, (i) => publish(`room ${i}`, i)),
      small: await withNodesOf(512, () =>
        costOf('the same, with stream-node-max-bytes 512', ROOMS, (i) => publish(`small ${i}`, i)),
      ),
      more: await costOf('each further publication of 100 bytes', ROOMS * 5, (i) => publish(`room ${i % 100}`, i)),
      key: await costOf('an idempotency key, for 5 minutes', ROOMS, (i) => store.claim('first', uuid(i))),
      alone: await costOf('an entry of presence, alone of its node in a room', ROOMS, (i) =>
        store.enter(`room ${i}`, { client: uuid(i), user: `user ${i}` }),
      ),
      among: await costOf('an entry of presence in a room with 100 of the same node', ROOMS, (i) =>
        store.enter(`large ${Math.floor(i / 100)}`, { client: uuid(i), user: `user ${i}` }),
      ),
      crowd: await costOf('an entry of presence in a room with 2,000 of the same node', ROOMS, (i) =>
        store.enter('crowd', { client: uuid(i), user: `user ${i}` }),
      ),
    }
    const bounds = { room: 350, first: 4800, small: 1300, more: 200, key: 300, alone: 600, among: 200, crowd: 300 }
    expect(Object.entries(bounds).filter(([what, bytes]) => told[what]! > bytes)).toEqual([])
  })

  test('a history takes no more than its bytes, and everything of it has its end', async () => {
    const rule = { ...RULE, size: 100_000, maxBytes: 100_000 }
    for (let i = 0; i < 50; i++) {
      const data = 'y'.repeat(i * 200)
      await Promise.all(
        Array.from({ length: 10 }, (_, k) => store.publish('bounded', { id: `b${i}.${k}`, data }, rule, undefined)),
      )
    }
    const { publications, offset } = await store.read('bounded', rule, { limit: 1000 })
    const bytes = publications.reduce((sum, { data }) => sum + data.length, 0)
    expect(offset).toBe(500)
    expect(bytes).toBeLessThanOrEqual(100_000)
    expect(bytes).toBeGreaterThan(80_000)
    for (const key of await redis.admin.keys('shop:[msk]:*')) expect(await redis.admin.pttl(key)).toBeGreaterThan(0)
  })
})
