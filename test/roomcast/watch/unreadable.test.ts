// What is no request at all: bytes that node's http or TLS cannot read, and ways to connect that are not here. Each is a
// line that says what it is, and is counted; the connection is answered as before.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createHttps, get } from 'node:https'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { answerBadHeads } from '../../../packages/roomcast/src/bad-heads.ts'
import { refusedHead } from '../../../packages/roomcast/src/watch/head-refusals.ts'
import { eventually } from '../../support/log.ts'
import { connect } from '../client.ts'
import { build, killAll, ROOT, start } from '../program.ts'
import { lineOf, linesOf, type Server } from './log-lines.ts'
import { readSamples, scrape } from './scrape.ts'

beforeAll(build)
afterEach(killAll)

const JSON_LOG = ['--log-format', 'json']
const pem = (what: string): string => `${ROOT}test/support/tls/test-only-${what}.pem`
const WITH_TLS = [...JSON_LOG, '--tls-cert', pem('cert'), '--tls-key', pem('key')]

/** What is answered to these bytes, until the connection ends. */
async function answered(port: number, bytes: string): Promise<string> {
  const socket = connectTcp(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  socket.end(bytes, 'latin1')
  await once(socket, 'close')
  return text
}

/** A connection by TLS that is up, or has ended. */
async function secured(port: number, options: object = {}): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  socket.on('error', () => {})
  await new Promise<void>((resolve) => {
    socket.on('secureConnect', resolve).on('close', () => resolve())
  })
  return socket
}

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n'

const cases: [what: string, bytes: string, answer: RegExp, reason: string, came: RegExp, setting: RegExp][] = [
  [
    'a head over the limit',
    `${GET}Cookie: ${'x'.repeat(20_000)}\r\n\r\n`,
    /^HTTP\/1\.1 431 (?:.*\r\n)*Error: headers_too_large\r\n/,
    'headers_too_large',
    /head is answered 431/,
    /cookies/,
  ],
  [
    'the beginning of TLS',
    '\x16\x03\x01\x00\x05hello',
    /^HTTP\/1\.1 400 /,
    'tls_to_plain_port',
    /^TLS, to a port without it/,
    /--tls-cert/,
  ],
  [
    'the PROXY protocol',
    `PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${GET}\r\n`,
    /^HTTP\/1\.1 400 /,
    'malformed_request',
    /PROXY protocol/,
    /no proxy protocol; .*--trust-proxy/,
  ],
  [
    'the PROXY protocol, version 2',
    '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\0',
    /^HTTP\/1\.1 400 /,
    'malformed_request',
    /PROXY protocol/,
    /load balancer/,
  ],
  [
    'HTTP/2',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    /^HTTP\/1\.1 400 /,
    'malformed_request',
    /^HTTP\/2 without TLS/,
    /HTTP\/1\.1 to here/,
  ],
  [
    'a line of its own',
    'GET\nroomcast: all is well\r\n\r\n',
    /^HTTP\/1\.1 400 (?:.*\r\n)*Error: bad_request\r\n/,
    'malformed_request',
    /answered 400: HPE_INVALID_METHOD, at "GET\\nroomcast/,
    /the client/,
  ],
]

