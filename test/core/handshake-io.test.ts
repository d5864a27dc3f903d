// The opening handshake at the socket: each status, what goes with it, how the connection ends, and what becomes of bytes
// and peers that come or go at a bad moment. The rules themselves are tested in protocol/handshake.test.ts.

import { Buffer } from 'node:buffer'
import { accept, type HandshakeRequest, reject } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { clientFrame, Op } from '../support/client-frames.ts'
import { cleanUp, serve, TLS } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'
import { type HandshakeText, handshakeText, KEY, RawClient, describe as short } from '../support/raw-client.ts'

afterEach(cleanUp)

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

interface Row {
  name: string
  ask: HandshakeText
  status: number
  headers?: Record<string, string>
}

const ROWS: Row[] = [
  ...['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'].map((method) => ({
    name: `H6 ${method}`,
    ask: { method },
    status: 405,
    headers: { allow: 'GET' },
  })),
  { name: 'H6 HTTP/1.0', ask: { version: 'HTTP/1.0' }, status: 400 },
  { name: 'H6 a Content-Length', ask: { headers: { 'Content-Length': '5' } }, status: 400 },
  { name: 'H6 a chunked body', ask: { headers: { 'Transfer-Encoding': 'chunked' } }, status: 400 },
  { name: 'H6 no Host', ask: { headers: { Host: null } }, status: 400 },
  { name: 'H6 two Hosts', ask: { extra: ['Host: other'] }, status: 400 },
  { name: 'H6 an empty Host', ask: { headers: { Host: '' } }, status: 400 },
  { name: 'no Connection: Upgrade', ask: { headers: { Connection: 'keep-alive' } }, status: 426 },
  { name: 'another Upgrade', ask: { headers: { Upgrade: 'web-socket' } }, status: 400 },
  // RFC 9110 §7.8: as if it had not been offered.
  { name: 'an offer of HTTP/2', ask: { headers: { Upgrade: 'h2c' } }, status: 426 },
  ...['0', '8', '12', '14', '13, 8', ''].map((version) => ({
    name: `H7 version ${version}`,
    ask: { headers: { 'Sec-WebSocket-Version': version } },
    status: 426,
    headers: { 'sec-websocket-version': '13' },
  })),
  {
    name: 'H7 no version',
    ask: { headers: { 'Sec-WebSocket-Version': null } },
    status: 426,
    headers: { 'sec-websocket-version': '13' },
  },
  ...[
    null,
    '',
    'short',
    `${KEY}=`,
    `${KEY}, ${KEY}`,
    'dGhlIHNhbXBsZSBub25jZR==',
    'a'.repeat(24),
    '!!!!!!!!!!!!!!!!!!!!!!==',
  ].map((key) => ({ name: `H8 key ${key}`, ask: { headers: { 'Sec-WebSocket-Key': key } }, status: 400 })),
  { name: 'H8 the key twice', ask: { extra: [`Sec-WebSocket-Key: ${KEY}`] }, status: 400 },
  { name: 'H2 subprotocols that are no list', ask: { headers: { 'Sec-WebSocket-Protocol': 'a b' } }, status: 400 },
  { name: 'H2 a subprotocol twice', ask: { headers: { 'Sec-WebSocket-Protocol': 'a, a' } }, status: 400 },
  { name: 'H2 5 KiB of commas', ask: { headers: { 'Sec-WebSocket-Protocol': ','.repeat(5000) } }, status: 400 },
  { name: 'H2 extensions that are no list', ask: { headers: { 'Sec-WebSocket-Extensions': 'a; =' } }, status: 400 },
  { name: 'H9 another origin', ask: { headers: { Origin: 'http://evil.example' } }, status: 403 },
  { name: 'H9 null', ask: { headers: { Origin: 'null' } }, status: 403 },
  { name: 'a fragment in the target', ask: { url: '/#x' }, status: 400 },
  { name: 'a target that is no path', ask: { url: '*' }, status: 400 },
  ...[
    'permessage-deflate; server_max_window_bits=20',
    'permessage-deflate; server_max_window_bits=08',
    'permessage-deflate; client_max_window_bits; client_max_window_bits',
    'permessage-deflate; unknown',
    'x-unknown, permessage-deflate',
  ].map((offer) => ({ name: `H11 ${offer}`, ask: { headers: { 'Sec-WebSocket-Extensions': offer } }, status: 101 })),
  { name: 'lower case', ask: { headers: { Upgrade: 'WebSocket', Connection: 'keep-alive, uPGRADE' } }, status: 101 },
  { name: 'an absolute target', ask: { url: 'http://localhost/x' }, status: 101 },
]

