// Which host a request was sent to is clear, or it is answered 400 (RFC 9112 §3.2): whatever it asks for, and before it is
// done.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { createRoomcast, type Roomcast } from 'roomcast'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/log.ts'

const [TOKEN, API_KEY] = ['s3cret', 'key']
let roomcast: Roomcast
let port: number

beforeAll(async () => {
  roomcast = createRoomcast({ port: 0, host: '127.0.0.1', token: TOKEN, apiKey: API_KEY })
  port = (await roomcast.listen()).port
})
afterAll(() => roomcast.close())

/** What is answered, until the server ends the connection. */
async function ask(text: string, to = port): Promise<string> {
  const socket = connectTcp(to, '127.0.0.1')
  let answer = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    answer += chunk
  })
  socket.on('error', () => {})
  socket.write(text, 'latin1')
  await once(socket, 'end')
  socket.destroy()
  return answer
}

const statusesOf = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status!)

const BODY = 'Content-Type: application/json\r\nContent-Length: 2\r\n'
const routes = [
  ['GET /', ''],
  ['GET /app.js', ''],
  ['GET /healthz', ''],
  ['HEAD /readyz', ''],
  ['GET /stats', ''],
  ['GET /metrics', ''],
  ['GET /nothing', ''],
  ['GET /connection/websocket', ''],
  ['POST /channels/a', `Authorization: Bearer ${TOKEN}\r\n${BODY}`],
  ['POST /channels/a', `Authorization: Bearer ${TOKEN}\r\n${BODY}Expect: 100-continue\r\n`],
  ['POST /channels/a', `Authorization: Bearer ${TOKEN}\r\n${BODY}Expect: tea\r\n`],
  ['POST /api/info', `X-API-Key: ${API_KEY}\r\n${BODY}`],
] as const

const hosts: [what: string, headers: string][] = [
  ['two', 'Host: localhost\r\nHost: evil.example\r\n'],
  ['two, the other way round', 'Host: evil.example\r\nHost: localhost\r\n'],
  ['the same twice', 'Host: localhost\r\nhOST: localhost\r\n'],
  ['a second one behind thousands of headers', `Host: localhost\r\n${'a:\r\n'.repeat(2500)}Host: evil.example\r\n`],
  ['none', ''],
  ['an empty one', 'Host:\r\n'],
  ['a list', 'Host: localhost, evil.example\r\n'],
  ['a user', 'Host: me@localhost\r\n'],
  ['a path', 'Host: localhost/a\r\n'],
  ['a port that is none', 'Host: localhost:65536\r\n'],
  ['an address that is none', 'Host: [::g]\r\n'],
  ['a control character', 'Host: local\x9bhost\r\n'],
]

describe.each(routes)('%s %j', (line, headers) => {
  test.each(hosts)('%s', async (_, host) => {
    const answer = await ask(`${line} HTTP/1.1\r\n${host}${headers}\r\n{}GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect(statusesOf(answer)).toEqual(['400'])
    expect(answer).toMatch(/\r\nConnection: close\r\n/)
    if (!line.startsWith('HEAD')) expect(answer).toMatch(/\r\n\r\n\{"error":"invalid_host"\}\n$/)
  })

  test.each(['http://me@localhost', 'http://', 'http://localhost:x'])('a target of %s', async (origin) => {
    const [method, path] = line.split(' ')
    const answer = await ask(`${method} ${origin}${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n{}`)
    expect(statusesOf(answer)).toEqual(['400'])
  })
})

test('nothing was done, and each is told', async () => {
  expect(roomcast.stats().refusals).toMatchObject({ malformed_request: expect.any(Number) })
  const { text } = await roomcast.metrics()
  expect(text).not.toMatch(/roomcast_api_calls_total\{method="info",code="ok"\} [1-9]/)
})

test.each([
  ['HTTP/1.0', ''],
  ['HTTP/1.0', 'Host: localhost\r\n'],
  ['HTTP/1.1', 'Host: localhost:\r\n'],
  ['HTTP/1.1', 'Host: [::1]:4545\r\n'],
  ['HTTP/1.1', 'Host: a_b.EXAMPLE:1\r\n'],
])('%s %j is clear', async (version, host) => {
  const answer = await ask(`GET /healthz ${version}\r\n${host}Connection: close\r\n\r\n`)
  expect(statusesOf(answer)).toEqual(['200'])
})

describe('upgrades', () => {
  const UPGRADE =
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'

  test.each(['/', '/connection/websocket'])('%s: two hosts, also at a server that was given', async (path) => {
    const server = createServer()
    const attached = createRoomcast({ server, insecure: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    for (const to of [port, (server.address() as AddressInfo).port]) {
      const answer = await ask(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nHost: a\r\n${UPGRADE}`, to)
      expect(answer).toMatch(/^HTTP\/1\.1 400 (?:.*\r\n)*Error: invalid_host\r\n/)
    }
    await attached.close()
    server.close()
  })

  test('what is behind an unclear request is not opened', async () => {
    const answer = await ask(
      `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n${UPGRADE}`,
    )
    expect(statusesOf(answer)).toEqual(['400'])
    await eventually(() => roomcast.stats().sockets === 0, 'no socket')
  })
})
