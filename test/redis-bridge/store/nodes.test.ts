// What nodes do about each other, in virtual time: one that dies, is frozen, or whose Redis was emptied; marks; what waits.

import { createRooms, type RoomOptions, type Rooms, type StoreSink } from '@roomcast/rooms'
import { beforeEach, describe, expect, test } from 'vitest'
import { StoreNode } from '../../../packages/redis-bridge/src/store/store-node.ts'
import { Person } from '../../rooms/person.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { NodeClock } from '../sim/node-clock.ts'
import { RedisModel } from '../sim/redis-model.ts'

const PRESENT: RoomOptions = { presence: true, joinLeave: true }
const RULE = { size: 10, ttlMs: 60_000, maxBytes: 1_000_000, metaTtlMs: 60_000 }

interface Node {
  name: string
  clock: NodeClock
  store: StoreNode
  rooms: Rooms
}

let clock: VirtualClock
let redis: RedisModel
let made: number

beforeEach(() => {
  clock = new VirtualClock(1)
  redis = new RedisModel(clock)
  made = 0
})

function makeStore(): Omit<Node, 'rooms'> {
  const name = `n${++made}`
  let ids = 0
  const newId = (): Uint8Array => Buffer.from(`${name}${String(++ids).padStart(6, '0')}`)
  const nodeClock = new NodeClock(clock)
  const transport = redis.transport(name)
  const store = new StoreNode({ clock: nodeClock, transport, newId, lingerMs: 0, maxPositions: 1000, onLost: () => {} })
  return { name, clock: nodeClock, store }
}

function makeNode(options: RoomOptions = PRESENT): Node {
  const { name, clock: nodeClock, store } = makeStore()
  const rooms = createRooms({ store, clock: nodeClock, newId: () => name, options: () => options })
  return { name, clock: nodeClock, store, rooms }
}

/** What a promise comes to, when time passes. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let result: { value: T } | { error: unknown } | undefined
  promise.then(
    (value) => {
      result = { value }
    },
    (error: unknown) => {
      result = { error }
    },
  )
  await clock.pass(ms)
  if (result === undefined) throw new Error(`not within ${ms} ms`)
  if ('error' in result) throw result.error
  return result.value
}

async function entered(node: Node, person: Person, room = 'r'): Promise<void> {
  expect(await within(1000, person.enter(node.rooms, room))).toBe('entered')
}

/** The leaves that somebody was told, by client. */
function leavesOf({ socket }: Person): string[] {
  const leaves = socket.messages.filter((message) => String(message).startsWith('{"is":"leave"'))
  return leaves.map((message) => (JSON.parse(String(message)) as { client: string }).client)
}

/** The node stands still, and nothing reaches it. */
function freeze(node: Node, ms: number): void {
  node.clock.frozenUntil = clock.now() + ms
  redis.links.get(node.name)!.stall(node.clock.frozenUntil)
}

/** Many who enter at once. */
async function crowd(node: Node, count: number): Promise<void> {
  await within(6000, Promise.all(Array.from({ length: count }, (_, i) => new Person(`c${i}`).enter(node.rooms, 'r'))))
}

async function present(node: Node): Promise<string[]> {
  return [...(await within(100, node.rooms.presence('r'))).keys()].sort()
}

