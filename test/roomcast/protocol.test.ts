import { createRoomcast, type Roomcast } from 'roomcast'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_META_BYTES, readRequest } from '../../packages/roomcast/src/protocol.ts'
import { flawOf, MAX_DEPTH } from '../../packages/roomcast/src/value.ts'
import { connect } from './client.ts'

function nested(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels)
}

/** A meta whose JSON has exactly this many bytes. */
function metaOf(bytes: number): { a: string } {
  return { a: 'x'.repeat(bytes - '{"a":""}'.length) }
}

describe('reading a message', () => {
  const bad = { kind: 'bad', ref: undefined }
  const cases: [text: string, request: unknown][] = [
    ['{"join":"lobby"}', { kind: 'join', channel: 'lobby', meta: undefined, ref: undefined }],
    ['{"join":"lobby","meta":{"a":[1]},"ref":1}', { kind: 'join', channel: 'lobby', meta: { a: [1] }, ref: '1' }],
    ['{"join":"","ref":"x"}', { kind: 'join', channel: '', meta: undefined, ref: '"x"' }],
    ['{"leave":"lobby","ref":0}', { kind: 'leave', channel: 'lobby', ref: '0' }],
    ['{"say":null,"to":"lobby"}', { kind: 'say', channel: 'lobby', value: null, ref: undefined }],
    ['{"to":"lobby","ref":"","say":{"x":[]}}', { kind: 'say', channel: 'lobby', value: { x: [] }, ref: '""' }],
    [` { "say" : ${nested(32)} , "to" : "l" } `, { kind: 'say', channel: 'l', value: JSON.parse(nested(32)) }],
    [`{"join":"l","meta":${JSON.stringify(metaOf(2048))}}`, { kind: 'join', channel: 'l', meta: metaOf(2048) }],
    // Not JSON at all.
    ['', undefined],
    ['hello', undefined],
    ['{"join":"lobby"', undefined],
    ["{'join':'lobby'}", undefined],
    ['{"join":"lobby"} x', undefined],
    ['NaN', undefined],
    ['\uFEFF{"join":"lobby"}', undefined],
    // JSON, but none of the three shapes.
    ['null', bad],
    ['1', bad],
    ['"join"', bad],
    ['[]', bad],
    ['[{"join":"lobby"}]', bad],
    ['{}', bad],
    ['{"ref":7}', { kind: 'bad', ref: '7' }],
    ['{"join":1,"ref":7}', { kind: 'bad', ref: '7' }],
    ['{"join":null}', bad],
    ['{"join":["lobby"]}', bad],
    ['{"join":"lobby","leave":"lobby"}', bad],
    ['{"join":"lobby","extra":1}', bad],
    ['{"join":"lobby","__proto__":{}}', bad],
    ['{"join":"lobby","meta":null}', bad],
    ['{"join":"lobby","meta":[]}', bad],
    ['{"join":"lobby","meta":"x"}', bad],
    [`{"join":"l","meta":${JSON.stringify(metaOf(2049))},"ref":7}`, { kind: 'bad', ref: '7' }],
    [`{"join":"l","meta":{"a":${nested(32)}}}`, bad],
    ['{"leave":{}}', bad],
    ['{"leave":"lobby","meta":{}}', bad],
    ['{"say":1}', bad],
    ['{"to":"lobby"}', bad],
    ['{"say":1,"to":2,"ref":"r"}', { kind: 'bad', ref: '"r"' }],
    [`{"say":${nested(33)},"to":"lobby","ref":7}`, { kind: 'bad', ref: '7' }],
    [`{"say":${nested(100_000)},"to":"lobby"}`, bad],
    ['{"join":"lobby","ref":null}', bad],
    ['{"join":"lobby","ref":{}}', bad],
    ['{"join":"lobby","ref":true}', bad],
    ['{"join":"lobby","ref":1e999}', bad],
    ['{"say":1e999,"to":"lobby","ref":1}', { kind: 'bad', ref: '1' }],
    ['{"say":[{"a":-1e999}],"to":"lobby"}', bad],
    ['{"join":"lobby","meta":{"a":1e999}}', bad],
  ]
  test.each(cases)('%.60s', (text, request) => {
    expect(readRequest(text)).toEqual(request)
  })

  test('the limits are those of the documentation', () => {
    expect([MAX_META_BYTES, MAX_DEPTH]).toEqual([2048, 32])
    expect([flawOf(1, 0), flawOf([], 0), flawOf({ a: [] }, 2), flawOf({ a: [] }, 1)]).toEqual([
      undefined,
      'too_deep',
      undefined,
      'too_deep',
    ])
  })

  test('a meta of umlauts is measured in bytes', () => {
    const text = JSON.stringify({ join: 'l', meta: { a: 'ü'.repeat(1025) } })
    expect(readRequest(text)).toEqual(bad)
  })

  test('a key called __proto__ stays a key', () => {
    const request = readRequest('{"say":{"__proto__":{"admin":true}},"to":"l"}')
    expect(JSON.stringify(request)).toContain('"__proto__"')
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })
})

