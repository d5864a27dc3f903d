// What the engine decides, on the memory store: publishing, coming in, recovery, presence, commands, bounds.

import {
  createMemoryDatabase,
  createRooms,
  memoryStore,
  type RoomOptions,
  type Rooms,
  type Store,
} from '@roomcast/rooms'
import { describe, expect, test } from 'vitest'
import { bareCodec, linesCodec } from './codecs.ts'
import { lines, Person, settled } from './person.ts'

const REMEMBERS: RoomOptions = { history: { size: 1000, ttlMs: 60_000 } }
const PRESENT: RoomOptions = { presence: true, joinLeave: true }

/** A store that counts the calls that go to it, by name. */
function counting(store: Store): { store: Store; calls: string[] } {
  const calls: string[] = []
  const counted = new Proxy(store, {
    get(target, name: keyof Store) {
      const method = target[name] as (...args: unknown[]) => unknown
      return (...args: unknown[]) => {
        calls.push(name)
        return method.apply(target, args)
      }
    },
  })
  return { store: counted, calls }
}

function make(options: RoomOptions, store: Store = memoryStore()): Rooms {
  return createRooms({ store, options: () => options })
}

describe('without history', () => {
  test('a publication is delivered at once, to every codec, made once for each; nothing is asked of the store', async () => {
    const { store, calls } = counting(memoryStore())
    const rooms = make({}, store)
    const [one, two] = [linesCodec(), bareCodec()]
    const people = [one, one, two, two].map((codec, i) => new Person(`c${i}`, { codec }))
    for (const person of people) {
      void person.enter(rooms, 'r')
      expect(person.replies).toHaveLength(1)
    }
    const published = rooms.publish('r', 'hello')
    for (const person of people) expect(person.data).toEqual(['hello'])
    expect(await published).toEqual({ epoch: '', offset: 0 })
    expect([one.made, two.made]).toEqual([1, 1])
    for (const person of people) rooms.leave('r', person.socket)
    expect(calls).toEqual(['start', 'join', 'carry', 'leave'])
    expect(rooms.stats()).toEqual({ rooms: 0, clients: 4, members: 0, replayBytes: 0, dropped: 0 })
  })

  test('it crosses to other nodes, bytes and all, and the data is a copy', async () => {
    const database = createMemoryDatabase()
    const [here, there] = [make({}, database.store()), make({}, database.store())]
    const person = new Person('c', { codec: bareCodec() })
    await person.enter(there, 'r')
    const data = Buffer.from('bytes')
    await here.publish('r', data)
    data.fill(0)
    await settled()
    expect(person.data).toEqual(['bytes'])
  })

  test('a repeat of an idempotency key reaches nobody', async () => {
    const rooms = make({})
    const person = new Person('c')
    await person.enter(rooms, 'r')
    for (const key of ['a', 'a', 'b']) await rooms.publish('r', key, { idempotencyKey: key })
    expect(person.data).toEqual(['a', 'b'])
  })
})

