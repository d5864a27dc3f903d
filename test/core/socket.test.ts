// What a socket can do: each method, each result, each mistake of a caller, and what holds when it is not open any more.

import { Buffer } from 'node:buffer'
import { bin, type Framed, frame, type Payload, type Socket, txt } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, serve } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'
import { describe as short } from '../support/raw-client.ts'

afterEach(cleanUp)

/** A value of a wrong type, as a caller without types may give it. */
const wrong = <T>(value: unknown): T => value as T

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const arrayBuffer = (text: string): ArrayBuffer => bytesOf(text).buffer.slice(0) as ArrayBuffer

describe('write', () => {
  const ROWS: { name: string; data: Payload | Framed; opcode?: 'text' | 'binary'; is: string }[] = [
    { name: 'a string is text', data: 'zwölf ☃', is: 'text zwölf ☃' },
    { name: 'a Buffer is binary', data: Buffer.from('bytes'), is: 'binary bytes' },
    { name: 'a Uint8Array is binary', data: bytesOf('bytes'), is: 'binary bytes' },
    { name: 'a part of an ArrayBuffer', data: bytesOf('xbytesx').subarray(1, 6), is: 'binary bytes' },
    { name: 'an ArrayBuffer is binary', data: arrayBuffer('bytes'), is: 'binary bytes' },
    { name: 'a string as binary', data: 'zwölf', opcode: 'binary', is: 'binary zwölf' },
    { name: 'bytes as text', data: bytesOf('zwölf'), opcode: 'text', is: 'text zwölf' },
    { name: 'an array of strings is one text message', data: ['a', '☃', '', 'b'], is: 'text a☃b' },
    { name: 'an array with bytes is binary', data: ['a', bytesOf('b'), arrayBuffer('c')], is: 'binary abc' },
    { name: 'an array with bytes as text', data: ['a', bytesOf('☃')], opcode: 'text', is: 'text a☃' },
    { name: 'an array of strings as binary', data: ['a', 'b'], opcode: 'binary', is: 'binary ab' },
    { name: 'an empty string', data: '', is: 'text' },
    { name: 'no bytes', data: new Uint8Array(), is: 'binary' },
    { name: 'an empty array', data: [], is: 'text' },
    { name: 'txt', data: txt('framed'), is: 'text framed' },
    { name: 'bin', data: bin('framed'), is: 'binary framed' },
    { name: 'frame', data: frame(['fra', 'med']), is: 'text framed' },
    { name: 'a Framed goes as it is, whatever the opcode', data: bin('framed'), opcode: 'text', is: 'binary framed' },
    { name: 'a Framed of a Framed', data: txt(bin('framed')), is: 'binary framed' },
    { name: '125 bytes', data: 'x'.repeat(125), is: 'text of 125' },
    { name: '126 bytes', data: 'x'.repeat(126), is: 'text of 126' },
    { name: '65,535 bytes', data: 'x'.repeat(65_535), is: 'text of 65535' },
    { name: '65,536 bytes', data: 'x'.repeat(65_536), is: 'text of 65536' },
  ]

  test.each(ROWS)('$name', async ({ data, opcode, is }) => {
    const test = await serve()
    const { client, socket } = await test.connect()
    expect(socket.write(data, opcode)).toBe('ok')
    const received = await client.frame()
    expect(short(received)).toBe(is)
    expect(received).toMatchObject({ fin: true, rsv: 0, masked: false })
    expect(test.server.stats().messagesOut).toBe(1)
  })

  test('bytes are copied at the call', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    const bytes = Buffer.from('first')
    for (const size of [5, 100_000]) {
      const large = Buffer.alloc(size, 'a')
      socket.write(bytes)
      socket.write(large)
      socket.write([large.subarray(0, 3)])
      bytes.write('other')
      large.fill('b')
      bytes.write('first')
    }
    await client.frames.count(6)
    expect(client.frames.all.filter(({ payload }) => payload.includes('other') || payload.includes('b'))).toEqual([])
  })

  test('nothing leaves within the call, and many messages of a turn keep their order', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    for (let i = 0; i < 500; i++) socket.write(`${i}`)
    expect(test.server.stats().bytesOut).toBeLessThan(200)
    await client.frames.count(500)
    expect(client.frames.all.map(({ payload }) => Number(payload))).toEqual(Array.from({ length: 500 }, (_, i) => i))
  })

  test('a caller’s mistakes throw, and nothing is sent', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    const TYPES = [
      undefined,
      null,
      5,
      true,
      {},
      Symbol('x'),
      5n,
      () => {},
      new Date(),
      new Map(),
      ['a', 5],
      [['a']],
      [null],
    ]
    const views = [{ length: 2, 0: 1, 1: 2 }, { byteLength: 2 }]
    for (const closed of [false, true]) {
      for (const value of [...TYPES, ...views]) {
        expect(() => socket.write(wrong(value)), String(value)).toThrow(TypeError)
        expect(() => socket.write(wrong(value), 'text')).toThrow(TypeError)
      }
      for (const opcode of ['close', 'ping', '', 'TEXT']) {
        expect(() => socket.write('x', wrong(opcode)), opcode).toThrow(RangeError)
      }
      for (const opcode of [1, null, {}]) expect(() => socket.write('x', wrong(opcode))).toThrow(TypeError)
      for (const make of [txt, bin, frame]) expect(() => make(wrong(5))).toThrow(TypeError)
      if (closed) break
      socket.write('end')
      expect(await client.message()).toBe('end')
      socket.terminate()
      await test.info()
    }
    expect(client.frames.length).toBe(1)
  })

  test('an array that changes while it is framed does not show foreign memory', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    let reads = 0
    const sly = ['aaaa']
    Object.defineProperty(sly, 0, { get: () => (reads++ < 2 ? 'a'.repeat(200) : 'b') })
    let result: unknown
    try {
      result = socket.write(sly)
    } catch (error) {
      result = error
    }
    socket.write('end')
    await client.frames.find(({ payload }) => `${payload}` === 'end')
    if (result instanceof Error) return
    expect(`${client.frames.all[0]!.payload}`).toMatch(/^[ab\0]*$/)
  })
})

