// `data` is the user's own: whoever transfers its memory to another thread gets it, or is told that he cannot; in neither
// case is a message lost or changed that comes behind it, however the bytes were cut.

import { deflateRawSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { clientFrame, fragmentFrames, Op } from '../support/client-frames.ts'
import { cleanUp, type TestServer } from '../support/core-server.ts'
import { nextTurn } from '../support/log.ts'
import { type RawClient, describe as short } from '../support/raw-client.ts'
import { closePlaces, type Place, places } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

const OFFER = { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } }

function compressed(text: string): Buffer {
  const payload = deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4)
  return clientFrame({ opcode: Op.TEXT, rsv: 4, payload })
}

const plain = (payload: string): Buffer => clientFrame({ opcode: Op.TEXT, payload })
const ping = clientFrame({ opcode: Op.PING, payload: 'ping' })

/** Messages, and the bytes they come in. */
const STREAMS: readonly { name: string; bytes: Buffer; texts: string[] }[] = [
  {
    name: 'small ones',
    bytes: Buffer.concat(['one', 'two', 'three', 'four'].map(plain)),
    texts: ['one', 'two', 'three', 'four'],
  },
  {
    name: 'fragmented, a ping between the fragments',
    bytes: Buffer.concat([
      plain('one'),
      ...fragmentFrames(Op.TEXT, ['t', 'w', 'o']).flatMap((frame, i) => (i === 1 ? [ping, frame] : [frame])),
      plain('three'),
    ]),
    texts: ['one', 'two', 'three'],
  },
  {
    name: 'compressed, and plain between them',
    bytes: Buffer.concat([compressed('one '.repeat(20)), plain('two'), compressed('three '.repeat(20)), plain('four')]),
    texts: ['one '.repeat(20), 'two', 'three '.repeat(20), 'four'],
  },
  {
    name: 'of several sizes',
    bytes: Buffer.concat([plain('x'.repeat(300)), plain(''), plain('y'.repeat(130)), plain('end')]),
    texts: ['x'.repeat(300), '', 'y'.repeat(130), 'end'],
  },
]

/** A server whose user takes each message's memory away, and what he read of it before. */
async function taking(place: Place): Promise<{ server: TestServer; texts: string[] }> {
  const texts: string[] = []
  const server = await place.serve({
    compression: true,
    handler: {
      message(_, data) {
        texts.push(data.toString())
        try {
          structuredClone(data, { transfer: [data.buffer as ArrayBuffer] })
        } catch (error) {
          expect(error).toMatchObject({ name: 'DataCloneError' })
        }
        // Gone, or still there: never another message's.
        if (data.length > 0) {
          expect(data.toString()).toBe(texts.at(-1))
          data.fill(0)
        }
      },
    },
  })
  return { server, texts }
}

async function expectAll({ server, texts }: Awaited<ReturnType<typeof taking>>, expected: string[]): Promise<void> {
  await server.messages.count(expected.length)
  await nextTurn()
  expect(texts).toEqual(expected)
  expect(server.errors.all).toEqual([])
  expect(server.infos).toEqual([])
}

async function endsWell(client: RawClient): Promise<void> {
  client.write(ping)
  await client.frames.find(({ opcode, payload }) => opcode === Op.PONG && payload.toString() === 'ping')
  expect(client.frames.all.map(short).filter((one) => one.startsWith('close'))).toEqual([])
}

describe.each(places('own port', 'TLS', 'attached http', 'Duplex'))('$name', (place) => {
  test.each(STREAMS)('$name, in one chunk', async ({ bytes, texts }) => {
    const taken = await taking(place)
    const { client } = await taken.server.connect(OFFER)
    client.write(bytes)
    await expectAll(taken, texts)
    await endsWell(client)
  })

  test.each(STREAMS)('$name, with the handshake', async ({ bytes, texts }) => {
    const taken = await taking(place)
    const client = await taken.server.tcp()
    client.ask(OFFER, bytes)
    await expectAll(taken, texts)
    await endsWell(client)
  })

  test('messages of all sizes, many in one read', async () => {
    const taken = await taking(place)
    const { client } = await taken.server.connect(OFFER)
    const texts = Array.from({ length: 200 }, (_, i) => `${i}`.repeat(1 + ((i * 37) % 2_000)))
    client.write(...texts.map(plain))
    await expectAll(taken, texts)
    await endsWell(client)
  })
})

test.each(STREAMS)('$name, cut at every byte', async ({ bytes, texts }) => {
  const taken = await taking(places('own port')[0]!)
  let expected: string[] = []
  for (let cut = 1; cut < bytes.length; cut++) {
    const { client } = await taken.server.connect(OFFER)
    client.write(bytes.subarray(0, cut))
    // Another read, once the server has had this one.
    const before = taken.server.server.stats().bytesIn
    await until(() => taken.server.server.stats().bytesIn > before || cut < 1)
    client.write(bytes.subarray(cut))
    expected = [...expected, ...texts]
    await taken.server.messages.count(expected.length)
    client.socket.destroy()
  }
  expect(taken.texts).toEqual(expected)
  expect(taken.server.errors.all).toEqual([])
})

/** For so many turns at most: the bytes may have come before we asked. */
async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; turns < 20 && !holds(); turns++) await nextTurn()
}

test('what was held behind a pending callback is whole too', async () => {
  const texts: string[] = []
  const server = await places('own port')[0]!.serve({
    handler: {
      async message(_, data) {
        texts.push(data.toString())
        try {
          structuredClone(data, { transfer: [data.buffer as ArrayBuffer] })
        } catch {}
        await nextTurn()
      },
    },
  })
  const { client } = await server.connect()
  client.say('one', 'two', 'three')
  client.say('four')
  await server.messages.count(4)
  expect(texts).toEqual(['one', 'two', 'three', 'four'])
})
