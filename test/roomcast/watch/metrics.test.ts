// GET /metrics: what is in it, who may read it, that no name of a room or a user is in it, and that the guide speaks
// of what is there.

import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createConnection } from 'node:net'
import { memoryStore } from '@roomcast/rooms'
import { createRoomcast, type Roomcast, type RoomcastOptions } from 'roomcast'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { METRICS } from '../../../packages/roomcast/src/watch/metric-table.ts'
import { createMetrics } from '../../../packages/roomcast/src/watch/metrics.ts'
import { eventually, nextTurn } from '../../support/log.ts'
import { connect } from '../client.ts'
import { readSamples, scrape } from './scrape.ts'

const PACKAGE = new URL('../../../packages/roomcast/', import.meta.url)
const open: Roomcast[] = []
afterEach(async () => {
  for (const roomcast of open.splice(0)) await roomcast.close()
})

async function serve(options: RoomcastOptions = {}): Promise<{ roomcast: Roomcast; port: number }> {
  const roomcast = createRoomcast({ port: 0, host: '127.0.0.1', ...options })
  open.push(roomcast)
  return { roomcast, port: (await roomcast.listen()).port }
}

/** The status of GET /metrics with these headers; fetch sets Host by itself. */
async function statusOf(port: number, headers: Record<string, string>, method = 'GET'): Promise<number> {
  const asked = request({ port, host: '127.0.0.1', path: '/metrics', headers, method }).end()
  const [answer] = await once(asked, 'response')
  answer.resume()
  return answer.statusCode
}

/** The first line of the answer to these bytes. */
async function statusLine(port: number, bytes: string): Promise<string> {
  const socket = createConnection({ port, host: '127.0.0.1' })
  socket.write(bytes)
  const [chunk] = await once(socket, 'data')
  socket.destroy()
  return `${chunk}`.split('\r\n', 1)[0]!
}

const historyOf = {
  historySize: 10,
  historyTtlMs: 60_000,
  allowSubscribeForClient: true,
  allowSubscribeForAnonymous: true,
}