describe('ping', () => {
  test('with a payload of up to 125 bytes', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    expect(socket.ping()).toBe('ok')
    expect(socket.ping('héllo')).toBe('ok')
    expect(socket.ping(Buffer.alloc(125, 'x'))).toBe('ok')
    await client.frames.count(3)
    expect(client.frames.all.map(short)).toEqual(['ping', 'ping héllo', 'ping of 125'])
    expect(client.frames.all.every(({ fin, rsv }) => fin && rsv === 0)).toBe(true)
    // No data message.
    expect(test.server.stats().messagesOut).toBe(0)
  })

  test('a caller’s mistakes', async () => {
    const test = await serve()
    const { socket } = await test.connect()
    expect(() => socket.ping(Buffer.alloc(126))).toThrow(RangeError)
    expect(() => socket.ping('ö'.repeat(63))).toThrow(RangeError)
    for (const value of [5, {}, null, [], ['a'], new ArrayBuffer(2)])
      expect(() => socket.ping(wrong(value))).toThrow(TypeError)
    socket.terminate()
    expect(() => socket.ping(Buffer.alloc(126))).toThrow(RangeError)
    expect(socket.ping()).toBe('closed')
  })

  test('in the order of what is written; a pong is nobody’s message', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    socket.write('a')
    socket.ping('p')
    socket.write('b')
    await client.frames.count(3)
    expect(client.frames.all.map(short)).toEqual(['text a', 'ping p', 'text b'])
    client.send({ opcode: Op.PONG, payload: 'p' }, { opcode: Op.PONG, payload: 'unasked' })
    client.say('c')
    await test.messages.count(1)
    expect(test.texts).toEqual(['c'])
  })
})

