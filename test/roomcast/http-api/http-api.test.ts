// The HTTP API for backends, method by method, with the shapes that clients of Centrifugo's expect.

import { connect as connectTcp } from 'node:net'
import { text } from 'node:stream/consumers'
import { memoryStore, type Store, StoreUnavailableError } from '@roomcast/rooms'
import { createRoomcast, type Roomcast, type RoomcastOptions } from 'roomcast'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Client, connect } from '../client.ts'

const KEY = 'the-key'
let roomcast: Roomcast
let port: number

async function start(options: RoomcastOptions = {}): Promise<void> {
  roomcast = createRoomcast({
    port: 0,
    host: '127.0.0.1',
    apiKey: KEY,
    authenticate: ({ token }) => (token === '' ? undefined : { user: token, info: { name: token } }),
    namespaces: {
      '': { allowSubscribeForClient: true, allowPublishForSubscriber: true },
      log: { historySize: 5, historyTtlMs: 60_000, presence: true, allowSubscribeForClient: true },
      bytes: { publicationDataFormat: 'binary', historySize: 5, historyTtlMs: 60_000 },
      object: { publicationDataFormat: 'json_object' },
    },
    ...options,
  })
  port = (await roomcast.listen()).port
}
beforeEach(() => start())
afterEach(() => roomcast.close())

async function post(
  method: string,
  body: unknown,
  headers: Record<string, string> = { 'x-api-key': KEY },
): Promise<[number, unknown]> {
  const response = await fetch(`http://127.0.0.1:${port}/api/${method}`, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const answer = await response.text()
  return [response.status, answer === '' ? '' : JSON.parse(answer)]
}

/** The answer of a call that is one. */
async function call(method: string, body: unknown): Promise<Record<string, unknown>> {
  const [status, answer] = await post(method, body)
  expect(status).toBe(200)
  return answer as Record<string, unknown>
}

async function member(user: string, ...rooms: string[]): Promise<Client> {
  const client = await connect(port, { path: `/?token=${user}` })
  for (const room of rooms) expect(await client.ask({ join: room })).toEqual({ joined: room })
  return client
}

const error = (code: number, message: unknown = expect.any(String)) => ({ error: { code, message } })

describe('the key', () => {
  test.each<[what: string, headers: Record<string, string>, query: string, status: number]>([
    ['X-API-Key', { 'x-api-key': KEY }, '', 200],
    ['Authorization: apikey', { authorization: `apikey ${KEY}` }, '', 200],
    ['any case', { authorization: `ApiKey ${KEY}` }, '', 200],
    ['?api_key=', {}, `?api_key=${KEY}`, 200],
    ['none', {}, '', 401],
    ['another', { 'x-api-key': 'other' }, '', 401],
    ['a prefix', { 'x-api-key': KEY.slice(0, -1) }, '', 401],
    ['empty', { 'x-api-key': '' }, '', 401],
    ['as a bearer', { authorization: `Bearer ${KEY}` }, '', 401],
    ['the token of POST /channels', { authorization: 'Bearer t0ken' }, '', 401],
    ['a wrong one beside a right one', { 'x-api-key': 'other' }, `?api_key=${KEY}`, 401],
  ])('%s: %j%s', async (_, headers, query, status) => {
    expect((await post(`info${query}`, {}, headers))[0]).toBe(status)
  })

  test('without one nobody may, and by default there is none', async () => {
    await roomcast.close()
    roomcast = createRoomcast({ port: 0, host: '127.0.0.1' })
    port = (await roomcast.listen()).port
    const tries: Record<string, string>[] = [
      {},
      { 'x-api-key': '' },
      { 'x-api-key': 'undefined' },
      { authorization: `apikey ${roomcast.token}` },
    ]
    for (const headers of tries) expect((await post('info', {}, headers))[0]).toBe(401)
  })

  test('it is asked for before the body is read, and in front of everything else', async () => {
    const socket = connectTcp(port, '127.0.0.1')
    socket.write('POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{')
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 401 .*Connection: close/s)
    expect((await post('nothing', '{', {}))[0]).toBe(401)
  })

  test('it does not open POST /channels, nor the other way round', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/channels/lobby`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'x-api-key': KEY, 'content-type': 'application/json' },
      body: '1',
    })
    expect(response.status).toBe(401)
    expect((await post('info', {}, { authorization: `apikey ${roomcast.token}` }))[0]).toBe(401)
  })
})

describe('requests', () => {
  test.each<[method: string, body: string, status: number]>([
    ['nothing', '{}', 404],
    ['', '{}', 404],
    ['publish/x', '{}', 404],
    ['__proto__', '{}', 404],
    ['publish', '', 400],
    ['publish', '{', 400],
    ['publish', '[]', 400],
    ['publish', 'null', 400],
    ['publish', '"x"', 400],
    ['publish', '{"channel":1,"data":1}', 400],
    ['publish', '{"channel":"a","data":1,"tags":{"a":1}}', 400],
    ['publish', '{"channel":"a","data":1,"tags":[]}', 400],
    ['publish', '{"channel":"a","b64data":1}', 400],
    ['publish', '{"channel":"a","data":1,"idempotency_key":1}', 400],
    ['broadcast', '{"channels":"a","data":1}', 400],
    ['broadcast', '{"channels":[1],"data":1}', 400],
    ['history', '{"channel":"log:a","limit":"1"}', 400],
    ['history', '{"channel":"log:a","since":1}', 400],
    ['disconnect', '{"user":"a","disconnect":{"code":"x"}}', 400],
    ['batch', '{"commands":{}}', 400],
    ['batch', '{"commands":[1]}', 400],
    ['batch', '{"commands":[{"publish":1}]}', 400],
    ['publish', `{"channel":"lobby","data":"${'x'.repeat(2 ** 20)}"}`, 413],
  ])('%s %.60s: %i', async (method, body, status) => {
    expect((await post(method, body))[0]).toBe(status)
  })

  test('a bad command in a batch: nothing of it is done', async () => {
    const leto = await member('leto', 'lobby')
    const commands = [{ publish: { channel: 'lobby', data: 1 } }, { publish: { channel: 2 } }]
    expect((await post('batch', { commands }))[0]).toBe(400)
    await call('publish', { channel: 'lobby', data: 'first' })
    expect(await leto.next()).toEqual({ said: 'first', in: 'lobby' })
  })

  test('only POST', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/api/info`, { headers: { 'x-api-key': KEY } })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
  })

  test('while it drains: 503', async () => {
    const drained = roomcast.drain()
    expect((await post('info', {}))[0]).toBe(503)
    await drained
  })
})

