// The table of core's README: each framework, in its newest version, serves the same application over the facade; each
// column is a test.

import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { cleanUp } from '../../../support/core-server.ts'
import { inTime, Log } from '../../../support/log.ts'
import { missing as skipLoudly } from '../../../support/missing.ts'
import { crossws } from './crossws.ts'
import { fastify } from './fastify.ts'
import type { Framework, Running } from './framework.ts'
import { hono } from './hono.ts'
import { nest } from './nest.ts'
import { next } from './next.ts'
import { vite } from './vite.ts'

const FRAMEWORKS: readonly Framework[] = [hono, crossws, nest, fastify, next, vite]
const START_TIMEOUT_MS = 180_000

interface Client {
  socket: WebSocket
  messages: Log<string | Buffer>
  closed: Promise<string>
}

async function connect(port: number, path = '/ws', protocol?: string): Promise<Client> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocol)
  const messages = new Log<string | Buffer>('messages')
  socket.on('message', (data, isBinary) => messages.push(isBinary ? (data as Buffer) : `${data}`))
  const closed = once(socket, 'close').then(([code, reason]) => `${code} ${reason}`)
  closed.catch(() => {})
  await once(socket, 'open')
  return { socket, messages, closed }
}

/** What each column of the table claims; `null`: it does not apply. */
type Claim = (running: Running, framework: Framework) => (() => Promise<void>) | null

const asItIs = { encode: (text: string) => text, decode: (text: string) => text }

const CLAIMS: Record<string, Claim> = {
  text:
    ({ port }, { words = asItIs }) =>
    async () => {
      const { socket, messages } = await connect(port)
      const texts = ['héllo', '', ...Array.from({ length: 1000 }, (_, i) => `${i}`)]
      for (const text of texts) socket.send(words.encode(text))
      const all = await messages.count(texts.length)
      expect(all.map((text) => words.decode(`${text}`))).toEqual(texts)
      socket.close()
    },
  bytes: ({ port }, { words }) =>
    words === undefined
      ? async () => {
          const { socket, messages } = await connect(port)
          const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 256))
          socket.send(bytes)
          expect(bytes.equals((await messages.at(0)) as Buffer)).toBe(true)
          socket.close()
        }
      : null,
  closing:
    ({ port, closed }, { words = asItIs }) =>
    async () => {
      const { socket } = await connect(port)
      socket.close(4001, 'bye')
      await closed.find((told) => told === '4001 bye')
      const other = await connect(port)
      other.socket.send(words.encode('enough'))
      expect(await other.closed).toBe('4002 enough')
      await closed.find((told) => told === '4002 enough')
      const lost = await connect(port)
      lost.socket.terminate()
      await closed.find((told) => told === '1006 ')
    },
  'its pages':
    ({ port }) =>
    async () => {
      const page = await fetch(`http://127.0.0.1:${port}/`)
      expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('page')])
    },
  'other paths': ({ port }, { leavesOthers }) =>
    leavesOthers
      ? null
      : async () => {
          const socket = new WebSocket(`ws://127.0.0.1:${port}/elsewhere`)
          const [error] = await once(socket, 'error')
          expect(`${error}`).toMatch(/Unexpected server response: [345]\d\d|hang up|closed/)
        },
  'its own sockets': ({ port }, { own }) =>
    own === undefined
      ? null
      : async () => {
          const ours = await connect(port)
          const { messages, socket } = await connect(port, own.path, own.protocol)
          expect(await messages.at(0)).toMatch(own.first)
          ours.socket.send('both')
          expect(await ours.messages.at(0)).toBe('both')
          socket.close()
          ours.socket.close()
        },
}

for (const framework of FRAMEWORKS) {
  const { name, missing } = framework
  if (missing !== undefined) {
    skipLoudly(true, missing)
    describe.skip(name, () => test('its claims', () => {}))
    continue
  }
  describe(name, () => {
    let running: Running
    beforeAll(async () => {
      running = await framework.start()
    }, START_TIMEOUT_MS)
    afterAll(cleanUp)

    for (const [claim, of] of Object.entries(CLAIMS)) {
      test(claim, async ({ skip }) => {
        const check = of(running, framework)
        if (check === null) skip()
        else await check()
      })
    }

    test('stops with a socket open, which is told, and gives back its port', async () => {
      const { closed } = await connect(running.port)
      await inTime(running.stop(), 'stop', 15_000)
      expect(await closed).toBe('1001 server is closing')
      const [error] = await once(connectTcp(running.port, '127.0.0.1'), 'error')
      expect(error.code).toBe('ECONNREFUSED')
    })
  })
}

const workspace = fileURLToPath(new URL('../../../../', import.meta.url))

test('core’s README has these rows, for the versions that are installed', () => {
  const columns = [...Object.keys(CLAIMS), 'stops']
  const rows = FRAMEWORKS.map((framework) => {
    const applies = columns.map((claim) => CLAIMS[claim]?.({} as Running, framework) !== null)
    return [framework.name, ...applies.map((yes) => (yes ? '✓' : '–')), framework.how]
  })
  const readme = readFileSync(`${workspace}packages/core/README.md`, 'utf8')
  const lines = readme.split('\n').map((line) =>
    line
      .split('|')
      .map((cell) => cell.trim())
      .slice(1, -1),
  )
  const from = lines.findIndex((cells) => cells.join() === ['', ...columns, 'how'].join())
  expect(from, 'the head of the table').toBeGreaterThan(0)
  const end = lines.findIndex((cells, at) => at > from && cells.length === 0)
  expect(lines.slice(from + 2, end)).toEqual(rows)

  const { devDependencies } = JSON.parse(readFileSync(`${workspace}package.json`, 'utf8'))
  const named = FRAMEWORKS.flatMap(({ name }) => [...name.matchAll(/([@\w/-]+) (\d+(?:\.\d+)?)/g)])
  // What it installs itself says its version in its own file.
  const others = named.filter(([, one]) => one !== 'next')
  expect(others.length).toBeGreaterThan(FRAMEWORKS.length - 2)
  for (const [, one = '', version = ''] of others) expect(devDependencies[one]).toMatch(new RegExp(`^\\^${version}\\.`))
})
