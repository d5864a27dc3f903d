// What the bus lost, and a store that is away.

import {
  type BusRecord,
  createRooms,
  type RoomOptions,
  type Rooms,
  type StoreSink,
  StoreUnavailableError,
} from '@roomcast/rooms'
import { beforeEach, expect, test } from 'vitest'
import { Database } from '../../packages/rooms/src/memory-database.ts'
import { MemoryStore } from '../../packages/rooms/src/memory-store.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { goBack } from './go-back.ts'
import { Person, settled } from './person.ts'

const REMEMBERS: RoomOptions = { history: { size: 10, ttlMs: 600_000 } }

let clock: VirtualClock
let database: Database
let store: MemoryStore
let rooms: Rooms
let people: Person[]
let reads: number
let away: boolean
let lost: (record: BusRecord) => boolean
let sink: StoreSink
let told: [room: string, members: number][]

beforeEach(async () => {
  clock = new VirtualClock(1)
  database = new Database({ clock })
  store = new MemoryStore(database)
  reads = 0
  away = false
  lost = () => false
  const { read, deliver, publish, claim } = store
  store.read = (...args) => {
    reads++
    return away ? Promise.reject(new StoreUnavailableError()) : read.apply(store, args)
  }
  store.publish = (...args) => (away ? Promise.reject(new StoreUnavailableError()) : publish.apply(store, args))
  store.claim = (...args) => (away ? Promise.reject(new StoreUnavailableError()) : claim.apply(store, args))
  const { start } = store
  store.start = (given) => {
    sink = given
    start.call(store, given)
  }
  store.deliver = (room, record) => {
    if (!lost(record)) deliver.call(store, room, record)
  }
  const options = (room: string): RoomOptions => (room === 'plain' ? {} : REMEMBERS)
  told = []
  const onDelivered = (...delivered: [string, number]): void => void told.push(delivered)
  rooms = createRooms({ store, clock, options, onDelivered })
  people = [0, 1, 2].map((i) => new Person(`c${i}`))
  await Promise.all(people.map((person) => person.enter(rooms, 'r')))
  reads = 0
})

async function say(...data: string[]): Promise<void> {
  for (const one of data) await rooms.publish('r', one)
  await settled()
}

test('a number that is missing is read once for all members, and order is kept', async () => {
  lost = (record) => record.kind === 'publication' && ['b', 'c'].includes(String(record.publication.data))
  await say('a', 'b', 'c', 'd', 'e')
  for (const person of people) expect(person.data).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(reads).toBe(1)
})

test('onDelivered hears of each publication once, whichever way it came, and of none that reached nobody', async () => {
  lost = (record) => record.kind === 'publication' && ['b', 'c'].includes(String(record.publication.data))
  await say('a', 'b', 'c', 'd')
  // What came already comes again.
  const { publications } = await rooms.history('r')
  for (const publication of publications) sink.deliver('r', { kind: 'publication', publication })
  await settled()
  expect(told).toEqual([1, 2, 3, 4].map(() => ['r', 3]))
  told = []
  await rooms.publish('plain', 'nobody is there')
  await rooms.publish('kept', 'nobody is there')
  await settled()
  expect(told).toEqual([])
  await people[0]!.enter(rooms, 'plain')
  const published = rooms.publish('plain', 'x')
  expect([people[0]!.data.at(-1), told]).toEqual(['x', []])
  await published
  await settled()
  expect(told).toEqual([['plain', 1]])
})

test('the last one is missed by a mark, which costs nothing where nothing is missing', async () => {
  const { epoch } = await rooms.publish('r', 'a')
  await settled()
  const mark = (offset: number, lastId: string): void => sink.mark('r', { epoch, offset, lastId })
  mark(1, (await store.read('r', { size: 10, ttlMs: 600_000, maxBytes: 1e6, metaTtlMs: 1 }, { limit: 0 })).lastId)
  await settled()
  expect(reads).toBe(1)
  lost = () => true
  await say('b')
  mark(2, 'whatever')
  await settled()
  for (const person of people) expect(person.data).toEqual(['a', 'b'])
  expect(reads).toBe(2)
})

test('a store that may have lost something says so, and one read for all members tells', async () => {
  lost = () => true
  await say('a')
  sink.gap('r', {})
  await settled()
  for (const person of people) expect(person.data).toEqual(['a'])
  expect(reads).toBe(1)
})