describe('publish and broadcast', () => {
  test('without history: an empty result, and members hear it', async () => {
    const leto = await member('leto', 'lobby')
    expect(await call('publish', { channel: 'lobby', data: { a: [1] } })).toEqual({ result: {} })
    expect(await leto.next()).toEqual({ said: { a: [1] }, in: 'lobby' })
    expect(await call('publish', { channel: 'lobby', data: null })).toEqual({ result: {} })
    expect(await leto.next()).toEqual({ said: null, in: 'lobby' })
  })

  test('with history: where it stands; the same key again, the same answer, and nobody hears it', async () => {
    const leto = await member('leto', 'log:a', 'log:b')
    const first = await call('publish', { channel: 'log:a', data: 1, idempotency_key: 'k' })
    expect(first).toEqual({ result: { offset: 1, epoch: expect.any(String) } })
    expect(await call('publish', { channel: 'log:a', data: 2, idempotency_key: 'k' })).toEqual(first)
    // A key is one room's.
    expect(await call('publish', { channel: 'log:b', data: 3, idempotency_key: 'k' })).toMatchObject({
      result: { offset: 1 },
    })
    expect([await leto.next(), await leto.next()]).toEqual([
      { said: 1, in: 'log:a' },
      { said: 3, in: 'log:b' },
    ])
  })

  test('data goes on byte for byte', async () => {
    const raw = '{"n": 12345678901234567890, "x":1e400 }'
    await post('publish', `{"channel":"log:raw","data":${raw}}`)
    const response = await fetch(`http://127.0.0.1:${port}/api/history`, {
      method: 'POST',
      headers: { 'x-api-key': KEY },
      body: '{"channel":"log:raw","limit":1}',
    })
    expect(await response.text()).toContain(`"data":${raw}`)
  })

  test.each<[what: string, body: object, answer: unknown]>([
    ['no room', { data: 1 }, error(107)],
    ['a name that is none', { channel: 'a\nb', data: 1 }, error(107)],
    ['a name that the namespace does not take', { channel: 'log:ü', data: 1 }, error(107)],
    ['an unknown namespace', { channel: 'shop:1', data: 1 }, error(102, 'unknown channel')],
    ['no data', { channel: 'lobby' }, error(107, 'bad request')],
    ['data over the limit', { channel: 'lobby', data: 'x'.repeat(65_536) }, error(107)],
    ['data that nests too deep', { channel: 'lobby', data: JSON.parse('['.repeat(33) + ']'.repeat(33)) }, error(107)],
    ['bytes that are no base64', { channel: 'bytes:a', b64data: 'ä' }, error(107)],
    ['bytes that are no JSON', { channel: 'lobby', b64data: btoa('hi') }, error(107)],
    ['bytes that are no UTF-8', { channel: 'lobby', b64data: '/w==' }, error(107)],
    ['bytes that are JSON', { channel: 'lobby', b64data: btoa('{"a":1}') }, { result: {} }],
    [
      'bytes where they may be',
      { channel: 'bytes:a', b64data: '/w==' },
      { result: { offset: 1, epoch: expect.any(String) } },
    ],
    ['no object where it must be one', { channel: 'object:a', data: [1] }, error(107)],
    ['an object where it must be one', { channel: 'object:a', data: {} }, { result: {} }],
    ['a key that is too long', { channel: 'lobby', data: 1, idempotency_key: 'x'.repeat(257) }, error(107)],
    ['not to be remembered, where nothing is', { channel: 'lobby', data: 1, skip_history: true }, { result: {} }],
    [
      'not to be remembered',
      { channel: 'log:a', data: 1, skip_history: true },
      error(108, 'not available: skip_history'),
    ],
    ['a version', { channel: 'log:a', data: 1, version: 1 }, error(108, 'not available: version')],
    [
      'null is as good as left out',
      { channel: 'lobby', data: 1, tags: null, b64data: null, idempotency_key: null },
      { result: {} },
    ],
  ])('%s', async (_, body, answer) => {
    expect(await call('publish', body)).toEqual(answer)
  })

  test('to many rooms: an answer of each', async () => {
    const leto = await member('leto', 'lobby', 'log:a')
    expect(await call('broadcast', { channels: ['lobby', 'shop:1', 'log:a', ''], data: 'all' })).toEqual({
      result: {
        responses: [{ result: {} }, error(102), { result: { offset: 1, epoch: expect.any(String) } }, error(107)],
      },
    })
    const heard = [await leto.next(), await leto.next()]
    expect(heard).toContainEqual({ said: 'all', in: 'lobby' })
    expect(heard).toContainEqual({ said: 'all', in: 'log:a' })
    expect(await call('broadcast', { channels: [], data: 1 })).toEqual(error(107))
  })

  test('tags are kept', async () => {
    await call('publish', { channel: 'log:a', data: 1, tags: { by: 'shop' } })
    expect(await call('history', { channel: 'log:a', limit: 1 })).toMatchObject({
      result: { publications: [{ data: 1, offset: 1, tags: { by: 'shop' } }] },
    })
  })
})

