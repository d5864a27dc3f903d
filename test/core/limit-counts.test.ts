// Every limit there is, in one table: what goes over it, and that stats() counts exactly that limit, once.

import { Buffer } from 'node:buffer'
import { DEFAULT_LIMITS, type Limits } from '@roomcast/core'
import { afterEach, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, serve, type TestOptions, type TestServer } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'

afterEach(cleanUp)

interface Row {
  options: TestOptions<undefined, undefined>
  /** Goes over the limit, once. */
  exceed: (test: TestServer) => Promise<unknown>
  /** What it comes to: a close code or an HTTP status. */
  is: { closes: Record<number, number> } | { rejections: Record<number, number> }
}

const hanging = { handshake: () => new Promise<undefined>(() => {}) }

async function ask(test: TestServer): Promise<void> {
  const client = await test.tcp()
  client.ask()
  await eventually(() => test.server.stats().pendingHandshakes === 1)
}

/** Sends a part of a message. */
async function begin(test: TestServer, bytes = 1): Promise<void> {
  const { client } = await test.connect()
  client.send({ opcode: Op.BINARY, fin: false, payload: Buffer.alloc(bytes) })
}

/** Writes to a peer that does not read, until the server has enough of it. */
async function overflow(test: TestServer): Promise<void> {
  const { client, socket } = await test.connect()
  client.socket.pause()
  while (['ok', 'backpressure'].includes(socket.write(Buffer.alloc(65_536)))) await nextTurn()
}

const COUNTED: Record<string, Row> = {
  maxMessageBytes: { options: { maxMessageBytes: 10 }, exceed: (test) => begin(test, 11), is: { closes: { 1009: 1 } } },
  maxBufferedBytes: {
    options: { maxBufferedBytes: 1_000, closeTimeoutMs: 60_000 },
    async exceed(test) {
      await overflow(test)
      test.opened.all[0]!.terminate()
    },
    is: { closes: { 4008: 1 } },
  },
  'maxBufferedBytes under slowConsumer: drop': {
    options: { maxBufferedBytes: 1_000, slowConsumer: 'drop' },
    async exceed(test) {
      await overflow(test)
      test.opened.all[0]!.terminate()
      expect(test.server.stats().dropped).toBe(1)
    },
    is: { closes: { 1006: 1 } },
  },
  handshakeTimeoutMs: {
    options: { handshakeTimeoutMs: 50, handler: hanging },
    exceed: (test) => test.answer(),
    is: { rejections: { 503: 1 } },
  },
  'handshakeTimeoutMs for the head': {
    options: { handshakeTimeoutMs: 50 },
    exceed: async (test) => (await test.tcp()).response(),
    is: { rejections: { 408: 1 } },
  },
  maxHeaderBytes: {
    options: { maxHeaderBytes: 1_000 },
    exceed: (test) => test.answer({ headers: { Cookie: 'c'.repeat(1_000) } }),
    is: { rejections: { 431: 1 } },
  },
  maxHeaders: {
    options: { maxHeaders: 5 },
    exceed: (test) => test.answer({ extra: ['a: b'] }),
    is: { rejections: { 400: 1 } },
  },
  pongTimeoutMs: {
    options: { idleTimeoutMs: 30, pongTimeoutMs: 30 },
    async exceed(test) {
      await test.connect()
    },
    is: { closes: { 1006: 1 } },
  },
  messageTimeoutMs: { options: { messageTimeoutMs: 50 }, exceed: (test) => begin(test), is: { closes: { 1008: 1 } } },
  closeTimeoutMs: {
    options: { closeTimeoutMs: 50 },
    exceed: async (test) => (await test.connect({}, { halfOpen: true })).socket.close(),
    is: { closes: { 1000: 1 } },
  },
  maxConnections: {
    options: { maxConnections: 1 },
    exceed: async (test) => [await test.answer(), await test.answer()],
    is: { rejections: { 503: 1 } },
  },
  maxConnectionsPerAddress: {
    options: { maxConnectionsPerAddress: 1 },
    exceed: async (test) => [await test.answer(), await test.answer()],
    is: { rejections: { 429: 1 } },
  },
  maxPendingHandshakes: {
    options: { maxPendingHandshakes: 1, handler: hanging },
    exceed: async (test) => [await ask(test), await test.answer()],
    is: { rejections: { 503: 1 } },
  },
  maxTotalBytes: {
    options: { maxTotalBytes: 1_000, closeTimeoutMs: 60_000 },
    exceed: (test) => begin(test, 2_000),
    is: { closes: { 1013: 1 } },
  },
  maxControlFramesPerSecond: {
    options: { maxControlFramesPerSecond: 2 },
    exceed: async (test) => (await test.connect()).client.send(...Array(4).fill({ opcode: Op.PING })),
    is: { closes: { 1008: 1 } },
  },
}

/** Limits that end and refuse nothing, with the reason. */
const UNCOUNTED: Partial<Record<keyof Limits, string>> = {
  slowConsumer: 'says what maxBufferedBytes does',
  idleTimeoutMs: 'sends a ping; a peer that does not answer is counted under pongTimeoutMs',
  sliceMs: 'a flush goes on in the next turn',
}

const limitOf = (row: string): string => row.split(' ')[0]!

test('the table has every limit', () => {
  const named = [...Object.keys(COUNTED).map(limitOf), ...Object.keys(UNCOUNTED)]
  expect(new Set(named)).toEqual(new Set(Object.keys(DEFAULT_LIMITS)))
})

test.each(Object.entries(COUNTED))('%s', async (row, { options, exceed, is }) => {
  const test = await serve(options)
  await exceed(test)
  await eventually(() => Object.keys(test.server.stats().limits).length > 0)
  if ('closes' in is) await test.closed.count(1)
  await nextTurn()
  expect(test.server.stats()).toMatchObject({ limits: { [limitOf(row)]: 1 }, ...is })
  expect(Object.keys(test.server.stats().limits)).toEqual([limitOf(row)])
})
