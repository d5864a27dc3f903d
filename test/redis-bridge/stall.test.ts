// What lies in the socket while the process stands still is old when it is read: it says nothing of the time since.

import { txt } from '@roomcast/core'
import { expect, test } from 'vitest'
import { BusNode } from '../../packages/redis-bridge/src/bus/bus-node.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { ProcessClock } from './sim/process-clock.ts'
import { RedisModel } from './sim/redis-model.ts'

test.each([600, 2500, 4500, 8000])(
  'our own echo, read after a stall of %i ms in which Redis ended the connection',
  (ms) => {
    const clock = new VirtualClock(1)
    const redis = new RedisModel(clock)
    const start = (id: number) => {
      const own = new ProcessClock(clock)
      const gaps: unknown[] = []
      const node = new BusNode({
        ...{ clock: own, lingerMs: 5000, newId: () => Buffer.alloc(8, id), onLost: () => {} },
        transport: redis.transport(`node ${id}`),
      })
      node.start({ deliver: () => {}, gap: (channel, { missed }) => gaps.push([channel, missed]) })
      for (const channel of ['a', 'b']) node.join(channel)
      return { own, node, gaps, link: () => redis.links.get(`node ${id}`)! }
    }
    const [speaker, sleeper] = [start(1), start(2)]
    clock.advance(1000)
    speaker.node.publish('a', txt('1'))
    clock.advance(8000)
    sleeper.node.publish('b', txt('comes back'))
    clock.soon(() => {
      sleeper.own.standStill(ms)
      sleeper.link().unread(ms + 1, 50)
    })
    clock.advance(100)
    speaker.node.publish('a', txt('2'))
    clock.advance(30_000)
    expect(sleeper.node.status).toBe('ready')
    expect(sleeper.gaps).toEqual([['a', 1]])
  },
)
