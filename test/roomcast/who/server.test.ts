// Who may what, on a running server: SDK clients and the words, by tokens, hooks, names and namespaces.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { memoryStore, StoreUnavailableError } from '@roomcast/rooms'
import { SignJWT } from 'jose'
import { createRoomcast, type HookClient, type Roomcast, type RoomcastOptions, refuse } from 'roomcast'
import { afterEach, describe, expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import { type Client, connect } from '../client.ts'
import { connected, endSdks, next, refusal, sdk, subscription } from '../sdk-client.ts'

const SECRET = 'secret'
const started: Roomcast[] = []
afterEach(async () => {
  endSdks()
  await Promise.all(started.splice(0).map((roomcast) => roomcast.close()))
})

async function start(options: RoomcastOptions = {}): Promise<[Roomcast, port: number]> {
  const roomcast = createRoomcast({ port: 0, host: '127.0.0.1', ...options })
  started.push(roomcast)
  return [roomcast, (await roomcast.listen()).port]
}

const seconds = (): number => Math.floor(Date.now() / 1000)
function token(claims: Record<string, unknown>): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(SECRET))
}
const tokens = { hmacSecretKey: SECRET }
const ALL = { allowSubscribeForClient: true, allowPublishForClient: true }

/** The status and error of a refused handshake; 101. */
async function handshake(port: number, path = '/', headers: Record<string, string> = {}): Promise<unknown[]> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers })
  socket.on('error', () => {})
  return new Promise((resolve) => {
    socket.on('unexpected-response', (_, response) => {
      response.resume()
      const { error } = response.headers
      resolve([response.statusCode, error])
    })
    socket.on('open', () => {
      socket.terminate()
      resolve([101])
    })
  })
}

const words = (port: number, name: string): Promise<Client> => connect(port, { path: `/?token=${name}` })
/** Everybody is who they say. */
const authenticate: RoomcastOptions['authenticate'] = ({ token }) => ({ user: token })

describe('the demo', () => {
  test('whoever is at this machine may join, say, and be anonymous', async () => {
    const [, port] = await start()
    const [client, leto] = [await connected(port), await connect(port)]
    expect(await subscription(client, 'lobby')).toBe(0)
    expect(await leto.ask({ join: 'lobby' })).toEqual({ joined: 'lobby' })
    await client.publish('lobby', { hi: 1 })
    expect(await leto.next()).toEqual({ said: { hi: 1 }, in: 'lobby' })
    // A token that nobody can check is none that was checked.
    expect(await refusal(port, { token: await token({ sub: '42' }) })).toBe(3500)
    expect(await handshake(port, '/?token=anything')).toEqual([101])
  })

  test('a name that needs a token needs one here, too', async () => {
    const [, port] = await start()
    const client = await connected(port)
    expect(await subscription(client, '$secret')).toBe(103)
    expect(await (await connect(port)).ask({ join: '$secret', ref: 1 })).toEqual({ error: 'not_allowed', ref: 1 })
  })

  test('with namespaces they hold', async () => {
    const [, port] = await start({
      namespaces: { chat: { allowSubscribeForClient: true, allowSubscribeForAnonymous: true } },
    })
    const [client, leto] = [await connected(port), await connect(port)]
    expect([
      await subscription(client, 'lobby'),
      await subscription(client, 'shop:1'),
      await subscription(client, 'chat:1'),
    ]).toEqual([103, 102, 0])
    expect(await leto.ask({ join: 'lobby', ref: 1 })).toEqual({ error: 'not_allowed', ref: 1 })
    expect(await leto.ask({ join: 'shop:1', ref: 2 })).toEqual({ error: 'unknown_room', ref: 2 })
    expect(await leto.ask({ join: 'chat:ü', ref: 3 })).toEqual({ error: 'bad_name', ref: 3 })
    expect(await leto.ask({ join: 'chat:1', ref: 4 })).toEqual({ joined: 'chat:1', ref: 4 })
    expect(await leto.ask({ say: 1, to: 'chat:1', ref: 5 })).toEqual({ error: 'not_allowed', ref: 5 })
    await expect(client.publish('chat:1', 1)).rejects.toMatchObject({ code: 103 })
  })

  test('is for loopback names, at the SDKs’ path, too', async () => {
    const [, port] = await start()
    expect(await handshake(port, '/connection/websocket', { host: 'evil.example' })).toEqual([403, 'host_not_allowed'])
  })
})