describe('with history', () => {
  test('everybody on every node gets one order of numbers', async () => {
    const database = createMemoryDatabase()
    const nodes = [0, 1, 2].map(() => make(REMEMBERS, database.store()))
    const people = nodes.map((_, i) => new Person(`c${i}`, { codec: i % 2 ? bareCodec() : lines }))
    await Promise.all(people.map((person, i) => person.enter(nodes[i]!, 'r')))
    const positions = await Promise.all(Array.from({ length: 30 }, (_, i) => nodes[i % 3]!.publish('r', `${i}`)))
    expect(positions.map(({ offset }) => offset)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1))
    for (const person of people) expect(person.said.map(({ offset }) => offset)).toEqual(positions.map((p) => p.offset))
    for (const person of people) expect(person.said).toEqual(people[0]!.said)
  })

  test('a repeat of an idempotency key resolves with the first position and reaches nobody', async () => {
    const rooms = make(REMEMBERS)
    const person = new Person('c')
    await person.enter(rooms, 'r')
    const first = await rooms.publish('r', 'a', { idempotencyKey: 'k' })
    expect(await rooms.publish('r', 'a', { idempotencyKey: 'k' })).toEqual(first)
    expect((await rooms.publish('r', 'b')).offset).toBe(2)
    expect(person.data).toEqual(['a', 'b'])
  })

  test('what is kept is a copy: data, tags and info are the caller’s to reuse', async () => {
    const rooms = make(REMEMBERS)
    const [data, tags, info] = [Buffer.from('abc'), { a: 'b' }, { client: 'c', user: 'u', info: Buffer.from('i') }]
    await rooms.publish('r', data, { tags, info })
    data.fill(0)
    tags.a = 'changed'
    info.info.fill(0)
    info.user = 'changed'
    const [kept] = (await rooms.history('r')).publications
    expect(Buffer.from(kept!.data).toString()).toBe('abc')
    expect(kept).toMatchObject({ tags: { a: 'b' }, info: { client: 'c', user: 'u' } })
    expect(Buffer.from(kept!.info!.info!).toString()).toBe('i')
  })

  const CASES: [
    string,
    { since: { offset: number; epoch?: 'same' | 'other' }; size?: number; said?: number; bytes?: number },
    boolean,
  ][] = [
    ['nothing missed', { since: { offset: 5, epoch: 'same' } }, true],
    ['some missed', { since: { offset: 2, epoch: 'same' } }, true],
    ['everything missed', { since: { offset: 0, epoch: 'same' } }, true],
    ['another epoch', { since: { offset: 2, epoch: 'other' } }, false],
    ['a number that was never given', { since: { offset: 6, epoch: 'same' } }, false],
    ['no epoch, from the beginning', { since: { offset: 0 } }, true],
    ['no epoch, from anywhere else', { since: { offset: 2 } }, false],
    ['trimmed', { since: { offset: 1, epoch: 'same' }, size: 3 }, false],
    ['just not trimmed', { since: { offset: 2, epoch: 'same' }, size: 3 }, true],
    ['no epoch, from a beginning that was trimmed', { since: { offset: 0 }, size: 3 }, false],
    ['300 missed', { since: { offset: 0, epoch: 'same' }, said: 300 }, true],
    ['301 missed', { since: { offset: 0, epoch: 'same' }, said: 301 }, false],
    ['almost 1 MiB missed', { since: { offset: 0, epoch: 'same' }, bytes: 209_000 }, true],
    ['more than 1 MiB missed', { since: { offset: 0, epoch: 'same' }, bytes: 210_000 }, false],
  ]
  // On a node that knows nothing yet, and on one where the room is live.
  for (const live of [false, true]) {
    test.each(CASES)(
      `recovery, ${live ? 'live room' : 'new node'}: %s`,
      async (_, { since, size = 1000, said = 5, bytes = 1 }, recovered) => {
        const rooms = make({ history: { size, ttlMs: 60_000 } })
        if (live) await new Person('other').enter(rooms, 'r')
        const first = await rooms.publish('r', 'x'.repeat(bytes))
        for (let i = 1; i < said; i++) await rooms.publish('r', 'x'.repeat(bytes))
        const epoch = since.epoch && { epoch: since.epoch === 'same' ? first.epoch : 'foreign' }
        const person = new Person('c')
        expect(await person.enter(rooms, 'r', { offset: since.offset, ...epoch })).toBe('entered')
        const [reply] = person.replies
        expect(reply).toMatchObject({ epoch: first.epoch, offset: said, recovered })
        expect(reply!.missed.map(({ offset }) => offset)).toEqual(
          recovered ? Array.from({ length: said - since.offset }, (_, i) => since.offset + 1 + i) : [],
        )
        await rooms.publish('r', 'live')
        expect(person.said.at(-1)).toMatchObject({ offset: said + 1, data: 'live' })
      },
    )
  }

  test('1,000 that miss the same 50 cost 50 bodies for each codec, 2 reads and 1,000 writes', async () => {
    const { store, calls } = counting(memoryStore())
    const rooms = make(REMEMBERS, store)
    const { epoch } = await rooms.publish('r', 'seen')
    for (let i = 0; i < 50; i++) await rooms.publish('r', `${i}`)
    const codecs = [linesCodec(), bareCodec()]
    const people = Array.from({ length: 1000 }, (_, i) => new Person(`c${i}`, { codec: codecs[i % 2]! }))
    await Promise.all(people.map((person) => person.enter(rooms, 'r', { epoch, offset: 1 })))
    for (const { socket, replies } of people) {
      expect(replies[0]).toMatchObject({ recovered: true, offset: 51 })
      expect(socket.frames).toHaveLength(1)
    }
    expect(codecs.map(({ made }) => made)).toEqual([50, 50])
    expect(calls.filter((name) => name === 'read').length).toBeLessThanOrEqual(2)
  })

  test('those who missed the same are given one list, as long as the room remembers just that', async () => {
    const rooms = make({ history: { size: 3, ttlMs: 60_000 } })
    const { epoch } = await rooms.publish('r', '1')
    await rooms.publish('r', '2')
    const codecs = [linesCodec(), bareCodec()] as const
    let clients = 0
    const missedBy = async (codec: (typeof codecs)[number], offset: number): Promise<readonly string[]> => {
      let missed: readonly string[] | undefined
      const person = new Person(`c${clients++}`, { codec })
      const reply = (entered: { publications: readonly string[] }): string => {
        missed = entered.publications
        return ''
      }
      expect(await rooms.enter<string>('r', person, { since: { epoch, offset }, reply })).toBe('entered')
      return missed!
    }
    for (const codec of codecs) {
      const first = await missedBy(codec, 0)
      expect(first).toHaveLength(2)
      expect(await missedBy(codec, 0)).toBe(first)
      expect(await missedBy(codec, 1)).toEqual(first.slice(1))
      expect(await missedBy(codec, 0)).toEqual(first)
    }
    const before = await missedBy(codecs[0], 1)
    await rooms.publish('r', '3')
    expect(before).toHaveLength(1)
    const after = await missedBy(codecs[0], 1)
    expect(after).toHaveLength(2)
    expect(after[0]).toBe(before[0])
    // The first goes out of the history: who saw it misses the same as before, and the fourth.
    await rooms.publish('r', '4')
    expect(await missedBy(codecs[0], 1)).toHaveLength(3)
  })

  test('history: forwards, backwards, from a position, the position alone, and what is unrecoverable', async () => {
    const rooms = make({ history: { size: 4, ttlMs: 60_000 } })
    for (let i = 1; i <= 6; i++) await rooms.publish('r', `${i}`)
    const { epoch } = await rooms.history('r', { limit: 0 })
    const numbers = async (query: Parameters<Rooms['history']>[1]): Promise<number[]> => {
      const page = await rooms.history('r', query)
      expect(page).toMatchObject({ epoch, offset: 6 })
      return page.publications.map(({ offset }) => offset)
    }
    expect(await numbers({})).toEqual([3, 4, 5, 6])
    expect(await numbers({ limit: 2 })).toEqual([3, 4])
    expect(await numbers({ limit: 2, reverse: true })).toEqual([6, 5])
    expect(await numbers({ since: { epoch, offset: 4 } })).toEqual([5, 6])
    expect(await numbers({ since: { epoch, offset: 5 }, reverse: true })).toEqual([4, 3])
    expect(await numbers({ since: { epoch, offset: 6 } })).toEqual([])
    for (const since of [{ epoch, offset: 1 }, { epoch: 'other', offset: 4 }, { offset: 4 }, { epoch, offset: 7 }]) {
      await expect(rooms.history('r', { since })).rejects.toThrow('does not reach back')
    }
    // Also where the position alone is asked for.
    await expect(rooms.history('r', { since: { epoch, offset: 1 }, limit: 0 })).rejects.toThrow('does not reach back')
    expect(await numbers({ since: { epoch, offset: 2 }, limit: 0 })).toEqual([])
    await expect(rooms.history('r', { limit: -1 })).rejects.toThrow(RangeError)
    await expect(make({}).history('r')).rejects.toThrow(RangeError)
  })
})

