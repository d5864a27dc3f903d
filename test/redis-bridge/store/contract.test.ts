// The contract that every store keeps, with the Redis store over a real Redis and over a real cluster.

import { randomBytes } from 'node:crypto'
import { type BridgeOptions, createRedisStore } from '@roomcast/redis-bridge'
import { afterAll, beforeAll, describe } from 'vitest'
import { describeStore, type StorePair } from '../../rooms/store-suite.ts'
import { anyRedis, type ClusterSetUp, describeRedis, startCluster, until } from '../../support/redis.ts'

/** A prefix of its own for each pair, so that they share nothing but the server. */
function pairOf(target: Omit<BridgeOptions, 'prefix'>): StorePair {
  const options = { ...target, prefix: `t${randomBytes(6).toString('hex')}` }
  const [a, b] = [createRedisStore(options), createRedisStore(options)]
  return {
    a,
    b,
    another: () => createRedisStore(options),
    async started() {
      await until(
        'both to be there',
        () => a.status === 'ready' && b.status === 'ready' && a.stats().calls + b.stats().calls === 0,
      )
    },
  }
}

describeRedis('one Redis', () => {
  let redis: Awaited<ReturnType<typeof anyRedis>>
  beforeAll(async () => {
    redis = await anyRedis()
  })
  afterAll(() => redis?.stop())

  describeStore('Redis', async () => pairOf({ url: redis.url }))
})

describeRedis('a cluster', () => {
  let cluster: ClusterSetUp
  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster?.stop())

  describe('of three', () => {
    describeStore('Redis', async () =>
      pairOf({ cluster: cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })) }),
    )
  })
})
