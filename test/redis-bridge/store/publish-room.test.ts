// Publishing to rooms from a program that is none of their nodes.

import { createRedisStore } from '@roomcast/redis-bridge'
import { createPublisher, type Publisher } from '@roomcast/redis-bridge/publisher'
import { createRooms, type Rooms } from '@roomcast/rooms'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Person } from '../../rooms/person.ts'
import { describeRedis, RedisServer, startCluster, until } from '../../support/redis.ts'

const history = { size: 3, ttlMs: 60_000 }

test.each<[what: string, call: (publisher: Publisher) => unknown, error: new () => Error]>([
  ['a room that is none', (p) => p.publishRoom(1 as never, '1'), TypeError],
  ['a name that is none', (p) => p.publishRoom('', '1'), RangeError],
  ['data that is none', (p) => p.publishRoom('a', { a: 1 } as never), TypeError],
  ['an option that is none', (p) => p.publishRoom('a', '1', { ttl: 1 } as never), TypeError],
  ['a history without a ttl', (p) => p.publishRoom('a', '1', { history: { size: 1 } as never }), TypeError],
  ['a history of nothing', (p) => p.publishRoom('a', '1', { history: { size: 0, ttlMs: 1 } }), RangeError],
  ['a history with more', (p) => p.publishRoom('a', '1', { history: { ...history, epoch: 'x' } as never }), TypeError],
  ['tags that are none', (p) => p.publishRoom('a', '1', { tags: { a: 1 } as never }), TypeError],
  ['an info that is none', (p) => p.publishRoom('a', '1', { info: {} as never }), TypeError],
  ['a key that is too long', (p) => p.publishRoom('a', '1', { idempotencyKey: 'x'.repeat(257) }), RangeError],
])('%s throws at the call', async (_, call, error) => {
  const publisher = createPublisher({ url: '/nowhere.sock', prefix: 'p', onError: () => {} })
  expect(() => call(publisher)).toThrow(error)
  await publisher.close()
  await expect(publisher.publishRoom('a', '1')).rejects.toThrow('closed')
})

const SETUPS = {
  'one Redis': async () => {
    const redis = await RedisServer.start()
    return { target: { url: redis.path }, stop: () => redis.stop() }
  },
  'a cluster': async () => {
    const { nodes, stop } = await startCluster()
    return { target: { cluster: nodes.map(({ port }) => ({ host: '127.0.0.1', port })) }, stop }
  },
}

describeRedis('publishRoom', () => {
  const ended: (() => unknown)[] = []
  const stops: (() => unknown)[] = []
  const targets: Record<string, object> = {}
  beforeAll(async () => {
    for (const [name, set] of Object.entries(SETUPS)) {
      const { target, stop } = await set()
      targets[name] = target
      stops.push(stop)
    }
  }, 60_000)
  afterEach(async () => {
    await Promise.all(ended.splice(0).map((end) => end()))
  })
  afterAll(async () => {
    await Promise.all(stops.map((stop) => stop()))
  })

  async function start(name: string, prefix: string): Promise<[Rooms, Publisher]> {
    const store = createRedisStore({ ...targets[name], prefix } as never)
    const rooms = createRooms({ store, options: (room) => (room.startsWith('log') ? { history } : {}) })
    const publisher = createPublisher({ ...targets[name], prefix } as never)
    ended.push(
      () => rooms.close(),
      () => publisher.close(),
    )
    await until('ready', () => store.status === 'ready')
    return [rooms, publisher]
  }

  test.each(Object.keys(SETUPS))(
    '%s: members hear it, in order, with its numbers; a key is good once',
    async (name) => {
      const [rooms, publisher] = await start(name, `p${name.length}`)
      const leto = new Person('leto')
      for (const room of ['log', 'plain']) {
        expect(await leto.enter(rooms, room)).toBe('entered')
      }
      const first = await publisher.publishRoom('log', '"one"', { history, tags: { by: 'shop' }, idempotencyKey: 'k' })
      expect(first).toEqual({ epoch: expect.any(String), offset: 1 })
      expect(await publisher.publishRoom('log', '"again"', { history, idempotencyKey: 'k' })).toEqual(first)
      const own = await rooms.publish('log', '"own"')
      expect(own).toEqual({ epoch: first.epoch, offset: 2 })
      for (const n of [3, 4])
        expect(await publisher.publishRoom('log', `${n}`, { history })).toMatchObject({ offset: n })
      const { publications } = await rooms.history('log')
      expect(publications.map(({ data, offset }) => [String(data), offset])).toEqual([
        ['"own"', 2],
        ['3', 3],
        ['4', 4],
      ])

      for (const n of [1, 2, 3]) expect(await publisher.publishRoom('plain', `${n}`)).toEqual({ epoch: '', offset: 0 })
      const keyed = { idempotencyKey: 'k' }
      await publisher.publishRoom('plain', '"keyed"', keyed)
      await publisher.publishRoom('plain', '"twice"', keyed)
      await publisher.publishRoom('plain', '"last"', { info: { client: 'c', user: 'u' } })
      await until('the last', () => leto.data.includes('"last"'))
      const said = (room: string): string[] =>
        leto.heard.flatMap((one) => (one.is === 'said' && one.room === room ? [one.data] : []))
      expect(said('plain')).toEqual(['1', '2', '3', '"keyed"', '"last"'])
      await until('all of the other', () => said('log').length === 4)
      expect(said('log')).toEqual(['"one"', '"own"', '3', '4'])
    },
  )

  test('it is no node: no question is put to it', async () => {
    const [rooms, publisher] = await start('one Redis', 'q')
    await publisher.publishRoom('log', '1', { history })
    await publisher.publishRoom('plain', '1')
    expect(await rooms.nodes()).toMatchObject({ nodes: [{}], missing: 0 })
  })

  test('with Redis away: a room with history rejects soon, one without waits for it', async () => {
    const redis = await RedisServer.start()
    const publisher = createPublisher({ url: redis.path, prefix: 'r', onError: () => {} })
    ended.push(
      () => publisher.close(),
      () => redis.stop(),
    )
    await publisher.publishRoom('log', '1', { history })
    await redis.kill()
    const plain = publisher.publishRoom('plain', '1')
    await expect(publisher.publishRoom('log', '2', { history })).rejects.toMatchObject({
      name: 'StoreUnavailableError',
    })
    await redis.boot()
    expect(await plain).toEqual({ epoch: '', offset: 0 })
  }, 30_000)
})