describe('a node that dies', () => {
  test('is in no answer after 15 s; its leaves are told once each, at most 200 a second and room', async () => {
    const [dying, living, other] = [makeNode(), makeNode(), makeNode()]
    const watchers = [new Person('w1'), new Person('w2')]
    await entered(living, watchers[0]!)
    await entered(other, watchers[1]!)
    await crowd(dying, 300)
    expect(await present(living)).toHaveLength(302)
    dying.clock.dead = true
    redis.links.get(dying.name)!.cut()
    const leaves = (): number[] => watchers.map((watcher) => leavesOf(watcher).length)
    await clock.pass(15_100)
    expect(await present(living)).toEqual(['w1', 'w2'])
    expect(leaves()).toEqual([0, 0])
    for (let seconds = 0, before = 0; seconds < 12; seconds++) {
      await clock.pass(1000)
      const [first, second] = leaves()
      expect(first! - before).toBeLessThanOrEqual(200)
      expect(second).toBeGreaterThanOrEqual(before)
      before = first!
    }
    for (const watcher of watchers) expect(new Set(leavesOf(watcher)).size).toBe(300)
    await clock.pass(60_000)
    expect(leaves()).toEqual([300, 300])
    // Nothing of it is left.
    expect(redis.data.names().filter((key) => key.includes(Buffer.from('n1000001').toString('hex')))).toEqual([])
  })

  test.each([
    ['dies', false],
    ['is frozen, and comes back', true],
  ])('and one that %s: nobody is told of those whose coming and going is not told', async (_, isFrozen) => {
    const [going, living] = [makeNode(), makeNode()]
    const watcher = new Person('w')
    await entered(living, watcher)
    const quiet = going.rooms.enter<string>('r', new Person('q'), { joinLeave: false, reply: () => '' })
    expect(await within(1000, quiet)).toBe('entered')
    await entered(going, new Person('p'))
    if (isFrozen) freeze(going, 30_000)
    else {
      going.clock.dead = true
      redis.links.get(going.name)!.cut()
    }
    await clock.pass(50_000)
    expect(await present(living)).toEqual(isFrozen ? ['p', 'q', 'w'] : ['w'])
    const told = watcher.heard.flatMap((heard) => ('client' in heard && heard.client !== 'w' ? [heard] : []))
    expect(told.map((heard) => `${heard.is} ${heard.client}`)).toEqual([
      'join p',
      'leave p',
      ...(isFrozen ? ['join p'] : []),
    ])
  })

  test('one of those who remove dies, too: another goes on', async () => {
    const [dying, first, second] = [makeNode(), makeNode(), makeNode()]
    const watcher = new Person('w')
    await entered(second, watcher)
    await entered(first, new Person('f'))
    await crowd(dying, 450)
    dying.clock.dead = true
    redis.links.get(dying.name)!.cut()
    while (leavesOf(watcher).length === 0) await clock.pass(100)
    first.clock.dead = true
    redis.links.get(first.name)!.cut()
    await clock.pass(60_000)
    expect(leavesOf(watcher)).toHaveLength(451)
    expect(new Set(leavesOf(watcher)).size).toBe(451)
  })

  test.each([
    ['is back within 20 s: nobody is told anything', 18_000, []],
    ['comes later: it joins again', 30_000, ['leave', 'join']],
  ])('or was frozen, and %s', async (_, awayMs, told) => {
    const [frozen, living] = [makeNode(), makeNode()]
    const [watcher, person] = [new Person('w'), new Person('c')]
    await entered(living, watcher)
    await entered(frozen, person)
    const before = watcher.heard.length
    freeze(frozen, awayMs)
    await clock.pass(awayMs + 5000)
    expect(watcher.heard.slice(before).map(({ is }) => is)).toEqual(told)
    expect(await present(living)).toEqual(['c', 'w'])
  })
})

test.each(['and keeps its connections', 'and was restarted'])(
  'a Redis that was emptied %s: who is there is asserted within 5 s, and nobody is told',
  async (how) => {
    const nodes = [makeNode(), makeNode()]
    const people = [new Person('a'), new Person('b')]
    for (const [i, node] of nodes.entries()) await entered(node, people[i]!)
    await clock.pass(7000)
    const before = people.map(({ heard }) => heard.length)
    redis.data.clear()
    if (how === 'and was restarted') {
      redis.data.replicationId = 'b'.repeat(40)
      redis.stop()
      redis.up()
    }
    await clock.pass(5500)
    for (const node of nodes) expect(await present(node)).toEqual(['a', 'b'])
    expect(people.map(({ heard }) => heard.length)).toEqual(before)
  },
)

test('a node that does not answer is counted, and a request is over within 2 s', async () => {
  const nodes = [makeNode(), makeNode(), makeNode()]
  await clock.pass(1000)
  freeze(nodes[2]!, 4000)
  const began = clock.now()
  let tookMs = 0
  const asked = nodes[0]!.rooms.disconnect('eve').finally(() => {
    tookMs = clock.now() - began
  })
  expect(await within(2000, asked)).toEqual({ clients: 0, nodes: 2, missing: 1 })
  expect(tookMs).toBeLessThanOrEqual(2000)
})

test('who is blocked is told to nodes that come later, or were away; until it is over', async () => {
  const [one, away] = [makeNode(), makeNode()]
  await clock.pass(1000)
  redis.bannedUntil.set(away.name, clock.now() + 3000)
  redis.links.get(away.name)!.cut()
  const eve = new Person('e', { user: 'eve' })
  expect(away.rooms.connect(eve)).toBe('connected')
  await within(2000, one.rooms.disconnect('eve', { blockMs: 20_000 }))
  expect(eve.socket.closes).toEqual([])
  await clock.pass(6000)
  expect(eve.socket.closes).toEqual([{ code: 3503, reason: 'force disconnect' }])
  const late = makeNode()
  await clock.pass(1000)
  const again = (): string => late.rooms.connect(new Person('f', { user: 'eve' }))
  expect(again()).toBe('blocked')
  await clock.pass(20_000)
  expect(again()).toBe('connected')
  expect(redis.data.names().filter((key) => key.startsWith('p:block'))).toEqual([])
})

test('a room that is quiet for a second is told of, once, by who published last', async () => {
  const tops: number[] = []
  redis.said = (_route, bytes) => {
    if (bytes[3] === 6) tops.push(bytes.readUInt32BE(16))
  }
  const { store } = makeStore()
  store.start({ deliver: () => {}, mark: () => {}, gap: () => {}, answer: () => ({}) })
  for (let i = 0; i < 5; i++) await within(500, store.publish('r', { id: `${i}`, data: 'x' }, RULE, undefined))
  await clock.pass(10_000)
  expect(tops).toEqual([5])
})