describe('each status', () => {
  test.each(ROWS)('$name: $status', async ({ ask, status, headers = {} }) => {
    const test = await serve()
    const client = await test.tcp()
    client.ask(ask)
    const response = await client.response()
    expect(response.status).toBe(status)
    expect(response.headers).toMatchObject(headers)
    if (status === 101) {
      expect(response.headers).not.toHaveProperty('sec-websocket-extensions')
      return
    }
    expect(response.headers.connection!.toLowerCase()).toContain('close')
    expect(response.headers.error).toMatch(/^[a-z_]+$/)
    expect(await client.ended()).toBe('fin')
    expect(test.server.stats()).toMatchObject({ sockets: 0, rejections: { [status]: 1 } })
    expect(test.opened.length + test.errors.length).toBe(0)
  })

  const refused = ROWS.filter(({ status }) => status !== 101 && status !== 426).concat(
    ROWS.filter(({ name }) => name === 'H7 no version'),
  )

  test.each(refused)(
    'a second request, and frames, in the same write are never answered: $name',
    async ({ ask, status }) => {
      const test = await serve()
      const client = await test.tcp({ halfOpen: true })
      client.write(
        handshakeText(ask),
        handshakeText(),
        clientFrame({ opcode: Op.PING, payload: 'smuggled' }),
        handshakeText(),
      )
      expect((await client.response()).status).toBe(status)
      await client.ends.find((end) => end === 'fin')
      client.write(handshakeText())
      client.socket.end()
      await client.ended()
      expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
      expect(test.opened.length).toBe(0)
    },
  )

  test('a request that is no upgrade ends the connection: an upgrade behind it is not answered', async () => {
    const test = await serve()
    for (const first of [
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx',
    ]) {
      const client = await test.tcp()
      client.write(first, handshakeText(), clientFrame({ opcode: Op.TEXT, payload: 'smuggled' }))
      expect((await client.response()).status).toBe(426)
      await client.ended()
      await nextTurn()
      expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    }
    expect([test.opened.length, test.messages.length]).toEqual([0, 0])
  })

  test('Expect: 100-continue changes nothing', async () => {
    const test = await serve()
    expect((await test.answer({ headers: { Expect: '100-continue' } })).status).toBe(101)
  })

  test('a peer that does not end its side after a refusal is gone within a second or so', async () => {
    const test = await serve()
    const client = await test.tcp({ halfOpen: true })
    const began = performance.now()
    await client.upgrade({ headers: { 'Sec-WebSocket-Key': 'x' } })
    const timer = setInterval(() => client.write('more'), 20)
    await client.ends.find((end) => end !== 'fin')
    clearInterval(timer)
    expect(performance.now() - began).toBeLessThan(2000)
  })
})