describe('what is there', () => {
  test('history: a position, a part, from somewhere, backwards', async () => {
    for (let n = 1; n <= 7; n++) await call('publish', { channel: 'log:h', data: n })
    const { result } = (await call('history', { channel: 'log:h' })) as { result: { epoch: string } }
    const { epoch } = result
    expect(result).toEqual({ publications: [], epoch, offset: 7 })
    const numbers = async (query: object): Promise<unknown> => {
      const answer = (await call('history', { channel: 'log:h', ...query })) as {
        result?: { publications: { data: number; offset: number }[] }
      }
      return answer.result?.publications.map(({ data, offset }) => (data === offset ? data : 'wrong')) ?? answer
    }
    expect(await numbers({ limit: -1 })).toEqual([3, 4, 5, 6, 7])
    expect(await numbers({ limit: 2 })).toEqual([3, 4])
    expect(await numbers({ limit: 2, reverse: true })).toEqual([7, 6])
    expect(await numbers({ limit: 10, since: { offset: 5, epoch } })).toEqual([6, 7])
    expect(await numbers({ limit: 10, since: { offset: 5, epoch }, reverse: true })).toEqual([4, 3])
    expect(await numbers({ limit: 10, since: { offset: 7, epoch } })).toEqual([])
    expect(await numbers({ limit: 10, since: { offset: 1, epoch } })).toEqual(error(112, 'unrecoverable position'))
    expect(await numbers({ limit: 10, since: { offset: 5, epoch: 'other' } })).toEqual(error(112))
    expect(await numbers({ limit: 10, since: { offset: 0, epoch }, reverse: true })).toEqual(error(107))
    expect(await numbers({ limit: 10, since: { offset: -1, epoch } })).toEqual(error(107))
    expect(await call('history_remove', { channel: 'log:h' })).toEqual({ result: {} })
    expect(await call('history', { channel: 'log:h', limit: 10 })).toEqual({
      result: { publications: [], epoch, offset: 7 },
    })
  })

  test('who is there, and how many', async () => {
    const [leto, paul] = [await member('leto', 'log:p'), await member('paul', 'log:p')]
    const second = await connect(port, { path: '/?token=leto' })
    await second.ask({ join: 'log:p', meta: { device: 'phone' } })
    const { result } = (await call('presence', { channel: 'log:p' })) as {
      result: { presence: Record<string, { client: string }> }
    }
    const present = Object.entries(result.presence)
    expect(present.map(([client, info]) => client === info.client)).toEqual([true, true, true])
    const infos = present.map(([, { client: _, ...info }]) => info)
    expect(infos).toContainEqual({ user: 'paul', conn_info: { name: 'paul' } })
    // What a client says of itself is beside, and never in place of, what the server knows.
    expect(infos).toContainEqual({
      user: 'leto',
      conn_info: { name: 'leto' },
      chan_info: { meta: { device: 'phone' } },
    })
    expect(await call('presence_stats', { channel: 'log:p' })).toEqual({ result: { num_clients: 3, num_users: 2 } })
    expect(await call('presence', { channel: 'log:nobody' })).toEqual({ result: { presence: {} } })
    expect(await call('presence_stats', { channel: 'log:nobody' })).toEqual({
      result: { num_clients: 0, num_users: 0 },
    })
    for (const client of [leto, paul, second]) client.socket.terminate()
  })

  test('rooms and nodes', async () => {
    await member('leto', 'log:a', 'log:b', 'lobby')
    await member('paul', 'log:a')
    expect(await call('channels', {})).toEqual({
      result: { channels: { 'log:a': { num_clients: 2 }, 'log:b': { num_clients: 1 }, lobby: { num_clients: 1 } } },
    })
    expect(await call('channels', { pattern: 'log:*' })).toEqual({
      result: { channels: { 'log:a': { num_clients: 2 }, 'log:b': { num_clients: 1 } } },
    })
    expect(await call('info', {})).toEqual({
      result: {
        nodes: [
          {
            uid: expect.any(String),
            name: expect.any(String),
            version: expect.stringMatching(/^\d+\.\d+\.\d+/),
            num_clients: 2,
            num_users: 2,
            num_subs: 4,
            num_channels: 3,
            uptime: expect.any(Number),
          },
        ],
      },
    })
  })

  test.each(['presence', 'presence_stats', 'history', 'history_remove'])(
    '%s where there is none, or no room',
    async (method) => {
      expect(await call(method, { channel: 'lobby' })).toEqual(error(108, 'not available'))
      expect(await call(method, { channel: 'shop:1' })).toEqual(error(102))
      expect(await call(method, {})).toEqual(error(107))
    },
  )
})

