import crypto from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { memoryStore, type Store } from '@roomcast/rooms'
import { createRoomcast, type Roomcast } from 'roomcast'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createApi } from '../../packages/roomcast/src/api.ts'
import { bearerCheck } from '../../packages/roomcast/src/token.ts'
import { type Client, connect } from './client.ts'

const TOKEN = 's3cret'
let roomcast: Roomcast
let port: number
let member: Client

beforeAll(async () => {
  roomcast = createRoomcast({ port: 0, host: '127.0.0.1', token: TOKEN })
  port = (await roomcast.listen()).port
  member = await connect(port)
  for (const channel of ['lobby', 'a b/ü', '__proto__']) await member.ask({ join: channel })
})
afterAll(() => roomcast.close())

interface Call {
  path?: string
  method?: string
  headers?: Record<string, string>
  body?: BodyInit
}

const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` }
const HEADERS = { ...AUTHORIZATION, 'content-type': 'application/json' }

function call({ path = '/channels/lobby', method = 'POST', headers = HEADERS, body }: Call): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
}

describe('POST /channels/<name>', () => {
  const delivered: [title: string, call: Call, said: unknown, channel?: string][] = [
    ['an object', { body: '{"a":[1]}' }, { a: [1] }],
    ['null', { body: 'null' }, null],
    [
      'a content type with a parameter',
      { headers: { ...HEADERS, 'content-type': 'Application/JSON; charset=utf-8' }, body: '1' },
      1,
    ],
    ['a scheme in lower case', { headers: { ...HEADERS, authorization: `bearer ${TOKEN}` }, body: '2' }, 2],
    ['a query', { path: '/channels/lobby?x=1', body: '3' }, 3],
    ['a percent-encoded name', { path: `/channels/${encodeURIComponent('a b/ü')}`, body: '4' }, 4, 'a b/ü'],
    ['a name that objects inherit', { path: '/channels/__proto__', body: '5' }, 5, '__proto__'],
    ['a body that is not ASCII', { body: '"ü€😀"' }, 'ü€😀'],
    ['a body of 64 KiB', { body: JSON.stringify('x'.repeat(65_534)) }, 'x'.repeat(65_534)],
  ]
  test.each(delivered)('%s is said', async (_, request, said, channel = 'lobby') => {
    const response = await call(request)
    expect([response.status, await response.json()]).toEqual([200, { delivered: 1 }])
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await member.next()).toEqual({ said, in: channel })
  })

  test('nobody there: delivered to none', async () => {
    expect(await (await call({ path: '/channels/empty', body: '1' })).json()).toEqual({ delivered: 0 })
  })

  const refused: [title: string, call: Call, status: number, error: string, headers?: Record<string, string>][] = [
    ['GET', { method: 'GET' }, 405, 'method_not_allowed', { allow: 'POST' }],
    ['DELETE', { method: 'DELETE' }, 405, 'method_not_allowed', { allow: 'POST' }],
    [
      'no token',
      { headers: { 'content-type': 'application/json' }, body: '1' },
      401,
      'unauthorized',
      { 'www-authenticate': 'Bearer' },
    ],
    [
      'a wrong token',
      { headers: { ...HEADERS, authorization: 'Bearer s3creT' }, body: '1' },
      401,
      'unauthorized',
      { 'www-authenticate': 'Bearer' },
    ],
    ['a longer token', { headers: { ...HEADERS, authorization: `Bearer ${TOKEN}x` }, body: '1' }, 401, 'unauthorized'],
    ['a token in two', { headers: { ...HEADERS, authorization: 'Bearer s3 cret' }, body: '1' }, 401, 'unauthorized'],
    ['an empty token', { headers: { ...HEADERS, authorization: 'Bearer ' }, body: '1' }, 401, 'unauthorized'],
    ['another scheme', { headers: { ...HEADERS, authorization: `Basic ${TOKEN}` }, body: '1' }, 401, 'unauthorized'],
    ['no name', { path: '/channels/', body: '1' }, 400, 'bad_name'],
    ['a control character in the name', { path: '/channels/a%0Ab', body: '1' }, 400, 'bad_name'],
    ['a name of 201 bytes', { path: `/channels/${'x'.repeat(201)}`, body: '1' }, 400, 'bad_name'],
    ['a broken percent code', { path: '/channels/%zz', body: '1' }, 400, 'bad_name'],
    ['a name that is not UTF-8', { path: '/channels/%ff', body: '1' }, 400, 'bad_name'],
    ['two segments', { path: '/channels/a/b', body: '1' }, 404, 'not_found'],
    ['no content type', { headers: AUTHORIZATION, body: new Uint8Array([49]) }, 415, 'unsupported_media_type'],
    [
      'another content type',
      { headers: { ...HEADERS, 'content-type': 'text/plain' }, body: '1' },
      415,
      'unsupported_media_type',
    ],
    [
      'a form',
      { headers: { ...HEADERS, 'content-type': 'application/x-www-form-urlencoded' }, body: '1' },
      415,
      'unsupported_media_type',
    ],
    [
      'a packed body',
      { headers: { ...HEADERS, 'content-encoding': 'gzip' }, body: gzipSync('1') },
      415,
      'unsupported_encoding',
    ],
    [
      'a body that says so',
      { headers: { ...HEADERS, 'content-encoding': 'identity, br' }, body: '1' },
      415,
      'unsupported_encoding',
    ],
    ['no body', {}, 400, 'invalid_json'],
    ['half of an object', { body: '{"a":' }, 400, 'invalid_json'],
    ['a body that is not UTF-8', { body: new Uint8Array([34, 255, 34]) }, 400, 'invalid_json'],
    ['a number that no double holds', { body: '[1e999]' }, 400, 'bad_number'],
    ['numbers that grow when they are written', { body: `[${Array(10_000).fill('1e20')}]` }, 413, 'too_large'],
    ['deep nesting', { body: '['.repeat(33) + ']'.repeat(33) }, 400, 'too_deep'],
    ['very deep nesting', { body: '['.repeat(30_000) + ']'.repeat(30_000) }, 400, 'too_deep'],
    ['a body over 64 KiB', { body: JSON.stringify('x'.repeat(65_535)) }, 413, 'too_large'],
    ['64 KiB of spaces around it', { body: `1${' '.repeat(65_536)}` }, 413, 'too_large'],
    ['very deep nesting, and large', { body: '['.repeat(300_000) + ']'.repeat(300_000) }, 413, 'too_large'],
    [
      'an Idempotency-Key of 257 characters',
      { headers: { ...HEADERS, 'idempotency-key': 'k'.repeat(257) }, body: '1' },
      400,
      'bad_idempotency_key',
    ],
    [
      'an empty Idempotency-Key',
      { headers: { ...HEADERS, 'idempotency-key': '' }, body: '1' },
      400,
      'bad_idempotency_key',
    ],
  ]
  test.each(refused)('%s is refused', async (_, request, status, error, headers = {}) => {
    const response = await call(request)
    expect([response.status, await response.json()]).toEqual([status, { error }])
    for (const [name, value] of Object.entries(headers)) expect(response.headers.get(name)).toBe(value)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    // Nothing was said: the next message of the member is the answer to its own question.
    expect(await member.ask({ leave: 'nothing', ref: 1 })).toEqual({ left: 'nothing', ref: 1 })
  })

  test('a chunked body over 64 KiB is refused while it still comes', async () => {
    const socket = connectTcp(port, '127.0.0.1')
    socket.write(`POST /channels/lobby HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n`)
    socket.write('Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n')
    const chunk = `1000\r\n${'1'.repeat(0x1000)}\r\n`
    for (let i = 0; i < 17; i++) socket.write(chunk)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 /)
    socket.destroy()
  })

  test('a sender that goes away in mid-body is no error', async () => {
    const socket = connectTcp(port, '127.0.0.1')
    socket.write(`POST /channels/lobby HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n`)
    socket.write('Content-Type: application/json\r\nContent-Length: 10\r\n\r\n123')
    await once(socket, 'connect')
    socket.resetAndDestroy()
    expect(await (await call({ path: '/channels/empty', body: '1' })).json()).toEqual({ delivered: 0 })
  })
})

describe('Idempotency-Key', () => {
  const keyed = (key: string, path = '/channels/lobby'): Promise<unknown> =>
    call({ path, headers: { ...HEADERS, 'idempotency-key': key }, body: JSON.stringify(key) }).then((res) => res.json())

  test('a repeat is a no-op with the same answer, also when the room has changed', async () => {
    expect(await keyed('one')).toEqual({ delivered: 1 })
    const second = await connect(port)
    await second.ask({ join: 'lobby' })
    expect(await keyed('one')).toEqual({ delivered: 1 })
    expect(await keyed('two')).toEqual({ delivered: 2 })
    expect([await member.next(), await member.next()]).toEqual([
      { said: 'one', in: 'lobby' },
      { said: 'two', in: 'lobby' },
    ])
    await second.ask({ leave: 'lobby' })
    second.socket.close()
  })

  test('twenty at once are one', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => keyed('at once')))
    expect(answers).toEqual(Array.from({ length: 20 }, () => ({ delivered: 1 })))
    expect(await member.next()).toEqual({ said: 'at once', in: 'lobby' })
    expect(await member.ask({ leave: 'nothing' })).toEqual({ left: 'nothing' })
  })

  test('the same key in another channel is another request', async () => {
    await keyed('three')
    await keyed('three', '/channels/__proto__')
    expect([await member.next(), await member.next()]).toEqual([
      { said: 'three', in: 'lobby' },
      { said: 'three', in: '__proto__' },
    ])
  })

  test('a refused request leaves nothing behind', async () => {
    const headers = { ...HEADERS, 'idempotency-key': 'four' }
    expect((await call({ headers, body: '{' })).status).toBe(400)
    expect(await keyed('four')).toEqual({ delivered: 1 })
    expect(await member.next()).toEqual({ said: 'four', in: 'lobby' })
  })

  test('after five minutes it is forgotten', async () => {
    const publish = vi.fn(async (..._: unknown[]) => ({ epoch: '', offset: 0 }))
    const api = createApi({
      rooms: { memberCount: () => 1 },
      token: TOKEN,
      status: () => 'ready',
      isReady: () => true,
      stats: () => ({}),
      publish: async (room, data, options, more) => {
        more?.isToSay?.()
        return publish(room, data, options)
      },
      faultOf: () => undefined,
      maxDataBytes: 100,
      ending: new AbortController().signal,
      isClosed: () => false,
    })
    const http = createHttpServer((req, res) => void api(req, res, req.url ?? '')).listen(0, '127.0.0.1')
    await once(http, 'listening')
    const { port: apiPort } = http.address() as AddressInfo
    const clock = vi.spyOn(performance, 'now')
    const start = performance.now()
    const seen: number[] = []
    for (const minutes of [0, 1, 4.9, 5.1, 10]) {
      clock.mockReturnValue(start + minutes * 60_000)
      // The cache reads its clock once per millisecond at most.
      await setTimeout(2)
      const headers = { ...HEADERS, 'idempotency-key': 'five' }
      await fetch(`http://127.0.0.1:${apiPort}/channels/lobby`, { method: 'POST', headers, body: '1' })
      seen.push(publish.mock.calls.length)
    }
    clock.mockRestore()
    expect(seen).toEqual([1, 1, 1, 2, 2])
    http.closeAllConnections()
    http.close()
  })
})