describe('a history that is removed by hand', () => {
  test('is replayed to nobody, on no node; epoch and number go on, and so do live members', async () => {
    const database = createMemoryDatabase()
    const [a, b] = [make(REMEMBERS, database.store()), make(REMEMBERS, database.store())]
    const live = new Person('live')
    await live.enter(a, 'r')
    const { epoch } = await a.publish('r', '1')
    await a.publish('r', '2')
    await b.removeHistory('r')
    expect(await a.history('r')).toEqual({ epoch, offset: 2, publications: [] })
    await expect(a.history('r', { since: { epoch, offset: 1 } })).rejects.toThrow('does not reach back')
    const [late, current] = [new Person('late'), new Person('current')]
    await late.enter(a, 'r', { epoch, offset: 1 })
    await current.enter(a, 'r', { epoch, offset: 2 })
    expect(late.replies).toMatchObject([{ recovered: false, offset: 2, missed: [] }])
    expect(current.replies).toMatchObject([{ recovered: true, offset: 2 }])
    await b.publish('r', '3')
    await settled()
    expect(live.data).toEqual(['1', '2', '3'])
    expect(late.data).toEqual(['3'])
    await late.enter(b, 'r', { epoch, offset: 2 })
    expect(late.replies.at(-1)).toMatchObject({ recovered: true, offset: 3 })
  })

  test('without history there is nothing to remove, and nothing is asked of the store', async () => {
    const { store, calls } = counting(memoryStore())
    await make({}, store).removeHistory('r')
    expect(calls).toEqual(['start'])
  })
})

