// Who may what: what a policy is asked, what its answers do, and what becomes of one that throws. And the rooms that a
// server puts its clients into.

import { type Client, type ConnectRequest, type Policy, type Refusal, refuse } from '@roomcast/centrifuge'
import { createMemoryDatabase, StoreUnavailableError } from '@roomcast/rooms'
import { describe, expect, test } from 'vitest'
import { Stage, settled } from './stage.ts'

const SUBSCRIBE = '{"id":2,"subscribe":{"channel":"r","token":"t","data":[1]}}'

test('authenticate is told everything that is known, and its state is kept', async () => {
  let asked: ConnectRequest | undefined
  let client: Client | undefined
  const stage = new Stage({
    policy: {
      authenticate(request) {
        asked = request
        return { user: 'u', state: { mine: true } }
      },
      rpc(by) {
        client = by
        return {}
      },
    },
  })
  const peer = stage.open('json', { headers: { cookie: 'c' } })
  await peer.say(
    '{"id":1,"connect":{"token":"t","name":"n","version":"1","headers":{"h":"1"},"subs":{"a":{}}}}',
    '{"id":2,"rpc":{}}',
  )
  expect(asked).toMatchObject({
    client: 'client1',
    token: 't',
    data: undefined,
    name: 'n',
    version: '1',
    headers: { h: '1' },
    rooms: ['a'],
    protocol: 'json',
    http: { headers: { cookie: 'c' } },
  })
  expect(client).toMatchObject({
    id: 'client1',
    user: 'u',
    state: { mine: true },
    protocol: 'json',
    remoteAddress: '127.0.0.1',
  })
  expect([client!.isIn('a'), client!.isIn('b')]).toEqual([true, false])
})

test.each([
  ['returned', () => refuse(103)],
  ['promised', () => Promise.resolve(refuse(103))],
  [
    'thrown',
    () => {
      throw refuse(103)
    },
  ],
  ['rejected', () => Promise.reject(refuse(103))],
  ['nothing', () => undefined],
  ['a promise of nothing', async () => undefined],
])('a refusal: %s', async (_how, answer) => {
  const stage = new Stage({ policy: { subscribe: answer } })
  const peer = await stage.client()
  await peer.say(SUBSCRIBE)
  expect(peer.heard).toEqual(['{"id":2,"error":{"code":103,"message":"permission denied"}}'])
  expect(stage.errors).toEqual([])
})

test.each<[string, () => unknown]>([
  ['returned', () => tooLong()],
  ['promised', async () => tooLong()],
  [
    'thrown',
    () => {
      throw tooLong()
    },
  ],
  ['rejected', () => Promise.reject(tooLong())],
])('a refusal that was changed and cannot be sent is 100, and the next command is read: %s', async (_how, answer) => {
  const stage = new Stage({ policy: { subscribe: answer as never, rpc: () => ({}) } })
  const peer = await stage.client()
  await peer.say(SUBSCRIBE)
  await peer.say('{"id":3,"rpc":{}}')
  expect(peer.heard).toEqual([
    '{"id":2,"error":{"code":100,"message":"internal server error","temporary":true}}',
    '{"id":3,"rpc":{}}',
  ])
  expect(stage.errors).toMatchObject([{ where: expect.any(String), error: expect.any(RangeError) }])
})

/** A close whose reason no Close frame carries. */
function tooLong(): Refusal {
  return Object.assign(refuse(4000), { message: 'x'.repeat(200) })
}

test('another error is 100, and is heard of', async () => {
  const fault = new Error('a fault')
  const stage = new Stage({
    policy: {
      subscribe: () => Promise.reject(fault),
      rpc: () => {
        throw fault
      },
      disconnected: () => {
        throw fault
      },
    },
  })
  const peer = await stage.client()
  await peer.say(SUBSCRIBE)
  await peer.say('{"id":3,"rpc":{}}')
  expect(peer.values.map(({ error }) => error)).toEqual(
    [1, 2].map(() => ({ code: 100, message: 'internal server error', temporary: true })),
  )
  await peer.lose()
  expect(stage.errors.map(({ where, error }) => [where, error])).toEqual(
    ['subscribe', 'rpc', 'disconnected'].map((where) => [where, fault]),
  )
})