describe('how the server is doing', () => {
  test.each(['/healthz', '/readyz', '/stats'])('%s takes GET and HEAD only', async (path) => {
    const get = await call({ path, method: 'GET', headers: {} })
    const head = await call({ path, method: 'HEAD', headers: {} })
    const post = await call({ path, headers: {} })
    expect([get.status, head.status, post.status]).toEqual([200, 200, 405])
    expect(await head.text()).toBe('')
    expect(get.headers.get('cache-control')).toBe('no-store')
    expect(post.headers.get('allow')).toBe('GET, HEAD')
  })

  test('/stats counts sockets, channels and messages', async () => {
    const stats = await (await call({ path: '/stats', method: 'GET', headers: {} })).json()
    expect(stats).toMatchObject({ status: 'ready', sockets: 1, channels: 3, messagesIn: expect.any(Number) })
    expect(roomcast.stats()).toMatchObject({ sockets: 1, channels: 3 })
  })

  test('/readyz is 503 from the beginning of a drain, /healthz stays 200', async () => {
    const other = createRoomcast({ port: 0, host: '127.0.0.1', drainMs: 2000 })
    const { port: otherPort } = await other.listen()
    const client = await connect(otherPort)
    const drained = other.drain()
    const [ready, health] = await Promise.all(
      ['readyz', 'healthz'].map((path) => fetch(`http://127.0.0.1:${otherPort}/${path}`)),
    )
    expect([ready?.status, await ready?.json()]).toEqual([503, { status: 'draining' }])
    expect(health?.status).toBe(200)
    await expect(connect(otherPort)).rejects.toThrow('503')
    expect(await client.closed).toMatchObject({ code: 1012 })
    expect(await drained).toEqual({ closed: 1, terminated: 0 })
    await other.close()
  })

  test('/readyz is 503 while the store is away', async () => {
    let status: Store['status'] = 'ready'
    const store = Object.defineProperty(memoryStore(), 'status', { get: () => status })
    const other = createRoomcast({ port: 0, host: '127.0.0.1', store })
    const { port: otherPort } = await other.listen()
    const seen: unknown[] = []
    for (status of ['connecting', 'degraded', 'ready'] as const) {
      const response = await fetch(`http://127.0.0.1:${otherPort}/readyz`)
      seen.push([response.status, await response.json()])
    }
    expect(seen).toEqual([
      [503, { status: 'connecting' }],
      [503, { status: 'degraded' }],
      [200, { status: 'ready' }],
    ])
    expect(other.stats()).toMatchObject({ status: 'ready', bridge: { status: 'ready' } })
    await other.close()
  })
})

