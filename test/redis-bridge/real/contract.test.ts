// The contract that every broker keeps, with the Redis bridge over a real Redis and over a real cluster.

import { randomBytes } from 'node:crypto'
import { createRedisBridge } from '@roomcast/redis-bridge'
import { afterAll, beforeAll, describe } from 'vitest'
import { describeBroker } from '../../support/broker-suite.ts'
import { anyRedis, type ClusterSetUp, describeRedis, startCluster } from '../../support/redis.ts'

/** A name of their own for each pair, so that they share nothing but the server. */
const ownPrefix = (): string => `t${randomBytes(6).toString('hex')}`

describeRedis('one Redis', () => {
  let redis: Awaited<ReturnType<typeof anyRedis>>
  beforeAll(async () => {
    redis = await anyRedis()
  })
  afterAll(() => redis?.stop())

  describeBroker('redis bridge', async () => {
    const options = { url: redis.url, prefix: ownPrefix() }
    return { a: createRedisBridge(options), b: createRedisBridge(options) }
  })
})

describeRedis('a cluster', () => {
  let cluster: ClusterSetUp
  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster?.stop())

  describe('of three', () => {
    describeBroker('redis bridge', async () => {
      const nodes = cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
      const prefix = ownPrefix()
      return {
        a: createRedisBridge({ cluster: nodes, prefix }),
        b: createRedisBridge({ cluster: nodes.slice(1), prefix }),
      }
    })
  })
})