describe('bytes that are no request', () => {
  test.each(cases)('%s', async (_, bytes, answer, reason, came, setting) => {
    const server = await start(JSON_LOG)
    expect(await answered(server.port, bytes)).toMatch(answer)
    expect(await lineOf(server, reason)).toMatchObject({
      address: '127.0.0.1',
      came: expect.stringMatching(came),
      setting: expect.stringMatching(setting),
    })
    expect((await scrape(server.port)).get(`roomcast_refusals_total{reason="${reason}"}`)).toBe(1)
    expect(linesOf(server)).toHaveLength(1)
  })

  test('a real TLS client at a port without it', async () => {
    const server = await start(JSON_LOG)
    const socket = await secured(server.port)
    expect(socket.authorized).toBe(false)
    expect(await lineOf(server, 'tls_to_plain_port')).toMatchObject({ address: '127.0.0.1' })
    expect(linesOf(server)).toHaveLength(1)
  })

  test('who comes and leaves, or says nothing, was refused nothing', async () => {
    const server = await start(JSON_LOG)
    expect(await answered(server.port, '')).toBe('')
    expect(await answered(server.port, GET)).toMatch(/^HTTP\/1\.1 400 /)
    const socket = connectTcp(server.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(GET)
    socket.resetAndDestroy()
    await once(socket, 'close')
    await scrape(server.port)
    expect(linesOf(server)).toEqual([])
  })

  test('a flood: five lines in ten seconds, and all of them counted', async () => {
    const server = await start(JSON_LOG)
    for (let i = 0; i < 12; i++) await answered(server.port, `\x16\x03${'x'.repeat(10_000)}`)
    expect((await scrape(server.port)).get('roomcast_refusals_total{reason="tls_to_plain_port"}')).toBe(12)
    expect(linesOf(server)).toHaveLength(5)
    expect(server.complaints().length).toBeLessThan(5000)
  })
})

describe('a request that does not come in full', () => {
  test('is answered 408 and told; a connection on which nothing came was refused nothing', async () => {
    const http = createServer({ headersTimeout: 50, requestTimeout: 50, connectionsCheckingInterval: 10 })
    const told: [code: string | undefined, address: string | undefined][] = []
    answerBadHeads(http, ({ code }, address) => told.push([code, address]))
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    const { port } = http.address() as AddressInfo
    /** What is answered to who keeps its side open. */
    const waited = async (bytes: string): Promise<string> => {
      const socket = connectTcp(port, '127.0.0.1')
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.write(bytes)
      await once(socket, 'end')
      socket.destroy()
      return text
    }
    expect(await waited('')).toMatch(/^HTTP\/1\.1 408 /)
    expect(told).toEqual([])
    expect(await waited(GET)).toMatch(/^HTTP\/1\.1 408 (?:.*\r\n)*Error: request_timeout\r\n/)
    expect(told).toEqual([['ERR_HTTP_REQUEST_TIMEOUT', '127.0.0.1']])
    await new Promise((resolve) => http.close(resolve))
  })

  test.each([
    ['ERR_HTTP_REQUEST_TIMEOUT', 'request_timeout', /the client, or its line/],
    ['ERR_TLS_HANDSHAKE_TIMEOUT', 'tls_failed', /the client, or its line/],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'tls_failed', /--tls-cert .*: the certificate/],
    ['ERR_SSL_NO_SHARED_CIPHER', 'tls_failed', /the client/],
    ['HPE_INVALID_CHUNK_SIZE', 'malformed_request', /the client/],
  ])('%s is told as %s', (code, reason, setting) => {
    expect(refusedHead({ code, message: 'no\nline' }, {})).toMatchObject({
      reason,
      setting: expect.stringMatching(setting),
    })
  })

  test.each(['ECONNRESET', 'EPIPE', 'HPE_INVALID_EOF_STATE'])('%s: somebody left', (code) => {
    expect(refusedHead({ code, message: '' }, {})).toBeUndefined()
  })
})

describe('a TLS handshake that does not come in full', () => {
  const HALF_HELLO = Buffer.from([0x16, 3, 1, 0, 200, 1, 0, 0])

  test('is ended, and told; a connection on which nothing came was refused nothing', async () => {
    const read = (what: string): Buffer => readFileSync(pem(what))
    const https = createHttps({ handshakeTimeout: 50, cert: read('cert'), key: read('key') })
    const told: [code: string | undefined, address: string | undefined][] = []
    answerBadHeads(https, ({ code }, address) => told.push([code, address]))
    https.listen(0, '127.0.0.1')
    await once(https, 'listening')
    for (const bytes of [Buffer.alloc(0), HALF_HELLO]) {
      const socket = connectTcp((https.address() as AddressInfo).port, '127.0.0.1')
      socket.write(bytes)
      await once(socket, 'close')
      expect(socket.bytesRead).toBe(0)
    }
    expect(told).toEqual([['ERR_TLS_HANDSHAKE_TIMEOUT', '127.0.0.1']])
    await new Promise((resolve) => https.close(resolve))
  })

  // Ten seconds, as for a head; node's own are 120.
  test('the program waits for it no longer than for a head', async () => {
    const server = await start(WITH_TLS)
    const sockets = [Buffer.alloc(0), HALF_HELLO].map((bytes) => {
      const socket = connectTcp(server.port, '127.0.0.1')
      socket.write(bytes)
      return socket
    })
    await Promise.all(sockets.map((socket) => once(socket, 'close')))
    expect(await lineOf(server, 'tls_failed')).toMatchObject({
      came: 'a TLS handshake that did not come in full',
      expected: 'all of it within 10 s',
      address: '127.0.0.1',
    })
    expect(linesOf(server)).toHaveLength(1)
  })
})