describe('nothing is open once somebody decided', () => {
  test.each<[what: string, options: RoomcastOptions]>([
    ['a token key', { tokens }],
    ['authenticate', { authenticate: ({ token }) => (token === '' ? undefined : { user: token }) }],
  ])('%s: nobody without a token', async (_, options) => {
    const [, port] = await start(options)
    expect(await refusal(port)).toBe(3501)
    expect(await handshake(port)).toEqual([401, 'unauthorized'])
  })

  test('anonymous clients may connect, and do nothing else', async () => {
    const [, port] = await start({ allowAnonymousConnectWithoutToken: true, tokens })
    const [client, leto] = [await connected(port), await connect(port)]
    expect(await subscription(client, 'lobby')).toBe(103)
    expect(await leto.ask({ join: 'lobby' })).toEqual({ error: 'not_allowed' })
    await expect(client.publish('lobby', 1)).rejects.toMatchObject({ code: 103 })
    await expect(client.presence('lobby')).rejects.toMatchObject({ code: 108 })
    await expect(client.history('lobby')).rejects.toMatchObject({ code: 108 })
    await expect(client.rpc('any', {})).rejects.toMatchObject({ code: 108 })
  })

  test('insecure: everything, but a token that is sent is checked', async () => {
    const [, port] = await start({
      insecure: true,
      tokens,
      namespaces: { log: { presence: true, historySize: 1, historyTtlMs: 1000 } },
    })
    const client = await connected(port)
    expect([
      await subscription(client, 'log:1'),
      await subscription(client, 'log:#42'),
      await subscription(client, '$log:1'),
    ]).toEqual([0, 0, 103])
    await client.publish('log:1', 1)
    expect((await client.history('log:1', { limit: 1 })).publications).toHaveLength(1)
    expect((await client.presenceStats('log:1')).numClients).toBe(1)
    expect(await refusal(port, { token: 'x' })).toBe(3500)
    expect(await handshake(port, '/?token=x')).toEqual([401, 'invalid_token'])
  })
})

