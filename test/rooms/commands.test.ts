// Which of a user's clients a command is for, how their connections are closed, and what others are shown of a client when
// that changes.

import { createMemoryDatabase, createRooms, type Place, type Rooms } from '@roomcast/rooms'
import { describe, expect, test } from 'vitest'
import { Person, settled } from './person.ts'

const OPTIONS = { presence: true, joinLeave: true }

function nodes(): [Rooms, Rooms] {
  const database = createMemoryDatabase()
  const node = (): Rooms => createRooms({ store: database.store(), options: () => OPTIONS })
  return [node(), node()]
}

/** Three clients of one user, on two nodes, in one room. */
async function people(): Promise<{ rooms: Rooms; all: Person[] }> {
  const [one, two] = nodes()
  const all = ['a', 'b', 'c'].map((client) => new Person(client, { user: 'u' }))
  for (const [i, person] of all.entries()) await person.enter(i === 0 ? one : two, 'r')
  return { rooms: one, all }
}

describe('a command is for', () => {
  test.each<[who: string, options: { client?: string; except?: string[] }, expected: string[]]>([
    ['all clients of the user', {}, ['a', 'b', 'c']],
    ['one', { client: 'b' }, ['b']],
    ['all but some', { except: ['a', 'c'] }, ['b']],
    ['one that is left out', { client: 'a', except: ['a'] }, []],
    ['one that is of nobody', { client: 'x' }, []],
  ])('%s', async (_, options, expected) => {
    const { rooms, all } = await people()
    expect(await rooms.disconnect('u', options)).toMatchObject({ clients: expected.length, nodes: 2 })
    const closed = all.filter(({ socket }) => socket.closes.length > 0)
    expect(closed.map(({ client }) => client)).toEqual(expected)
  })

  test('one client, whatever it says', async () => {
    const { rooms, all } = await people()
    await rooms.refresh('u', { client: 'c', expiresAt: 7, info: '"x"' })
    await rooms.subscribe('u', 's', { client: 'c', given: { data: [1] } })
    await rooms.unsubscribe('u', 'r', { client: 'c' })
    expect(all.map(({ commands }) => commands.length)).toEqual([0, 0, 2])
    expect(all[2]!.commands).toMatchObject([
      { do: 'refresh', expiresAt: 7, info: '"x"' },
      { do: 'subscribe', room: 's', given: { data: [1] } },
    ])
    expect([...(await rooms.presence('r')).keys()]).toEqual(['a', 'b'])
  })

  test('a code that no protocol can tell, or a block of one client alone, is a RangeError', async () => {
    const { rooms } = await people()
    // Its user's next client would be a stranger to a node that hears of the block later.
    expect(() => rooms.disconnect('u', { client: 'a', blockMs: 1 })).toThrow(RangeError)
    expect(() => rooms.unsubscribe('u', 'r', { code: 2 ** 32 })).toThrow(RangeError)
  })

  test.each<[wrong: string, call: (rooms: Rooms) => unknown]>([
    ['client', (rooms) => rooms.unsubscribe('u', 'r', { client: 1 as never })],
    ['except', (rooms) => rooms.disconnect('u', { except: 'a' as never })],
    ['except, of others', (rooms) => rooms.disconnect('u', { except: [1] as never })],
    ['info', (rooms) => rooms.refresh('u', { info: {} as never })],
  ])('a wrong %s is a TypeError', async (_, call) => {
    const { rooms } = await people()
    expect(() => call(rooms)).toThrow(TypeError)
  })
})

test('a protocol may close its connections in its own way', async () => {
  const [rooms] = nodes()
  const closes: unknown[] = []
  const person = Object.assign(new Person('a'), { close: (...how: unknown[]) => void closes.push(how) })
  await person.enter(rooms, 'r')
  await rooms.disconnect('a', { code: 3000, reason: 'x' })
  expect([closes, person.socket.closes]).toEqual([[[3000, 'x']], []])
})

describe('what others are shown of a client', () => {
  test('changes with its info, and with that of one room', async () => {
    const [one, two] = nodes()
    const person = new Person('a', { info: 'old' })
    for (const room of ['r', 's']) await person.enter(one, room)
    Object.assign(person, { info: 'new' })
    expect(one.renew(person.socket)).toBe(true)
    await settled()
    expect((await two.presence('r')).get('a')?.info).toBe('new')
    expect(one.renew(person.socket, { room: 's', roomInfo: 'here' })).toBe(true)
    await settled()
    expect((await two.presence('s')).get('a')).toMatchObject({ info: 'new', roomInfo: 'here' })
    expect((await two.presence('r')).get('a')).not.toHaveProperty('roomInfo')
    expect(one.renew(person.socket, { room: 's', roomInfo: 'x'.repeat(2062) })).toBe(false)
    await settled()
    expect((await two.presence('s')).get('a')?.roomInfo).toBe('here')
    one.leave('s', person.socket)
    expect(one.renew(person.socket)).toBe(true)
    await settled()
    expect((await two.presence('s')).size).toBe(0)
  })

  test.each<[place: Place, present: boolean, heard: string[]]>([
    [{}, true, ['join', 'leave']],
    [{ presence: false }, false, ['join', 'leave']],
    [{ joinLeave: false }, true, []],
    [{ presence: false, joinLeave: false }, false, []],
  ])('is nothing where it is not to be seen: %j', async (place, present, heard) => {
    const [one, two] = nodes()
    const listener = new Person('l')
    await listener.enter(two, 'r')
    const before = listener.heard.length
    const person = new Person('a')
    await one.enter<string>('r', person, { ...place, reply: () => '' })
    await settled()
    expect((await two.presence('r')).has('a')).toBe(present)
    one.leave('r', person.socket)
    await settled()
    expect((await two.presence('r')).has('a')).toBe(false)
    expect(listener.heard.slice(before).map(({ is }) => is)).toEqual(heard)
  })
})