test('what was trimmed meanwhile is told, and so is what cannot be had within a second', async () => {
  lost = () => true
  await say(...'abcdefghijkl')
  lost = () => false
  await say('m')
  // It might still come: the bus is another connection.
  await clock.pass(999)
  expect(people[0]!.heard.at(-1)).toMatchObject({ is: 'reply' })
  await clock.pass(1)
  for (const person of people) expect(person.heard.at(-1)).toEqual({ is: 'out', room: 'r', code: 2500 })
  expect(rooms.stats().rooms).toBe(0)

  await Promise.all(people.map((person) => person.enter(rooms, 'r')))
  lost = () => true
  await say('n')
  lost = () => false
  away = true
  const { epoch, offset, lastId } = database.logs.get('r')!
  sink.mark('r', { epoch, offset, lastId })
  await clock.pass(999)
  expect(people[0]!.heard.at(-1)).toMatchObject({ is: 'reply' })
  await clock.pass(1)
  for (const person of people) expect(person.heard.at(-1)).toEqual({ is: 'out', room: 'r', code: 2500 })
  expect(await people[0]!.enter(rooms, 'r')).toBe('unavailable')
  away = false
  expect(await people[0]!.enter(rooms, 'r', { epoch, offset: offset - 1 })).toBe('entered')
  expect(people[0]!.replies.at(-1)).toMatchObject({ recovered: true, offset })
})

test('a store that does not answer: each who waits is told after its own ten seconds, and the next waits anew', async () => {
  store.read = () => new Promise(() => {})
  const told: string[] = []
  const come = async (name: string): Promise<void> => {
    told.push(`${name} ${await new Person(name).enter(rooms, 'r', { epoch: 'e', offset: 0 })} at ${clock.now()}`)
  }
  void come('first')
  await clock.pass(4000)
  void come('second')
  void come('third')
  await clock.pass(9999)
  expect(told).toEqual(['first unavailable at 10000'])
  void come('fourth')
  await clock.pass(20_000)
  expect(told.slice(1)).toEqual([
    'second unavailable at 14000',
    'third unavailable at 14000',
    'fourth unavailable at 23999',
  ])
})

test('a hole after a hole: each has its second, while numbers come', async () => {
  lost = (record) => record.kind === 'publication' && record.publication.offset !== 4
  await say(...'abc')
  // The store is slow: it answers after 700 ms, with what was there when it was asked.
  const { read } = store
  store.read = async (...args) => {
    const page = await read.apply(store, args)
    await new Promise<void>((resolve) => void clock.after(700, resolve))
    return page
  }
  await say('d')
  await clock.pass(600)
  lost = (record) => record.kind === 'publication' && record.publication.offset !== 6
  await say('e', 'f')
  await clock.pass(1500)
  for (const person of people) expect(person.data).toEqual([...'abcdef'])
  for (const person of people) expect(person.heard.map(({ is }) => is)).not.toContain('out')
})

test('a number that is given again: members are told, and the room has another epoch', async () => {
  await say('a', 'b')
  const log = database.logs.get('r')!
  goBack(log)
  await say('other b')
  for (const person of people) expect(person.data).toEqual(['a', 'b'])
  for (const person of people) expect(person.heard.at(-1)).toEqual({ is: 'out', room: 'r', code: 2500 })
  expect((await rooms.history('r')).epoch).not.toBe(log.epoch)
})

test('with the store away a room with history refuses, and one without goes on', async () => {
  const person = people[0]!
  await person.enter(rooms, 'plain')
  away = true
  await expect(rooms.publish('r', 'x')).rejects.toThrow(StoreUnavailableError)
  await expect(rooms.publish('plain', 'x', { idempotencyKey: 'k' })).rejects.toThrow(StoreUnavailableError)
  expect(await rooms.publish('plain', 'y')).toEqual({ epoch: '', offset: 0 })
  expect(person.data).toEqual(['y'])
})

test('a user that is blocked may come again when the time is over', async () => {
  await rooms.disconnect('c0', { blockMs: 1000 })
  expect(await new Person('c0').enter(rooms, 'r')).toBe('blocked')
  await clock.pass(1001)
  expect(await new Person('c0').enter(rooms, 'r')).toBe('entered')
})