describe('a port with TLS', () => {
  /** Counts of refusals, by reason. */
  async function refusals(server: Server): Promise<Record<string, number>> {
    const answer = get({ host: '127.0.0.1', port: server.port, path: '/metrics', rejectUnauthorized: false })
    const [response] = (await once(answer, 'response')) as [IncomingMessage]
    const text = Buffer.concat(await response.toArray()).toString()
    answer.destroy()
    const lines = text.split('\n')
    const samples = readSamples(lines.filter((line) => line.startsWith('roomcast_refusals_total{')).join('\n'))
    return Object.fromEntries([...samples].map(([name, count]) => [/"(\w+)"/.exec(name)![1]!, count]))
  }

  test('HTTP without TLS, other bytes, and a client of old', async () => {
    const server = await start(WITH_TLS)
    await answered(server.port, `${GET}\r\n`)
    expect(await lineOf(server, 'plain_to_tls_port')).toMatchObject({
      came: expect.stringMatching(/^HTTP without TLS/),
      expected: 'https:// and wss://',
      address: '127.0.0.1',
    })
    await answered(server.port, 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n')
    expect(await lineOf(server, 'tls_failed')).toMatchObject({
      came: expect.stringMatching(/no TLS/),
      setting: expect.stringMatching(/no proxy protocol/),
    })
    await secured(server.port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })
    await eventually(() => linesOf(server).some(({ came }) => came.includes('UNSUPPORTED_PROTOCOL')), 'the third line')
    expect(await refusals(server)).toEqual({ plain_to_tls_port: 1, tls_failed: 2 })
  })
})

describe('ways to connect that are not here', () => {
  const OPEN = [...JSON_LOG, '--allow-anonymous-connect-without-token']

  test.each(['/connection/http_stream', '/connection/sse', '/emulation', '/chat/connection/uni_sse'])(
    'an SDK asks for %s',
    async (path) => {
      const server = await start(OPEN)
      expect((await fetch(`http://127.0.0.1:${server.port}${path}`, { method: 'POST' })).status).toBe(404)
      expect(await lineOf(server, 'unknown_transport')).toMatchObject({
        came: `a request for "${path}"`,
        expected: expect.stringMatching(/a WebSocket/),
        setting: expect.stringMatching(/wss:\/\/<host>\/connection\/websocket, and no list of transports/),
      })
    },
  )

  test('another path that is not there is no line', async () => {
    const server = await start(OPEN)
    expect((await fetch(`http://127.0.0.1:${server.port}/favicon.ico`)).status).toBe(404)
    await scrape(server.port)
    expect(linesOf(server)).toEqual([])
  })

  test.each([
    ['/', ['graphql-ws'], /subprotocols "graphql-ws" alone, at "\/"/, /^none$/],
    [
      '/connection/websocket',
      ['mqtt', 'a.token.of-many-characters'],
      /"mqtt", one of 26 bytes alone/,
      /centrifuge-json/,
    ],
  ])('at %s only subprotocols that are not here: opened with none, and told', async (path, offered, came, expected) => {
    const server = await start(OPEN)
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, offered)
    socket.on('error', () => {})
    const [response] = (await once(socket, 'upgrade')) as [{ statusCode: number; headers: Record<string, string> }]
    expect([response.statusCode, response.headers['sec-websocket-protocol']]).toEqual([101, undefined])
    expect(await lineOf(server, 'unknown_subprotocol')).toMatchObject({
      came: expect.stringMatching(came),
      expected: expect.stringMatching(expected),
    })
    expect(server.complaints()).not.toContain('a.token')
  })

  test('a subprotocol that is here, and one of a client that is refused, is no such line', async () => {
    const server = await start([
      ...JSON_LOG,
      '--client.token.hmac_secret_key',
      'a secret that is long enough for HS256',
    ])
    const sdk = new WebSocket(`ws://127.0.0.1:${server.port}/connection/websocket`, ['x', 'centrifuge-json'])
    await once(sdk, 'open')
    const words = new WebSocket(`ws://127.0.0.1:${server.port}/`, ['x'])
    await once(words, 'error')
    await lineOf(server, 'no_token')
    expect(linesOf(server)).toHaveLength(1)
    for (const socket of [sdk, words]) socket.terminate()
  })

  test('a proxy that takes the upgrade away, at a path that is no SDK’s', async () => {
    const server = await start(OPEN)
    const head =
      'GET / HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
    expect(await answered(server.port, head)).toMatch(/^HTTP\/1\.1 426 (?:.*\r\n)*Error: upgrade_required\r\n/)
    expect(await lineOf(server, 'bad_handshake')).toMatchObject({
      setting: expect.stringMatching(/must pass Upgrade and Connection on/),
    })
    expect((await fetch(`http://127.0.0.1:${server.port}/`)).status).toBe(200)
  })

  test('one more connection than there is place for: whose it was', async () => {
    const server = await start([...JSON_LOG, '--max-connections', '1'])
    const { socket } = await connect(server.port)
    await expect(connect(server.port)).rejects.toThrow()
    expect(await lineOf(server, 'too_many_connections')).toMatchObject({ address: '127.0.0.1' })
    await eventually(() => linesOf(server).length === 1, 'one line')
    socket.terminate()
  })
})
