// The HTTP side on the wire: what is read of whom, which offers are passed over, and that everybody gets an answer.

import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { createRoomcast, type Roomcast } from 'roomcast'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readTarget } from '../../packages/roomcast/src/target.ts'
import { eventually, inTime } from '../support/log.ts'
import { connect } from './client.ts'

const TOKEN = 's3cret'
const AUTH = `Authorization: Bearer ${TOKEN}\r\n`
const JSON_TYPE = 'Content-Type: application/json\r\n'
const HOST = 'Host: localhost\r\n'
let roomcast: Roomcast
let port: number

beforeAll(async () => {
  roomcast = createRoomcast({ port: 0, host: '127.0.0.1', token: TOKEN })
  port = (await roomcast.listen()).port
})
afterAll(() => roomcast.close())

/** A plain TCP client, and everything it has received. */
class Wire {
  readonly socket: Socket
  text = ''
  ended = false
  readonly closed: Promise<unknown>

  constructor(to = port) {
    this.socket = connectTcp(to, '127.0.0.1')
    this.socket.setEncoding('latin1').on('data', (chunk: string) => {
      this.text += chunk
    })
    this.socket.on('end', () => {
      this.ended = true
    })
    this.socket.on('error', () => {})
    this.closed = new Promise((resolve) => this.socket.once('close', resolve))
  }

  /** Sends, and waits until the text matches. */
  async until(pattern: RegExp, send = ''): Promise<string> {
    if (send !== '') this.socket.write(send)
    await eventually(() => pattern.test(this.text), `${pattern} in ${JSON.stringify(this.text)}`)
    return this.text
  }

  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
  }
}

/** Sends one request and reads until the server ends the connection. */
async function ask(text: string, to = port): Promise<Wire> {
  const wire = new Wire(to)
  wire.socket.write(text)
  await eventually(() => wire.ended, `the end after ${JSON.stringify(wire.text)}`)
  wire.socket.destroy()
  return wire
}

describe('who is refused before the body', () => {
  const BODY = 900_000_000
  const refused: [title: string, head: string, status: number][] = [
    ['no key', `POST /channels/a HTTP/1.1\r\n${JSON_TYPE}`, 401],
    ['a wrong key', `POST /channels/a HTTP/1.1\r\nAuthorization: Bearer x\r\n${JSON_TYPE}`, 401],
    ['no path of ours', `POST /nothing HTTP/1.1\r\n${AUTH}`, 404],
    ['a method that is not POST', `PUT /channels/a HTTP/1.1\r\n${AUTH}`, 405],
    ['a page that is only read', `POST / HTTP/1.1\r\n`, 405],
    ['a probe that is only read', `POST /healthz HTTP/1.1\r\n`, 405],
    ['no type', `POST /channels/a HTTP/1.1\r\n${AUTH}`, 415],
    ['too much', `POST /channels/a HTTP/1.1\r\n${AUTH}${JSON_TYPE}`, 413],
    ['a bad name', `POST /channels/%00 HTTP/1.1\r\n${AUTH}${JSON_TYPE}`, 400],
    ['a bad key', `POST /channels/a HTTP/1.1\r\n${AUTH}${JSON_TYPE}Idempotency-Key: ${'k'.repeat(257)}\r\n`, 400],
    // Answered, and not refused: their bodies are of no use either.
    ['a GET with a body', 'GET /healthz HTTP/1.1\r\n', 200],
    ['a HEAD with a body', 'HEAD /stats HTTP/1.1\r\n', 200],
    ['a page asked for with a body', 'GET / HTTP/1.1\r\n', 200],
  ]

  test.each(refused)('%s: answered, and the connection ends instead of being read', async (_, head, status) => {
    const wire = new Wire()
    wire.socket.write(`${head}${HOST}Content-Length: ${BODY}\r\n\r\n`)
    const chunk = Buffer.alloc(65_536, '1')
    let isClosed = false
    void wire.closed.then(() => {
      isClosed = true
    })
    while (!isClosed) {
      if (!wire.socket.write(chunk)) await Promise.race([once(wire.socket, 'drain').catch(() => {}), wire.closed])
    }
    expect(wire.statuses).toEqual([status])
    expect(wire.text).toMatch(/\r\nConnection: close\r\n/)
    // What the two kernels hold, and 256 KiB.
    expect(wire.socket.bytesWritten).toBeLessThan(32 * 2 ** 20)
  })

  test.each(refused)('%s: chunked, too', async (_, head, status) => {
    const wire = await ask(`${head}${HOST}Transfer-Encoding: chunked\r\n\r\n11000\r\n${'1'.repeat(0x11000)}\r\n`)
    expect(wire.statuses).toEqual([status])
    expect(wire.text).toMatch(/\r\nConnection: close\r\n/)
  })

  test.each(refused)('%s: no 100 Continue', async (_, head, status) => {
    const wire = await ask(`${head}${HOST}Expect: 100-continue\r\nContent-Length: ${BODY}\r\n\r\n`)
    expect(wire.statuses).toEqual([status])
  })

  test('who may send gets a 100, then 200, and the connection stays', async () => {
    const wire = new Wire()
    const head = `POST /channels/a HTTP/1.1\r\n${HOST}${AUTH}${JSON_TYPE}Content-Length: 1\r\n`
    await wire.until(/100 Continue\r\n\r\n/, `${head}Expect: 100-continue\r\n\r\n`)
    await wire.until(/"delivered":0/, '1')
    expect(wire.statuses).toEqual([100, 200])
    await wire.until(/200 OK.*200 OK/s, `${head}\r\n2`)
    wire.socket.destroy()
  })

  test('another expectation: 417', async () => {
    const wire = await ask(`POST /channels/a HTTP/1.1\r\n${HOST}${AUTH}Expect: tea\r\nContent-Length: ${BODY}\r\n\r\n`)
    expect(wire.statuses).toEqual([417])
  })

  test('what is pipelined behind a refused body is not done', async () => {
    const member = await connect(port)
    await member.ask({ join: 'lobby' })
    const say = `POST /channels/lobby HTTP/1.1\r\n${HOST}${AUTH}${JSON_TYPE}Content-Length: 3\r\n\r\n"a"`
    const wire = new Wire()
    await wire.until(/ 401 /, `POST /channels/lobby HTTP/1.1\r\n${HOST}Content-Length: 4\r\n\r\n`)
    wire.socket.write(`body${say}`)
    await inTime(wire.closed, 'the end')
    const at = await ask(`POST /channels/lobby HTTP/1.1\r\n${HOST}Content-Length: 4\r\n\r\nbody${say}`)
    expect([wire.statuses, at.statuses]).toEqual([[401], [401]])
    expect(await member.ask({ leave: 'lobby' })).toEqual({ left: 'lobby' })
    member.socket.terminate()
    await eventually(() => roomcast.rooms.memberCount('lobby') === 0)
  })
})