describe('the request as handshake sees it', () => {
  test('path, query, headers, remoteAddress, subprotocols', async () => {
    const seen: HandshakeRequest[] = []
    const test = await serve<{ first: true }, string>({
      handler: {
        init: () => ({ first: true }),
        handshake(request, state) {
          seen.push(request)
          return `${state.first} ${request.query.get('q')}`
        },
      },
    })
    const { socket } = await test.connect({
      url: '/a/b?q=1%202&q=3&empty',
      headers: { 'X-MiXeD': 'Value', Cookie: 'a=1', 'Sec-WebSocket-Protocol': 'one, two' },
      extra: ['x-mixed: again', 'Cookie: b=2', '__proto__: polluted', 'constructor: c'],
    })
    const [request] = seen
    expect(request).toMatchObject({ path: '/a/b', remoteAddress: '127.0.0.1', subprotocols: ['one', 'two'] })
    expect([...request!.query]).toEqual([
      ['q', '1 2'],
      ['q', '3'],
      ['empty', ''],
    ])
    expect({ ...request!.headers }).toMatchObject({
      host: 'localhost',
      'x-mixed': 'Value, again',
      cookie: 'a=1; b=2',
      constructor: 'c',
    })
    expect(Object.entries(request!.headers)).toContainEqual(['__proto__', 'polluted'])
    // Without a prototype: names that no client sent are not there.
    expect(request!.headers.toString).toBeUndefined()
    expect(Object.getPrototypeOf({})).toBe(Object.prototype)
    expect(request!.signal.aborted).toBe(false)
    expect(socket.state).toBe('true 1 2')
  })
})

