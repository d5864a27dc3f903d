// permessage-deflate between a server and raw clients: what the handshake answers, what goes out small and what plain, and
// that a room pays for one compression, not one for each member.

import { Buffer } from 'node:buffer'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { createChannels } from '@roomcast/channels'
import { createServer, txt } from '@roomcast/core'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Deflater } from '../../packages/core/src/protocol/permessage-deflate.ts'
import { Op } from '../support/client-frames.ts'
import { cleanUp, type Pair, serve } from '../support/core-server.ts'
import { KeepingClient } from '../support/keeping-client.ts'
import type { HandshakeText, ServerFrame } from '../support/raw-client.ts'

const zlib = vi.spyOn(Deflater.prototype, 'deflate')

afterEach(async () => {
  zlib.mockClear()
  await cleanUp()
})

const RSV1 = 4
const LONG = 'leto atreides '.repeat(200)
const BASE = 'permessage-deflate; server_no_context_takeover'
const TAIL = Buffer.of(0, 0, 0xff, 0xff)

const offering = (...values: string[]): HandshakeText => ({
  extra: values.map((value) => `Sec-WebSocket-Extensions: ${value}`),
})
const SMALL = offering('permessage-deflate; client_max_window_bits')
const SMALL_9 = offering('permessage-deflate; server_max_window_bits=9')

const compressed = (data: string | Uint8Array): Buffer =>
  deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)

