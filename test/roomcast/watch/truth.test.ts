// What GET /metrics says, against what is known of the clients that caused it: sockets of three protocols, publications by
// socket, HTTP and program, ends of every kind. Exactly, as everything has come to rest when it is asked.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { request, type ServerResponse } from 'node:http'
import { Centrifuge as Json, type Options } from 'centrifuge'
import { Centrifuge as Protobuf } from 'centrifuge/build/protobuf'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { eventually } from '../../support/log.ts'
import type { Client } from '../client.ts'
import { scrape } from './scrape.ts'
import { API_KEY, closeAll, type Line, lineOf, ROOMS, serve, words } from './truth.ts'

const sdks: Json[] = []
afterEach(async () => {
  for (const sdk of sdks.splice(0)) sdk.disconnect()
  await closeAll()
})

/** WebSockets whose lines are put into a list. */
function listing(lines: Line[]): unknown {
  return class extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address, protocols)
      this.once('upgrade', ({ socket }) => lines.push(lineOf(socket)))
    }
  }
}

type Sdk = new (url: string, options: Partial<Options>) => Json

/** An SDK that is in all rooms, and what it hears. */
async function sdk(Sdk: Sdk, port: number, lines: Line[]): Promise<[Json, unknown[]]> {
  const client = new Sdk(`ws://127.0.0.1:${port}/connection/websocket`, { websocket: listing(lines) })
  sdks.push(client)
  const heard: unknown[] = []
  client.connect()
  // Else it would send several commands in one message.
  await client.ready(5000)
  for (const room of ROOMS) {
    const sub = client.newSubscription(room)
    sub.on('publication', ({ data }) => heard.push(data))
    sub.subscribe()
    await sub.ready(5000)
  }
  return [client, heard]
}

async function post(port: number, path: string, body: unknown, headers: Record<string, string>): Promise<void> {
  const init = {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init)
  expect([response.status, await response.text()]).toEqual([200, expect.not.stringContaining('error')])
}

describe('publications by socket, HTTP API and program, to members of three protocols', () => {
  test('messages, bytes and fan-out are what was sent, exactly', async () => {
    const { roomcast, port } = await serve()
    const lines: Line[] = []
    const speakers = [await words(port, lines), await words(port, lines), await words(port, lines)]
    const [json, protobuf] = [await sdk(Json, port, lines), await sdk(Protobuf as never as Sdk, port, lines)]
    const members = 5
    const says = 4
    const [speaker] = speakers[0]!
    for (const room of ROOMS) {
      for (let i = 0; i < says; i++) {
        speaker.send({ say: i, to: room, ref: i })
        await json[0].publish(room, { i })
        await protobuf[0].publish(room, new TextEncoder().encode(`${i}`))
        await roomcast.rooms.publish(room, `${i}`)
        await post(port, '/api/publish', { channel: room, data: i }, { 'x-api-key': API_KEY })
        await post(port, `/channels/${room}`, i, { authorization: `Bearer ${roomcast.token}` })
      }
    }
    // These reach nobody: no member is here.
    for (const room of ['kept:empty', 'plain:empty']) await roomcast.rooms.publish(room, '0')
    const published = 6 * says
    const heard = [...speakers, json, protobuf].map(([, all]) => all)
    const expected = ROOMS.length * published
    const acks = ROOMS.length * says
    await eventually(() => heard.every((all, i) => all.length === expected + (i === 0 ? acks : 0)))

    const samples = await scrape(port)
    for (const namespace of ['kept', 'plain']) {
      const of = (name: string): number | undefined =>
        samples.get(`roomcast_fanout_members_${name}{namespace="${namespace}"}`)
      expect([of('count'), of('sum')], namespace).toEqual([published, published * members])
    }
    const commands = 2 * (1 + ROOMS.length)
    const joins = speakers.length * ROOMS.length
    const said = ROOMS.length * says * 3
    expect(samples.get('roomcast_messages_received_total')).toBe(commands + joins + said)
    expect(samples.get('roomcast_messages_sent_total')).toBe(
      commands + joins + said + ROOMS.length * published * members,
    )
    // What was sent is all that the clients read; what came is all that they wrote after their requests.
    expect(lines).toHaveLength(members)
    const sum = (of: (line: Line) => number): number => lines.reduce((all, line) => all + of(line), 0)
    expect(samples.get('roomcast_sent_bytes_total')).toBe(sum(({ tcp }) => tcp.bytesRead))
    expect(samples.get('roomcast_received_bytes_total')).toBe(
      sum(({ tcp, requestBytes }) => tcp.bytesWritten - requestBytes),
    )
  })
})

