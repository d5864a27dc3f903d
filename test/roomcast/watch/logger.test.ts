// A log of the program that embeds the server may fail, in every way that a function can. Then its lines are lost, and
// nothing else: no answer is another one, no connection ends otherwise, and the process gets one warning.

import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { createRoomcast, type Logger, type Roomcast, type RoomcastOptions } from 'roomcast'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { eventually, nextTurn } from '../../support/log.ts'
import { connect } from '../client.ts'

const failures: [how: string, warn: () => unknown][] = [
  [
    'throws',
    () => {
      throw new Error('the worker has exited')
    },
  ],
  ['rejects', () => Promise.reject(new Error('the worker has exited'))],
  [
    'throws nothing',
    () => {
      throw undefined
    },
  ],
  ['rejects with nothing', () => Promise.reject()],
  [
    'returns what looks like a promise, and throws',
    () => ({
      // biome-ignore lint/suspicious/noThenProperty: that is what is tried.
      then() {
        throw new Error('the worker has exited')
      },
    }),
  ],
  [
    'throws what cannot be shown',
    () => {
      throw Object.defineProperty(new Error(), 'message', {
        get() {
          throw new Error('no message either')
        },
      })
    },
  ],
]

const warnings: Error[] = []
const keep = (warning: Error): void => void warnings.push(warning)
beforeEach(() => {
  warnings.length = 0
  process.on('warning', keep)
})
afterEach(() => void process.off('warning', keep))

const TOKEN = 's3cret'
const HOST = 'Host: localhost\r\n'
const KEYS =
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'

/** What is refused, with how it is answered and told. */
const refused: [what: string, bytes: string, status: number, reason: string][] = [
  ['another origin', `GET / HTTP/1.1\r\n${HOST}${KEYS}Origin: http://evil.example\r\n\r\n`, 403, 'origin_not_allowed'],
  ['a foreign host', 'GET /x HTTP/1.1\r\nHost: evil.example\r\n\r\n', 403, 'host_not_allowed'],
  ['a wrong API key', `POST /api/info HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}`, 401, 'wrong_key'],
  ['a wrong token', `POST /channels/a HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}`, 401, 'wrong_key'],
  ['a wrong metrics key', `GET /metrics HTTP/1.1\r\n${HOST}\r\n`, 401, 'wrong_key'],
  ['bytes that are no request', 'BAD\r\n\r\n', 400, 'malformed_request'],
  ['two hosts', `GET /stats HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400, 'malformed_request'],
  [
    'a bad body',
    `POST /api/info HTTP/1.1\r\n${HOST}X-API-Key: k\r\nContent-Length: 2\r\n\r\n[}`,
    400,
    'api_bad_request',
  ],
  [
    'an unknown method',
    `POST /api/tea HTTP/1.1\r\n${HOST}X-API-Key: k\r\nContent-Length: 2\r\n\r\n{}`,
    404,
    'api_unknown_method',
  ],
]

async function statusOf(bytes: string, port: number): Promise<number> {
  const socket = connectTcp(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
  })
  socket.on('error', () => {})
  socket.write(bytes)
  await eventually(() => text.includes('\r\n\r\n'), 'an answer')
  socket.destroy()
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1])
}

async function start(logger: Logger, options: RoomcastOptions = {}): Promise<[Roomcast, number]> {
  const roomcast = createRoomcast({
    port: 0,
    host: '127.0.0.1',
    token: TOKEN,
    apiKey: 'k',
    metricsKey: 'm',
    logger,
    ...options,
  })
  return [roomcast, (await roomcast.listen()).port]
}

describe.each(failures)('a log that %s', (_, warn) => {
  test('requests are answered as they are with one that works, and counted', async () => {
    let calls = 0
    const logger = {
      warn() {
        calls++
        return warn() as undefined
      },
    }
    const [roomcast, port] = await start(logger)
    const counts: Record<string, number> = {}
    for (const [what, bytes, status, reason] of refused) {
      expect([what, await statusOf(bytes, port)]).toEqual([what, status])
      counts[reason] = (counts[reason] ?? 0) + 1
    }
    await eventually(() => calls === refused.length, 'a line for each')
    expect(roomcast.stats().refusals).toEqual(counts)
    await roomcast.close()
    await nextTurn()
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^logger failed, and is not told again: \S/),
    ])
  })

  test('WebSockets end, and are refused, as with one that works', async () => {
    const [roomcast, port] = await start({ warn } as Logger, {
      authenticate: () => ({ user: 'leto' }),
      subscribe: () => undefined,
    })
    const words = await connect(port)
    expect(await words.ask({ join: 'a' })).toMatchObject({ error: 'not_allowed' })
    words.socket.send('no JSON')
    expect(await words.closed).toMatchObject({ code: 3000 })
    const sdk = await connect(port, { path: '/connection/websocket' })
    expect(await sdk.ask({ id: 1, connect: {} })).toMatchObject({ id: 1, connect: {} })
    expect(await sdk.ask({ id: 2, subscribe: { channel: 'a' } })).toMatchObject({ id: 2, error: { code: 103 } })
    sdk.socket.terminate()
    await once(sdk.socket, 'close')
    await roomcast.close()
    await nextTurn()
    expect(warnings).toHaveLength(1)
  })

  test('what was left out is told at the end, to nobody', async () => {
    const [roomcast, port] = await start({ warn } as Logger)
    for (let i = 0; i < 7; i++) await statusOf('BAD\r\n\r\n', port)
    await roomcast.close()
    await nextTurn()
    expect(warnings).toHaveLength(1)
  })
})

test('a log is called as its own method', async () => {
  const lines: string[] = []
  const logger = {
    lines,
    warn(_: object, text: string) {
      this.lines.push(text)
    },
  }
  const [roomcast, port] = await start(logger)
  await statusOf('BAD\r\n\r\n', port)
  await roomcast.close()
  expect(lines).toEqual([expect.stringMatching(/^refused \(malformed_request\)/)])
})