test('a Redis that is emptied and keeps its connections: members of a quiet room are told within 6 s', async () => {
  const node = makeNode({ history: { size: 10, ttlMs: 60_000 } })
  const person = new Person('c')
  await entered(node, person)
  await within(500, node.rooms.publish('r', 'x'))
  redis.data.clear()
  await clock.pass(6000)
  expect(person.heard.map(({ is }) => is)).toEqual(['reply', 'said', 'out'])
})

test('while somebody is in a room its epoch lives, and its time begins when the last one goes', async () => {
  const node = makeNode({ history: { size: 10, ttlMs: 1000 }, historyMetaTtlMs: 60_000 })
  const person = new Person('c')
  await entered(node, person)
  const { epoch } = await within(100, node.rooms.history('r'))
  await clock.pass(400_000)
  expect(redis.data.hash('p:m:r').get('e')).toBe(epoch)
  person.socket.close()
  await clock.pass(59_000)
  expect(redis.data.hash('p:m:r').get('e')).toBe(epoch)
  await clock.pass(100_000)
  expect(redis.data.names().filter((key) => key.endsWith('r'))).toEqual([])
})

describe('a Redis that is away', () => {
  let store: StoreNode
  const publish = (id: string, key?: string, data: string | Uint8Array = 'x') =>
    store.publish('r', { id, data }, RULE, key)

  beforeEach(async () => {
    ;({ store } = makeStore())
    store.start({ deliver: () => {}, mark: () => {}, gap: () => {}, answer: () => ({}) } satisfies StoreSink)
    await clock.pass(100)
  })

  test('what is asked of it is refused within a few seconds', async () => {
    redis.stop()
    const began = clock.now()
    const calls = [
      publish('1'),
      store.read('r', RULE, { limit: 1 }),
      store.enter('r', { client: 'c', user: '' }),
      store.lease(),
      store.presence('r'),
      store.ask({ do: 'status' }),
    ]
    let lastMs = 0
    const settled = Promise.allSettled(calls).then((all) => {
      lastMs = clock.now() - began
      return all.map((one) => (one.status === 'rejected' ? (one.reason as Error).name : one.status))
    })
    expect(await within(5000, settled)).toEqual(calls.map(() => 'StoreUnavailableError'))
    expect(lastMs).toBeLessThan(4000)
  })

  test('what is back in time is carried out, in its order', async () => {
    redis.stop()
    await clock.pass(10)
    const asked = Promise.all([publish('1'), publish('2'), publish('3')])
    clock.after(500, () => redis.up())
    expect((await within(6000, asked)).map(({ offset }) => offset)).toEqual([1, 2, 3])
  })

  test('little waits for it: 10,000 calls, 16 MiB', async () => {
    redis.stop()
    const many = Array.from({ length: 10_001 }, (_, i) => publish(`${i}`))
    await expect(many.at(-1)).rejects.toThrow('too much waits for Redis already')
    const settled = Promise.allSettled(many)
    expect(store.stats.calls).toBe(10_000)
    await within(5000, settled)
    // That it is there is said by itself.
    expect(store.stats.calls).toBeLessThanOrEqual(1)
    const large = new Uint8Array(1_048_576)
    const few = Promise.allSettled(Array.from({ length: 17 }, (_, i) => publish(`l${i}`, undefined, large)))
    const results = await within(5000, few)
    expect(String((results[16] as PromiseRejectedResult).reason)).toContain('too much waits')
    expect(String((results[14] as PromiseRejectedResult).reason)).toContain('in time')
  })

  test('written and not answered: without a key it is refused, with one it is carried out once', async () => {
    const first = publish('0')
    expect((await within(100, first)).offset).toBe(1)
    // Redis takes them, and its answers are lost.
    redis.said = () => redis.links.get('n1')!.command.toClient.break()
    const asked = [publish('1'), publish('2', 'k')]
    clock.after(20, () => {
      redis.said = () => {}
      redis.links.get('n1')!.cutCommand()
    })
    const results = await within(5000, Promise.allSettled(asked))
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    const page = await within(100, store.read('r', RULE, { limit: 10 }))
    expect(page.publications.map(({ id }) => id)).toEqual(['0', '1', '2'])
    expect(results[1]).toMatchObject({ value: { epoch: page.epoch, offset: 3 } })
  })

  test('an entry that was removed again, both without an answer, is not entered again', async () => {
    const link = redis.links.get('n1')!
    link.command.toClient.break()
    const asked = Promise.allSettled([store.enter('r', { client: 'c', user: '' }), store.exit('r', 'c')])
    clock.after(20, () => link.cutCommand())
    const results = await within(5000, asked)
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await within(100, store.presence('r'))).toEqual([])
  })

  test('a Redis that refuses writes says why', async () => {
    redis.data.refusesWrites = true
    await expect(within(1000, publish('1'))).rejects.toThrow(/OOM/)
    redis.data.refusesWrites = false
    expect((await within(1000, publish('2'))).offset).toBe(1)
  })
})