describe('accept and reject', () => {
  test('accept: state, subprotocol and headers', async () => {
    const test = await serve<undefined, { user: string }>({
      subprotocols: ['first'],
      handler: {
        handshake: () =>
          accept({ user: 'leto' }, { subprotocol: 'second', headers: { 'Set-Cookie': 'a=1', 'X-Y': '' } }),
      },
    })
    const { client, socket } = await test.connect({ headers: { 'Sec-WebSocket-Protocol': 'first, second' } })
    const { headers } = client.responses.all[0]!
    expect(headers).toMatchObject({ 'set-cookie': 'a=1', 'x-y': '', 'sec-websocket-protocol': 'second' })
    expect(socket).toMatchObject({ state: { user: 'leto' }, subprotocol: 'second' })
  })

  test('accept without a subprotocol: the first of ours that was offered; with an empty one: none', async () => {
    for (const [options, chosen] of [
      [{}, 'b'],
      [{ subprotocol: '' }, ''],
    ] as const) {
      const test = await serve<undefined, number>({
        subprotocols: ['z', 'b', 'a'],
        handler: { handshake: () => accept(1, options) },
      })
      const { client, socket } = await test.connect({ headers: { 'Sec-WebSocket-Protocol': 'a, b' } })
      expect(socket.subprotocol).toBe(chosen)
      expect(client.responses.all[0]!.headers['sec-websocket-protocol'] ?? '').toBe(chosen)
    }
  })

  test('accept with a subprotocol that was not offered: none is sent, and onError hears it', async () => {
    for (const offered of [null, 'chat', 'CHOSEN']) {
      const test = await serve<undefined, number>({
        handler: { handshake: () => accept(1, { subprotocol: 'chosen' }) },
      })
      const { client, socket } = await test.connect({ headers: { 'Sec-WebSocket-Protocol': offered } })
      expect(client.responses.all[0]!.headers).not.toHaveProperty('sec-websocket-protocol')
      expect(socket.subprotocol).toBe('')
      expect(test.errors.all).toEqual([{ error: expect.any(Error), where: 'handshake' }])
    }
  })

  test('accept cannot change what the handshake itself says', async () => {
    const test = await serve<undefined, number>({
      handler: {
        handshake: () =>
          accept(1, {
            headers: {
              connection: 'close',
              'Content-Length': '5',
              'Transfer-Encoding': 'chunked',
              UPGRADE: 'h2c',
              'Sec-WebSocket-Accept': 'x',
              'Sec-WebSocket-Protocol': 'x',
              'sec-websocket-extensions': 'x',
            },
          }),
      },
    })
    const { client } = await test.connect()
    expect(Object.keys(client.responses.all[0]!.headers).sort()).toEqual([
      'connection',
      'sec-websocket-accept',
      'upgrade',
    ])
    expect(client.responses.all[0]!.headers).toMatchObject({ connection: 'Upgrade', upgrade: 'websocket' })
  })

  test.each([
    { args: [401, 'invalid_token'], is: { status: 401, headers: { error: 'invalid_token', connection: 'close' } } },
    { args: [404], is: { status: 404, body: 'Not Found' } },
    {
      args: [429, '', { headers: { 'Retry-After': '7' }, body: 'später' }],
      is: { status: 429, headers: { 'retry-after': '7' }, body: 'später' },
    },
    {
      args: [302, '', { headers: { Location: '/x' }, body: '' }],
      is: { status: 302, headers: { location: '/x' }, body: '' },
    },
    { args: [599], is: { status: 599 } },
  ] as { args: Parameters<typeof reject>; is: object }[])('reject($args)', async ({ args, is }) => {
    for (const later of [false, true]) {
      const test = await serve<undefined, number>({
        handler: { handshake: () => (later ? nextTurn().then(() => reject(...args)) : reject(...args)) },
      })
      const client = await test.tcp()
      expect(await client.upgrade()).toMatchObject(is)
      expect(await client.ended()).toBe('fin')
      if (args[1] === undefined || args[1] === '') expect(client.responses.all[0]!.headers).not.toHaveProperty('error')
      expect([test.opened.length, test.closed.length, test.errors.length]).toEqual([0, 0, 0])
    }
  })

  test('H10: what HTTP does not allow throws at the call, before any byte', () => {
    for (const bad of ['a\r\nX: y', 'a\n', 'a\0', '\x7f', 'ā']) {
      expect(() => reject(400, bad), JSON.stringify(bad)).toThrow(RangeError)
      expect(() => reject(400, '', { headers: { a: bad } })).toThrow(RangeError)
      expect(() => accept(1, { headers: { a: bad } })).toThrow(RangeError)
    }
    for (const name of ['', 'a b', 'a:', 'a\r\n', 'ä']) {
      expect(() => reject(400, '', { headers: { [name]: 'x' } })).toThrow(RangeError)
      expect(() => accept(1, { headers: { [name]: 'x' } })).toThrow(RangeError)
    }
    for (const status of [0, 101, 200, 299, 600, 400.5, Number.NaN]) expect(() => reject(status)).toThrow(RangeError)
    expect(() => reject('400' as unknown as number)).toThrow()
    expect(() => reject(400, 5 as unknown as string)).toThrow(TypeError)
    expect(() => reject(400, '', { body: 5 as unknown as string })).toThrow(TypeError)
    expect(() => accept(1, { headers: { a: 5 as unknown as string } })).toThrow(TypeError)
  })

  test('H10: a subprotocol of any text adds no header', async () => {
    const texts = ['a\r\nX-Injected: 1', 'a\nX', 'a b', 'a,b', '', '\0', 'ä', 'ok']
    const test = await serve<undefined, number>({
      handler: { handshake: ({ query }) => accept(1, { subprotocol: texts[Number(query.get('i'))]! }) },
    })
    for (const [i, text] of texts.entries()) {
      const { headers, status } = await test.answer({ url: `/?i=${i}`, headers: { 'Sec-WebSocket-Protocol': 'ok' } })
      expect(status).toBe(101)
      expect(Object.keys(headers).length).toBe(text === 'ok' ? 4 : 3)
    }
  })
})

