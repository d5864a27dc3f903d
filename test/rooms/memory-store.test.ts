// The memory store: the contract, and what is its own: bounds, times, dead nodes. Time is virtual.

import { type ClientInfo, createMemoryDatabase, createRooms, type HistoryRule } from '@roomcast/rooms'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Database } from '../../packages/rooms/src/memory-database.ts'
import { MemoryStore } from '../../packages/rooms/src/memory-store.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { Person } from './person.ts'
import { describeStore } from './store-suite.ts'

describeStore('memory', async () => {
  const database = createMemoryDatabase()
  return { a: database.store(), b: database.store(), another: () => database.store() }
})

const RULE: HistoryRule = { size: 10, ttlMs: 1000, maxBytes: 1_000_000, metaTtlMs: 60_000 }
const NOBODY = { deliver: () => {}, mark: () => {}, gap: () => {}, answer: () => ({}) }

function make(options: { maxBytes?: number; maxIdleRooms?: number } = {}) {
  const clock = new VirtualClock(1)
  const database = new Database({ clock, ...options })
  const store = new MemoryStore(database)
  store.start(NOBODY)
  return { clock, database, store }
}

describe('times', () => {
  test('a history is gone its ttl after its last publication; epoch and number outlive it', async () => {
    const { clock, database, store } = make()
    const { epoch } = await store.publish('r', { id: '1', data: 'x' }, RULE, undefined)
    await clock.pass(1000)
    expect((await store.read('r', RULE, { limit: 1 })).publications).toHaveLength(1)
    await clock.pass(1)
    expect(await store.read('r', RULE, { limit: 1 })).toMatchObject({ epoch, offset: 1, lastId: '1', publications: [] })
    await clock.pass(59_000)
    expect(await store.read('r', RULE, { limit: 1 })).toMatchObject({ epoch, offset: 1 })
    await clock.pass(90_000)
    expect([database.logs.size, database.bytes]).toEqual([0, 0])
    const again = await store.read('r', RULE, { limit: 1 })
    expect(again.offset).toBe(0)
    expect(again.epoch).not.toBe(epoch)
  })

  test('while somebody is in it, a quiet room keeps epoch and number; from then on for their time', async () => {
    const { clock, store } = make()
    store.join('r', RULE)
    const { epoch } = await store.publish('r', { id: '1', data: 'x' }, RULE, undefined)
    await clock.pass(10_000_000)
    expect(await store.read('r', RULE, { limit: 0 })).toMatchObject({ epoch, offset: 1 })
    store.leave('r')
    await clock.pass(50_000)
    expect(await store.read('r', RULE, { limit: 0 })).toMatchObject({ epoch, offset: 1 })
    await clock.pass(90_000)
    expect((await store.read('r', RULE, { limit: 0 })).epoch).not.toBe(epoch)
  })

  test('a key is forgotten after 5 minutes', async () => {
    const { clock, store } = make()
    expect(await store.claim('r', 'k')).toBe(true)
    await clock.pass(299_000)
    expect(await store.claim('r', 'k')).toBe(false)
    await clock.pass(2000)
    expect(await store.claim('r', 'k')).toBe(true)
  })
})