test('authenticate that fails: an error after which clients come back', async () => {
  const stage = new Stage({ policy: { authenticate: () => Promise.reject(new Error('no database')) } })
  const peer = stage.open()
  await peer.say('{"id":1,"connect":{}}', SUBSCRIBE)
  expect(peer.heard).toEqual(['{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}'])
  expect(stage.errors).toHaveLength(1)
})

test('a store that is away is 100, and no error of ours', async () => {
  const store = createMemoryDatabase().store()
  store.publish = () => Promise.reject(new StoreUnavailableError())
  store.read = () => Promise.reject(new StoreUnavailableError())
  const stage = new Stage({ store })
  const peer = await stage.client()
  await peer.say(SUBSCRIBE)
  await peer.say('{"id":3,"publish":{"channel":"r","data":1}}')
  await peer.say('{"id":4,"history":{"channel":"r"}}')
  await peer.say(SUBSCRIBE)
  expect(peer.values.map(({ error }) => (error as unknown as { code: number }).code)).toEqual([100, 100, 100, 100])
  expect(stage.errors).toEqual([])
  expect(stage.rooms.stats()).toMatchObject({ rooms: 0 })
})

test('disconnected is told of each that was let in, once', async () => {
  const gone: unknown[] = []
  const stage = new Stage({ policy: { disconnected: (client, info) => gone.push([client.id, info]) } })
  const peer = await stage.client()
  const stranger = stage.open()
  await stranger.say('{}')
  await peer.lose()
  expect(gone).toEqual([['client1', { code: 1006, reason: '' }]])
})

test('a client is sent data, and closed, by the program', async () => {
  let client: Client | undefined
  const stage = new Stage({
    policy: {
      message: (by) => {
        client = by
      },
    },
  })
  for (const format of ['json', 'protobuf'] as const) {
    const peer = await stage.client('u', format)
    await peer.say('{"send":{"data":1}}')
    client!.send('{"a":\n1}')
    expect(peer.heard).toEqual(['{"push":{"message":{"data":{"a":1}}}}'])
    client!.disconnect()
    expect(peer.end).toBe('3503 force disconnect')
  }
})

test('a user who was sent away does not come in: 3503', async () => {
  const stage = new Stage()
  const peer = await stage.client('u')
  await stage.rooms.disconnect('u', { code: 3500, reason: 'revoked', blockMs: 1_000 })
  expect(peer.end).toBe('3500 revoked')
  const again = stage.open()
  await again.say('{"id":1,"connect":{"token":"u"}}')
  expect([again.heard, again.end]).toEqual([[], '3503 force disconnect'])
})

