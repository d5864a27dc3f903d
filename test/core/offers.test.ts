// Clients that know other protocols offer them with every request: Java's and curl's HTTP client offer `h2c`. Who does not
// take an offer answers as if there had been none (RFC 9110 §7.8), and only an offer of WebSocket is a matter of ours.

import { createServer as createHttpServer, type Server as HttpServer, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import { cleanUp, type TestServer } from '../support/core-server.ts'
import { Log } from '../support/log.ts'
import { handshakeText, RawClient, type Response } from '../support/raw-client.ts'
import { ATTACHED, attachTo, closePlaces, host, OWN, portOf } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

/** Offers of another version of HTTP, as clients write them. */
const HTTP_OFFERS = ['h2c', 'H2C', 'h2c, foo', 'foo, h2c', 'TLS/1.0', 'TLS/1.2, HTTP/1.1', 'HTTP/2.0']

function request(method: string, offer: string, body = ''): string {
  const lines = [`${method} /page HTTP/1.1`, 'Host: localhost', `Upgrade: ${offer}`]
  lines.push('Connection: Upgrade, HTTP2-Settings', 'HTTP2-Settings: AAMAAABkAAQAAP__')
  if (body !== '') lines.push(`Content-Length: ${body.length}`)
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

/** An application that tells what it was asked. */
async function app({ tls = false } = {}): Promise<HttpServer> {
  const web = await host({ tls })
  web.removeAllListeners('request')
  return web.on('request', (asked, response) => {
    let body = ''
    asked.on('data', (chunk) => (body += chunk))
    asked.on('end', () => response.end(`${asked.method} ${asked.url} ${body}`.trim()))
  })
}

/** Another listener for upgrades, which answers what it is given. */
function foreign(web: HttpServer): Log<string> {
  const offers = new Log<string>('offers')
  web.on('upgrade', (asked: IncomingMessage, socket: Duplex) => {
    if (asked.url === '/') return
    offers.push(asked.headers.upgrade ?? '')
    socket.on('error', () => {}).end('HTTP/1.1 299 Other\r\nContent-Length: 0\r\n\r\n')
  })
  return offers
}

describe.each(OWN)('$name', (place) => {
  const ROWS = HTTP_OFFERS.flatMap((offer) => [
    [offer, 'GET', ''],
    [offer, 'POST', '{"a":1}'],
  ])

  test.each(ROWS)('an offer of %s with %s is answered 426, as any request', async (offer, method, body) => {
    const server = await place.serve()
    const client = await server.tcp()
    client.write(request(method!, offer!, body))
    expect(await client.response()).toMatchObject({ status: 426, headers: { upgrade: 'websocket' } })
    await client.ended()
    expect(server.server.stats().rejections).toEqual({ 426: 1 })
  })
})

/** What a client gets for a request and, on the same connection, for the next. */
async function two(server: TestServer, offer: string): Promise<Response[]> {
  const client = await server.tcp()
  client.write(request('POST', offer, 'first'))
  await client.responses.at(0)
  client.write(request('GET', offer))
  await client.responses.at(1)
  client.write('GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n')
  return client.responses.count(3)
}

const THREE = ['POST /page first', 'GET /page', 'GET /plain']

describe.each([false, true])('attached (https: %s)', (tls) => {
  test.each(HTTP_OFFERS)('an offer of %s: the application answers, bodies and further requests too', async (offer) => {
    const server = attachTo(await app({ tls }), {}, tls)
    expect((await two(server, offer)).map(({ status, body }) => [status, body])).toEqual(THREE.map((one) => [200, one]))
    expect(server.server.stats().rejections).toEqual({})
  })

  test.each(HTTP_OFFERS)('an offer of %s beside another upgrade listener: neither is asked', async (offer) => {
    const web = await app({ tls })
    const offers = foreign(web)
    const server = attachTo(web, {}, tls)
    expect((await two(server, offer)).map(({ body }) => body)).toEqual(THREE)
    expect(offers.all).toEqual([])
    expect(server.server.stats().rejections).toEqual({})
  })

  test.each(['foo', 'foo, bar', 'websockets', 'x-websocket', 'notwebsocket'])(
    'an offer of %s: an ordinary request, or a matter of another upgrade listener when there is one',
    async (offer) => {
      const web = await app({ tls })
      const server = attachTo(web, {}, tls)
      expect((await two(server, offer)).map(({ body }) => body)).toEqual(THREE)
      const offers = foreign(web)
      const client = await server.tcp()
      client.write(request('GET', offer))
      expect((await client.response()).status).toBe(299)
      expect(offers.all).toEqual([offer])
      expect(server.server.stats().rejections).toEqual({})
    },
  )
})

describe.each([...OWN, ...ATTACHED])('$name', (place) => {
  test.each(['websocket', 'WebSocket', 'websocket, h2c', 'h2c, websocket', 'foo,WEBSOCKET', 'HTTP/2.0, websocket'])(
    'an offer of %s opens',
    async (offer) => {
      const server = await place.serve()
      const { client } = await server.connect({ headers: { Upgrade: offer } })
      client.say('hello')
      await server.messages.count(1)
    },
  )

  test('an offer that is no upgrade, then an upgrade on the same connection', async () => {
    const server = await place.serve()
    const client = await server.tcp()
    client.write(request('POST', 'h2c', 'first'))
    const { status } = await client.response()
    if (status === 426) return
    client.write(handshakeText())
    expect((await client.responses.at(1)).status).toBe(101)
  })
})

test.each(['', 'Upgrade: h2c\r\nConnection: Upgrade\r\n', 'Upgrade: websocket\r\nConnection: Upgrade\r\n'])(
  'CONNECT is what it was: %j',
  async (lines) => {
    const web = await app()
    const connects: string[] = []
    web.on('connect', (asked: IncomingMessage, socket: Duplex) => {
      connects.push(asked.url ?? '')
      socket.on('error', () => {}).end('HTTP/1.1 299 Tunnel\r\nContent-Length: 0\r\n\r\n')
    })
    const server = attachTo(web)
    const client = await RawClient.connect({ port: portOf(web) })
    client.write(`CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n${lines}\r\n`)
    expect((await client.response()).status).toBe(299)
    expect(connects).toEqual(['a:1'])
    expect(server.server.stats().rejections).toEqual({})
  },
)

test('requests stay of the class that the application chose', async () => {
  class Mine extends IncomingMessage {
    readonly mine = true
  }
  const web = createHttpServer({ IncomingMessage: Mine }, (asked, response) => response.end(`${asked.mine}`))
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', () => resolve()))
  const server = attachTo(web)
  const client = await server.tcp()
  client.write(request('GET', 'h2c'))
  expect((await client.response()).body).toBe('true')
  await server.connect()
  web.close()
})

test('once ours is closed, offers are again what node and the others make of them', async () => {
  const web = await app()
  const offers = foreign(web)
  const server = attachTo(web)
  await server.server.close()
  const client = await server.tcp()
  client.write(request('GET', 'h2c'))
  expect((await client.response()).status).toBe(299)
  expect(offers.all).toEqual(['h2c'])
})