describe('bounds', () => {
  test('all histories together: those that were used least recently go, their epoch and number stay', async () => {
    const { database, store } = make({ maxBytes: 50_000 })
    const positions = []
    for (let i = 0; i < 100; i++) {
      positions.push(await store.publish(`r${i}`, { id: `${i}`, data: 'x'.repeat(1000) }, RULE, undefined))
    }
    expect(database.bytes).toBeLessThanOrEqual(50_000)
    expect(await store.read('r0', RULE, { limit: 1 })).toMatchObject({ ...positions[0], publications: [] })
    expect((await store.read('r99', RULE, { limit: 1 })).publications).toHaveLength(1)
  })

  test('100,000 rooms that clients invent leave little behind, and then nothing', async () => {
    const { clock, database, store } = make({ maxIdleRooms: 100 })
    const rooms = createRooms({
      store: new MemoryStore(database),
      clock,
      options: () => ({ history: { size: 10, ttlMs: 1000 } }),
    })
    const plain = createRooms({ store: new MemoryStore(database), clock })
    const present = createRooms({ store: new MemoryStore(database), clock, options: () => ({ presence: true }) })
    const nodes = [rooms, plain, present]
    for (let i = 0; i < 1000; i++) {
      const person = new Person('c')
      const entering = Array.from({ length: 100 }, (_, k) => person.enter(nodes[i % 3]!, `r${i}.${k}`))
      await Promise.all(entering)
      person.socket.close()
    }
    for (const node of nodes) {
      expect(node.stats()).toEqual({ rooms: 0, clients: 0, members: 0, replayBytes: 0, dropped: 0 })
    }
    expect(database.presence.size).toBe(0)
    expect(database.joined.size).toBe(0)
    await clock.pass(10_000)
    expect(database.logs.size).toBe(100)
    await clock.pass(4_000_000)
    expect(database.logs.size).toBe(0)
    await store.close()
  }, 60_000)

  test('keys', () => {
    const { database } = make()
    for (let i = 0; i < 150_000; i++) database.keys.add(`${i}`, { epoch: '', offset: i })
    expect(database.keys.size).toBe(100_000)
    expect(database.keys.get('149999')?.offset).toBe(149_999)
  })
})

describe('a node that dies', () => {
  const PRESENT = { presence: true, joinLeave: true }

  /** Who left, as a member of another node is told. */
  function left(person: Person): string[] {
    return person.heard.flatMap((one) => (one.is === 'leave' ? one.client : []))
  }

  test('is gone from every answer within 20 s; its leaves are told once each, at most 200 a second', async () => {
    const clock = new VirtualClock(1)
    const database = new Database({ clock })
    const [dying, living] = [0, 1].map(() =>
      createRooms({ store: new MemoryStore(database), clock, options: () => PRESENT }),
    )
    const watcher = new Person('watcher')
    await watcher.enter(living!, 'r')
    for (let i = 0; i < 500; i++) await new Person(`c${i}`).enter(dying!, 'r')
    expect((await living!.presence('r')).size).toBe(501)
    await clock.pass(6000)
    // It renews nothing any more, and nobody says goodbye.
    const frozen = [...database.nodes][0] as MemoryStore
    frozen.lease = () => new Promise(() => {})
    await clock.pass(19_999)
    expect((await living!.presence('r')).size).toBe(1)
    expect(left(watcher)).toEqual([])
    await clock.pass(6000)
    await clock.pass(3000)
    expect(left(watcher).sort()).toEqual(Array.from({ length: 500 }, (_, i) => `c${i}`).sort())
    await living!.close()
  })

  test('is back within 20 s: nobody is told anything; later: it joins again; emptied: it asserts, and nobody is told', async () => {
    const clock = new VirtualClock(1)
    const database = new Database({ clock })
    const [frozen, living] = [0, 1].map(() =>
      createRooms({ store: new MemoryStore(database), clock, options: () => PRESENT }),
    )
    const [watcher, person] = [new Person('watcher'), new Person('c')]
    await watcher.enter(living!, 'r')
    await person.enter(frozen!, 'r')
    const store = [...database.nodes][0] as MemoryStore
    const lease = store.lease.bind(store)
    const told = (): string[] => watcher.heard.map((one) => one.is).slice(2)
    for (const [awayMs, expected] of [
      [12_000, ['join']],
      [40_000, ['join', 'leave', 'join']],
    ] as const) {
      store.lease = () => Promise.reject(new Error('frozen'))
      await clock.pass(awayMs)
      store.lease = lease
      await clock.pass(5000)
      expect(told()).toEqual(expected)
      expect((await living!.presence('r')).size).toBe(2)
    }
    database.presence.clear()
    await clock.pass(5000)
    expect((await living!.presence('r')).size).toBe(2)
    expect(told()).toEqual(['join', 'leave', 'join'])
    await Promise.all([frozen!.close(), living!.close()])
  })
})