describe('tokens', () => {
  const namespaces = { '': ALL }

  test.each<[claims: Record<string, unknown>, sdkCode: number, status: unknown[]]>([
    [{ sub: '42' }, 0, [101]],
    [{ sub: '42', exp: seconds() + 100 }, 0, [101]],
    [{ sub: '42', exp: seconds() - 1 }, 109, [401, 'token_expired']],
    [{ sub: '42', nbf: seconds() + 100 }, 109, [401, 'token_expired']],
    [{ sub: 42 }, 3500, [401, 'invalid_token']],
    [{ sub: '42', channel: 'lobby' }, 3500, [401, 'invalid_token']],
    [{ sub: '42', channels: ['shop:1'] }, 102, [403, 'refused']],
  ])('%j: %i %j', async (claims, code, status) => {
    const [, port] = await start({ tokens, namespaces })
    const signed = await token(claims)
    expect(await refusal(port, { token: signed })).toBe(code)
    expect(await handshake(port, `/?token=${signed}`)).toEqual(status)
    expect(await handshake(port, '/', { authorization: `Bearer ${signed}` })).toEqual(status)
    // An empty one is none.
    expect(await handshake(port, '/?token=', { authorization: `Bearer ${signed}` })).toEqual(status)
  })

  test('rooms that the token names are joined at once', async () => {
    const [roomcast, port] = await start({ tokens, namespaces })
    const signed = await token({ sub: '42', channels: ['a'], subs: { b: {} } })
    const client = sdk(port, { token: signed })
    const subscribed: string[] = []
    client.on('subscribed', ({ channel }) => subscribed.push(channel))
    client.connect()
    await client.ready(5000)
    expect(subscribed.sort()).toEqual(['a', 'b'])
    const leto = await words(port, signed)
    expect([await leto.next(), await leto.next()]).toEqual([{ joined: 'a' }, { joined: 'b' }])
    await roomcast.rooms.publish('b', '1')
    expect(await leto.next()).toEqual({ said: 1, in: 'b' })
  })

  test('of a subscription: opens any room, for its user and room alone', async () => {
    const [, port] = await start({ tokens, namespaces: { ns: {} } })
    const client = await connected(port, { token: await token({ sub: '42' }) })
    const signed = (claims: object): Promise<string> => token({ sub: '42', ...claims })
    const codes: number[] = []
    for (const [room, given] of [
      ['ns:a', await signed({ channel: 'ns:a' })],
      ['$ns:b', await signed({ channel: '$ns:b' })],
      ['ns:c', await signed({ channel: 'ns:c', exp: seconds() - 1 })],
      ['ns:d', 'nonsense'],
      ['ns:e', undefined],
      ['shop:f', await signed({ channel: 'shop:f' })],
    ] as const) {
      codes.push(await subscription(client, room, given === undefined ? {} : { token: given }))
    }
    // 12: the SDK was told 109, and has nothing to ask for a new one.
    expect(codes).toEqual([0, 0, 12, 103, 103, 102])
    for (const claims of [{ channel: 'ns:other' }, { sub: '43', channel: 'ns:g' }]) {
      const one = await connected(port, { token: await token({ sub: '42' }) })
      const ended = next(one, 'disconnected')
      void subscription(one, 'ns:g', { token: await signed(claims) })
      expect(await ended).toMatchObject({ code: 3500 })
    }
  })

  test('override: what the room does for others it need not do for one; what it has not, nobody gets', async () => {
    const namespaces = { ns: { presence: true }, bare: {} }
    const [roomcast, port] = await start({ tokens, namespaces })
    const client = await connected(port, { token: await token({ sub: '42' }) })
    const into = async (channel: string, override: object): Promise<number> =>
      subscription(client, channel, { token: await token({ sub: '42', channel, override }) })
    expect(await into('ns:seen', { presence: { value: true } })).toBe(0)
    expect(await into('ns:hidden', { presence: { value: false } })).toBe(0)
    expect(await into('bare:a', { presence: { value: true } })).toBe(108)
    expect(await into('bare:b', { join_leave: { value: true } })).toBe(108)
    expect(await into('bare:c', { presence: { value: false }, join_leave: { value: false } })).toBe(0)
    const counts = ['ns:seen', 'ns:hidden'].map(async (room) => (await roomcast.rooms.presence(room)).size)
    expect(await Promise.all(counts)).toEqual([1, 0])
  })

  test('rooms of the users in their names', async () => {
    const [, port] = await start({ tokens, namespaces: { ns: { allowUserLimitedChannels: true } } })
    const client = await connected(port, { token: await token({ sub: '42' }) })
    expect([await subscription(client, 'ns:a#42,43'), await subscription(client, 'ns:a#43')]).toEqual([0, 103])
    const leto = await words(port, await token({ sub: '43' }))
    expect([await leto.ask({ join: 'ns:a#43' }), await leto.ask({ join: 'ns:a#42' })]).toEqual([
      { joined: 'ns:a#43' },
      { error: 'not_allowed' },
    ])
  })

  test('a connection outlives its token by the grace, unless there is a new one', async () => {
    const [, port] = await start({ tokens, namespaces, expiredCloseDelayMs: 50 })
    const short = (): Promise<string> => token({ sub: '42', exp: seconds() + 2 })
    const leto = await words(port, await short())
    const gone = connected(port, { token: await short(), getToken: () => Promise.reject(new Error('no')) })
    const ended = gone.then((client) => next(client, 'connecting'))
    let refreshed = 0
    const stays = await connected(port, {
      token: await short(),
      getToken: async () => {
        refreshed++
        return token({ sub: '42', exp: seconds() + 100 })
      },
    })
    expect(await leto.closed).toEqual({ code: 3005, reason: 'connection expired' })
    expect(await ended).toMatchObject({ code: 3005 })
    await vi.waitFor(() => expect(refreshed).toBe(1))
    expect(stays.state).toBe('connected')
  })

  test('a refresh for another user, or by a bad token, ends it', async () => {
    const [, port] = await start({ tokens, namespaces })
    for (const fresh of [await token({ sub: '43' }), 'nonsense']) {
      const client = sdk(port, { token: await token({ sub: '42', exp: seconds() + 2 }), getToken: async () => fresh })
      const ended = next(client, 'disconnected')
      client.connect()
      expect(await ended).toMatchObject({ code: 3500 })
    }
  })
})