describe('what is in it', () => {
  test('sockets, messages, bytes, fan-out, closes, refusals, requests', async () => {
    const { port } = await serve({ namespaces: { news: historyOf, '': historyOf }, insecure: true })
    const [one, other] = [await connect(port), await connect(port)]
    for (const client of [one, other]) {
      await client.ask({ join: 'news:secret-room' })
      await client.ask({ join: 'lobby' })
    }
    await one.ask({ say: 'hello', to: 'news:secret-room' })
    const refused = new WebSocket(`ws://127.0.0.1:${port}/`, { origin: 'https://evil.example' })
    await once(refused, 'error')
    let samples = await scrape(port)
    const of = (name: string): number | undefined => samples.get(name)
    expect(of('roomcast_sockets')).toBe(2)
    expect(of('roomcast_clients')).toBe(2)
    expect(of('roomcast_rooms')).toBe(2)
    expect(of('roomcast_members')).toBe(4)
    expect(of('roomcast_status{status="ready"}')).toBe(1)
    expect(of('roomcast_store_status{status="ready"}')).toBe(1)
    expect(of('roomcast_handshakes_total{outcome="accepted"}')).toBe(2)
    expect(of('roomcast_handshakes_total{outcome="refused"}')).toBe(1)
    expect(of('roomcast_refusals_total{reason="origin_not_allowed"}')).toBe(1)
    expect(of('roomcast_messages_received_total')).toBe(5)
    expect(of('roomcast_messages_sent_total')).toBeGreaterThanOrEqual(7)
    expect(of('roomcast_received_bytes_total')).toBeGreaterThan(100)
    expect(of('roomcast_sent_bytes_total')).toBeGreaterThan(100)
    expect(of('roomcast_fanout_members_sum{namespace="news"}')).toBe(2)
    expect(of('roomcast_fanout_members_count{namespace="news"}')).toBe(1)
    expect(of('roomcast_store_call_seconds_count{call="publish"}')).toBe(1)
    for (const name of [
      'queued_bytes',
      'queued_sockets',
      'queued_oldest_seconds',
      'waiting_bytes',
      'store_lag_seconds',
    ]) {
      expect(of(`roomcast_${name}`), name).toBe(0)
    }
    expect(of('process_resident_memory_bytes')).toBeGreaterThan(2 ** 20)
    one.socket.close(4711)
    other.socket.terminate()
    await Promise.all([one.closed, other.closed])
    await eventually(() => open[0]!.stats().sockets === 0)
    samples = await scrape(port)
    expect(of('roomcast_closes_total{by="peer",code="other"}')).toBe(1)
    expect(of('roomcast_closes_total{by="network",code="1006"}')).toBe(1)
    expect(of('roomcast_http_requests_total{route="/metrics",status="200"}')).toBe(1)
  })

  test('a room and a user are in no label, whatever they are called', async () => {
    const { roomcast, port } = await serve({
      insecure: true,
      logger: { warn() {} },
      authenticate: ({ token }) => ({ user: token }),
      subscribe: (_, room) => (room.includes('forbidden') ? undefined : {}),
    })
    const client = await connect(port, { path: '/?token=secret-user' })
    // Without configured namespaces clients invent what is before the colon.
    for (const room of ['secret-ns:secret-room', 'secret', 'forbidden:secret']) await client.ask({ join: room })
    await client.ask({ say: 1, to: 'secret-ns:secret-room' })
    const { text } = await roomcast.metrics()
    expect(readSamples(text).get('roomcast_fanout_members_count{namespace=""}')).toBe(1)
    expect(readSamples(text).get('roomcast_refusals_total{reason="refused_by_subscribe"}')).toBe(1)
    expect(text).not.toMatch(/secret/)
  })

  test('limits hit; what waits for a slow socket, and since when', async () => {
    const { roomcast, port } = await serve({ maxMessageBytes: 100_000, memberPatienceMs: 60_000 })
    const large = await connect(port)
    large.socket.send('x'.repeat(100_001))
    await large.closed
    const slow = await connect(port)
    await slow.ask({ join: 'lobby' })
    slow.socket.pause()
    const waits = async (): Promise<number> =>
      readSamples((await roomcast.metrics()).text).get('roomcast_queued_bytes')!
    for (let i = 0; i < 1000 && (await waits()) < 500_000; i++) void roomcast.rooms.publish('lobby', 'x'.repeat(60_000))
    const samples = readSamples((await roomcast.metrics()).text)
    expect(samples.get('roomcast_queued_sockets')).toBe(1)
    expect(samples.get('roomcast_queued_oldest_seconds')).toBeGreaterThan(0)
    expect(samples.get('roomcast_limits_hit_total{limit="maxMessageBytes"}')).toBe(1)
    expect(samples.get('roomcast_closes_total{by="server",code="1009"}')).toBe(1)
    slow.socket.terminate()
  })

  test('what a store counts has its place, and what it does not count is left out', async () => {
    const counts = { published: 1, received: 2, delivered: 3, echoes: 4, dropped: 5, invalid: 6 }
    const stats = { ...counts, gaps: 7, reconnects: 8, queued: 9, forgotten: 10, calls: 11 }
    const { roomcast } = await serve({ store: Object.assign(memoryStore(), { stats: () => stats }) })
    const samples = readSamples((await roomcast.metrics()).text)
    for (const [fate, count] of Object.entries(counts))
      expect(samples.get(`roomcast_bus_messages_total{fate="${fate}"}`)).toBe(count)
    const of = (name: string): number | undefined => samples.get(`roomcast_bus_${name}`)
    const others = ['gaps_total', 'reconnects_total', 'queued_messages', 'forgotten_positions_total']
    expect(others.map(of)).toEqual([7, 8, 9, 10])
    const { roomcast: plain } = await serve()
    expect((await plain.metrics()).text).not.toMatch(/^roomcast_bus_messages_total/m)
  })

  test('two servers in one process count for themselves', async () => {
    const [one, other] = [await serve(), await serve()]
    const client = await connect(one.port)
    expect((await scrape(one.port)).get('roomcast_handshakes_total{outcome="accepted"}')).toBe(1)
    expect((await scrape(other.port)).get('roomcast_handshakes_total{outcome="accepted"}')).toBe(0)
    client.socket.close()
  })
})