describe('coming in', () => {
  test('what a client can bring about is a value', async () => {
    const rooms = createRooms({ store: memoryStore(), options: () => PRESENT, maxRoomsPerClient: 2 })
    const person = new Person('c')
    expect(await person.enter(rooms, '')).toBe('bad_name')
    expect(await person.enter(rooms, 'a')).toBe('entered')
    expect(await person.enter(rooms, 'a')).toBe('member')
    expect(await person.enter(rooms, 'b')).toBe('entered')
    expect(await person.enter(rooms, 'c')).toBe('full')
    expect(await new Person('d', { info: 'x'.repeat(2048) }).enter(rooms, 'a')).toBe('entered')
    expect(await new Person('e', { info: 'x'.repeat(2049) }).enter(rooms, 'a')).toBe('too_large')
    const gone = new Person('f')
    gone.socket.close()
    expect(await gone.enter(rooms, 'a')).toBe('closed')
  })

  test('mistakes of the caller throw at the call', () => {
    expect(() => createRooms({} as never)).toThrow(TypeError)
    expect(() => createRooms({ store: memoryStore(), nonsense: 1 } as never)).toThrow(TypeError)
    expect(() => createRooms({ store: memoryStore(), maxRoomsPerClient: 0 })).toThrow(RangeError)
    expect(() => memoryStore({ maxBytes: -1 })).toThrow(RangeError)
    const rooms = make(REMEMBERS)
    expect(() => rooms.publish('', 'x')).toThrow(RangeError)
    expect(() => rooms.publish('r', 1 as never)).toThrow(TypeError)
    expect(() => rooms.publish('r', 'x', { idempotencyKey: '' })).toThrow(RangeError)
    expect(() => rooms.enter('r', {} as never, { reply: () => '' })).toThrow(TypeError)
    const person = new Person('c')
    expect(() => rooms.enter('r', person, { reply: () => '', since: { offset: -1 } })).toThrow(RangeError)
    expect(() => rooms.enter('r', person, { reply: () => '', since: { offset: Number.NaN } })).toThrow(RangeError)
    expect(() => rooms.enter('r', person, { reply: () => '', since: { offset: '1' as never } })).toThrow(TypeError)
    expect(() => rooms.disconnect('u', { code: 1006 })).toThrow(RangeError)
    expect(() => rooms.disconnect('u', { code: 2999 })).toThrow(RangeError)
    expect(() => rooms.disconnect('u', { reason: 'é'.repeat(62) })).toThrow(RangeError)
    expect(() => rooms.disconnect('u', { blockMs: -1 })).toThrow(RangeError)
    expect(() => rooms.unsubscribe('u', 'r', { code: '1' as never })).toThrow(TypeError)
    expect(() => rooms.refresh('u', { expiresAt: Number.NaN })).toThrow(RangeError)
    expect(() => make({ history: { size: 1 } } as never).publish('r', 'x')).toThrow(TypeError)
    expect(() => make({ history: { size: 0, ttlMs: 1 } }).publish('r', 'x')).toThrow(RangeError)
    expect(() => make({ presense: true } as never).publish('r', 'x')).toThrow(TypeError)
    const store = memoryStore()
    createRooms({ store })
    expect(() => createRooms({ store })).toThrow('once')
  })

  test('who did not get the reply is not in', async () => {
    const rooms = make({ ...REMEMBERS, ...PRESENT })
    const person = new Person('c')
    person.socket.answer = 'dropped'
    expect(await person.enter(rooms, 'r')).toBe('closed')
    await settled()
    expect(rooms.stats().rooms).toBe(0)
    expect((await rooms.presence('r')).size).toBe(0)
  })

  test('a reply that throws leaves nobody behind', async () => {
    const rooms = make({ ...REMEMBERS, ...PRESENT })
    const reply = (): never => {
      throw new Error('mine')
    }
    await expect(rooms.enter('r', new Person('c'), { reply })).rejects.toThrow('mine')
    await settled()
    expect(rooms.stats().rooms).toBe(0)
    expect((await rooms.presence('r')).size).toBe(0)
  })
})