describe('hooks', () => {
  test('authenticate is asked with what came, and says who it is', async () => {
    const asked: unknown[] = []
    const [, port] = await start({
      authenticate({ token, data, headers: { cookie }, query, remoteAddress }) {
        asked.push([token, data, cookie, query.get('q'), remoteAddress])
        return { user: 'leto', info: { name: 'Leto' } }
      },
      namespaces: { '': { ...ALL, presence: true, allowPresenceForClient: true } },
    })
    const client = sdk(port, { token: 't', data: { a: 1 } })
    client.connect()
    await client.ready(5000)
    const socket = new WebSocket(`ws://127.0.0.1:${port}/?q=1`, {
      headers: { cookie: 'sid=1', authorization: 'Bearer b' },
    })
    await once(socket, 'open')
    expect(asked).toEqual([
      ['t', { a: 1 }, undefined, null, '127.0.0.1'],
      ['b', undefined, 'sid=1', '1', '127.0.0.1'],
    ])
    socket.send('{"join":"room","meta":{"user":"paul"}}')
    await once(socket, 'message')
    const { clients } = await client.presence('room')
    expect(Object.values(clients)).toMatchObject([
      { user: 'leto', connInfo: { name: 'Leto' }, chanInfo: { meta: { user: 'paul' } } },
    ])
    socket.terminate()
  })

  test('undefined refuses', async () => {
    const [, port] = await start({ authenticate: () => undefined })
    expect(await refusal(port, { token: 't' })).toBe(3500)
    expect(await handshake(port)).toEqual([401, 'unauthorized'])
  })

  test.each<[what: string, code: number, sdkCode: number]>([
    ['an error', 400, 400],
    ['a close', 4500, 4500],
  ])('refuse, returned or thrown: %s', async (_, code, sdkCode) => {
    for (const isThrown of [false, true]) {
      const [, port] = await start({
        authenticate: () => {
          if (isThrown) throw refuse(code, 'no')
          return refuse(code, 'no')
        },
      })
      expect(await refusal(port, { token: 't' })).toBe(sdkCode)
      expect(await handshake(port)).toEqual([403, 'refused'])
    }
  })

  test('refuse of another copy of this package, as a package manager may leave one, refuses too', async () => {
    vi.resetModules()
    const other: typeof import('roomcast') = await import('roomcast')
    expect(other.refuse).not.toBe(refuse)
    const no = (): never => other.refuse(403, 'pay first') as never
    const [, open] = await start({ authenticate, publish: no, rpc: no, namespaces: { '': ALL } })
    const client = await connected(open, { token: 'leto' })
    await expect(client.publish('room', {})).rejects.toMatchObject({ code: 403 })
    await expect(client.rpc('m', {})).rejects.toMatchObject({ code: 403 })
    const [, closed] = await start({ authenticate: no })
    expect(await refusal(closed, { token: 'leto' })).toBe(403)
    expect(await handshake(closed)).toEqual([403, 'refused'])
  })

  test.each<[what: string, returned: unknown]>([
    ['true', true],
    ['null', null],
    ['a string', 'leto'],
    ['no user', {}],
    ['a user that is a number', { user: 42 }],
    ['an expiry that is none', { user: 'leto', expiresAt: 'soon' }],
    ['an expiry in ms', { user: 'leto', expiresAt: Date.now() + 60_000 }],
    ['something else', { user: 'leto', role: 'admin' }],
    ['rooms in a Map', { user: 'leto', rooms: new Map([['a', {}]]) }],
    ['rooms in a Set', { user: 'leto', rooms: new Set(['a']) }],
    ['a room that is given a list', { user: 'leto', rooms: { a: [] } }],
    ['rooms that are none', { user: 'leto', rooms: { a: true } }],
  ])('a mistake of authenticate lets nobody in: %s', async (_, returned) => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const [, port] = await start({ authenticate: () => returned as never })
    expect(await refusal(port, { token: 't' })).toBe(100)
    expect((await handshake(port))[0]).toBe(500)
    expect(warned.mock.calls.length).toBeGreaterThanOrEqual(2)
    warned.mockRestore()
  })

  test.each<[what: string, returned: unknown]>([
    ['true', true],
    ['null', null],
    ['a list, such as a database finds none in', []],
    ['a Map', new Map()],
    ['a Date', new Date()],
    ['an object of a class', new (class Row {})()],
    ['an expiry in ms', { expiresAt: Date.now() + 60_000 }],
    ['something else', { allowed: false }],
  ])('a mistake of subscribe lets nobody in: %s', async (_, returned) => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const [roomcast, port] = await start({ authenticate, subscribe: () => returned as never })
    expect(await subscription(await connected(port, { token: 'leto' }), 'a')).toBe(100)
    expect(await (await words(port, 'paul')).ask({ join: 'a' })).toEqual({ error: 'internal' })
    expect([roomcast.rooms.memberCount('a'), warned.mock.calls.length]).toEqual([0, 2])
    warned.mockRestore()
  })

  test('an object without a prototype is one as well', async () => {
    const [, port] = await start({ authenticate, subscribe: () => Object.create(null) })
    expect(await (await words(port, 'paul')).ask({ join: 'a' })).toEqual({ joined: 'a' })
  })

  test('subscribe decides over every room that neither a token nor the name does', async () => {
    const asked: unknown[] = []
    const [, port] = await start({
      authenticate,
      tokens,
      namespaces: { '': { ...ALL, allowUserLimitedChannels: true } },
      subscribe(client, room, { token, data }) {
        asked.push([client.user, client.protocol, room, token, data])
        if (room === 'open') return {}
        if (room === 'closed') return undefined
        if (room === 'refused') return refuse(403, 'pay first')
        if (room === 'away') throw refuse(4100, 'go')
        throw new Error('a defect')
      },
    })
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const client = await connected(port, { token: 'leto' })
    const codes: number[] = []
    for (const room of ['open', 'closed', 'refused', 'x#leto', 'x#paul'])
      codes.push(await subscription(client, room, { data: { a: 1 } }))
    expect(codes).toEqual([0, 103, 403, 0, 103])
    const paul = await words(port, 'paul')
    const answers: unknown[] = []
    for (const join of ['open', 'closed', 'refused', 'broken']) answers.push(await paul.ask({ join }))
    expect(answers).toEqual([
      { joined: 'open' },
      { error: 'not_allowed' },
      { error: 'not_allowed' },
      { error: 'internal' },
    ])
    paul.send({ join: 'away' })
    expect(await paul.closed).toEqual({ code: 4100, reason: 'go' })
    expect(asked.slice(0, 4)).toEqual([
      ['leto', 'json', 'open', '', { a: 1 }],
      ['leto', 'json', 'closed', '', { a: 1 }],
      ['leto', 'json', 'refused', '', { a: 1 }],
      ['paul', 'words', 'open', '', undefined],
    ])
    expect(warned).toHaveBeenCalledWith(new Error('a defect'))
    warned.mockRestore()
  })

  test('publish gives what is said; what it does not change goes on byte for byte', async () => {
    const [roomcast, port] = await start({
      authenticate,
      namespaces: { '': { allowSubscribeForClient: true } },
      maxDataBytes: 100,
      publish(client, _room, data) {
        const { text } = data as { text?: string }
        if (text === 'no') return undefined
        if (text === 'long') return 'x'.repeat(200)
        if (text === 'same') return data
        if (text === 'in place') {
          Object.assign(data as object, { text: 'changed' })
          return data
        }
        return { text, by: client.user }
      },
    })
    const [client, leto] = [await connected(port, { token: 'paul' }), await words(port, 'leto')]
    expect(await leto.ask({ join: 'room' })).toEqual({ joined: 'room' })
    await client.publish('room', { text: 'hi' })
    expect(await leto.next()).toEqual({ said: { text: 'hi', by: 'paul' }, in: 'room' })
    await client.publish('room', { text: 'in place' })
    expect(await leto.next()).toEqual({ said: { text: 'changed' }, in: 'room' })
    await expect(client.publish('room', { text: 'no' })).rejects.toMatchObject({ code: 103 })
    await expect(client.publish('room', { text: 'long' })).rejects.toMatchObject({ code: 107 })
    expect(await leto.ask({ say: { text: 'no' }, to: 'room', ref: 1 })).toEqual({ error: 'not_allowed', ref: 1 })
    expect(await leto.ask({ say: { text: 'long' }, to: 'room', ref: 2 })).toEqual({ error: 'too_large', ref: 2 })
    const raw = new WebSocket(`ws://127.0.0.1:${port}/connection/websocket`)
    await once(raw, 'open')
    raw.send(
      '{"id":1,"connect":{"token":"raw"}}\n{"id":2,"publish":{"channel":"room","data":{"text":"same","n":12345678901234567890}}}',
    )
    const texts: string[] = []
    leto.socket.on('message', (data) => texts.push(`${data}`))
    await vi.waitFor(() => expect(texts).toEqual(['{"said":{"text":"same","n":12345678901234567890},"in":"room"}']))
    raw.terminate()
    expect(roomcast.rooms.memberCount('room')).toBe(1)
  })

  test('rpc, message, send and disconnected', async () => {
    const gone: unknown[] = []
    const got: unknown[] = []
    let known: HookClient | undefined
    const [, port] = await start({
      authenticate,
      rpc(client, method, data) {
        known ??= client
        expect(client).toBe(known)
        if (method === 'nothing') return undefined
        if (method === 'teapot') throw refuse(418, 'teapot')
        return { method, data, user: client.user }
      },
      message(client, data) {
        got.push(data)
        client.send({ echo: data })
      },
      disconnected: (client, { code }) => void gone.push([client.user, client.protocol, code]),
    })
    const client = await connected(port, { token: 'leto' })
    expect((await client.rpc('add', [1, 2])).data).toEqual({ method: 'add', data: [1, 2], user: 'leto' })
    await expect(client.rpc('nothing', {})).rejects.toMatchObject({ code: 103 })
    await expect(client.rpc('teapot', {})).rejects.toMatchObject({ code: 418, message: 'teapot' })
    const message = next(client, 'message')
    await client.send({ hi: 1 })
    expect([await message, got]).toEqual([{ data: { echo: { hi: 1 } } }, [{ hi: 1 }]])
    const paul = await words(port, 'paul')
    paul.socket.close(1000)
    known!.disconnect(4200, 'bye')
    await vi.waitFor(() => expect(gone).toHaveLength(2))
    expect(gone).toContainEqual(['paul', 'words', 1000])
    expect(gone).toContainEqual(['leto', 'json', 4200])
  })

  test('send without message closes', async () => {
    const [, port] = await start({ authenticate })
    const client = await connected(port, { token: 'leto' })
    const ended = next(client, 'disconnected')
    await client.send({ hi: 1 })
    expect(await ended).toMatchObject({ code: 3508 })
  })
})