describe('users', () => {
  test('subscribe, unsubscribe, disconnect', async () => {
    const [leto, other] = [await member('leto'), await member('paul', 'lobby')]
    expect(await call('subscribe', { user: 'leto', channel: 'lobby' })).toEqual({ result: {} })
    expect(await leto.next()).toEqual({ joined: 'lobby' })
    expect(await call('unsubscribe', { user: 'leto', channel: 'lobby' })).toEqual({ result: {} })
    expect(await leto.next()).toEqual({ left: 'lobby', code: 2000, reason: 'server unsubscribe' })
    expect(await leto.ask({ say: 1, to: 'lobby' })).toEqual({ error: 'not_a_member' })
    expect(await call('disconnect', { user: 'leto' })).toEqual({ result: {} })
    expect(await leto.closed).toEqual({ code: 3503, reason: 'force disconnect' })
    expect(await call('disconnect', { user: 'paul', disconnect: { code: 4321, reason: 'bye' } })).toEqual({
      result: {},
    })
    expect(await other.closed).toEqual({ code: 4321, reason: 'bye' })
    expect(await call('disconnect', { user: 'nobody' })).toEqual({ result: {} })
  })

  test('refresh: expired ends it', async () => {
    const leto = await member('leto')
    expect(await call('refresh', { user: 'leto', expire_at: Math.floor(Date.now() / 1000) + 100 })).toEqual({
      result: {},
    })
    expect(await call('refresh', { user: 'leto', expired: true })).toEqual({ result: {} })
    expect(await leto.closed).toEqual({ code: 3005, reason: 'connection expired' })
  })

  test('one of the connections of a user, or all but some', async () => {
    const [one, two] = [await member('leto', 'log:u'), await member('leto', 'log:u')]
    const ids = async (): Promise<string[]> => {
      const { result } = (await call('presence', { channel: 'log:u' })) as { result: { presence: object } }
      return Object.keys(result.presence)
    }
    const [first = ''] = await ids()
    expect(await call('unsubscribe', { user: 'leto', channel: 'log:u', client: first })).toEqual({ result: {} })
    expect(await ids()).toHaveLength(1)
    expect(await ids()).not.toContain(first)
    const [second = ''] = await ids()
    await call('subscribe', { user: 'leto', channel: 'lobby', client: first })
    expect((await call('channels', { pattern: 'lobby' })).result).toEqual({
      channels: { lobby: { num_clients: 1 } },
    })
    await call('disconnect', { user: 'leto', whitelist: [first, second] })
    await call('disconnect', { user: 'leto', whitelist: [first] })
    expect(await Promise.race([one.closed, two.closed])).toEqual({ code: 3503, reason: 'force disconnect' })
    await call('disconnect', { user: 'leto', client: first, disconnect: { code: 4000, reason: 'x' } })
    expect([await one.closed, await two.closed]).toContainEqual({ code: 4000, reason: 'x' })
  })

  test('what a subscription is given, and what others are shown after a refresh', async () => {
    const leto = await member('leto', 'log:there')
    const given = { info: { seat: 7 }, override: { presence: { value: true } } }
    await call('subscribe', { user: 'leto', channel: 'log:a', ...given })
    expect(await leto.next()).toEqual({ joined: 'log:a' })
    await call('subscribe', { user: 'leto', channel: 'log:b', override: { presence: { value: false } } })
    expect(await leto.next()).toEqual({ joined: 'log:b' })
    await call('refresh', { user: 'leto', info: { name: 'Leto II' } })
    const shown = async (channel: string): Promise<object[]> => {
      const { result } = (await call('presence', { channel })) as { result: { presence: Record<string, object> } }
      return Object.values(result.presence)
    }
    expect(await shown('log:a')).toMatchObject([{ conn_info: { name: 'Leto II' }, chan_info: given.info }])
    expect(await shown('log:there')).toMatchObject([{ conn_info: { name: 'Leto II' } }])
    expect(await shown('log:b')).toEqual([])
  })

  test.each([
    { info: 1, override: [] },
    { override: { presence: { value: 1 } } },
    { expire_at: 'now' },
    { b64data: 1 },
    { b64data: 'A' },
    { b64info: '%%%' },
  ])('a subscription with %j is a bad request', async (given) => {
    expect((await post('subscribe', { user: 'leto', channel: 'lobby', ...given }))[0]).toBe(400)
  })

  test.each<[method: string, body: object, answer: unknown]>([
    ['subscribe', { user: 'leto', channel: 'shop:1' }, error(102)],
    ['subscribe', { user: 'leto' }, error(107)],
    ['subscribe', { user: 'leto', channel: 'lobby', session: 'x' }, error(108, 'not available: session')],
    ['subscribe', { user: 'leto', channel: 'lobby', recover_since: {} }, error(108, 'not available: recover_since')],
    ['subscribe', { user: 'leto', channel: 'lobby', expire_at: 1 }, error(110)],
    [
      'subscribe',
      { user: 'leto', channel: 'lobby', override: { presence: { value: true } } },
      error(108, 'not available: override.presence'),
    ],
    ['publish', { channel: 'bytes:1', b64data: 'AA==' }, { result: { offset: 1, epoch: expect.any(String) } }],
    ['publish', { channel: 'bytes:1', b64data: 'AA' }, { result: { offset: 1, epoch: expect.any(String) } }],
    ...['A', 'AAAAA', '=', 'AA=', 'AAA==', '-_-_', 'AA AA', '%%%'].map((b64data): [string, object, unknown] => [
      'publish',
      { channel: 'bytes:1', b64data },
      error(107),
    ]),
    // What cannot be shown: at most 2 KiB in a room whose members are.
    ['subscribe', { user: 'leto', channel: 'log:i', info: 'x'.repeat(2046) }, { result: {} }],
    ['subscribe', { user: 'leto', channel: 'log:i', info: 'x'.repeat(2047) }, error(107)],
    ['subscribe', { user: 'leto', channel: 'log:i', b64info: btoa('x'.repeat(2049)) }, error(107)],
    ['subscribe', { user: 'leto', channel: 'lobby', info: 'x'.repeat(2047) }, { result: {} }],
    ['subscribe', { user: 'leto', channel: 'lobby', client: 'x' }, { result: {} }],
    ['subscribe', { user: 'leto', channel: 'lobby', client: '' }, { result: {} }],
    ['unsubscribe', { user: 'leto', channel: 'shop:1' }, error(102)],
    ['unsubscribe', { user: 'leto', channel: '' }, error(107)],
    // One connection is not all connections of a user.
    ['disconnect', { user: 'leto', client: 'x' }, { result: {} }],
    ['disconnect', { user: 'leto', session: 'x' }, error(108)],
    ['disconnect', { user: 'leto', disconnect: { code: 1000, reason: '' } }, error(107)],
    ['disconnect', { user: 'leto', disconnect: { code: 5000, reason: '' } }, error(107)],
    ['disconnect', { user: 'leto', disconnect: { code: 4000, reason: 'x'.repeat(124) } }, error(107)],
    ['refresh', { user: 'leto', expire_at: -1 }, error(107)],
  ])('%s %j', async (method, body, answer) => {
    const leto = await member('leto')
    expect(await call(method, body)).toEqual(answer)
    expect(leto.socket.readyState).toBe(leto.socket.OPEN)
    leto.socket.terminate()
  })
})

