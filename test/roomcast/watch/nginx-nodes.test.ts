// What compose.yaml sets up, as processes of this machine: a real nginx, two servers, and the real Redis that joins them. A deploy
// ends one of them under its clients.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Centrifuge, Subscription } from 'centrifuge'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { missing } from '../../support/missing.ts'
import { describeRedis, RedisServer, until } from '../../support/redis.ts'
import { type Client, connect } from '../client.ts'
import { build, killAll, type Run, start } from '../program.ts'
import { connected, endSdks } from '../sdk-client.ts'
import { hasNginx, type Nginx, startNginx } from './nginx.ts'

missing(!hasNginx, 'no nginx here: two servers behind one were not tested (Debian: apt-get install nginx-light)')

const KEY = 'of-this-test'
const PER_KIND = 4
const ROOMS = {
  allow_subscribe_for_client: true,
  allow_subscribe_for_anonymous: true,
  history_size: 1000,
  history_ttl: '300s',
  force_recovery: true,
}

/** An SDK client in the room, with the texts that it got. */
interface Member {
  client: Centrifuge
  sub: Subscription
  got: string[]
  /** Whether everything that it missed was there, each time it came back. */
  recovered: boolean[]
}

describeRedis('nginx, two servers, Redis', () => {
  let redis: RedisServer
  let nginx: Nginx
  let servers: (Run & { port: number })[]
  beforeAll(async () => {
    build()
    redis = await RedisServer.start()
  })
  afterEach(async () => {
    endSdks()
    await nginx?.stop()
    killAll()
  })
  afterAll(() => redis?.stop())

  async function boot(): Promise<void> {
    const config = join(redis.folder, 'roomcast.json')
    writeFileSync(config, JSON.stringify({ channel: { without_namespace: ROOMS } }))
    const env = {
      REDIS_URL: redis.path,
      ROOMCAST_INSECURE: 'true',
      ROOMCAST_TRUST_PROXY: '1',
      ROOMCAST_HTTP_API_KEY: KEY,
      ROOMCAST_REQUIRE_REDIS: 'true',
      ROOMCAST_READINESS: 'local',
      ROOMCAST_CONFIG: config,
    }
    servers = await Promise.all([start([], env), start([], env)])
    nginx = await startNginx(servers[0]!.port, servers[1]!.port)
  }

  async function member(): Promise<Member> {
    const client = await connected(nginx.port)
    const sub = client.newSubscription('news', { recoverable: true })
    const it: Member = { client, sub, got: [], recovered: [] }
    sub.on('publication', ({ data }) => it.got.push(data as string))
    sub.on('subscribed', ({ wasRecovering, recovered }) => wasRecovering && it.recovered.push(recovered))
    sub.subscribe()
    await sub.ready(5000)
    return it
  }

  async function publish(data: string): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${nginx.port}/api/publish`, {
      method: 'POST',
      headers: { 'x-api-key': KEY, 'content-type': 'application/json' },
      body: JSON.stringify({ channel: 'news', data, idempotency_key: data }),
    })
    expect([response.status, await response.json()]).toEqual([200, { result: expect.anything() }])
  }

  const sockets = async (port: number): Promise<number> =>
    ((await (await fetch(`http://127.0.0.1:${port}/stats`)).json()) as { sockets: number }).sockets

  test.skipIf(!hasNginx)(
    'a server is replaced under its clients: nobody misses a word, nobody hears one twice',
    async () => {
      await boot()
      const [one, two] = servers as [Run & { port: number }, Run & { port: number }]
      const members: Member[] = []
      for (let i = 0; i < PER_KIND; i++) members.push(await member())
      const words: Client[] = []
      for (let i = 0; i < PER_KIND; i++) {
        const client = await connect(nginx.port, { origin: `http://127.0.0.1:${nginx.port}` })
        expect(await client.ask({ join: 'news' })).toEqual({ joined: 'news' })
        words.push(client)
      }
      expect([await sockets(one.port), await sockets(two.port)]).toEqual([PER_KIND, PER_KIND])

      const said = ['before']
      await publish('before')
      for (const client of words) expect(await client.next()).toEqual({ said: 'before', in: 'news' })

      one.child.kill('SIGTERM')
      // Backends go on meanwhile, by the same way.
      for (let i = 0; one.child.exitCode === null; i++) {
        said.push(`while ${i}`)
        await publish(`while ${i}`)
      }
      expect(await one.exit).toBe(0)
      expect(said.length).toBeGreaterThan(1)
      said.push('after')
      await publish('after')

      await until('everybody to have come back', () => members.every(({ got }) => got.at(-1) === 'after'))
      for (const { got } of members) expect(got).toEqual(said)
      expect(members.flatMap(({ recovered }) => recovered)).toEqual(Array(PER_KIND / 2).fill(true))
      const ends = await Promise.all(words.map(({ socket, closed }) => (socket.readyState === 1 ? 'open' : closed)))
      expect(ends.filter((end) => end === 'open')).toHaveLength(PER_KIND / 2)
      expect(ends.filter((end) => end !== 'open').map((end) => (end as { code: number }).code)).toEqual([1012, 1012])
      expect(await sockets(two.port)).toBe(PER_KIND + PER_KIND / 2)
      for (const { socket } of words) socket.terminate()
    },
  )
})
