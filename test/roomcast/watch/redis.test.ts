// The program and a Redis that refuses it, or is lost: what the log says, and what depends on it.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '../../support/log.ts'
import { describeRedis, RedisServer, until } from '../../support/redis.ts'
import { connect } from '../client.ts'
import { build, killAll, run, start } from '../program.ts'
import { scrape } from './scrape.ts'

afterEach(killAll)

describeRedis('the program and Redis', () => {
  let locked: RedisServer
  beforeAll(async () => {
    build()
    locked = await RedisServer.start({ tcp: true })
    await locked.admin.config('SET', 'requirepass', 'right')
  })
  afterAll(async () => {
    await locked?.stop()
  })
  const url = (redis: RedisServer, password = ''): string =>
    `redis://${password && `:${password}@`}127.0.0.1:${redis.port}`

  const refusals: [title: string, password: string, says: RegExp][] = [
    ['a wrong password', 'wrong', /WRONGPASS/],
    ['no password', '', /NOAUTH/],
  ]
  test.each(refusals)('%s is an error that says so', async (_, password, says) => {
    const server = await start(['--log-format', 'json'], { REDIS_URL: url(locked, password) })
    await eventually(() => server.complaints().includes('redis_refused'), 'the line')
    const line = JSON.parse(server.complaints().split('\n')[0]!) as Record<string, string>
    expect(line).toMatchObject({ level: 'error', event: 'redis_refused', why: expect.stringMatching(says) })
    expect(line.msg).toMatch(/^Redis refuses the password, or its absence .*engine\.redis\.password/)
    expect(server.complaints()).not.toContain('wrong')
  })

  test('--require-redis: no start without it', async () => {
    const wrong = run(['--port', '0', '--require-redis'], { REDIS_URL: url(locked, 'wrong') })
    expect(await wrong.exit).toBe(1)
    expect(await wrong.stderr).toMatch(/^roomcast: Redis refuses the password[^\n]*\nroomcast: no start without Redis/)
    expect(await wrong.stdout).toBe('')
    const away = run(['--port', '0', '--require-redis'], { REDIS_URL: 'redis://127.0.0.1:1' })
    expect(await away.exit).toBe(1)
    expect(await away.stderr).toMatch(/^roomcast: Redis is out of reach .*\nroomcast: no start without Redis/)
    const there = await start(['--require-redis'], { REDIS_URL: url(locked, 'right') })
    expect((await fetch(`http://127.0.0.1:${there.port}/readyz`)).status).toBe(200)
    const none = run(['--require-redis'])
    expect([await none.exit, await none.stderr]).toEqual([2, expect.stringMatching(/--require-redis needs a Redis/)])
  })

  test('a lost store: /readyz is 503, and with readiness local 200; metrics tell of it', async () => {
    const redis = await RedisServer.start({ tcp: true })
    try {
      const env = { REDIS_URL: url(redis) }
      const [all, local] = [await start([], env), await start(['--readiness', 'local'], env)]
      const ready = async ({ port }: { port: number }): Promise<[number, unknown]> => {
        const response = await fetch(`http://127.0.0.1:${port}/readyz`)
        return [response.status, ((await response.json()) as { status: unknown }).status]
      }
      for (const server of [all, local]) await until('ready', async () => (await ready(server))[1] === 'ready')
      const member = await connect(all.port)
      await member.ask({ join: 'lobby' })
      await fetch(`http://127.0.0.1:${local.port}/channels/lobby`, { method: 'POST' })
      await redis.kill()
      for (const server of [all, local]) await until('degraded', async () => (await ready(server))[1] === 'degraded')
      expect([await ready(all), await ready(local)]).toEqual([
        [503, 'degraded'],
        [200, 'degraded'],
      ])
      const samples = await scrape(all.port)
      expect(samples.get('roomcast_store_status{status="degraded"}')).toBe(1)
      expect(samples.get('roomcast_status{status="degraded"}')).toBe(1)
      expect(samples.get('roomcast_bus_messages_total{fate="published"}')).toBeGreaterThanOrEqual(0)
      member.socket.terminate()
      local.child.kill('SIGTERM')
      expect(await local.exit).toBe(0)
    } finally {
      await redis.stop()
    }
  })
})