describe('a batch', () => {
  const commands = [
    { publish: { channel: 'log:b', data: 1 } },
    { publish: { channel: 'shop:b', data: 1 } },
    { history: { channel: 'log:b' } },
    { nothing: {} },
    {},
    { info: null },
  ]
  test('in order, each with a reply', async () => {
    expect(await call('batch', { commands })).toEqual({
      replies: [
        { publish: { offset: 1, epoch: expect.any(String) } },
        error(102),
        { history: { publications: [], offset: 1, epoch: expect.any(String) } },
        error(104, 'method not found'),
        error(104),
        { info: { nodes: [expect.any(Object)] } },
      ],
    })
  })

  test('at once', async () => {
    const { replies } = (await call('batch', { commands, parallel: true })) as { replies: object[] }
    expect(replies.map((reply) => Object.keys(reply)[0])).toEqual([
      'publish',
      'error',
      'history',
      'error',
      'error',
      'info',
    ])
  })

  test('of nothing', async () => {
    expect(await call('batch', {})).toEqual({ replies: [] })
  })
})

describe('a store that is away, or has no room', () => {
  test('status 200 and error 100, each call for itself', async () => {
    await roomcast.close()
    const store: Store = Object.assign(memoryStore(), {
      publish: () => Promise.reject(new StoreUnavailableError()),
      read: () => Promise.reject(new StoreUnavailableError()),
      carry: () => false,
    })
    await start({ store })
    const commands = [
      { publish: { channel: 'log:a', data: 1 } },
      { history: { channel: 'log:a', limit: 1 } },
      { publish: { channel: 'lobby', data: 1 } },
      { presence_stats: { channel: 'log:a' } },
    ]
    const away = error(100, 'internal server error')
    expect(await call('batch', { commands })).toEqual({
      replies: [away, away, away, { presence_stats: { num_clients: 0, num_users: 0 } }],
    })
  })

  test('a defect of a store is one call’s, and a warning', async () => {
    await roomcast.close()
    const store: Store = Object.assign(memoryStore(), { presence: () => Promise.reject(new Error('no')) })
    await start({ store })
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    expect(await call('presence', { channel: 'log:a' })).toEqual(error(100))
    expect(warned.mock.calls).toEqual([[new Error('no')]])
    warned.mockRestore()
  })
})
