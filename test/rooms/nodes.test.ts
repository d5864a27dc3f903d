// What all nodes are asked and told: blocks that a later node learns of, rooms and nodes, losses between nodes.

import { createRooms, type RoomOptions, type StoreSink } from '@roomcast/rooms'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Blocks } from '../../packages/rooms/src/blocks.ts'
import { Database } from '../../packages/rooms/src/memory-database.ts'
import { MemoryStore } from '../../packages/rooms/src/memory-store.ts'
import { matches } from '../../packages/rooms/src/wildcard.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { Person, settled } from './person.ts'

const clock = new VirtualClock(1)

function cluster(options: RoomOptions = {}) {
  const database = new Database({ clock })
  const node = (about = {}) => {
    const store = new MemoryStore(database)
    const sinks: StoreSink[] = []
    const { start } = store
    store.start = (sink) => {
      sinks.push(sink)
      start.call(store, sink)
    }
    const rooms = createRooms({ store, clock, about, options: () => options })
    return { store, rooms, sink: sinks[0]! }
  }
  return { database, node }
}

describe('who is blocked', () => {
  test('is refused on a node that starts later, for as long as is left', async () => {
    const { node } = cluster()
    await node().rooms.disconnect('eve', { blockMs: 1000 })
    await clock.pass(600)
    const late = node()
    // It could not know yet: she is closed when it does.
    const eve = new Person('c', { user: 'eve' })
    expect(await eve.enter(late.rooms, 'r')).toBe('entered')
    await settled()
    expect(eve.socket.closes).toEqual([{ code: 3503, reason: 'force disconnect' }])
    expect(await new Person('d', { user: 'eve' }).enter(late.rooms, 'r')).toBe('blocked')
    await clock.pass(401)
    expect(await new Person('d', { user: 'eve' }).enter(late.rooms, 'r')).toBe('entered')
    const latest = node()
    await settled()
    expect(await new Person('e', { user: 'eve' }).enter(latest.rooms, 'r')).toBe('entered')
  })

  test('100,000 at once; those that are over go first, then those that were blocked first', async () => {
    const blocks = new Blocks(clock)
    const block = (user: string, blockMs: number): void =>
      blocks.add({ do: 'disconnect', user, code: 3503, reason: '', blockMs })
    block('early', 10)
    await clock.pass(11)
    for (let i = 0; i < 100_000; i++) block(`${i}`, 1000)
    expect([blocks.size, blocks.has('0'), blocks.has('early')]).toEqual([100_000, true, false])
    block('one more', 1000)
    expect([blocks.size, blocks.has('0'), blocks.has('one more')]).toEqual([100_000, false, true])
    // A shorter one does not shorten a longer one.
    block('1', 10)
    await clock.pass(500)
    expect(blocks.has('1')).toBe(true)
    await clock.pass(501)
    expect(blocks.has('1')).toBe(false)
  })
})

describe('rooms and nodes', () => {
  test('rooms with members are listed, of one node and of all', async () => {
    const { node } = cluster()
    const nodes = [node({ name: 'a', version: '1' }), node(), node()]
    const where: [number, string][] = [
      [0, 'chat:1'],
      [0, 'chat:2'],
      [1, 'chat:2'],
      [1, 'news'],
      [2, 'chat:2'],
    ]
    const people = where.map((_, i) => new Person(`c${i}`, { user: i < 2 ? 'u' : `u${i}` }))
    for (const [i, [at, room]] of where.entries()) await people[i]!.enter(nodes[at]!.rooms, room)
    const { rooms } = nodes[0]!
    const all = await rooms.list()
    expect([...all.rooms].sort()).toEqual([
      ['chat:1', 1],
      ['chat:2', 3],
      ['news', 1],
    ])
    expect(all).toMatchObject({ complete: true, nodes: 3, missing: 0 })
    expect(await rooms.list({ scope: 'local', pattern: '*2' })).toMatchObject({
      rooms: new Map([['chat:2', 1]]),
      nodes: 1,
    })
    expect([...(await rooms.list({ pattern: 'chat:*' })).rooms.keys()]).toEqual(['chat:1', 'chat:2'])
    const some = await rooms.list({ limit: 1 })
    expect([some.rooms.size, some.complete]).toEqual([1, false])
    const status = await rooms.nodes()
    expect(status.missing).toBe(0)
    expect(status.nodes.map(({ clients, users, rooms, members }) => [clients, users, rooms, members])).toEqual([
      [2, 1, 2, 2],
      [2, 2, 2, 2],
      [1, 1, 1, 1],
    ])
    expect(status.nodes[0]!.about).toEqual({ name: 'a', version: '1' })
    expect(new Set(status.nodes.map(({ id }) => id)).size).toBe(3)
    for (const wrong of [{ limit: 0 }, { scope: 'here' as never }]) {
      await expect(rooms.list(wrong)).rejects.toThrow(RangeError)
    }
  })

  test('nodes that did not answer, or cannot, are counted', async () => {
    const { node } = cluster()
    const { store, rooms } = node()
    store.ask = () => Promise.resolve({ answers: [{}, { rooms: [['r', 2]], clients: 2 }], missing: 1 })
    expect(await rooms.list()).toEqual({ rooms: new Map([['r', 2]]), complete: false, nodes: 2, missing: 1 })
    expect(await rooms.subscribe('u', 'r')).toEqual({ clients: 2, nodes: 2, missing: 1 })
    expect(await rooms.nodes()).toEqual({ nodes: [], missing: 1 })
  })

  test('a request of a node that is newer is answered with nothing', async () => {
    const { sink } = cluster().node()
    expect(sink.answer({ do: 'what is new' } as never)).toEqual({})
  })

  test('patterns: any characters, one character, and in steps that are bounded', () => {
    const regexp = (pattern: string): RegExp =>
      new RegExp(
        `^${[...pattern].map((c) => (c === '*' ? '.*' : c === '?' ? '.' : c.replace(/\W/, '\\$&'))).join('')}$`,
        's',
      )
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', '.'), maxLength: 12 })
    fc.assert(fc.property(text, text, (pattern, name) => matches(pattern, name) === regexp(pattern).test(name)))
    expect(matches(`${'*a'.repeat(60)}b`, 'a'.repeat(200))).toBe(false)
  })
})

describe('what was lost between nodes', () => {
  test('is told for a room without history, to listeners whose faults harm nobody', async () => {
    const { node } = cluster()
    const { rooms, sink } = node()
    const gaps: unknown[] = []
    const listener = (gap: unknown): void => void gaps.push(gap)
    const warnings: string[] = []
    const warn = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', warn)
    rooms.on('gap', () => {
      throw new Error('mine')
    })
    rooms.on('gap', listener)
    expect(() => rooms.on('gaps' as never, listener)).toThrow(RangeError)
    expect(() => rooms.on('gap', 1 as never)).toThrow(TypeError)
    await new Person('c').enter(rooms, 'r')
    sink.gap('r', { node: 'n', missed: 3 })
    sink.gap('nobody is here', {})
    rooms.off('gap', listener)
    sink.gap('r', {})
    await settled()
    process.off('warning', warn)
    expect(gaps).toEqual([{ room: 'r', node: 'n', missed: 3 }])
    expect(warnings).toHaveLength(2)
  })

  test('what the store could not hand on is counted', async () => {
    const { node } = cluster({ joinLeave: true })
    const { rooms, store } = node()
    store.carry = () => false
    await new Person('c').enter(rooms, 'r')
    await rooms.publish('r', 'x')
    expect(rooms.stats().dropped).toBe(2)
  })
})