describe('rooms that the server chooses', () => {
  const given = { authenticate: () => ({ user: 'u', rooms: { r: { recoverable: 'always' as const } } }) }

  test('live ones follow the answer to connect, whatever is said meanwhile', async () => {
    const stage = new Stage({ policy: given })
    const peer = stage.open()
    const connecting = peer.say('{"id":1,"connect":{"token":"u"}}')
    const said = Promise.all([1, 2, 3].map((n) => stage.rooms.publish('r', `${n}`)))
    await Promise.all([connecting, said])
    await stage.rooms.publish('r', '4')
    await settled()
    const [first, ...live] = peer.values as unknown as [
      { connect: { subs: { r: { offset?: number } } } },
      ...{ push: { pub: { offset: number } } }[],
    ]
    const offset = first.connect.subs.r.offset ?? 0
    expect(live.map(({ push }) => push.pub.offset)).toEqual([1, 2, 3, 4].slice(offset))
  })

  test('it comes back to what it missed', async () => {
    const stage = new Stage({ policy: given })
    const peer = await stage.client()
    await peer.lose()
    await stage.rooms.publish('r', '"missed"')
    const again = stage.open()
    await again.say('{"id":1,"connect":{"subs":{"r":{"recover":true,"epoch":"epoch1","offset":0}}}}')
    expect(again.values[0]).toMatchObject({
      connect: { subs: { r: { recovered: true, publications: [{ data: 'missed', offset: 1 }] } } },
    })
  })

  test('state that is lost ends the connection, never the subscription alone: 3010', async () => {
    const stage = new Stage({ policy: given })
    const peer = await stage.client()
    await stage.rooms.unsubscribe('u', 'r', { code: 2500, reason: 'insufficient state' })
    expect([peer.heard, peer.end]).toEqual([[], '3010 insufficient state'])
  })

  test('it is taken out of one for good', async () => {
    const stage = new Stage({ policy: given })
    const peer = await stage.client()
    await stage.rooms.unsubscribe('u', 'r')
    expect([peer.heard, peer.end]).toEqual([
      ['{"push":{"channel":"r","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}'],
      undefined,
    ])
  })

  const subscribe = (asked: unknown[]): Policy['subscribe'] => {
    return (_client, { room, by }) => {
      asked.push([room, by])
      return room === 'no' ? undefined : { positioned: 'always', joinLeave: 'always', data: '1' }
    }
  }
  const PUSHES = [
    '{"push":{"channel":"r","subscribe":{"epoch":"epoch1","positioned":true,"data":1}}}',
    '{"push":{"channel":"r","join":{"info":{"user":"u","client":"client1"}}}}',
  ]

  test('it is put into one later', async () => {
    const asked: unknown[] = []
    const stage = new Stage({ policy: { subscribe: subscribe(asked) } })
    const peer = await stage.client()
    for (const room of ['r', 'r', 'no']) await stage.rooms.subscribe('u', room)
    await settled()
    expect(peer.heard).toEqual(PUSHES)
    expect(asked).toEqual(['r', 'no'].map((room) => [room, 'server']))
    await peer.say('{"id":5,"subscribe":{"channel":"r"}}')
    expect(peer.values.at(-1)).toMatchObject({ id: 5, error: { code: 105 } })
  })

  test('and when it was said while it was connecting, after the answer to that', async () => {
    const store = createMemoryDatabase({ newId: () => 'epoch1' }).store()
    const ready = store.ready.bind(store)
    store.ready = async (room) => {
      if (room === 'given') await stage.rooms.subscribe('u', 'r')
      return ready(room)
    }
    const authenticate = () => ({ user: 'u', rooms: { given: {} } })
    const stage = new Stage({ store, policy: { authenticate, subscribe: subscribe([]) } })
    const peer = stage.open()
    await peer.say('{"id":1,"connect":{}}')
    expect(peer.heard.slice(1)).toEqual(PUSHES)
    expect(peer.values[0]).toMatchObject({ id: 1, connect: { subs: { given: {} } } })
  })
})

test('a client that is put out of a room on its way in stays out, or comes back, as the code says', async () => {
  for (const [code, error] of [
    [2000, 103],
    [2500, 100],
  ]) {
    const stage = new Stage()
    const peer = await stage.client()
    const coming = peer.say(SUBSCRIBE)
    void stage.rooms.unsubscribe('u', 'r', { code })
    await coming
    expect(peer.values).toMatchObject([{ id: 2, error: { code: error } }])
    expect(stage.rooms.stats()).toMatchObject({ rooms: 0 })
    await peer.say(SUBSCRIBE)
    expect(peer.values[1]).toMatchObject({ id: 2, subscribe: {} })
  }
})