describe('what the peer pings and pongs', () => {
  test('is told in its place among the messages; the payload is a copy, and the pong does not wait', async () => {
    const told: string[] = []
    let go = (): void => {}
    const tell = (what: string, payload: Buffer): void => {
      told.push(`${what} ${payload}`)
      payload.fill(0)
    }
    const test = await serve({
      handler: {
        message(_, data) {
          told.push(`text ${data}`)
          return new Promise<void>((resolve) => (go = resolve))
        },
        ping: (_, payload) => tell('ping', payload),
        pong: (_, payload) => tell('pong', payload),
      },
    })
    const { client } = await test.connect()
    client.send(
      { opcode: Op.TEXT, payload: 'a' },
      { opcode: Op.PING, payload: 'p' },
      { opcode: Op.PONG, payload: 'q' },
      { opcode: Op.TEXT, payload: 'b' },
      { opcode: Op.PING, payload: 'r' },
    )
    expect(short(await client.frame())).toBe('pong p')
    expect(told).toEqual(['text a'])
    go()
    await test.messages.count(2)
    expect(told).toEqual(['text a', 'ping p', 'pong q', 'text b'])
    go()
    expect(short(await client.frame())).toBe('pong r')
  })
})

describe('close', () => {
  test.each([
    { args: [], is: { code: 1000, reason: '' } },
    { args: [1001], is: { code: 1001, reason: '' } },
    { args: [1014, 'gateway'], is: { code: 1014, reason: 'gateway' } },
    { args: [3000, ''], is: { code: 3000, reason: '' } },
    { args: [4999, 'ö'.repeat(61)], is: { code: 4999, reason: 'ö'.repeat(61) } },
    { args: [4000, 'x'.repeat(123)], is: { code: 4000, reason: 'x'.repeat(123) } },
  ] as { args: [number?, string?]; is: { code: number; reason: string } }[])('close($args)', async ({ args, is }) => {
    const test = await serve()
    const { client, socket } = await test.connect()
    socket.close(...args)
    expect(socket.readyState).toBe('closing')
    expect([...test.server.sockets]).toEqual([])
    expect(await client.answerClose()).toEqual(is)
    expect(await test.info()).toEqual({ ...is, by: 'server' })
  })

  test('a code that may not be sent, a reason over 123 bytes: RangeError; other types: TypeError; still open', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    const codes = [
      0,
      999,
      1004,
      1005,
      1006,
      1015,
      1016,
      2999,
      5000,
      65_535,
      -1,
      1000.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ]
    for (const state of ['open', 'closed']) {
      for (const code of codes) expect(() => socket.close(code), `${code}`).toThrow(RangeError)
      for (const reason of ['x'.repeat(124), 'ö'.repeat(62)])
        expect(() => socket.close(1000, reason)).toThrow(RangeError)
      for (const code of ['1000', null, {}]) expect(() => socket.close(wrong(code))).toThrow(TypeError)
      for (const reason of [5, null, Buffer.from('x')])
        expect(() => socket.close(1000, wrong(reason))).toThrow(TypeError)
      expect(socket.readyState).toBe(state)
      if (state === 'closed') break
      socket.write('unharmed')
      expect(await client.message()).toBe('unharmed')
      socket.terminate()
      await test.info()
    }
  })

  test('what was accepted before goes out first; nothing is accepted after; twice is once', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    for (let i = 0; i < 100; i++) socket.write(`${i}`)
    socket.ping('last')
    socket.close(4000, 'first')
    socket.close(4001, 'second')
    expect(socket.write('late')).toBe('closed')
    expect(socket.write(txt('late'))).toBe('closed')
    expect(socket.ping()).toBe('closed')
    expect(await client.answerClose()).toEqual({ code: 4000, reason: 'first' })
    expect(client.frames.all.map(short)).toEqual([
      ...Array.from({ length: 100 }, (_, i) => `text ${i}`),
      'ping last',
      'close 4000 first',
    ])
    expect(await test.info()).toEqual({ code: 4000, reason: 'first', by: 'server' })
  })
})

