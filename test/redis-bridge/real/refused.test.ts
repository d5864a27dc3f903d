// A message that Redis does not take ends the connection that it came on. Nothing else may be lost with it, however Redis
// is reached: what comes in comes on another connection, which stays.

import { createPublisher } from '@roomcast/redis-bridge/publisher'
import { expect, test } from 'vitest'
import { describeRedis, RedisServer, startCluster, startSentinel, until } from '../../support/redis.ts'
import { Cleanup, Rig } from './rig.ts'

/** A way to Redis, with the servers that messages go to. */
interface Way {
  servers: RedisServer[]
  options: ConstructorParameters<typeof Rig>[0]
}

const ways: Record<string, (cleanup: Cleanup) => Promise<Way>> = {
  async 'one Redis'(cleanup) {
    const redis = cleanup.add(await RedisServer.start({ tcp: true }))
    return { servers: [redis], options: { url: redis.url } }
  },
  async Sentinel(cleanup) {
    const { master, sentinel, stop } = await startSentinel()
    cleanup.add({ stop })
    const options = { sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: 'mymaster' }
    return { servers: [master], options }
  },
  async 'a cluster'(cleanup) {
    const { nodes, stop } = await startCluster()
    cleanup.add({ stop })
    return { servers: nodes, options: { cluster: nodes.map(({ port }) => ({ host: '127.0.0.1', port })) } }
  },
}

const ROOMS = Array.from({ length: 12 }, (_, i) => `room ${i}`)

/** The ids of the connections that subscribe. */
async function subscribers(servers: RedisServer[]): Promise<string[]> {
  const lists = await Promise.all(servers.map(({ admin }) => admin.call('CLIENT', 'LIST', 'TYPE', 'pubsub')))
  return lists.map((list) =>
    [...String(list).matchAll(/^id=(\d+)/gm)]
      .map(([, id]) => id)
      .sort()
      .join(),
  )
}

/** What it is too large for: the first is answered before the connection ends, as far as the answer gets through. */
const LIMITS = ['proto-max-bulk-len', 'client-query-buffer-limit']

describeRedis('a message that Redis does not take', () => {
  test.concurrent.for(Object.keys(ways).flatMap((way) => LIMITS.map((limit) => [way, limit] as const)))(
    '%s, %s: it alone is lost',
    { timeout: 60_000 },
    async ([way, limit], { onTestFinished }) => {
      const cleanup = new Cleanup()
      onTestFinished(() => cleanup.run())
      const { servers, options } = await ways[way]!(cleanup)
      // The least that can be set.
      await Promise.all(servers.map(({ admin }) => admin.config('SET', limit, '1mb')))
      const [a, b] = [cleanup.add(new Rig(options)), cleanup.add(new Rig(options))]
      const publisher = cleanup.add(createPublisher({ ...options, prefix: 'app', onError: () => {} }))
      const members = await Promise.all([a, b].flatMap((rig) => ROOMS.map((room) => rig.readyMember(room))))
      await until('each to know the position of the other', () => {
        for (const rig of [a, b]) for (const room of ROOMS) rig.channels.broadcast(room, 'hello')
        return members.every(({ messages }) => messages.length >= 2)
      })
      const before = await subscribers(servers)

      let said = 0
      const fates: Promise<unknown>[] = []
      const talk = setInterval(() => {
        said++
        for (const rig of [a, b]) for (const room of ROOMS) rig.channels.broadcast(room, `${said}`)
        fates.push(...ROOMS.map((room) => publisher.publish(room, `p${said}`)))
      }, 5)
      const poison = Buffer.alloc(1_500_000)
      const refused: unknown[] = []
      for (const room of ROOMS.slice(0, 3)) {
        a.channels.broadcast(room, poison)
        await until('it to be given up', () => a.bridge.stats().dropped > ROOMS.indexOf(room))
        refused.push(await publisher.publish(room, poison).catch((error: Error) => error))
      }
      clearInterval(talk)
      await Promise.all(fates)
      for (const rig of [a, b]) for (const room of ROOMS) rig.channels.broadcast(room, 'the last')
      await until('the last to be there', () =>
        members.every(({ messages }) => messages.filter((one) => String(one) === 'the last').length === 2),
      )

      expect(refused).toEqual(Array(3).fill(expect.any(Error)))
      for (const { messages } of members) {
        const count = (text: string): number => messages.filter((one) => String(one) === text).length
        for (let i = 1; i <= said; i++) expect([i, count(`${i}`), count(`p${i}`)]).toEqual([i, 2, 1])
      }
      // Of the node's own, the other was told, of the publisher's both.
      await until('all to be told', () => a.gaps.length >= 3 && b.gaps.length >= 6)
      expect(a.gaps.concat(b.gaps).map(({ missed }) => missed)).toEqual(Array(9).fill(1))
      expect(await subscribers(servers)).toEqual(before)
      for (const rig of [a, b]) {
        expect(rig.errors).toEqual([])
        expect(rig.bridge.stats().reconnects).toBe(0)
      }
    },
  )
})