describe('ends of every kind', () => {
  test('whoever came and went between two scrapes is counted, and every gauge is back at nothing', async () => {
    const { roomcast, port } = await serve({ maxMessageBytes: 100_000 })
    const before = await scrape(port)
    expect(before.get('roomcast_sockets')).toBe(0)
    const join = async (): Promise<Client> => (await words(port))[0]
    for (let i = 0; i < 3; i++) (await join()).socket.close()
    for (let i = 0; i < 2; i++) (await join()).socket.close(1001)
    ;(await join()).socket.close(4711)
    ;(await join()).socket.terminate()
    const large = await join()
    large.socket.send('x'.repeat(100_001))
    expect((await large.closed).code).toBe(1009)
    const senseless = await join()
    senseless.socket.send('no json')
    expect((await senseless.closed).code).toBe(3000)
    for (let i = 0; i < 4; i++) {
      const refused = new WebSocket(`ws://127.0.0.1:${port}/`, { origin: 'https://evil.example' })
      await once(refused, 'error')
    }
    await eventually(() => Object.values(roomcast.stats().closes).reduce((all, one) => all + one, 0) === 9)
    const samples = await scrape(port)
    const closes = [...samples].filter(([name, count]) => name.startsWith('roomcast_closes_total') && count > 0)
    expect(Object.fromEntries(closes)).toEqual({
      'roomcast_closes_total{by="peer",code="1005"}': 3,
      'roomcast_closes_total{by="peer",code="1001"}': 2,
      'roomcast_closes_total{by="peer",code="other"}': 1,
      'roomcast_closes_total{by="network",code="1006"}': 1,
      'roomcast_closes_total{by="server",code="1009"}': 1,
      'roomcast_closes_total{by="server",code="3000"}': 1,
    })
    expect(samples.get('roomcast_handshakes_total{outcome="accepted"}')).toBe(9)
    expect(samples.get('roomcast_handshakes_total{outcome="refused"}')).toBe(4)
    expect(samples.get('roomcast_limits_hit_total{limit="maxMessageBytes"}')).toBe(1)
    const refusals = [...samples].filter(([name, count]) => name.startsWith('roomcast_refusals_total') && count > 0)
    expect(Object.fromEntries(refusals)).toEqual({
      'roomcast_refusals_total{reason="origin_not_allowed"}': 4,
      'roomcast_refusals_total{reason="message_too_large"}': 1,
      'roomcast_refusals_total{reason="not_json"}': 1,
    })
    for (const name of [
      'sockets',
      'clients',
      'rooms',
      'members',
      'handshakes_pending',
      'queued_bytes',
      'queued_sockets',
    ])
      expect(samples.get(`roomcast_${name}`), name).toBe(0)
  })
})

describe('HTTP requests', () => {
  test('each that was answered is counted, with its status; one whose client left before is not', async () => {
    const { port } = await serve()
    const api = { 'x-api-key': API_KEY }
    const get = (path: string, init: RequestInit = {}): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}${path}`, init)
    for (const path of ['/', '/', '/nothing/here', '/healthz', '/readyz', '/stats']) await get(path)
    await get('/connection/websocket')
    await get('/api/nothing', { method: 'POST', headers: api, body: '{}' })
    await get('/api/info', { method: 'POST', body: '{}' })
    await get('/channels/lobby', { method: 'POST', body: '{}' })
    const expecting = request({ port, host: '127.0.0.1', headers: { expect: 'something' } }).end()
    const [answer] = await once(expecting, 'response')
    answer.resume()
    // It gets its 100, and goes.
    const headers = { ...api, expect: '100-continue', 'content-length': 100 }
    const left = request({ port, host: '127.0.0.1', method: 'POST', path: '/api/publish', headers })
    left.on('error', () => {})
    const responses: ServerResponse[] = []
    const hear = (event: unknown): void => void responses.push((event as { response: ServerResponse }).response)
    subscribe('http.server.request.start', hear)
    left.flushHeaders()
    await once(left, 'continue')
    unsubscribe('http.server.request.start', hear)
    const gone = once(responses[0]!, 'close')
    left.destroy()
    await gone
    const samples = await scrape(port)
    const requests = [...samples].filter(([name]) => name.startsWith('roomcast_http_requests_total'))
    const of = (route: string, status: number): string =>
      `roomcast_http_requests_total{route="${route}",status="${status}"}`
    expect(Object.fromEntries(requests)).toEqual({
      [of('page', 200)]: 2,
      [of('page', 404)]: 1,
      [of('page', 417)]: 1,
      [of('/healthz', 200)]: 1,
      [of('/readyz', 200)]: 1,
      [of('/stats', 200)]: 1,
      [of('/connection/websocket', 426)]: 1,
      [of('/api', 404)]: 1,
      [of('/api', 401)]: 1,
      [of('/channels', 401)]: 1,
    })
  })
})