/** The text of a frame, compressed or not. */
function textOf({ rsv, payload }: ServerFrame): string {
  if (rsv === 0) return payload.toString()
  expect(rsv).toBe(RSV1)
  return inflateRawSync(Buffer.concat([payload, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH }).toString()
}

/** `small` or `plain`, and the text. */
const received = (frame: ServerFrame): [string, string] => [frame.rsv === 0 ? 'plain' : 'small', textOf(frame)]

describe('the handshake', () => {
  test.each<[string, string[], string | undefined]>([
    ['one', ['permessage-deflate'], BASE],
    ['with a window', ['permessage-deflate; server_max_window_bits=12'], `${BASE}; server_max_window_bits=9`],
    ['quoted', ['permessage-deflate; server_max_window_bits="15"'], `${BASE}; server_max_window_bits=15`],
    [
      'the second',
      ['permessage-deflate; server_max_window_bits=20, permessage-deflate; server_max_window_bits=8'],
      `${BASE}; server_max_window_bits=8`,
    ],
    ['in two lines', ['x-unknown', 'permessage-deflate'], BASE],
    [
      'with a window of the client’s own',
      ['permessage-deflate; client_max_window_bits'],
      `${BASE}; client_max_window_bits=12`,
    ],
    ['without a context', ['permessage-deflate; client_no_context_takeover'], `${BASE}; client_no_context_takeover`],
    ['none', [], undefined],
    ['another', ['x-webkit-deflate-frame'], undefined],
    ['none that is right', ['permessage-deflate; a, permessage-deflate; server_max_window_bits=08'], undefined],
    ['twice the same', ['permessage-deflate; client_max_window_bits; client_max_window_bits=9'], undefined],
  ])('H11 %s', async (_, offers, expected) => {
    const host = await serve({ compression: true })
    const { client, socket } = await host.connect(offering(...offers))
    const { headers } = await client.response()
    expect(headers['sec-websocket-extensions']).toBe(expected)
    // And the connection works, as agreed.
    socket.write(LONG)
    expect(received(await client.frame())).toEqual([expected === undefined ? 'plain' : 'small', LONG])
  })

  test.each(['permessage-deflate; server_max_window_bits=""', 'permessage-deflate; =9', 'permessage-deflate;'])(
    'no list at all: %s',
    async (value) => {
      const host = await serve({ compression: true })
      expect((await host.answer(offering(value))).status).toBe(400)
    },
  )

  test('H2 4 KiB of anything is judged in a millisecond', async () => {
    const host = await serve({ compression: true, handshakeTimeoutMs: 2000 })
    const parts = 'permessage-deflate; server_max_window_bits=16,'
    for (const value of [' '.repeat(4000), '"'.repeat(4000), ','.repeat(4000), ';='.repeat(2000), parts.repeat(16)]) {
      const { status } = await host.answer(offering(`permessage-deflate${value}`))
      expect([101, 400]).toContain(status)
    }
    expect(host.errors.all).toEqual([])
  })

  test.each([undefined, false])('compression: %s answers no offer, and RSV1 is 1002', async (compression) => {
    const host = await serve(compression === undefined ? {} : { compression })
    const { client, socket } = await host.connect(SMALL)
    expect((await client.response()).headers).not.toHaveProperty('sec-websocket-extensions')
    socket.write(LONG)
    expect(received(await client.frame())).toEqual(['plain', LONG])
    client.send({ opcode: Op.TEXT, rsv: RSV1, payload: compressed(LONG) })
    expect((await client.close()).code).toBe(1002)
  })

  test.each([
    ['yes', TypeError],
    [null, TypeError],
    [{ threshold: 1 }, TypeError],
    [{ maxBytes: '1' }, TypeError],
    [{ level: 0 }, RangeError],
    [{ thresholdBytes: -1 }, RangeError],
  ])('the option %j throws at the call', (compression, error) => {
    const options = { handler: { message(): void {} }, compression: compression as never }
    expect(() => createServer(options)).toThrow(error)
  })
})

describe('one socket', () => {
  test('what goes out: small from the threshold on, never a control frame, never what was declined', async () => {
    const host = await serve({ compression: true })
    const { client, socket } = await host.connect(SMALL)
    const edge = 'a'.repeat(1024)
    socket.write(edge.slice(1))
    socket.write(edge)
    socket.write(['a'.repeat(1000), Buffer.alloc(24, 'a')])
    socket.write(txt(LONG))
    socket.write(txt(LONG, { compress: false }))
    socket.write('b'.repeat(262_144))
    socket.write('b'.repeat(262_145))
    socket.ping('p'.repeat(125))
    client.send({ opcode: Op.PING, payload: 'q'.repeat(125) })
    const frames = await client.frames.count(9)
    expect(frames.map(({ opcode, rsv, fin }) => [opcode, rsv, fin])).toEqual([
      [Op.TEXT, 0, true],
      [Op.TEXT, RSV1, true],
      [Op.BINARY, RSV1, true],
      [Op.TEXT, RSV1, true],
      [Op.TEXT, 0, true],
      [Op.TEXT, RSV1, true],
      [Op.TEXT, 0, true],
      [Op.PING, 0, true],
      [Op.PONG, 0, true],
    ])
    expect(frames.slice(0, 5).map(textOf)).toEqual([edge.slice(1), edge, edge, LONG, LONG])
    socket.close(1000, 'r'.repeat(123))
    const close = await client.frames.find(({ opcode }) => opcode === Op.CLOSE)
    expect([close.rsv, close.payload.length]).toEqual([0, 125])
  })

  test('own options', async () => {
    const host = await serve({ compression: { thresholdBytes: 10, maxBytes: 20, level: 9 } })
    const { client, socket } = await host.connect(SMALL_9)
    for (const length of [9, 10, 20, 21]) socket.write('a'.repeat(length))
    expect((await client.frames.count(4)).map(({ rsv }) => rsv)).toEqual([0, RSV1, RSV1, 0])
  })

  test('what comes in: compressed, fragmented, plain, all to the handler', async () => {
    const host = await serve({ compression: true })
    const { client } = await host.connect(SMALL)
    const small = compressed(LONG)
    client.send(
      { opcode: Op.TEXT, rsv: RSV1, payload: small },
      { opcode: Op.TEXT, rsv: RSV1, fin: false, payload: small.subarray(0, 7) },
      { opcode: Op.PING },
      { opcode: Op.CONTINUATION, payload: small.subarray(7) },
      { opcode: Op.TEXT, payload: 'plain' },
    )
    await host.messages.count(3)
    expect(host.texts).toEqual([LONG, LONG, 'plain'])
  })

  test.each([
    ['a bomb', compressed(Buffer.alloc(2_000_000)), 1009],
    ['corrupt', Buffer.of(7), 1007],
    ['no UTF-8', compressed(Buffer.of(0xc0)), 1007],
  ])('%s closes this socket alone', async (_, payload, code) => {
    const host = await serve({ compression: true })
    const other = await host.connect(SMALL)
    const { client } = await host.connect(SMALL)
    client.send({ opcode: Op.TEXT, rsv: RSV1, payload })
    expect((await client.answerClose()).code).toBe(code)
    expect(await host.info()).toMatchObject({ code, by: 'server' })
    other.client.say('still here')
    await host.messages.at(0)
    expect(host.texts).toEqual(['still here'])
    expect(host.server.stats().limits).toEqual(code === 1009 ? { maxMessageBytes: 1 } : {})
    expect(host.errors.all).toEqual([])
  })
})

describe('a client that keeps its context', () => {
  const clients: KeepingClient[] = []
  afterEach(() => {
    for (const client of clients.splice(0)) client.close()
  })
  const keeping = (windowBits: number): KeepingClient => {
    const client = new KeepingClient({ windowBits })
    clients.push(client)
    return client
  }
  const small = (payload: Buffer) => ({ opcode: Op.TEXT, rsv: RSV1, payload })

  test.each([
    ['permessage-deflate', 15],
    ['permessage-deflate; client_max_window_bits', 12],
    ['permessage-deflate; client_max_window_bits=9', 9],
    ['permessage-deflate; client_max_window_bits=8', 9],
  ])('%s: all its messages come, each connection by itself', async (offer, bits) => {
    const host = await serve({ compression: true })
    const peers = [await host.connect(offering(offer)), await host.connect(offering(offer))].map(({ client }) => ({
      client,
      zlib: keeping(bits),
    }))
    const said: string[] = []
    for (let i = 0; i < 20; i++) {
      const { client, zlib } = peers[i % 2]!
      const text = `${LONG} ${i}`
      said.push(text)
      client.send(small(await zlib.compress(text)))
      client.say(`plain ${i}`)
      said.push(`plain ${i}`)
      await host.messages.count(said.length)
    }
    expect(host.texts).toEqual(said)
    expect(host.errors.all).toEqual([])
  })

  test('clientContextTakeover: false: it is told not to, and what it refers to is not there', async () => {
    const host = await serve({ compression: { clientContextTakeover: false } })
    const { client } = await host.connect(SMALL)
    expect((await client.response()).headers['sec-websocket-extensions']).toBe(`${BASE}; client_no_context_takeover`)
    const zlib = keeping(15)
    client.send(small(await zlib.compress(LONG)), small(await zlib.compress(LONG)))
    expect((await client.answerClose()).code).toBe(1007)
    expect(host.texts).toEqual([LONG])
  })

  test('what is kept counts in maxTotalBytes, from the first compressed message until the end', async () => {
    const host = await serve({ compression: true, maxTotalBytes: 80_000, closeTimeoutMs: 200 })
    const offer = offering('permessage-deflate')
    const message = 'x'.repeat(40_000)
    const pairs = [await host.connect(offer), await host.connect(offer), await host.connect(offer)]
    for (const { client } of pairs) client.say(message)
    await host.messages.count(3)
    for (const [i, { client }] of pairs.entries()) {
      client.send(small(await keeping(15).compress(message)))
      await host.messages.count(4 + i)
    }
    // Three windows of 32 KiB are too much.
    expect(await host.info()).toMatchObject({ code: 1013 })
    expect(host.closed.length).toBe(1)
    for (const { client } of pairs) client.socket.destroy()
    await host.closed.count(3)
    // The account is empty again: as much as before has room.
    const { client } = await host.connect(offer)
    client.send({ opcode: Op.TEXT, fin: false, payload: 'y'.repeat(79_000) })
    client.send({ opcode: Op.CONTINUATION, payload: '' })
    await host.messages.count(7)
    expect(host.closed.length).toBe(3)
  })

  test('in a small window little is kept, and without one nothing', async () => {
    const host = await serve({ compression: true, maxTotalBytes: 80_000 })
    for (const offer of ['client_max_window_bits', 'client_no_context_takeover']) {
      for (let i = 0; i < 9; i++) {
        const { client } = await host.connect(offering(`permessage-deflate; ${offer}`))
        client.send(small(await keeping(12).compress('x'.repeat(40_000))))
      }
    }
    await host.messages.count(18)
    const last = await host.connect()
    last.client.say('still here')
    await host.messages.count(19)
    expect(host.closed.length).toBe(0)
  })
})

describe('a room', () => {
  test('500 members, plain, window 15 and window 9: each form is made once', async () => {
    const host = await serve({ compression: true })
    const channels = createChannels()
    const kinds: Record<string, [HandshakeText, string]> = {
      plain: [{}, 'plain'],
      small: [SMALL, 'small'],
      nine: [SMALL_9, 'small'],
    }
    const members: { kind: string; pair: Pair<undefined> }[] = []
    for (let i = 0; i < 500; i++) {
      const kind = Object.keys(kinds)[i % 3]!
      const pair = await host.connect(kinds[kind]![0])
      channels.join('lobby', pair.socket)
      members.push({ kind, pair })
    }
    // Near repeats and far ones, so that the windows differ in what they make of it.
    const text = Array.from({ length: 800 }, (_, i) => `${(i * 7919) % 400} atreides `).join('')
    expect(channels.broadcast('lobby', text)).toBe(500)
    expect(zlib).toHaveBeenCalledTimes(2)
    const payloads: Record<string, Set<string>> = { plain: new Set(), small: new Set(), nine: new Set() }
    for (const { kind, pair } of members) {
      const frame = await pair.client.frame()
      expect(received(frame)).toEqual([kinds[kind]![1], text])
      payloads[kind]!.add(frame.payload.toString('base64'))
    }
    expect(Object.values(payloads).map(({ size }) => size)).toEqual([1, 1, 1])
    const [plain, small, nine] = Object.values(payloads).map((set) => [...set][0]!.length)
    expect(small!).toBeLessThan(nine!)
    expect(nine!).toBeLessThan(plain!)

    // The same Framed again, to a Set of one's own: nothing more is made.
    const framed = txt(text)
    for (let round = 0; round < 2; round++) for (const { pair } of members) pair.socket.write(framed)
    expect(zlib).toHaveBeenCalledTimes(4)
    await channels.close()
  }, 30_000)

  test('small ones go plain to everybody, the same bytes', async () => {
    const host = await serve({ compression: true })
    const channels = createChannels()
    const pairs = [await host.connect(), await host.connect(SMALL), await host.connect(SMALL_9)]
    for (const { socket } of pairs) channels.join('lobby', socket)
    channels.broadcast('lobby', 'hello')
    for (const { client } of pairs) expect(received(await client.frame())).toEqual(['plain', 'hello'])
    await channels.close()
  })

  test('order holds between small and plain, direct and broadcast', async () => {
    const host = await serve({ compression: true })
    const channels = createChannels()
    const { client, socket } = await host.connect(SMALL)
    channels.join('lobby', socket)
    const said: string[] = []
    for (let i = 0; i < 40; i++) {
      const text = i % 3 === 0 ? `${i} short` : `${i} ${LONG}`
      said.push(text)
      if (i % 2 === 0) socket.write(text)
      else channels.broadcast('lobby', text)
    }
    expect((await client.frames.count(40)).map(textOf)).toEqual(said)
    await channels.close()
  })
})