describe('what is taken back while the policy thinks is not given', () => {
  /** A policy whose answers to `subscribe` are given by hand. */
  function slow(): { stage: Stage; grant: () => Promise<void> } {
    const answers: (() => void)[] = []
    const stage = new Stage({ policy: { subscribe: () => new Promise((resolve) => answers.push(() => resolve({}))) } })
    const grant = async (): Promise<void> => {
      for (const answer of answers.splice(0)) answer()
      await settled()
    }
    return { stage, grant }
  }

  test.each([
    [2000, 103],
    [2500, 100],
  ])('by unsubscribe %i, where the client asked', async (code, error) => {
    const { stage, grant } = slow()
    const peer = await stage.client()
    await peer.say(SUBSCRIBE)
    await stage.rooms.unsubscribe('u', 'r', { code })
    await grant()
    expect(peer.values).toMatchObject([{ id: 2, error: { code: error } }])
    expect(stage.rooms.stats()).toMatchObject({ rooms: 0 })
    await peer.say(SUBSCRIBE)
    await grant()
    expect(peer.values[1]).toMatchObject({ id: 2, subscribe: {} })
  })

  test('where the server did, also by the client itself', async () => {
    const { stage, grant } = slow()
    const peer = await stage.client()
    await stage.rooms.subscribe('u', 'r')
    await stage.rooms.unsubscribe('u', 'r')
    await stage.rooms.subscribe('u', 's')
    await peer.say('{"id":3,"unsubscribe":{"channel":"s"}}')
    await grant()
    expect(peer.heard).toEqual(['{"id":3,"unsubscribe":{}}'])
    expect(stage.rooms.stats()).toMatchObject({ rooms: 0 })
  })

  test('where it was named by connect', async () => {
    const { stage, grant } = slow()
    const peer = stage.open()
    await peer.say('{"id":1,"connect":{"token":"u","subs":{"r":{},"s":{}}}}')
    await stage.rooms.unsubscribe('u', 'r')
    await grant()
    const { connect } = peer.values[0]! as unknown as { connect: { subs: object } }
    expect(Object.keys(connect.subs)).toEqual(['s'])
  })

  test('by disconnect, for some time', async () => {
    const { stage, grant } = slow()
    const peer = stage.open()
    await peer.say('{"id":1,"connect":{"token":"u","subs":{"r":{}}}}')
    await stage.rooms.disconnect('u', { blockMs: 1_000 })
    await grant()
    expect([peer.heard, peer.end]).toEqual([[], '3503 force disconnect'])
  })
})

test('what was missed is told to each, whoever else missed what', async () => {
  const stage = new Stage()
  for (const data of ['1', '2', '3']) await stage.rooms.publish('r', data)
  const missed = async (offset: number): Promise<unknown> => {
    const peer = await stage.client()
    await peer.say(
      `{"id":2,"subscribe":{"channel":"r","recover":true,"recoverable":true,"epoch":"epoch1","offset":${offset}}}`,
    )
    const [reply] = peer.values as unknown as [{ subscribe: { publications?: { data: number }[] } }]
    return reply.subscribe.publications?.map(({ data }) => data)
  }
  expect(await missed(1)).toEqual([2, 3])
  expect(await missed(1)).toEqual([2, 3])
  expect(await missed(0)).toEqual([1, 2, 3])
  expect(await missed(2)).toEqual([3])
  expect(await missed(3)).toBeUndefined()
})

test('who was put out is told, and can come back', async () => {
  const stage = new Stage()
  const peer = await stage.client()
  await peer.say(SUBSCRIBE)
  await stage.rooms.unsubscribe('u', 'r', { code: 2500, reason: 'insufficient state' })
  await peer.say(SUBSCRIBE)
  expect(peer.heard).toEqual([
    '{"id":2,"subscribe":{}}',
    '{"push":{"channel":"r","unsubscribe":{"code":2500,"reason":"insufficient state"}}}',
    '{"id":2,"subscribe":{}}',
  ])
})

test('a refresh changes what is shown of it from then on, here of a room', async () => {
  const stage = new Stage({
    policy: {
      subscribe: () => ({ info: '"before"' }),
      subRefresh: () => ({ info: '"after"' }),
      refresh: () => ({ info: '"new"' }),
    },
  })
  const peer = await stage.client()
  await peer.say('{"id":2,"subscribe":{"channel":"plain"}}', '{"id":3,"sub_refresh":{"channel":"plain","token":"t"}}')
  await peer.say('{"id":4,"refresh":{"token":"t"}}')
  await peer.say('{"id":5,"publish":{"channel":"plain","data":1}}')
  expect(peer.values.at(-2)).toMatchObject({ push: { pub: { info: { conn_info: 'new', chan_info: 'after' } } } })
})
