// What a protocol may ask of `enter` beside a position: several rooms in one step, info of one room alone, no news of who
// comes and goes, a refusal at the last moment, and to be told itself when it is put out.

import { createMemoryDatabase, createRooms, memoryStore, type Place, type Rooms, type Store } from '@roomcast/rooms'
import { describe, expect, test } from 'vitest'
import { VirtualClock } from '../support/virtual-clock.ts'
import { lines, Person, settled } from './person.ts'

const OPTIONS = { history: { size: 10, ttlMs: 60_000 }, presence: true, joinLeave: true }

function rooms(): Rooms {
  return createRooms({ store: memoryStore(), options: (room) => (room.startsWith('plain') ? {} : OPTIONS) })
}

function enterAll(all: Rooms, person: Person, places: Record<string, Place>): Promise<string> {
  return all.enterAll<string>(new Map(Object.entries(places)), person, (entered) =>
    [...entered].map(([room, { offset, publications }]) => `${room}:${offset}:${publications.length}`).join(' '),
  )
}

describe('enterAll', () => {
  test('one reply for all rooms, and nothing live before it', async () => {
    const all = rooms()
    await all.publish('a', '1')
    const { epoch } = await all.publish('a', '2')
    const person = new Person('p')
    const entering = enterAll(all, person, { a: { since: { epoch, offset: 1 } }, b: {}, plain: {} })
    await all.publish('b', 'meanwhile')
    await all.publish('plain', 'too early')
    expect(await entering).toBe('entered')
    await all.publish('plain', 'live')
    const [reply, ...live] = person.socket.messages
    expect(reply).toMatch(/^a:2:1 b:[01]:0 plain:0:0$/)
    expect(live.filter((frame) => String(frame).includes('too early'))).toEqual([])
    expect(String(live.at(-1))).toContain('live')
  })

  test('all or none: the first that cannot be entered decides', async () => {
    const all = createRooms({ store: memoryStore(), maxRoomsPerClient: 2 })
    const person = new Person('p')
    expect(await enterAll(all, person, { a: {}, b: {}, c: {} })).toBe('full')
    expect(await enterAll(all, person, { a: {}, '': {} })).toBe('bad_name')
    expect(all.stats()).toMatchObject({ rooms: 0, clients: 1 })
    expect(await enterAll(all, person, { a: {} })).toBe('entered')
    expect(await enterAll(all, person, { b: {}, a: {} })).toBe('member')
    expect(all.stats()).toMatchObject({ rooms: 1 })
    expect(person.socket.messages).toEqual(['a:0:0'])
  })

  test('no room at all is a reply', async () => {
    const person = new Person('p')
    expect(await enterAll(rooms(), person, {})).toBe('entered')
    expect(person.socket.messages).toEqual([''])
  })

  test('a command that takes it out of one ends all of it', async () => {
    const all = rooms()
    const person = new Person('p', { user: 'u' })
    const entering = enterAll(all, person, { a: {}, b: {} })
    await all.unsubscribe('u', 'b')
    expect(await entering).toBe('closed')
    await settled()
    expect(all.stats()).toMatchObject({ rooms: 0 })
    expect((await all.presence('a')).size).toBe(0)
  })
})

test('a reply that is undefined refuses: it was never in', async () => {
  const all = rooms()
  const other = new Person('other')
  await other.enter(all, 'r')
  const person = new Person('p')
  expect(await all.enter('r', person, { reply: () => undefined })).toBe('refused')
  await settled()
  expect(person.socket.messages).toEqual([])
  expect([...(await all.presence('r')).keys()]).toEqual(['other'])
  expect(other.heard.filter(({ is }) => is === 'join' || is === 'leave')).toEqual([
    { is: 'join', room: 'r', client: 'other' },
  ])
})

test('info of one room alone is shown there, and counts with the other', async () => {
  const database = createMemoryDatabase()
  const [one, two] = [0, 1].map(() => createRooms({ store: database.store(), options: () => OPTIONS })) as [
    Rooms,
    Rooms,
  ]
  const person = new Person('p', { info: 'everywhere' })
  const reply = (): string => ''
  await one.enter('r', person, { roomInfo: '"here"', reply })
  await one.enter('s', person, { reply })
  expect((await two.presence('r')).get('p')).toMatchObject({ info: 'everywhere', roomInfo: '"here"' })
  expect((await two.presence('s')).get('p')).not.toHaveProperty('roomInfo')
  expect(await one.enter('t', person, { roomInfo: 'x'.repeat(2055), reply })).toBe('too_large')
  const said: unknown[] = []
  const codec = { ...lines, body: ({ info }: { info?: unknown }) => `${said.push(info)}` }
  const listener = new Person('l', { codec })
  await listener.enter(two, 'r')
  await one.publish('r', 'x', { info: { client: 'p', user: 'p', roomInfo: '"here"' } })
  await settled()
  expect(said).toEqual([{ client: 'p', user: 'p', info: undefined, roomInfo: '"here"' }])
})

