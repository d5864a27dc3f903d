// What GET /metrics says of two servers behind one Redis, against what was published, lost and killed.

import { createRedisStore } from '@roomcast/redis-bridge'
import { createRoomcast, type Roomcast } from 'roomcast'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { FaultProxy } from '../../support/fault-proxy.ts'
import { eventually } from '../../support/log.ts'
import { describeRedis, RedisServer, until } from '../../support/redis.ts'
import { connect } from '../client.ts'
import { readSamples, type Samples } from './scrape.ts'

const TIMEOUT_MS = 60_000

interface Node {
  readonly roomcast: Roomcast
  readonly port: number
  readonly samples: () => Promise<Samples>
  readonly of: (name: string) => Promise<number | undefined>
}

describeRedis('what metrics say of Redis', () => {
  let redis: RedisServer
  let proxy: FaultProxy
  const open: Roomcast[] = []
  beforeAll(async () => {
    redis = await RedisServer.start({ tcp: true })
    proxy = await FaultProxy.start(redis.port)
  })
  afterEach(async () => {
    for (const roomcast of open.splice(0)) await roomcast.close()
    if (!redis.alive) await redis.boot()
  })
  afterAll(async () => {
    await proxy?.close()
    await redis?.stop()
  })

  async function node(url: string): Promise<Node> {
    const all = { allowSubscribeForClient: true, allowSubscribeForAnonymous: true }
    const roomcast = createRoomcast({
      ...{ port: 0, host: '127.0.0.1', insecure: true, logger: { warn() {} } },
      namespaces: { plain: all, kept: { ...all, historySize: 100, historyTtlMs: 60_000 } },
      store: createRedisStore({ url, prefix: 'truth', onError: () => {} }),
    })
    open.push(roomcast)
    const { port } = await roomcast.listen()
    const samples = async (): Promise<Samples> => readSamples((await roomcast.metrics()).text)
    const of = async (name: string): Promise<number | undefined> => (await samples()).get(`roomcast_${name}`)
    await until('the store to be ready', async () => (await of('store_status{status="ready"}')) === 1)
    return { roomcast, port, samples, of }
  }

  /** A member of both rooms, and what it hears. */
  async function member({ port }: Node): Promise<unknown[]> {
    const client = await connect(port)
    const heard: unknown[] = []
    for (const room of ['plain:room', 'kept:room']) await client.ask({ join: room })
    client.socket.on('message', (data) => heard.push(JSON.parse(`${data}`)))
    return heard
  }

  const publish = async ({ roomcast }: Node, room: string, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await roomcast.rooms.publish(room, `${i}`)
  }

  test(
    'publications, one by one; what was lost on the way, as a gap or read again',
    async () => {
      const [here, there] = [await node(redis.url), await node(proxy.url)]
      const heard = [await member(here), await member(there), await member(there)]
      await publish(here, 'plain:room', 5)
      await publish(here, 'kept:room', 4)
      await publish(there, 'kept:room', 2)
      await eventually(() => heard.every((all) => all.length === 11))
      for (const [server, members] of [
        [here, 1],
        [there, 2],
      ] as const) {
        const samples = await server.samples()
        const fanout = (namespace: string): (number | undefined)[] =>
          ['count', 'sum'].map((part) => samples.get(`roomcast_fanout_members_${part}{namespace="${namespace}"}`))
        expect(fanout('plain')).toEqual([5, 5 * members])
        expect(fanout('kept')).toEqual([6, 6 * members])
      }
      expect(await here.of('bus_messages_total{fate="published"}')).toBe(5)
      expect(await here.of('bus_messages_total{fate="echoes"}')).toBe(5)
      expect(await there.of('bus_messages_total{fate="published"}')).toBe(0)
      expect(await there.of('bus_messages_total{fate="received"}')).toBe(5)
      expect(await there.of('bus_messages_total{fate="delivered"}')).toBe(5)
      expect(await here.of('store_call_seconds_count{call="publish"}')).toBe(4)
      expect(await there.of('store_call_seconds_count{call="publish"}')).toBe(2)
      for (const server of [here, there]) {
        for (const name of ['bus_gaps_total', 'gaps_total{namespace="plain"}', 'bus_reconnects_total'])
          expect(await server.of(name), name).toBe(0)
        for (const name of ['bus_queued_messages', 'store_pending_calls', 'store_lag_seconds'])
          await until(`${name} to be back at 0`, async () => (await server.of(name)) === 0)
      }

      // There nothing comes any more from Redis, while three and four are said.
      proxy.stall({ leg: 'subscriber', direction: 'down' })
      await publish(here, 'plain:room', 3)
      await publish(here, 'kept:room', 4)
      proxy.cut({ leg: 'subscriber' })
      await until('the gap', async () => (await there.of('bus_gaps_total'))! > 0, 30_000)
      await eventually(() => heard[1]!.length === 15 && heard[2]!.length === 15, 'what is kept', 30_000)
      expect(await there.of('gaps_total{namespace="plain"}')).toBe(1)
      expect(await there.of('gaps_total{namespace="kept"}')).toBe(0)
      expect(await there.of('fanout_members_count{namespace="plain"}')).toBe(5)
      expect(await there.of('fanout_members_count{namespace="kept"}')).toBe(10)
      expect(await there.of('fanout_members_sum{namespace="kept"}')).toBe(20)
      expect(await here.of('fanout_members_count{namespace="kept"}')).toBe(10)
    },
    TIMEOUT_MS,
  )

  test(
    'a Redis that is killed and comes back: statuses, failed calls, and gauges that return to nothing',
    async () => {
      const server = await node(redis.url)
      await member(server)
      await publish(server, 'kept:room', 1)
      await redis.kill()
      await until('degraded', async () => (await server.of('status{status="degraded"}')) === 1, 30_000)
      expect(await server.of('store_status{status="degraded"}')).toBe(1)
      expect(await server.of('store_status{status="ready"}')).toBe(0)
      // Reads that repair the room fail meanwhile, too.
      const outcomes = await Promise.allSettled([1, 2, 3].map(() => server.roomcast.rooms.publish('kept:room', 'x')))
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
      expect(await server.of('store_errors_total{call="publish"}')).toBe(3)
      expect(await server.of('store_call_seconds_count{call="publish"}')).toBe(1)
      expect(await server.of('fanout_members_count{namespace="kept"}')).toBe(1)
      // Of a room without history it is taken, and waits.
      await publish(server, 'plain:room', 2)
      expect(await server.of('fanout_members_count{namespace="plain"}')).toBe(2)
      expect(await server.of('bus_messages_total{fate="published"}')).toBe(2)
      expect(await server.of('bus_queued_messages')).toBe(2)
      await redis.boot()
      await until('ready', async () => (await server.of('status{status="ready"}')) === 1, 30_000)
      expect(await server.of('bus_reconnects_total')).toBe(1)
      for (const name of ['bus_queued_messages', 'store_pending_calls', 'store_lag_seconds'])
        await until(`${name} to be back at 0`, async () => (await server.of(name)) === 0, 30_000)
      // What waited was written; it is heard back only where that was after the subscription.
      expect(await server.of('bus_messages_total{fate="dropped"}')).toBe(0)
    },
    TIMEOUT_MS,
  )
})
