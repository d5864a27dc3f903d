// Over TLS, to a Redis with a certificate of its own.

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createPublisher } from '@roomcast/redis-bridge/publisher'
import { beforeAll, expect, type TestContext, test } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { describeRedis, RedisServer, until } from '../../support/redis.ts'
import { buildNodes } from './node-process.ts'
import { Cleanup, Rig } from './rig.ts'

const fileOf = (name: string): string =>
  fileURLToPath(new URL(`../../support/tls/test-only-${name}.pem`, import.meta.url))
const ca = readFileSync(fileOf('cert'), 'utf8')

/** A Redis that listens for TLS and for nothing else but its Unix socket; skips loudly where it was built without. */
async function startTls({ onTestFinished, skip }: TestContext) {
  const cleanup = new Cleanup()
  onTestFinished(() => cleanup.run())
  const redis = cleanup.add(await RedisServer.start())
  const settings = { cert: fileOf('cert'), key: fileOf('key'), 'ca-cert': fileOf('cert') }
  try {
    await redis.admin.config('SET', 'tls-auth-clients', 'no')
  } catch {
    process.stderr.write('\n*** THIS REDIS HAS NO TLS: the bridge over TLS is NOT tested. ***\n\n')
    skip()
  }
  const files = Object.entries(settings).flatMap(([name, file]) => [`tls-${name}-file`, file])
  for (let attempt = 0; ; attempt++) {
    const port = await freePort()
    try {
      await redis.admin.call('CONFIG', 'SET', ...files, 'tls-port', port)
      return { cleanup, redis, url: `rediss://127.0.0.1:${port}` }
    } catch (error) {
      // Somebody else may have the port by now.
      if (attempt === 4) throw error
    }
  }
}

describeRedis('TLS', () => {
  beforeAll(buildNodes)

  test('publish, subscribe, and come back when either connection is dropped', async (context) => {
    const { cleanup, redis, url } = await startTls(context)
    const options = { url, redis: { tls: { ca } } }
    const [a, b] = [cleanup.add(new Rig(options)), cleanup.add(new Rig(options))]
    const publisher = cleanup.add(createPublisher({ ...options, prefix: 'app', onError: () => {} }))
    const [atA, atB] = await Promise.all([a.readyMember('room'), b.readyMember('room')])
    a.channels.broadcast('room', 'from a')
    b.channels.broadcast('room', 'from b')
    await publisher.publish('room', 'from the publisher')
    // More than one record of TLS.
    const large = 'x'.repeat(300_000)
    a.channels.broadcast('room', large)
    for (const text of ['from a', 'from b', 'from the publisher', large]) {
      await Promise.all([atA.got(text), atB.got(text)])
    }
    for (const type of ['pubsub', 'normal']) {
      const before = a.bridge.stats().reconnects
      await redis.admin.call('CLIENT', 'KILL', 'TYPE', type)
      if (type === 'pubsub') await Promise.all([a.lost(before), b.lost(before)])
      await Promise.all([a.ready(), b.ready()])
      a.channels.broadcast('room', `a after ${type}`)
      b.channels.broadcast('room', `b after ${type}`)
      await publisher.publish('room', `published after ${type}`)
      for (const text of [`a after ${type}`, `b after ${type}`, `published after ${type}`]) {
        await Promise.all([atA.got(text), atB.got(text)])
      }
    }
    expect([a.gaps, b.gaps]).toEqual([[], []])
    // Only the connections that subscribe were missed.
    expect([a, b].map(({ bridge }) => bridge.stats().reconnects)).toEqual([1, 1])
  }, 40_000)

  test('a certificate that nobody vouches for is refused, unless it is said to be right', async (context) => {
    const { cleanup, url } = await startTls(context)
    const strict = cleanup.add(new Rig({ url }))
    await until('the reason to be told', () => strict.errors.length > 0)
    expect(strict.errors[0]!.message).toMatch(/self.signed certificate/)
    expect(strict.bridge.status).toBe('connecting')
    const lax = cleanup.add(new Rig({ url, redis: { tls: { rejectUnauthorized: false } } }))
    await lax.ready()
  }, 40_000)

  test('close holds nothing', async (context) => {
    const { redis, url } = await startTls(context)
    const program = `
      import { createRedisBridge } from '@roomcast/redis-bridge'
      import { createPublisher } from '@roomcast/redis-bridge/publisher'
      const options = { ...JSON.parse(process.argv[1]), prefix: 'app', onError() {} }
      const bridge = createRedisBridge(options)
      bridge.start({ deliver() {}, gap() {} })
      bridge.join('room')
      await bridge.ready('room')
      const publisher = createPublisher(options)
      await publisher.publish('room', 'there')
      await Promise.all([bridge.close(), publisher.close()])
      console.log(JSON.stringify(process.getActiveResourcesInfo().filter((one) => /TCP|TLS|Timeout/.test(one))))
    `
    const args = ['--input-type=module', '-e', program, JSON.stringify({ url, redis: { tls: { ca } } })]
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd: fileURLToPath(new URL('../../../', import.meta.url)),
      timeout: 15_000,
      env: { PATH: process.env.PATH },
    })
    expect(JSON.parse(stdout)).toEqual([])
    // The test's own is all that is left.
    await until(
      'no connection',
      async () =>
        String(await redis.admin.client('LIST'))
          .trim()
          .split('\n').length === 1,
    )
  }, 40_000)
})