describe('no body', () => {
  const alone = (text: string): Promise<Wire> => ask(text.replace('\r\n', `\r\n${HOST}Connection: close\r\n`))

  test.each(['/', '/app.js', '/healthz', '/readyz', '/stats', '/nothing', '/channels/a'])('HEAD %s', async (path) => {
    const { text } = await alone(`HEAD ${path} HTTP/1.1\r\n\r\n`)
    expect(text).toMatch(/^HTTP\/1\.1 (200|404|405) .*\r\nContent-Length: [1-9].*\r\n\r\n$/is)
  })

  test.each(['GET', 'HEAD'])('304 to %s', async (method) => {
    const { text } = await alone(`${method} / HTTP/1.1\r\nIf-None-Match: *\r\n\r\n`)
    expect(text).toMatch(/^HTTP\/1\.1 304 .*\r\n\r\n$/s)
    expect(text).not.toMatch(/content-length|transfer-encoding/i)
  })
})

describe('targets in absolute form', () => {
  test.each([
    ['http://x/a/b?c=/d', { path: '/a/b', host: 'x' }],
    ['HTTPS://x:81/a', { path: '/a', host: 'x:81' }],
    ['http://x', { path: '/', host: 'x' }],
    ['http://x?a', { path: '/', host: 'x' }],
    ['http:///a', { path: '/a', host: '' }],
    ['/http://x/a', { path: '/http://x/a', host: 'own' }],
    ['//x/a', { path: '//x/a', host: 'own' }],
    ['ftp://x/a', { path: 'ftp://x/a', host: 'own' }],
    ['*', { path: '*', host: 'own' }],
    ['/a?b', { path: '/a', host: 'own' }],
  ])('%s', (url, target) => {
    expect(readTarget({ url, headers: { host: 'own' } })).toEqual(target)
  })

  test.each([
    ['GET', '/healthz', ''],
    ['GET', '/stats?x=1', ''],
    ['GET', '/', ''],
    ['GET', '', ''],
    ['POST', '/channels/a', `${AUTH}${JSON_TYPE}Content-Length: 1\r\n`],
  ])('%s %s', async (method, path, headers) => {
    const head = `${method} http://localhost:${port}${path} HTTP/1.1\r\n${HOST}${headers}Connection: close\r\n\r\n`
    expect((await ask(headers === '' ? head : `${head}1`)).statuses).toEqual([200])
  })
})