describe('bytes that come with the handshake', () => {
  const frames = Buffer.concat(['one', 'two', 'three'].map((payload) => clientFrame({ opcode: Op.TEXT, payload })))

  test.each(['sync', 'after 200 ms'])('are delivered once, after opened, %s', async (when) => {
    const order: string[] = []
    const test = await serve<undefined, number>({
      handler: {
        handshake: () => (when === 'sync' ? 1 : wait(200).then(() => 1)),
        opened(socket) {
          order.push('opened')
          socket.write('welcome')
        },
        message: (_, data) => void order.push(data.toString()),
      },
    })
    const client = await test.tcp()
    client.ask({}, frames)
    if (when !== 'sync') {
      await wait(50)
      client.say('four')
      await wait(50)
      expect(order).toEqual([])
    } else client.say('four')
    await test.messages.count(4)
    expect(order).toEqual(['opened', 'one', 'two', 'three', 'four'])
    expect((await client.response()).status).toBe(101)
    expect(await client.message()).toBe('welcome')
    await nextTurn()
    expect(test.messages.length).toBe(4)
  })

  test('a frame cut anywhere by the end of the handshake’s segment', async () => {
    const test = await serve()
    for (let cut = 0; cut <= 8; cut++) {
      const frame = clientFrame({ opcode: Op.TEXT, payload: `${cut}!` })
      const client = await test.tcp()
      client.ask({}, frame.subarray(0, cut))
      await nextTurn()
      client.write(frame.subarray(cut))
      await test.messages.count(cut + 1)
    }
    expect(test.texts).toEqual(Array.from({ length: 9 }, (_, cut) => `${cut}!`))
  })

  test('are bounded: more waits in the kernel, nothing is lost', async () => {
    let let_ = (): void => {}
    const test = await serve<undefined, number>({
      handler: { handshake: () => new Promise<1>((resolve) => (let_ = () => resolve(1))) },
    })
    const client = await test.tcp()
    const texts = Array.from({ length: 200 }, (_, i) => `${i}`.padEnd(50_000, '.'))
    client.ask()
    await eventually(() => test.server.stats().pendingHandshakes === 1)
    const sent = Promise.race([
      new Promise((resolve) =>
        client.socket.write(Buffer.concat(texts.map((payload) => clientFrame({ opcode: Op.TEXT, payload }))), resolve),
      ),
      wait(300).then(() => 'still waiting'),
    ])
    expect(await sent).toBe('still waiting')
    let_()
    await test.messages.count(200)
    expect(test.texts).toEqual(texts)
  })

  test('a broken frame before anything was opened: opened, then failed', async () => {
    const test = await serve()
    const client = await test.tcp()
    client.ask({}, Buffer.of(0xff, 0xff))
    expect((await client.response()).status).toBe(101)
    expect((await client.answerClose()).code).toBe(1002)
    await test.closed.count(1)
    expect(test.opened.length).toBe(1)
  })

  test('a Close before anything was opened', async () => {
    const test = await serve<undefined, number>({ handler: { handshake: () => wait(50).then(() => 1) } })
    const client = await test.tcp()
    client.ask({}, clientFrame({ opcode: Op.CLOSE, payload: Buffer.of(3, 233) }))
    expect((await client.response()).status).toBe(101)
    expect(short(await client.frame())).toBe('close 1001')
    expect(await test.info()).toEqual({ code: 1001, reason: '', by: 'peer' })
  })
})