describe('presence', () => {
  test('who is there, on all nodes; joins after the reply, its own too; leaves after they are out; once each', async () => {
    const database = createMemoryDatabase()
    const [a, b] = [make(PRESENT, database.store()), make(PRESENT, database.store())]
    const [ann, bob] = [new Person('c1', { user: 'ann', info: 'i' }), new Person('c2', { user: 'ann' })]
    await ann.enter(a, 'r')
    await bob.enter(b, 'r')
    await settled()
    expect(await b.presence('r')).toEqual(
      new Map([
        ['c1', { client: 'c1', user: 'ann', info: 'i' }],
        ['c2', { client: 'c2', user: 'ann', info: undefined }],
      ]),
    )
    expect(await a.presenceStats('r')).toEqual({ clients: 2, users: 1 })
    bob.socket.close()
    await settled()
    expect(ann.heard.map((one) => [one.is, 'client' in one ? one.client : ''])).toEqual([
      ['reply', ''],
      ['join', 'c1'],
      ['join', 'c2'],
      ['leave', 'c2'],
    ])
    expect(bob.heard.map(({ is }) => is)).toEqual(['reply', 'join'])
    expect((await a.presence('r')).size).toBe(1)
    await bob.enter(b, 'r')
    const carl = new Person('c3')
    await carl.enter(b, 'r')
    await a.close()
    await settled()
    expect((await b.presence('r')).size).toBe(1)
    // A node that goes in good order takes nobody along in silence.
    expect(carl.heard.at(-1)).toMatchObject({ is: 'leave', client: 'c1' })
  })
})