describe('offers of another protocol are passed over', () => {
  const OFFERS = [
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n',
    'Connection: upgrade\r\nUpgrade: TLS/1.2\r\n',
    'Connection: keep-alive, Upgrade\r\nUpgrade: h2c, h3\r\n',
    'Connection: Upgrade\r\nUpgrade: websocketish\r\n',
  ]

  test.each(OFFERS)('%j: GET, POST with a body, and on over the same connection', async (offer) => {
    const member = await connect(port)
    await member.ask({ join: 'lobby' })
    const wire = new Wire()
    await wire.until(/"alive"/, `GET /healthz HTTP/1.1\r\n${HOST}${offer}\r\n`)
    const head = `POST /channels/lobby HTTP/1.1\r\n${HOST}${AUTH}${JSON_TYPE}${offer}`
    await wire.until(/"delivered":1/, `${head}Content-Length: 7\r\n\r\n{"a":1}`)
    wire.socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n3\r\n"b`)
    await wire.until(/("delivered":1.*){2}/s, `c\r\n1\r\n"\r\n0\r\n\r\n`)
    for (const count of [2, 3]) {
      const get = `GET /healthz HTTP/1.1\r\n${HOST}${count === 2 ? offer : ''}\r\n`
      await wire.until(new RegExp(`("alive".*){${count}}`, 's'), get)
    }
    expect(wire.statuses).toEqual([200, 200, 200, 200, 200])
    expect([await member.next(), await member.next()]).toEqual([
      { said: { a: 1 }, in: 'lobby' },
      { said: 'bc', in: 'lobby' },
    ])
    wire.socket.destroy()
    member.socket.terminate()
    await eventually(() => roomcast.rooms.memberCount('lobby') === 0)
  })

  test.each(['websocket', 'WebSocket', 'h2c, websocket'])(
    'Upgrade: %s is taken, behind a request, too',
    async (protocols) => {
      const wire = new Wire()
      const upgrade = `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: ${protocols}\r\n`
      const keys = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
      await wire.until(/ 101 /, `GET /healthz HTTP/1.1\r\n${HOST}\r\n${upgrade}${keys}`)
      expect(wire.statuses).toEqual([200, 101])
      wire.socket.destroy()
    },
  )

  test('CONNECT is still none of ours', async () => {
    expect((await ask(`CONNECT localhost:1 HTTP/1.1\r\n${HOST}\r\n`)).statuses).toEqual([])
  })
})

describe('the end', () => {
  const start = async (): Promise<[Roomcast, number]> => {
    const other = createRoomcast({ port: 0, host: '127.0.0.1', token: TOKEN })
    return [other, (await other.listen()).port]
  }
  const POST = `POST /channels/a HTTP/1.1\r\n${HOST}${AUTH}${JSON_TYPE}`

  test.each([
    ['a POST of which half the body is here', `${POST}Content-Length: 7\r\n\r\n{"a"`, 503],
    ['one that waits for a 100', `${POST}Content-Length: 7\r\nExpect: 100-continue\r\n\r\n`, 503],
    ['one that is chunked', `${POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{"\r\n`, 503],
    ['half of a head', 'POST /channels/a HTTP/1.1\r\nHost: loc', 503],
  ])('%s is answered', async (_, text, status) => {
    const [other, otherPort] = await start()
    const wire = new Wire(otherPort)
    wire.socket.write(text)
    // Only when the server has read it is it under way.
    await (await connect(otherPort)).ask({ join: 'a' })
    await other.drain()
    await other.close()
    await eventually(() => wire.statuses.at(-1) === status, `${status} in ${JSON.stringify(wire.text)}`)
    wire.socket.destroy()
  })

  test('one that closes without a drain answers them as well', async () => {
    const [other, otherPort] = await start()
    const wire = new Wire(otherPort)
    await wire.until(/ 100 /, `${POST}Expect: 100-continue\r\nContent-Length: 7\r\n\r\n`)
    await other.close()
    await eventually(() => wire.statuses.at(-1) === 503, '503')
    wire.socket.destroy()
  })

  test('an idle connection does not hold it up', async () => {
    const [other, otherPort] = await start()
    const idle = new Wire(otherPort)
    await once(idle.socket, 'connect')
    await idle.until(/alive/, `GET /healthz HTTP/1.1\r\n${HOST}\r\n`)
    await other.drain()
    await other.close()
    await inTime(idle.closed, 'the end')
    expect(idle.statuses).toEqual([200])
  })

  test('while it drains, and when nobody can hear any more: 503, with a time to come back', async () => {
    const [other, otherPort] = await start()
    const post = async (): Promise<unknown[]> => {
      const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
      const url = `http://127.0.0.1:${otherPort}/channels/a`
      const response = await fetch(url, { method: 'POST', headers, body: '1' })
      return [response.status, await response.json(), response.headers.get('retry-after')]
    }
    expect(await post()).toEqual([200, { delivered: 0 }, null])
    const drained = other.drain()
    expect(await post()).toEqual([503, { error: 'draining' }, '2'])
    await drained
    await other.close()

    const [third, thirdPort] = await start()
    await third.rooms.close()
    const answer = await ask(`${POST}Content-Length: 1\r\nConnection: close\r\n\r\n1`, thirdPort)
    expect(answer.text).toMatch(/ 503 .*"closed"/s)
    await third.close()
  })

  test('a key that was refused at the end is not remembered', async () => {
    const [other, otherPort] = await start()
    const text = `${POST}Idempotency-Key: k\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1`
    expect((await ask(text, otherPort)).statuses).toEqual([200])
    const drained = other.drain()
    expect((await ask(text, otherPort)).statuses).toEqual([503])
    await drained
    await other.close()
  })
})
