// A channel that a node may not subscribe to is deaf alone: the others are heard, and what they lose is told.

import { txt } from '@roomcast/core'
import { expect, test } from 'vitest'
import { BusNode } from '../../packages/redis-bridge/src/bus/bus-node.ts'
import { messageOf } from '../support/fake-socket.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { RedisModel } from './sim/redis-model.ts'

function setUp() {
  const clock = new VirtualClock(1)
  const redis = new RedisModel(clock)
  const start = (id: number) => {
    const heard: string[] = []
    const node = new BusNode({
      ...{ clock, lingerMs: 5000, newId: () => Buffer.alloc(8, id), onLost: () => {} },
      transport: redis.transport(`node ${id}`),
    })
    node.start({
      deliver: (channel, frame) => heard.push(`${channel}: ${messageOf(frame)}`),
      gap: (channel, { missed }) => heard.push(`${channel}: ${missed ?? 'something'} lost`),
    })
    return { node, heard, link: () => redis.links.get(`node ${id}`)! }
  }
  return { clock, redis, speaker: start(1), listener: start(2) }
}

test.each(['from the start', 'after it was allowed'])('%s', (when) => {
  const { clock, redis, speaker, listener } = setUp()
  const say = (channel: string, text: string): void => {
    speaker.node.publish(channel, txt(text))
    clock.advance(10)
  }
  const forbid = (): void => {
    redis.forbids = (route, node) => route === 'p:secret' && node === 'node 2'
  }
  if (when === 'from the start') forbid()
  for (const channel of ['secret', 'a', 'b']) listener.node.join(channel)
  clock.advance(1000)
  for (const channel of ['secret', 'a', 'b']) say(channel, '1')
  forbid()
  listener.link().cut()
  // Nobody hears this, nor the marks that tell of it.
  for (const channel of ['secret', 'a', 'b']) say(channel, '2')
  redis.bannedUntil.set('node 2', clock.now() + 20_000)
  clock.advance(30_000)
  expect(listener.node.status).toBe('degraded')
  say('b', '3')
  const both = ['a: 1', 'b: 1', 'a: 1 lost', 'b: 1 lost', 'b: 3']
  const all = when === 'from the start' ? both : ['secret: 1', ...both]
  expect([...listener.heard].sort()).toEqual([...all].sort())

  // Whether anything comes back is watched.
  listener.link().blackHole('subscriber')
  const lost = listener.link()
  clock.advance(10_000)
  expect(listener.link()).not.toBe(lost)

  // Allowed again, it may have lost something, if anybody relied on it.
  listener.heard.length = 0
  redis.forbids = () => false
  clock.advance(30_000)
  expect(listener.node.status).toBe('ready')
  say('secret', '3')
  expect(listener.heard).toEqual(when === 'from the start' ? ['secret: 3'] : ['secret: something lost', 'secret: 3'])
})