describe('terminate', () => {
  test('TCP ends now, what is pending is discarded', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    socket.write('never sent')
    socket.terminate()
    expect(socket.readyState).not.toBe('open')
    expect(socket.write('x')).toBe('closed')
    expect(await test.info()).toEqual({ code: 1006, reason: '', by: 'server' })
    await client.ended()
    expect(client.frames.length).toBe(0)
    expect(socket.bufferedBytes).toBe(0)
  })
})

describe('pause and resume', () => {
  test('no message until resume, then all of them in order', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    socket.pause()
    client.say('one', 'two')
    await new Promise((resolve) => setTimeout(resolve, 30))
    client.say('three')
    await nextTurn()
    expect(test.messages.length).toBe(0)
    socket.resume()
    expect(test.messages.length).toBe(0)
    await test.messages.count(3)
    expect(test.texts).toEqual(['one', 'two', 'three'])
  })

  test('within a message: the rest of the same chunk waits as well', async () => {
    const test = await serve({ handler: { message: (socket) => socket.pause() } })
    const { client, socket } = await test.connect()
    client.say('one', 'two', 'three')
    for (const count of [1, 2, 3]) {
      await test.messages.count(count)
      await nextTurn()
      expect(test.messages.length).toBe(count)
      socket.resume()
    }
  })

  test('in opened: what came with the handshake waits', async () => {
    const test = await serve({ handler: { opened: (socket) => socket.pause() } })
    const client = await test.tcp()
    client.ask({}, Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]))
    await client.response()
    await nextTurn()
    expect(test.messages.length).toBe(0)
    test.opened.all[0]!.resume()
    await test.messages.count(1)
    expect(test.texts).toEqual(['a'])
  })

  test('twice is once; resume without pause is nothing; a flood is left to the kernel', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    socket.resume()
    socket.pause()
    socket.pause()
    const payload = 'x'.repeat(60_000)
    client.say(...Array.from({ length: 200 }, () => payload))
    for (let i = 0; i < 20; i++) await nextTurn()
    expect(test.server.stats().bytesIn).toBeLessThan(512 * 1024)
    socket.resume()
    socket.resume()
    await test.messages.count(200)
  })

  test('writing goes on while paused', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    socket.pause()
    expect(socket.write('still')).toBe('ok')
    expect(await client.message()).toBe('still')
  })

  test('after the end they are nothing', async () => {
    const test = await serve()
    const { socket } = await test.connect()
    socket.terminate()
    await test.info()
    socket.pause()
    socket.resume()
    await nextTurn()
  })

  test('a paused socket that closes reads the answer', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    socket.pause()
    client.say('never delivered')
    socket.close(4000)
    await client.answerClose()
    expect(await test.info()).toEqual({ code: 4000, reason: '', by: 'server' })
    expect(test.messages.length).toBe(0)
  })
})