describe('a peer that goes during the handshake', () => {
  test('handshake, message, Close and FIN in one segment: all of it counts', async () => {
    const test = await serve()
    const client = await test.tcp({ halfOpen: true })
    client.socket.end(
      Buffer.concat([
        Buffer.from(handshakeText()),
        clientFrame({ opcode: Op.TEXT, payload: 'all at once' }),
        clientFrame({ opcode: Op.CLOSE, payload: Buffer.of(3, 233) }),
      ]),
    )
    expect(await test.info()).toEqual({ code: 1001, reason: '', by: 'peer' })
    expect(test.texts).toEqual(['all at once'])
  })

  test('over TLS: noise and resets at any moment', async () => {
    const test = await serve({ port: 0, host: '127.0.0.1', tls: TLS })
    const { port } = test.target as { port: number }
    const hello = Buffer.from('1603010200010001fc0303', 'hex')
    for (let i = 0; i < 40; i++) {
      const client = await RawClient.connect({ port, tls: i % 4 === 0 })
      client.write(i % 4 === 0 ? handshakeText().slice(0, i * 5) : hello.subarray(0, i % 12))
      if (i % 3 === 0) await nextTurn()
      if (i % 4 === 0) client.socket.destroy()
      else client.reset()
    }
    const { client } = await test.connect()
    client.say('alive')
    await test.messages.count(1)
    expect(test.errors.all).toEqual([])
  })

  test.each(['a reset', 'a FIN'])('%s: the signal aborts, neither opened nor closed', async (how) => {
    const signals: AbortSignal[] = []
    let answer = (): void => {}
    const test = await serve<undefined, undefined>({
      handler: {
        handshake({ signal }) {
          signals.push(signal)
          return new Promise<undefined>((resolve) => (answer = () => resolve(undefined)))
        },
      },
    })
    const client = await test.tcp()
    client.ask({}, clientFrame({ opcode: Op.TEXT, payload: 'x' }))
    await eventually(() => signals.length === 1)
    expect(signals[0]!.aborted).toBe(false)
    if (how === 'a reset') client.reset()
    else client.socket.end()
    await eventually(() => signals[0]!.aborted)
    await eventually(() => test.server.stats().pendingHandshakes === 0)
    answer()
    await nextTurn()
    await nextTurn()
    expect([test.opened.length, test.closed.length, test.messages.length, test.errors.length]).toEqual([0, 0, 0, 0])
    expect(test.server.stats().sockets).toBe(0)
  })

  test('H13: a reset after each byte of handshake and frames', async () => {
    const test = await serve<undefined, number>({
      handler: {
        handshake: ({ path }) => (path === '/later' ? nextTurn().then(() => 1) : 1),
        opened: (socket) => void socket.write('welcome'),
        message: (socket, data) => void socket.write(data),
      },
    })
    const { port } = test.target as { port: number }
    for (const url of ['/', '/later']) {
      const bytes = Buffer.concat([
        Buffer.from(handshakeText({ url })),
        clientFrame({ opcode: Op.TEXT, payload: 'hello' }),
        clientFrame({ opcode: Op.PING, payload: 'p' }),
        Buffer.of(0xff),
      ])
      const step = Math.ceil(bytes.length / 60)
      for (let end = 0; end <= bytes.length; end += end > bytes.length - 40 ? 1 : step) {
        const client = await RawClient.connect({ port })
        await new Promise<void>((resolve) => client.socket.write(bytes.subarray(0, end), () => resolve()))
        if (end % 2 === 0) await nextTurn()
        client.reset()
      }
    }
    await eventually(() => test.opened.length === test.closed.length && test.server.stats().pendingHandshakes === 0)
    expect(test.opened.length).toBeGreaterThan(10)
    expect(new Set(test.infos.map(({ code }) => code))).toEqual(
      new Set([1006, ...(test.infos.some(({ code }) => code === 1002) ? [1002] : [])]),
    )
    const { client } = await test.connect()
    expect(await client.message()).toBe('welcome')
    expect(test.errors.all).toEqual([])
  })
})

test.each([
  ['nothing asked first', ''],
  ['Expect: 100-continue', 'Expect: 100-continue\r\n'],
  ['Expect: something else', 'Expect: x\r\n'],
])('a request that is no upgrade has one answer, whatever follows it: %s', async (_, line) => {
  const server = await serve()
  const client = await server.tcp()
  client.write(`GET / HTTP/1.1\r\nHost: x\r\n${line}\r\n\x88\x80aaaa`)
  expect((await client.response()).status).toBe(426)
  await client.ended()
  expect(server.server.stats().rejections).toEqual({ 426: 1 })
})

test('H3: a 16 KiB head in single bytes costs little', async () => {
  const test = await serve()
  const client = await test.tcp()
  const head = handshakeText({ headers: { Cookie: 'c'.repeat(15_000) } })
  const before = process.cpuUsage()
  for (let i = 0; i < head.length; i++) {
    client.socket.write(head[i]!)
    if (i % 500 === 0) await nextTurn()
  }
  expect((await client.response()).status).toBe(101)
  const { user, system } = process.cpuUsage(before)
  // The client's 15,000 writes are in it too.
  expect((user + system) / 1000).toBeLessThan(2000)
})
