// What GET /metrics says of clients that do not read, and of a server that is about to end.

import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { eventually } from '../../support/log.ts'
import { connect } from '../client.ts'
import { readSamples, type Samples, scrape } from './scrape.ts'
import { closeAll, serve, words } from './truth.ts'

afterEach(closeAll)

describe('what waits', () => {
  test('what is on its way in this turn is not taken for what waits', async () => {
    const { roomcast, port } = await serve()
    const members = [await words(port), await words(port), await words(port)]
    void roomcast.rooms.publish('plain:room', '"x"')
    const samples = readSamples((await roomcast.metrics()).text)
    expect(samples.get('roomcast_queued_bytes')).toBe(0)
    expect(samples.get('roomcast_queued_sockets')).toBe(0)
    await eventually(() => members.every(([, heard]) => heard.length === 1))
  })

  test('a client that does not read: its bytes, its end, and nothing left of it', async () => {
    const { roomcast, port } = await serve({ maxBufferedBytes: 65_536, memberPatienceMs: 1 })
    const [slow] = await words(port)
    const [quick, heard] = await words(port)
    slow.socket.pause()
    const samples = async (): Promise<Samples> => readSamples((await roomcast.metrics()).text)
    let sent = 0
    const say = async (): Promise<void> => {
      await roomcast.rooms.publish('plain:room', JSON.stringify('x'.repeat(30_000)))
      sent++
      // Else it would be as slow: publishing alone lets nobody read.
      await eventually(() => heard.length === sent)
    }
    while ((await samples()).get('roomcast_queued_bytes') === 0) await say()
    expect((await samples()).get('roomcast_queued_sockets')).toBe(1)
    while (roomcast.stats().limits.maxBufferedBytes === undefined) await say()
    slow.socket.terminate()
    await eventually(() => roomcast.stats().closes[4008] === 1)
    const after = await samples()
    expect(after.get('roomcast_closes_total{by="server",code="4008"}')).toBe(1)
    expect(after.get('roomcast_limits_hit_total{limit="maxBufferedBytes"}')).toBe(1)
    expect(after.get('roomcast_refusals_total{reason="slow_consumer"}')).toBe(1)
    const published = after.get('roomcast_fanout_members_count{namespace="plain"}')
    expect(published).toBe(sent)
    for (const name of [
      'queued_bytes',
      'queued_sockets',
      'queued_oldest_seconds',
      'waiting_publications',
      'waiting_bytes',
    ])
      expect(after.get(`roomcast_${name}`), name).toBe(0)
    expect([after.get('roomcast_sockets'), after.get('roomcast_clients')]).toEqual([1, 1])
    quick.socket.terminate()
  })
})

describe('a drain', () => {
  test('answers while it is put off, and the figures outlive the server', async () => {
    const { roomcast, port } = await serve({ drainDelayMs: 60_000 })
    // Two are in no room.
    const clients = [await connect(port), await connect(port), (await words(port))[0]]
    expect((await scrape(port)).get('roomcast_clients')).toBe(3)
    const drained = roomcast.drain()
    const during = await scrape(port)
    expect(during.get('roomcast_status{status="draining"}')).toBe(1)
    expect(during.get('roomcast_sockets')).toBe(3)
    await Promise.all([roomcast.close(), drained, ...clients.map(({ closed }) => closed)])
    // It is closed: a program that embeds it can still ask.
    const after = readSamples((await roomcast.metrics()).text)
    expect(after.get('roomcast_closes_total{by="server",code="1001"}')).toBe(3)
    for (const name of ['sockets', 'clients', 'rooms', 'members']) expect(after.get(`roomcast_${name}`), name).toBe(0)
  })

  test('refuses who comes meanwhile, which is counted once', async () => {
    const { roomcast, port } = await serve()
    const [client] = await words(port)
    client.socket.pause()
    const draining = roomcast.drain()
    for (let i = 0; i < 3; i++) await once(new WebSocket(`ws://127.0.0.1:${port}/`), 'error')
    const samples = await scrape(port)
    expect(samples.get('roomcast_refusals_total{reason="draining"}')).toBe(3)
    expect(samples.get('roomcast_handshakes_total{outcome="refused"}')).toBe(3)
    expect(samples.get('roomcast_handshakes_total{outcome="accepted"}')).toBe(1)
    client.socket.resume()
    expect(await draining).toEqual({ closed: 1, terminated: 0 })
    expect((await scrape(port)).get('roomcast_closes_total{by="server",code="1012"}')).toBe(1)
  })
})