describe('onClosing', () => {
  test.each([
    { name: 'close', end: (socket: Socket) => socket.close() },
    { name: 'terminate', end: (socket: Socket) => socket.terminate() },
  ])('synchronously in $name, once, in order, before closed', async ({ end }) => {
    const calls: string[] = []
    const test = await serve({ handler: { closed: () => void calls.push('closed') } })
    const { client, socket } = await test.connect()
    socket.onClosing(() => void calls.push(`one ${socket.readyState} ${socket.write('x')}`))
    const remove = socket.onClosing(() => void calls.push('removed'))
    socket.onClosing(() => void calls.push('two'))
    remove()
    remove()
    end(socket)
    expect(calls).toEqual(['one closing closed', 'two'])
    end(socket)
    void client.answerClose().catch(() => {})
    await test.info()
    expect(calls).toEqual(['one closing closed', 'two', 'closed'])
  })

  test.each(['the peer’s Close', 'a reset', 'a FIN', 'a broken frame', 'slow consumer'])('for %s', async (cause) => {
    const test = await serve({ maxBufferedBytes: 1000 })
    const { client, socket } = await test.connect()
    const seen: string[] = []
    socket.onClosing(
      () => void seen.push(`${socket.readyState} ${test.closed.length} ${[...test.server.sockets].length}`),
    )
    if (cause === 'a reset') client.reset()
    else if (cause === 'a FIN') client.socket.end()
    else if (cause === 'a broken frame') client.send({ opcode: 3 })
    else if (cause === 'slow consumer') {
      client.socket.pause()
      while (socket.write(Buffer.alloc(50_000)) !== 'closed');
      expect(seen).toEqual(['closing 0 0'])
      client.socket.resume()
      void client.answerClose()
    } else client.sendClose(1000)
    await test.info()
    expect(seen).toEqual(['closing 0 0'])
  })

  test('at once when it is not open any more', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    let calls = 0
    socket.close()
    socket.onClosing(() => void calls++)()
    expect(calls).toBe(1)
    await client.answerClose()
    await test.info()
    socket.onClosing(() => void calls++)
    expect(calls).toBe(2)
    expect(() => socket.onClosing(wrong(5))).toThrow(TypeError)
  })

  test('a listener that removes the next one', async () => {
    const test = await serve()
    const { socket } = await test.connect()
    const calls: number[] = []
    let removeTwo = (): void => {}
    socket.onClosing(() => {
      calls.push(1)
      removeTwo()
    })
    removeTwo = socket.onClosing(() => void calls.push(2))
    socket.onClosing(() => void calls.push(3))
    socket.terminate()
    // Three is called whatever became of two.
    expect(calls).toContain(3)
    expect(calls.filter((call) => call === 1)).toEqual([1])
  })
})

describe('properties', () => {
  test('path, remoteAddress, subprotocol, state, readyState, bufferedBytes', async () => {
    const test = await serve({ subprotocols: ['chat', 'super'], handler: { init: () => ({ n: 1 }) } })
    const { client, socket } = await test.connect({
      url: '/rooms/%C3%B6?token=secret&x=1',
      headers: { 'Sec-WebSocket-Protocol': 'other, super, chat' },
    })
    expect(socket).toMatchObject({
      path: '/rooms/%C3%B6',
      remoteAddress: '127.0.0.1',
      subprotocol: 'chat',
      state: { n: 1 },
      readyState: 'open',
      bufferedBytes: 0,
    })
    expect(client.responses.all[0]!.headers['sec-websocket-protocol']).toBe('chat')
    socket.write('12345')
    expect(socket.bufferedBytes).toBe(7)
    await client.frame()
    await eventually(() => socket.bufferedBytes === 0)
    socket.close()
    expect(socket.readyState).toBe('closing')
    await client.answerClose()
    await test.info()
    expect(socket.readyState).toBe('closed')
    expect(socket).toMatchObject({
      path: '/rooms/%C3%B6',
      remoteAddress: '127.0.0.1',
      subprotocol: 'chat',
      state: { n: 1 },
    })
  })

  test('a socket kept in a Set is written from anywhere, open or not', async () => {
    const sockets = new Set<Socket>()
    const test = await serve({ handler: { opened: (socket) => void sockets.add(socket) } })
    const pairs = [await test.connect(), await test.connect(), await test.connect()]
    pairs[1]!.client.reset()
    await test.closed.count(1)
    const results = Array.from(sockets, (socket) => socket.write(txt('from a timer')))
    expect(results).toEqual(['ok', 'closed', 'ok'])
    for (const { client } of [pairs[0]!, pairs[2]!]) expect(await client.message()).toBe('from a timer')
  })
})