describe('a store with other nodes', () => {
  test('who comes into a room without history is in when the others are heard, or a second later', async () => {
    const clock = new VirtualClock(1)
    let ready: (() => void) | undefined
    let status: Store['status'] = 'ready'
    const store = memoryStore()
    const connected: Store = new Proxy(store, {
      get: (target, name: keyof Store) => {
        if (name === 'status') return status
        if (name === 'ready') return () => new Promise<void>((resolve) => void (ready = resolve))
        return (target[name] as () => void).bind(target)
      },
    })
    const all = createRooms({ store: connected, clock })
    const [one, two, three] = ['1', '2', '3'].map((client) => new Person(client)) as [Person, Person, Person]
    const entering = one.enter(all, 'r')
    await settled()
    expect(one.heard).toEqual([])
    expect([all.isMember('r', one.socket), all.memberCount('r')]).toEqual([false, 0])
    ready!()
    expect(await entering).toBe('entered')
    expect([all.isMember('r', one.socket), all.memberCount('r')]).toEqual([true, 1])
    void two.enter(all, 'r')
    await clock.pass(999)
    expect(two.heard).toEqual([])
    await clock.pass(1)
    expect(two.replies).toHaveLength(1)
    // While they are away nobody waits for them.
    status = 'degraded'
    void three.enter(all, 'r')
    expect(three.replies).toHaveLength(1)
    expect(all.findMember('r', (socket) => socket === three.socket)).toBe(three.socket)
    expect(all.findMember('r', () => false)).toBeUndefined()
  })
})

test('who does not want to hear of others does not', async () => {
  const all = rooms()
  const quiet = new Person('quiet')
  const other = new Person('other')
  await all.enter('r', quiet, { hearsJoinLeave: false, reply: (entered) => lines.reply('r', entered) })
  await other.enter(all, 'r')
  all.leave('r', other.socket)
  await all.publish('r', 'x')
  await settled()
  expect(quiet.heard.map(({ is }) => is)).toEqual(['reply', 'said'])
  expect(other.heard.map(({ is }) => is)).toEqual(['reply', 'join'])
})

test('a member that wants to know is told itself, live or on its way in, and nothing is written', async () => {
  const all = rooms()
  const heard: unknown[] = []
  const person = Object.assign(new Person('p', { user: 'u' }), {
    expelled: (...args: unknown[]) => {
      heard.push(args)
      throw new Error('a fault of its own')
    },
  })
  await person.enter(all, 'r')
  await all.unsubscribe('u', 'r', { code: 2500, reason: 'because' })
  const entering = person.enter(all, 's')
  await all.unsubscribe('u', 's')
  expect(await entering).toBe('closed')
  // Also where it is not in: its protocol may be asking whether it may.
  await all.unsubscribe('u', 'elsewhere')
  expect(heard).toEqual([
    ['r', 2500, 'because'],
    ['s', 2000, 'server unsubscribe'],
    ['elsewhere', 2000, 'server unsubscribe'],
  ])
  expect(person.heard.filter(({ is }) => is === 'out')).toEqual([])
})

describe('whose coming and going is told to nobody', () => {
  test('goes untold when its node is closed, too', async () => {
    const clock = new VirtualClock(1)
    const database = createMemoryDatabase({ clock })
    const [one, two] = [0, 1].map(() => createRooms({ store: database.store(), clock, options: () => OPTIONS })) as [
      Rooms,
      Rooms,
    ]
    const listener = new Person('l')
    await listener.enter(two, 'r')
    const quiet = new Person('q')
    await one.enter('r', quiet, { joinLeave: false, reply: () => '' })
    await new Person('p').enter(one, 'r')
    expect([...(await two.presence('r')).values()]).toContainEqual({ client: 'q', user: 'q', info: undefined })
    await one.close()
    await settled()
    expect([...(await two.presence('r')).keys()]).toEqual(['l'])
    expect(
      listener.heard.flatMap((heard) =>
        heard.is === 'join' || heard.is === 'leave' ? [`${heard.is} ${heard.client}`] : [],
      ),
    ).toEqual(['join l', 'join p', 'leave p'])
    await two.close()
  })
})