describe('properties', () => {
  const operation = fc.oneof(
    fc.record({ do: fc.constant('publish' as const), bytes: fc.integer({ min: 0, max: 3000 }) }),
    fc.record({
      do: fc.constant('read' as const),
      after: fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined }),
      before: fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined }),
      limit: fc.integer({ min: 0, max: 12 }),
      newest: fc.boolean(),
    }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 700 }) }),
  )

  test('a history is the newest of what was published, within its rule, whatever is asked of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
        const { clock, database, store } = make()
        const rule = { ...RULE, maxBytes: 10_000 }
        let kept: { offset: number; bytes: number }[] = []
        let [offset, lastAt] = [0, 0]
        for (const one of operations) {
          if (clock.now() - lastAt > rule.ttlMs) kept = []
          if (one.do === 'pass') await clock.pass(one.ms)
          else if (one.do === 'publish') {
            kept.push({ offset: ++offset, bytes: one.bytes + 200 })
            while (kept.length > rule.size || kept.reduce((sum, { bytes }) => sum + bytes, 0) > rule.maxBytes)
              kept.shift()
            lastAt = clock.now()
            const data = 'x'.repeat(one.bytes)
            expect((await store.publish('r', { id: `${offset}`, data }, rule, undefined)).offset).toBe(offset)
            expect(database.bytes).toBe(kept.reduce((sum, { bytes }) => sum + bytes, 0))
          } else {
            const { after = 0, before = Number.POSITIVE_INFINITY, limit, newest } = one
            const inside = kept.map((publication) => publication.offset).filter((n) => n > after && n < before)
            const expected = newest ? inside.slice(Math.max(0, inside.length - limit)) : inside.slice(0, limit)
            const page = await store.read('r', rule, one)
            expect(page.offset).toBe(offset)
            expect(page.publications.map((publication) => publication.offset)).toEqual(expected)
          }
        }
      }),
      { numRuns: 200 },
    )
  })

  test('presence is what the operations of all nodes left', async () => {
    const step = fc.record({
      node: fc.integer({ min: 0, max: 2 }),
      do: fc.constantFrom('enter', 'exit', 'assert'),
      room: fc.constantFrom('r', 's'),
      client: fc.integer({ min: 0, max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const database = createMemoryDatabase({ clock: new VirtualClock(1) })
        const nodes = [0, 1, 2].map(() => database.store())
        for (const node of nodes) node.start(NOBODY)
        for (const node of nodes) await node.lease()
        const model = new Set<string>()
        for (const { node, do: what, room, client } of steps) {
          // Clients' ids are their node's: no two nodes have the same.
          const info: ClientInfo = { client: `${node}.${client}`, user: 'u' }
          const key = `${room} ${info.client}`
          if (what === 'enter') expect(await nodes[node]!.enter(room, info)).toBe(!model.has(key))
          if (what === 'exit') expect(await nodes[node]!.exit(room, info.client)).toBe(model.has(key))
          if (what === 'enter') model.add(key)
          if (what === 'exit') model.delete(key)
          if (what !== 'assert') continue
          const { removed } = await nodes[node]!.assert([[room, info]])
          const mine = [...model].filter((other) => other.includes(` ${node}.`) && other !== key)
          expect(removed.map(([from, { client: who }]) => `${from} ${who}`).sort()).toEqual(mine.sort())
          for (const other of mine) model.delete(other)
          model.add(key)
        }
        for (const room of ['r', 's']) {
          const present = (await nodes[0]!.presence(room)).map(({ client }) => `${room} ${client}`)
          expect(present.sort()).toEqual([...model].filter((key) => key.startsWith(room)).sort())
        }
      }),
      { numRuns: 200 },
    )
  })
})