describe('what Prometheus needs', () => {
  test('what an alert is about is there at 0 before it happens, or its first time would be no increase', async () => {
    const { port } = await serve({ namespaces: { news: historyOf }, insecure: true })
    const samples = await scrape(port)
    for (const name of [
      'handshakes_total{outcome="accepted"}',
      'handshakes_total{outcome="refused"}',
      'closes_total{by="server",code="4008"}',
      'closes_total{by="network",code="1006"}',
      'limits_hit_total{limit="maxBufferedBytes"}',
      'limits_hit_total{limit="maxTotalBytes"}',
      'gaps_total{namespace="news"}',
      'gaps_total{namespace=""}',
      'store_errors_total{call="publish"}',
    ])
      expect([name, samples.get(`roomcast_${name}`)]).toEqual([name, 0])
    const limits = [...samples.keys()].filter((name) => name.startsWith('roomcast_limits_hit_total'))
    expect(limits.join()).not.toMatch(/slice|idle|slowConsumer/)
  })

  test('every status is there, and one of them is 1', async () => {
    const { roomcast, port } = await serve()
    const statuses = async (name: string): Promise<object> =>
      Object.fromEntries(
        [...(await scrape(port))].flatMap(([sample, value]) => {
          const [, status] = new RegExp(`^${name}{status="(.*)"}$`).exec(sample) ?? []
          return status === undefined ? [] : [[status, value]]
        }),
      )
    const none = { ready: 0, draining: 0, connecting: 0, degraded: 0 }
    expect(await statuses('roomcast_status')).toEqual({ ...none, ready: 1 })
    expect(await statuses('roomcast_store_status')).toEqual({ connecting: 0, ready: 1, degraded: 0, closed: 0 })
    await roomcast.drain()
    expect(await statuses('roomcast_status')).toEqual({ ...none, draining: 1 })
  })

  test('two who ask are told the same, whoever comes first; HEAD takes nothing either', async () => {
    const { port } = await serve()
    await scrape(port)
    const end = performance.now() + 200
    while (performance.now() < end);
    await nextTurn()
    await statusOf(port, { host: 'localhost' }, 'HEAD')
    for (const samples of [await scrape(port), await scrape(port)]) {
      const of = (name: string): number => samples.get(`roomcast_event_loop_${name}`)!
      expect(of('delay_seconds_count') - of('delay_seconds_bucket{le="0.1"}')).toBeGreaterThanOrEqual(1)
      expect(of('active_seconds_total')).toBeGreaterThan(0.2)
    }
    const both = await Promise.all([scrape(port), scrape(port)])
    expect(both.map((samples) => samples.size)).toEqual([both[0]!.size, both[0]!.size])
  })

  test('the start of the process stays what it is when the clock of the system is set', async () => {
    const { roomcast } = await serve()
    const started = async (): Promise<number> =>
      readSamples((await roomcast.metrics()).text).get('process_start_time_seconds')!
    const before = await started()
    const now = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 5000)
    expect(await started()).toBe(before)
    now.mockRestore()
  })
})