describe('limits', () => {
  test('who goes away while it is found out who it is counts no more', async () => {
    let answer: (identity: { user: string } | undefined) => void = () => {}
    let asked = 0
    let gone = 0
    const [, port] = await start({
      maxConnectionsPerUser: 1,
      authenticate: () => {
        asked++
        return new Promise((resolve) => {
          answer = resolve
        })
      },
      disconnected: () => void gone++,
    })
    for (const path of ['/connection/websocket', '/']) {
      const before = asked
      const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`)
      socket.on('error', () => {})
      socket.on('open', () => socket.send('{"id":1,"connect":{"token":"t"}}'))
      await vi.waitFor(() => expect(asked).toBe(before + 1))
      socket.terminate()
      await new Promise((resolve) => setTimeout(resolve, 20))
      answer({ user: 'leto' })
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const last = refusal(port, { token: 't' })
    await vi.waitFor(() => expect(asked).toBe(3))
    answer({ user: 'leto' })
    expect(await last).toBe(0)
    expect(gone).toBeLessThanOrEqual(1)
  })

  test('connections of a user, by either protocol; of nobody in particular there is no such limit', async () => {
    const [, port] = await start({ authenticate, maxConnectionsPerUser: 2 })
    const first = await words(port, 'leto')
    const second = await connected(port, { token: 'leto' })
    expect(await refusal(port, { token: 'leto' })).toBe(3504)
    expect(await (await words(port, 'leto')).closed).toEqual({ code: 3504, reason: 'connection limit' })
    expect(await refusal(port, { token: 'paul' })).toBe(0)
    for (let i = 0; i < 3; i++) expect(await handshake(port)).toEqual([101])
    first.socket.close()
    second.disconnect()
    await vi.waitFor(async () => expect(await refusal(port, { token: 'leto' })).toBe(0))
  })

  test('connections of an address', async () => {
    const [, port] = await start({ maxConnectionsPerAddress: 2 })
    const [first] = [await connect(port), await connected(port)]
    expect(await handshake(port)).toEqual([429, 'busy'])
    expect(await handshake(port, '/connection/websocket')).toEqual([429, 'busy'])
    first.socket.close()
    await vi.waitFor(async () => expect(await handshake(port)).toEqual([101]))
  })

  test('rooms of a client', async () => {
    const [, port] = await start({ maxRoomsPerClient: 2 })
    const [client, leto] = [await connected(port), await connect(port)]
    expect([await subscription(client, 'a'), await subscription(client, 'b'), await subscription(client, 'c')]).toEqual(
      [0, 0, 106],
    )
    for (const join of ['a', 'b']) expect(await leto.ask({ join })).toEqual({ joined: join })
    expect(await leto.ask({ join: 'c' })).toEqual({ error: 'full' })
  })

  test('an SDK that says nothing is closed', async () => {
    const [, port] = await start({ staleCloseDelayMs: 50 })
    const socket = new WebSocket(`ws://127.0.0.1:${port}/connection/websocket`)
    expect((await once(socket, 'close'))[0]).toBe(3502)
  })

  test('pings, and who does not answer', async () => {
    const [, port] = await start({ pingIntervalMs: 100, pongTimeoutMs: 50 })
    const socket = new WebSocket(`ws://127.0.0.1:${port}/connection/websocket`)
    await once(socket, 'open')
    socket.send('{"id":1,"connect":{}}')
    expect(`${(await once(socket, 'message'))[0]}`).toContain('"ping":')
    expect((await once(socket, 'close'))[0]).toBe(3012)
  })
})

describe('revoked means out', () => {
  /** A hook that is asked, and answers when it is told. */
  function gatekeeper() {
    const waiting: (() => void)[] = []
    const ask = <T>(answer: T): Promise<T> => new Promise((resolve) => waiting.push(() => resolve(answer)))
    const asked = (): Promise<void> => vi.waitFor(() => expect(waiting).not.toHaveLength(0))
    return { ask, asked, answer: () => waiting.shift()!() }
  }

  test('unsubscribe while subscribe is asked', async () => {
    const { ask, asked, answer } = gatekeeper()
    const [roomcast, port] = await start({ authenticate, subscribe: () => ask({}) })
    const [client, leto] = [await connected(port, { token: 'leto' }), await words(port, 'leto')]
    const first = subscription(client, 'room')
    await asked()
    await roomcast.rooms.unsubscribe('leto', 'room')
    answer()
    expect(await first).toBe(103)
    leto.send({ join: 'room' })
    await asked()
    await roomcast.rooms.unsubscribe('leto', 'room')
    answer()
    expect(await leto.next()).toEqual({ error: 'not_allowed' })
    expect(roomcast.rooms.memberCount('room')).toBe(0)
  })

  test('unsubscribe in the moment in which subscribe has answered', async () => {
    for (let step = 0; step < 12; step++) {
      const { ask, asked, answer } = gatekeeper()
      const [roomcast, port] = await start({ authenticate, subscribe: () => ask({}) })
      const [client, leto] = [await connected(port, { token: 'leto' }), await words(port, 'leto')]
      for (const begin of [() => void subscription(client, 'room'), () => leto.send({ join: 'room' })]) {
        begin()
        await asked()
        answer()
        for (let i = 0; i < step; i++) await Promise.resolve()
        await roomcast.rooms.unsubscribe('leto', 'room')
        await new Promise((resolve) => setTimeout(resolve, 10))
        expect(roomcast.rooms.memberCount('room')).toBe(0)
      }
    }
  }, 60_000)

  test('disconnect while authenticate is asked', async () => {
    const { ask, asked, answer } = gatekeeper()
    const [roomcast, port] = await start({ authenticate: () => ask({ user: 'leto' }) })
    const refused = refusal(port, { token: 't' })
    await asked()
    await roomcast.rooms.disconnect('leto')
    answer()
    expect(await refused).toBe(3500)
    const status = handshake(port, '/?token=t')
    await asked()
    await roomcast.rooms.disconnect('leto')
    answer()
    expect(await status).toEqual([401, 'unauthorized'])
  })

  test('disconnect with blockMs: the token that is still good lets nobody in', async () => {
    const [roomcast, port] = await start({ authenticate })
    const [client, leto] = [await connected(port, { token: 'leto' }), await words(port, 'leto')]
    const ended = next(client, 'disconnected')
    expect(await roomcast.rooms.disconnect('leto', { blockMs: 60_000 })).toMatchObject({ clients: 2, missing: 0 })
    expect([(await ended).code, (await leto.closed).code]).toEqual([3503, 3503])
    expect(await refusal(port, { token: 'leto' })).toBe(3503)
    expect((await (await words(port, 'leto')).closed).code).toBe(3503)
    expect(await refusal(port, { token: 'paul' })).toBe(0)
  })
})

test('over TLS', async () => {
  const [cert, key] = ['cert', 'key'].map((name) =>
    readFileSync(new URL(`../../support/tls/test-only-${name}.pem`, import.meta.url), 'utf8'),
  )
  const [, port] = await start({ tls: { cert: cert!, key: key! } })
  const socket = new WebSocket(`wss://127.0.0.1:${port}/`, { rejectUnauthorized: false })
  await once(socket, 'open')
  socket.send('{"join":"lobby"}')
  expect(`${(await once(socket, 'message'))[0]}`).toBe('{"joined":"lobby"}')
  socket.terminate()
})

test.each<[how: string, given: boolean]>([
  ['a subscribe function', false],
  ['rooms.subscribe', true],
])('the words are out of a room when what %s granted has run out', async (_, given) => {
  const [roomcast, port] = await start({
    authenticate,
    expiredSubCloseDelayMs: 1,
    subscribe: (__, room) => ({ expiresAt: room === 'over' ? seconds() - 1 : seconds() + 2 }),
  })
  const leto = await words(port, 'leto')
  if (given) await roomcast.rooms.subscribe('leto', 'r', { given: { expire_at: seconds() + 2 } })
  else leto.send({ join: 'r' })
  expect(await leto.next()).toEqual({ joined: 'r' })
  expect(await leto.next()).toEqual({ left: 'r', code: 2501, reason: 'subscription expired' })
  expect(roomcast.rooms.memberCount('r')).toBe(0)
  if (given) await roomcast.rooms.subscribe('leto', 'over', { given: { expire_at: seconds() - 1 } })
  else expect(await leto.ask({ join: 'over' })).toEqual({ error: 'not_allowed' })
  expect(await leto.ask({ leave: 'over' })).toEqual({ left: 'over' })
})

test('words of a client whose token names a room that cannot be had now: it comes back later', async () => {
  const store = Object.assign(memoryStore(), { read: () => Promise.reject(new StoreUnavailableError()) })
  const [, port] = await start({ tokens, store, namespaces: { log: { historySize: 1, historyTtlMs: 1000 } } })
  const leto = await words(port, await token({ channels: ['log:1'] }))
  expect(await leto.closed).toEqual({ code: 3010, reason: 'insufficient state' })
}, 30_000)

test.each<[what: string, claims: Record<string, unknown>, code: number, reason: string]>([
  ['more rooms than it may be in', { channels: ['a', 'b', 'c'] }, 3505, 'channel limit'],
  ['a room without a name', { channels: [''] }, 3501, 'bad request'],
  ['info that cannot be shown', { info: 'x'.repeat(3000), channels: ['log:1'] }, 3501, 'bad request'],
])(
  'of one whose token names %s: it does not come back, as it would be the same again',
  async (_, claims, code, reason) => {
    const [, port] = await start({ tokens, maxRoomsPerClient: 2, namespaces: { '': ALL, log: { presence: true } } })
    const leto = await words(port, await token(claims))
    expect(await leto.closed).toEqual({ code, reason })
  },
)

describe('attached to a server of the program', () => {
  const others = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address),
  )
  test.runIf(others.length > 0)('that others reach: the demo is for this machine', async () => {
    const http = createHttpServer().listen(0)
    const roomcast = createRoomcast({ server: http })
    started.push(roomcast)
    await once(http, 'listening')
    const { port } = http.address() as AddressInfo
    const from = (address: string): Promise<unknown[]> => {
      const socket = new WebSocket(`ws://${address}:${port}/`, { headers: { host: 'localhost' } })
      socket.on('error', () => {})
      return new Promise((resolve) => {
        socket.on('unexpected-response', (_, { statusCode }) => resolve([statusCode]))
        socket.on('open', () => {
          socket.terminate()
          resolve([101])
        })
      })
    }
    expect([await from('127.0.0.1'), await from(others[0]!)]).toEqual([[101], [403]])
    http.closeAllConnections()
    http.close()
  })

  test('requests are the program’s, WebSockets at two paths are ours', async () => {
    const http = createHttpServer((_, res) => res.end('mine'))
    const roomcast = createRoomcast({ server: http, insecure: true })
    started.push(roomcast)
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    const { port } = http.address() as AddressInfo
    expect(await (await fetch(`http://127.0.0.1:${port}/api/info`, { method: 'POST' })).text()).toBe('mine')
    const [client, leto] = [await connected(port), await connect(port)]
    expect(await subscription(client, 'room')).toBe(0)
    expect(await leto.ask({ join: 'room' })).toEqual({ joined: 'room' })
    expect((await handshake(port, '/elsewhere'))[0]).toBe(404)
    await expect(roomcast.listen()).rejects.toThrow('the server that was given listens')
    await roomcast.close()
    expect((await leto.closed).code).toBe(1001)
    // It is left running.
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('mine')
    http.closeAllConnections()
    http.close()
  })
})
