// What a user must be allowed to do: with exactly that, one Redis and a cluster keep the whole contract; with less, the user
// of the store is told what is missing. Prints the line that is needed.

import { randomBytes } from 'node:crypto'
import { type BridgeOptions, createRedisStore } from '@roomcast/redis-bridge'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { scriptRules } from '../../../packages/redis-bridge/src/store/acl.ts'
import { describeStore, type StorePair } from '../../rooms/store-suite.ts'
import { type ClusterSetUp, describeRedis, RedisServer, startCluster, until } from '../../support/redis.ts'

const PUBSUB = '+publish +subscribe +unsubscribe'
const CLUSTER_PUBSUB = '+cluster|slots +spublish +ssubscribe +sunsubscribe'

function ruleOf(prefix: string, pubsub: string): string[] {
  return ['on', '>secret', 'resetchannels', `&${prefix}:*`, '-@all', ...`${scriptRules(prefix)} ${pubsub}`.split(' ')]
}

async function pairOf(
  servers: readonly RedisServer[],
  pubsub: string,
  target: (auth: { username: string; password: string }) => Omit<BridgeOptions, 'prefix'>,
): Promise<StorePair> {
  const prefix = `t${randomBytes(6).toString('hex')}`
  for (const { admin } of servers) await admin.call('ACL', 'SETUSER', prefix, ...ruleOf(prefix, pubsub))
  const options = { ...target({ username: prefix, password: 'secret' }), prefix }
  const [a, b] = [createRedisStore(options), createRedisStore(options)]
  return {
    a,
    b,
    another: () => createRedisStore(options),
    async started() {
      const calls = (): number => a.stats().calls + b.stats().calls
      await until('both to be there', () => a.status === 'ready' && b.status === 'ready' && calls() === 0)
    },
  }
}

describeRedis('one Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await RedisServer.start()
    console.log(`ACL SETUSER rooms ${ruleOf('shop', PUBSUB).join(' ')}\nin a cluster: ${CLUSTER_PUBSUB}`)
  })
  afterAll(() => redis?.stop())

  describeStore('Redis, with the least that its user may do', () =>
    pairOf([redis], PUBSUB, (auth) => ({ url: redis.path, redis: auth })),
  )

  test('with less, it is said what is missing, and why nothing can be done', async () => {
    await redis.admin.call('ACL', 'SETUSER', 'less', 'on', '>secret', '&less:*', '-@all', '+publish', '+subscribe')
    const errors: Error[] = []
    const auth = { username: 'less', password: 'secret' }
    const store = createRedisStore({
      url: redis.path,
      redis: auth,
      prefix: 'less',
      onError: (error) => errors.push(error),
    })
    store.start({ deliver: () => {}, mark: () => {}, gap: () => {}, answer: () => ({}) })
    try {
      await until('it to be said', () => errors.length > 0)
      expect(errors[0]!.message).toContain(scriptRules('less'))
      const range = { limit: 1 }
      const rule = { size: 1, ttlMs: 1000, maxBytes: 1000, metaTtlMs: 1000 }
      await expect(store.read('r', rule, range)).rejects.toThrow(/Redis refuses: NOPERM/)
    } finally {
      await store.close()
    }
  })
})

describeRedis('a cluster', () => {
  let cluster: ClusterSetUp
  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster?.stop())

  describeStore('cluster, with the least that its user may do', () =>
    pairOf(cluster.nodes, CLUSTER_PUBSUB, (redis) => ({
      cluster: cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
      redis,
    })),
  )
})