describe('a node that is closed', () => {
  test('also tells of those who left just before', async () => {
    const database = createMemoryDatabase()
    const inner = database.store()
    const exited: string[] = []
    const { exit } = inner
    // Its answers come late.
    inner.exit = async (room, client) => {
      exited.push(client)
      const removed = await exit.call(inner, room, client)
      await settled()
      return removed
    }
    const [a, b] = [make(PRESENT, inner), make(PRESENT, database.store())]
    const [leaving, staying, watcher] = ['c1', 'c2', 'c3'].map((client) => new Person(client)) as [
      Person,
      Person,
      Person,
    ]
    await leaving.enter(a, 'r')
    await staying.enter(a, 'r')
    await watcher.enter(b, 'r')
    leaving.socket.close()
    await a.close()
    await settled()
    const left = watcher.heard.flatMap((one) => (one.is === 'leave' ? one.client : []))
    expect(left.sort()).toEqual(['c1', 'c2'])
    // Who is in until the end is given up with all others.
    expect(exited).toEqual(['c1'])
  })
})

describe('commands', () => {
  test('of another node that make no sense harm nobody', async () => {
    const database = createMemoryDatabase()
    const rooms = make({}, database.store())
    const other = database.store()
    other.start({ deliver: () => {}, mark: () => {}, gap: () => {}, answer: () => ({}) })
    const people = ['c1', 'c2'].map((client) => new Person(client, { user: 'eve' }))
    for (const { socket } of people) {
      socket.close = () => {
        throw new RangeError('close code may not be sent')
      }
    }
    for (const person of people) await person.enter(rooms, 'r')
    const warnings: Error[] = []
    const warn = (warning: Error): void => void warnings.push(warning)
    process.on('warning', warn)
    const { answers } = await other.ask({ do: 'disconnect', user: 'eve', code: 1, reason: '', blockMs: 0 })
    await settled()
    process.off('warning', warn)
    expect(answers).toEqual([{ clients: 2 }, {}])
    expect(warnings).toHaveLength(2)
  })

  test('reach a user on every node, on the way in too', async () => {
    const database = createMemoryDatabase()
    const nodes = [0, 1].map(() => make(REMEMBERS, database.store()))
    const people = nodes.map((_, i) => new Person(`c${i}`, { user: 'eve' }))
    const other = new Person('other')
    await other.enter(nodes[0]!, 'r')
    await people[0]!.enter(nodes[0]!, 'r')
    expect(await nodes[1]!.subscribe('eve', 's')).toEqual({ clients: 1, nodes: 2, missing: 0 })
    expect(people[0]!.commands).toEqual([{ do: 'subscribe', user: 'eve', room: 's' }])
    expect(await nodes[1]!.unsubscribe('eve', 'elsewhere')).toEqual({ clients: 0, nodes: 2, missing: 0 })
    const coming = people[1]!.enter(nodes[1]!, 'r')
    expect(await nodes[0]!.unsubscribe('eve', 'r', { code: 2000 })).toEqual({ clients: 2, nodes: 2, missing: 0 })
    await coming
    expect(people[0]!.heard.at(-1)).toEqual({ is: 'out', room: 'r', code: 2000 })
    expect(nodes[1]!.stats().rooms).toBe(0)
    expect(nodes[1]!.connect(people[1]!)).toBe('connected')
    expect(await nodes[0]!.disconnect('eve', { code: 3503, reason: 'bye', blockMs: 1000 })).toMatchObject({
      clients: 2,
    })
    expect(people.map(({ socket }) => socket.closes)).toEqual([
      [{ code: 3503, reason: 'bye' }],
      [{ code: 3503, reason: 'bye' }],
    ])
    for (const node of nodes) expect(await new Person('c9', { user: 'eve' }).enter(node, 'r')).toBe('blocked')
    expect(other.socket.readyState).toBe('open')
  })
})