describe('the server', () => {
  test('what the bus has no room for is a 503, and is said again by a repeat with the same key', async () => {
    let hasRoom = false
    const store = Object.assign(memoryStore(), { carry: () => hasRoom })
    const other = createRoomcast({ port: 0, host: '127.0.0.1', token: TOKEN, store })
    const { port: otherPort } = await other.listen()
    const headers = { ...HEADERS, 'idempotency-key': 'once' }
    const seen: unknown[] = []
    for (hasRoom of [false, false, true, false]) {
      const response = await fetch(`http://127.0.0.1:${otherPort}/channels/a`, { method: 'POST', headers, body: '1' })
      seen.push([response.status, await response.json(), response.headers.has('retry-after')])
    }
    const lost = [503, { error: 'bus_full' }, true]
    expect(seen).toEqual([lost, lost, [200, { delivered: 0 }, false], [200, { delivered: 0 }, false]])
    await other.close()
  })

  test('a store that throws costs one request, not the process', async () => {
    const store = memoryStore()
    const other = createRoomcast({
      port: 0,
      token: TOKEN,
      store: Object.assign(store, {
        status: 'ready',
        stats: () => {
          throw new Error('no figures')
        },
        carry: () => {
          throw new Error('no bus')
        },
      }),
    })
    const { port: otherPort } = await other.listen()
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const url = `http://127.0.0.1:${otherPort}`
    const post = { method: 'POST', headers: { ...HEADERS, 'idempotency-key': 'k' }, body: '1' }
    const answers = [await fetch(`${url}/stats`), await fetch(`${url}/channels/a`, post)]
    expect(await Promise.all(answers.map(async (one) => [one.status, await one.json()]))).toEqual([
      [500, { error: 'internal' }],
      [500, { error: 'internal' }],
    ])
    // What was not said is not remembered as said.
    Object.assign(store, { carry: () => true })
    expect((await fetch(`${url}/channels/a`, post)).status).toBe(200)
    expect(warned.mock.calls).toEqual([[new Error('no figures')], [new Error('no bus')]])
    warned.mockRestore()
    await other.close()
  })

  test('joined waits for the bus, not for long, and not for one that is away', async () => {
    const waiting: (() => void)[] = []
    let status: Store['status'] = 'ready'
    const store = Object.defineProperty(memoryStore(), 'status', { get: () => status })
    store.ready = () => new Promise<void>((resolve) => waiting.push(resolve))
    const other = createRoomcast({ port: 0, host: '127.0.0.1', store })
    const client = await connect((await other.listen()).port)
    client.send({ join: 'lobby' })
    while (waiting.length === 0) await new Promise(setImmediate)
    // Not a member yet: it could miss what others say.
    await other.rooms.publish('lobby', '"early"')
    waiting[0]!()
    expect(await client.next()).toEqual({ joined: 'lobby' })
    expect(await client.ask({ join: 'never confirmed' })).toEqual({ joined: 'never confirmed' })
    expect(waiting.length).toBe(2)
    status = 'degraded'
    expect(await client.ask({ join: 'alone' })).toEqual({ joined: 'alone' })
    expect(waiting.length).toBe(2)
    client.socket.terminate()
    await other.close()
  })

  test('close releases the store; what is refused never starts it', async () => {
    const store = memoryStore()
    const [start, close] = [vi.spyOn(store, 'start'), vi.spyOn(store, 'close')]
    for (const wrong of [{ maxConnections: -1 }, { origin: ['x'] }]) {
      expect(() => createRoomcast({ port: 0, store, ...wrong })).toThrow(RangeError)
    }
    expect(start).not.toHaveBeenCalled()
    const other = createRoomcast({ port: 0, store })
    expect(start).toHaveBeenCalledTimes(1)
    await other.close()
    expect(close).toHaveBeenCalledTimes(1)
  })

  test('a taken port rejects with the error of the system, and close still works', async () => {
    const second = createRoomcast({ port, host: '127.0.0.1' })
    await expect(second.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await second.close()
  })

  test('close: 1001 to everyone, the port is free again, and a repeat is the same', async () => {
    const first = createRoomcast({ port: 0, host: '127.0.0.1' })
    const { port: firstPort } = await first.listen()
    const client = await connect(firstPort)
    const hanging = connectTcp(firstPort, '127.0.0.1')
    hanging.write('GET /healthz HTTP/1.1\r\n')
    hanging.on('error', () => {})
    await once(hanging, 'connect')
    await Promise.all([first.close(), first.close()])
    expect(await client.closed).toMatchObject({ code: 1001 })
    const again = createRoomcast({ port: firstPort, host: '127.0.0.1' })
    expect(await again.listen()).toEqual({ port: firstPort })
    await again[Symbol.asyncDispose]()
    await text(hanging).catch(() => '')
  })

  test('without a token each server makes its own', () => {
    const tokens = [createRoomcast().token, createRoomcast().token]
    expect(tokens[0]).toMatch(/^[\w-]{32}$/)
    expect(tokens[0]).not.toBe(tokens[1])
  })
})

test('H14: tokens are compared as digests of one length, by timingSafeEqual', () => {
  const spy = vi.spyOn(crypto, 'timingSafeEqual')
  syncBuiltinESMExports()
  const check = bearerCheck(TOKEN)
  expect([check(`Bearer ${TOKEN}`), check('Bearer x'), check(undefined), check('Bearer')]).toEqual([
    true,
    false,
    false,
    false,
  ])
  expect(spy.mock.calls.map((pair) => pair.map((digest) => digest.byteLength))).toEqual(Array(4).fill([32, 32]))
  spy.mockRestore()
  syncBuiltinESMExports()
})