describe('over a connection', () => {
  let roomcast: Roomcast
  let port: number
  beforeAll(async () => {
    roomcast = createRoomcast({ port: 0, host: '127.0.0.1' })
    port = (await roomcast.listen()).port
  })
  afterAll(() => roomcast.close())

  const dialogue: [sent: unknown, ...answers: unknown[]][] = [
    [
      { say: 1, to: 'lobby', ref: 3 },
      { error: 'not_a_member', ref: 3 },
    ],
    [
      { say: 1, to: '', ref: 3 },
      { error: 'not_a_member', ref: 3 },
    ],
    [
      { join: 'lobby', meta: { a: 1 }, ref: 1 },
      { joined: 'lobby', ref: 1 },
    ],
    [
      { join: 'lobby', ref: 'again' },
      { joined: 'lobby', ref: 'again' },
    ],
    [{ join: 'lobby' }, { joined: 'lobby' }],
    [{ say: { any: ['JSON', null] }, to: 'lobby', ref: 3 }, { said: { any: ['JSON', null] }, in: 'lobby' }, { ok: 3 }],
    [{ say: null, to: 'lobby', ref: '' }, { said: null, in: 'lobby' }, { ok: '' }],
    [{ say: 'x', to: 'lobby' }, { said: 'x', in: 'lobby' }, { ok: true }],
    [
      { say: 'x', to: 'Lobby', ref: 4 },
      { error: 'not_a_member', ref: 4 },
    ],
    [
      { leave: 'lobby', ref: 2 },
      { left: 'lobby', ref: 2 },
    ],
    [
      { leave: 'lobby', ref: 2 },
      { left: 'lobby', ref: 2 },
    ],
    [
      { leave: 'never', ref: 2 },
      { left: 'never', ref: 2 },
    ],
    [
      { say: 'x', to: 'lobby', ref: 5 },
      { error: 'not_a_member', ref: 5 },
    ],
    [{ join: '' }, { error: 'bad_name' }],
    [
      { join: 'a\nb', ref: 6 },
      { error: 'bad_name', ref: 6 },
    ],
    [
      { join: 'ü'.repeat(101), ref: 6 },
      { error: 'bad_name', ref: 6 },
    ],
    [
      { join: 'ü'.repeat(100), ref: 6 },
      { joined: 'ü'.repeat(100), ref: 6 },
    ],
    [
      { join: '__proto__', ref: 7 },
      { joined: '__proto__', ref: 7 },
    ],
    [
      { join: 1, ref: 8 },
      { error: 'bad_request', ref: 8 },
    ],
    [[], { error: 'bad_request' }],
  ]

  test('every row of the table, in one conversation', async () => {
    const client = await connect(port)
    for (const [sent, ...answers] of dialogue) {
      client.send(sent)
      for (const answer of answers) expect(await client.next(), JSON.stringify(sent)).toEqual(answer)
    }
    client.socket.close()
  })

  test('every member hears what is said, nobody else does, and the answer comes after it', async () => {
    const [leto, ghanima, stranger] = await Promise.all([connect(port), connect(port), connect(port, { path: '/any' })])
    await Promise.all([leto, ghanima].map((client) => client.ask({ join: 'hall' })))
    await stranger.ask({ join: 'yard' })
    leto.send({ say: 'hi', to: 'hall', ref: 1 })
    expect(await ghanima.next()).toEqual({ said: 'hi', in: 'hall' })
    expect([await leto.next(), await leto.next()]).toEqual([{ said: 'hi', in: 'hall' }, { ok: 1 }])
    expect(await stranger.ask({ leave: 'yard' })).toEqual({ left: 'yard' })
    for (const client of [leto, ghanima, stranger]) client.socket.close()
  })

  test('the 129th channel is refused as full, and one left makes room', async () => {
    const client = await connect(port)
    for (let i = 0; i < 128; i++) expect(await client.ask({ join: `c${i}` })).toEqual({ joined: `c${i}` })
    expect(await client.ask({ join: 'one more', ref: 1 })).toEqual({ error: 'full', ref: 1 })
    await client.ask({ leave: 'c0' })
    expect(await client.ask({ join: 'one more', ref: 2 })).toEqual({ joined: 'one more', ref: 2 })
    client.socket.close()
  })

  test.each([
    ['text that is not JSON', 'hello', false],
    ['binary, JSON or not', Buffer.from('{"join":"lobby"}'), true],
  ])('%s closes with 3000', async (_, data, binary) => {
    const client = await connect(port)
    client.socket.send(data, { binary })
    expect(await client.closed).toEqual({ code: 3000, reason: 'invalid payload' })
  })

  test('a page of another origin is refused', async () => {
    await expect(connect(port, { origin: 'http://evil.example' })).rejects.toThrow('403')
    const own = await connect(port, { origin: `http://127.0.0.1:${port}` })
    own.socket.close()
  })
})

test('maxMessageBytes, maxConnections and origin are handed on', async () => {
  const roomcast = createRoomcast({ port: 0, host: '127.0.0.1', maxMessageBytes: 64, maxConnections: 1, origin: 'any' })
  const { port } = await roomcast.listen()
  const client = await connect(port, { origin: 'http://elsewhere.example' })
  await expect(connect(port)).rejects.toThrow('503')
  client.send({ say: 'x'.repeat(64), to: 'lobby' })
  expect(await client.closed).toMatchObject({ code: 1009 })
  await roomcast.close()
})
