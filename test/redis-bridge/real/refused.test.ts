// A message that Redis does not take ends the connection that it came on. Nothing else may be lost with it, however Redis
// is reached: what comes in comes on another connection, which stays.

import { setTimeout } from 'node:timers/promises'
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

      // At most 50 rounds are under way, so that a slow machine says less and does not only fall behind.
      let said = 0
      let isOver = false
      cleanup.add({ stop: () => void (isOver = true) })
      const fates: Promise<unknown>[] = []
      const talk = async (): Promise<void> => {
        while (!isOver) {
          said++
          for (const rig of [a, b]) for (const room of ROOMS) rig.channels.broadcast(room, `${said}`)
          const fate = Promise.all(ROOMS.map((room) => publisher.publish(room, `p${said}`)))
          fate.catch(() => {})
          fates.push(fate)
          await Promise.all([fates.at(-50), setTimeout(5)])
        }
        await Promise.all(fates)
      }
      const talked = talk()
      talked.catch(() => {})
      const poison = Buffer.alloc(1_500_000)
      const refused: unknown[] = []
      for (const room of ROOMS.slice(0, 3)) {
        a.channels.broadcast(room, poison)
        await until('it to be given up', () => a.bridge.stats().dropped > ROOMS.indexOf(room))
        refused.push(await publisher.publish(room, poison).catch((error: Error) => error))
      }
      isOver = true
      await talked
      for (const rig of [a, b]) for (const room of ROOMS) rig.channels.broadcast(room, 'the last')
      await until('the last to be there', () =>
        members.every(({ messages }) => messages.filter((one) => String(one) === 'the last').length === 2),
      )

      expect(refused).toEqual(Array(3).fill(expect.any(Error)))
      for (const { messages } of members) {
        const counts = new Map<string, number>()
        for (const one of messages) counts.set(String(one), (counts.get(String(one)) ?? 0) + 1)
        const wrong = []
        for (let i = 1; i <= said; i++) {
          const [own, published] = [counts.get(`${i}`), counts.get(`p${i}`)]
          if (own !== 2 || published !== 1) wrong.push([i, own, published])
        }
        expect(wrong).toEqual([])
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
