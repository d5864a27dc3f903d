// One read may hold thousands of messages: a socket gets its share of a turn, then the others get theirs.

import { deflateRawSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { MAX_STREAMS } from '../../packages/core/src/protocol/permessage-deflate.ts'
import { Op } from '../support/client-frames.ts'
import { cleanUp, serve, TLS } from '../support/core-server.ts'

afterEach(cleanUp)

function work(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

test('who sent one message is heard between the thousand of another, which stay whole and in order', async () => {
  const server = await serve({ sliceMs: 1, handler: { message: () => work(0.1) } })
  const [flood, other] = [await server.connect(), await server.connect()]
  const texts = Array.from({ length: 1000 }, (_, i) => `message ${i}`.padEnd(50, '.'))
  flood.client.say(...texts)
  other.client.say('hello')
  await server.messages.count(1001)
  const of = (socket: unknown): string[] =>
    server.messages.all.filter((message) => message.socket === socket).map(({ data }) => `${data}`)
  expect(of(flood.socket)).toEqual(texts)
  expect(server.messages.all.findIndex(({ socket }) => socket === other.socket)).toBeLessThan(900)
  expect(server.errors.all).toEqual([])
})

test('who sends a few bytes is heard between messages that inflate to megabytes', async () => {
  const server = await serve({ compression: true, sliceMs: 1 })
  const large = await server.connect({ headers: { 'sec-websocket-extensions': 'permessage-deflate' } })
  const other = await server.connect()
  const payload = deflateRawSync(Buffer.alloc(1_000_000, 'x'), { finishFlush: 2 }).subarray(0, -4)
  large.client.send(...Array.from({ length: 50 }, () => ({ opcode: Op.TEXT, rsv: 4, payload })))
  other.client.say('hello')
  await server.messages.count(51)
  expect(server.messages.all.findIndex(({ socket }) => socket === other.socket)).toBeLessThan(45)
})

test('who sends a few bytes is heard between small messages of very many deflate streams', async () => {
  const server = await serve({ compression: true, sliceMs: 1 })
  const many = await server.connect({ headers: { 'sec-websocket-extensions': 'permessage-deflate' } })
  const other = await server.connect()
  const payload = Buffer.alloc(MAX_STREAMS * 2, deflateRawSync(''))
  many.client.send(...Array.from({ length: 60 }, () => ({ opcode: Op.TEXT, rsv: 4, payload })))
  other.client.say('hello')
  await server.messages.count(61)
  expect(server.messages.all.findIndex(({ socket }) => socket === other.socket)).toBeLessThan(55)
})

test('what waits for the next turn comes before a Close that follows it, and not after our own', async () => {
  const server = await serve({
    sliceMs: 1,
    handler: {
      message(socket, data) {
        work(0.1)
        if (`${data}` === 'close') socket.close(4000)
      },
    },
  })
  const peer = await server.connect()
  peer.client.say(...Array.from({ length: 300 }, (_, i) => `${i}`))
  peer.client.sendClose(1000)
  expect(await server.info()).toMatchObject({ code: 1000, by: 'peer' })
  expect(server.texts).toHaveLength(300)

  const ours = await server.connect()
  ours.client.say(...Array.from({ length: 300 }, (_, i) => (i === 200 ? 'close' : `${i}`)))
  expect(await ours.client.answerClose()).toMatchObject({ code: 4000 })
  expect(await server.info(1)).toMatchObject({ code: 4000, by: 'server' })
  expect(server.texts).toHaveLength(501)
})

test.each([
  ['plain', {}],
  // A read of TLS is decrypted whole.
  ['over TLS', { tls: TLS }],
])('who is read in full waits for the next turn, and comes whole: %s', async (_, place) => {
  const server = await serve(place)
  const [flood, other] = [await server.connect(), await server.connect()]
  const perTurn: number[] = []
  let before = server.server.stats().bytesIn
  let watching = true
  const look = (): void => {
    const { bytesIn } = server.server.stats()
    perTurn.push(bytesIn - before)
    before = bytesIn
    if (watching) setImmediate(look)
  }
  setImmediate(look)
  const text = 'x'.repeat(1_000_000)
  flood.client.say(...Array.from({ length: 12 }, () => text))
  other.client.say('hello')
  await server.messages.count(13)
  watching = false
  expect(server.texts.filter((said) => said.length === 1_000_000)).toHaveLength(12)
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(65_536 + 1_024)
})

test('who pauses in the middle of a flood is not read any more, and what waits comes after resume, whole', async () => {
  const server = await serve({
    handler: {
      message(socket) {
        socket.pause()
        setImmediate(() => socket.resume())
      },
    },
  })
  const { client } = await server.connect()
  const texts = Array.from({ length: 200 }, (_, i) => `${i}`.repeat(1 + (i % 7) * 6_000))
  client.say(...texts)
  await server.messages.count(texts.length)
  expect(server.texts).toEqual(texts)
})