describe('as it is written', () => {
  const accepts = ['*/*', 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5', 'text/html']
  test.each(accepts)('text of version 0.0.4, as it is, for who accepts %s', async (accept) => {
    const { port } = await serve()
    const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { accept, 'accept-encoding': 'gzip' } })
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(response.headers.get('content-encoding')).toBe(null)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const text = await response.text()
    expect(Number(response.headers.get('content-length'))).toBe(Buffer.byteLength(text))
    for (const [name, { kind, help }] of Object.entries(METRICS)) {
      expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`)
    }
  })

  test.each(Object.entries(METRICS))('%s is named as Prometheus advises', (name, row) => {
    const { kind, help, labels = [], buckets = [] } = row
    expect(name).toMatch(/^(?:roomcast|process|nodejs)_[a-z_]+$/)
    expect(name.endsWith('_total')).toBe(kind === 'counter')
    // Base units alone; what is counted comes before the `total`.
    expect(name).not.toMatch(/_(?:ms|millis\w*|kb|mb|kib|mib|percent|count|sum|bucket)(?:_|$)/)
    expect(help).toMatch(/^[A-Z0-9].*\.$/)
    expect(
      labels.filter((label) => !/^[a-z]+$/.test(label) || /^(?:room|user|client|address|le)$/.test(label)),
    ).toEqual([])
    expect(buckets).toEqual([...buckets].sort((a, b) => a - b))
    expect(buckets.length > 0).toBe(kind === 'histogram')
  })
})

describe('who may read it', () => {
  const KEY = 'scrape-me'
  const here = { host: 'localhost' }
  const cases: [title: string, key: string | undefined, headers: Record<string, string>, status: number][] = [
    ['without a key: this machine', undefined, here, 200],
    ['without a key: through a proxy', undefined, { ...here, 'x-forwarded-for': '192.0.2.1' }, 403],
    ['without a key: through a proxy of another kind', undefined, { ...here, via: '1.1 proxy' }, 403],
    [
      'without a key: through a proxy that tells the scheme alone',
      undefined,
      { ...here, 'x-forwarded-proto': 'https' },
      403,
    ],
    ['without a key: through a network', undefined, { ...here, 'cf-connecting-ip': '192.0.2.1' }, 403],
    ['without a key: as nginx with HTTP/1.1 asks', undefined, { ...here, connection: 'close' }, 403],
    ['without a key: as nginx asks that is set up for WebSockets', undefined, { ...here, connection: 'upgrade' }, 403],
    ['without a key: another host', undefined, { host: 'chat.example' }, 403],
    ['with a key: nobody without it', KEY, here, 401],
    ['with a key: not with another', KEY, { ...here, authorization: 'Bearer scrape-you' }, 401],
    ['with a key: from everywhere', KEY, { host: 'chat.example', via: 'x', authorization: `Bearer ${KEY}` }, 200],
    ['the key of the other API is none', KEY, { ...here, authorization: 'Bearer other' }, 401],
  ]
  test.each(cases)('%s', async (_, metricsKey, headers, status) => {
    const { port } = await serve({ metricsKey, token: 'other', insecure: true })
    expect(await statusOf(port, headers)).toBe(status)
  })

  test('without a key: not as nginx asks that is told nothing', async () => {
    const { port } = await serve()
    const head = (version: string, connection: string): string =>
      `GET /metrics HTTP/${version}\r\nHost: 127.0.0.1:${port}\r\nConnection: ${connection}\r\nAccept: */*\r\n\r\n`
    expect(await statusLine(port, head('1.0', 'close'))).toBe('HTTP/1.1 403 Forbidden')
    expect(await statusLine(port, head('1.1', 'Keep-Alive'))).toBe('HTTP/1.1 200 OK')
  })

  test('only reading', async () => {
    const { port } = await serve()
    expect(await statusOf(port, here, 'POST')).toBe(405)
    expect(await statusOf(port, here, 'HEAD')).toBe(200)
  })

  test('a key is checked at the call', () => {
    expect(() => createRoomcast({ metricsKey: 'a b' })).toThrow(RangeError)
    expect(() => createRoomcast({ metricsKey: 1 as never })).toThrow(TypeError)
  })
})

describe('names', () => {
  const read = (name: string): string => readFileSync(new URL(name, PACKAGE), 'utf8')

  test('the guide has exactly these', () => {
    const rows = [
      ...read('../../docs/operating.md').matchAll(
        /^\| `((?:roomcast|process|nodejs)_[a-z_]+)` *\| (\w+) +\| ([^|]*?) *\| (.*?) *\|$/gm,
      ),
    ]
    const told = Object.fromEntries(rows.map(([, name, ...rest]) => [name, rest]))
    const made = Object.entries(METRICS).map(([name, { kind, labels = [], help }]) => [
      name,
      [kind, labels.map((label) => `\`${label}\``).join(', '), help],
    ])
    expect(told).toEqual(Object.fromEntries(made))
  })

  test('the sources count and set only what is in the table, and with its labels', () => {
    const folder = new URL('src/watch/', PACKAGE)
    const names = readdirSync(folder)
      .filter((file) => file !== 'metric-table.ts')
      .flatMap(
        (file) => readFileSync(new URL(file, folder), 'utf8').match(/'(?:roomcast|process|nodejs)_[a-z_]+'/g) ?? [],
      )
    expect(new Set(names)).toEqual(new Set(Object.keys(METRICS).map((name) => `'${name}'`)))
    const metrics = createMetrics()
    expect(() => metrics.count('roomcast_closes_total', { room: 'x' })).toThrow(/room/)
  })
})
