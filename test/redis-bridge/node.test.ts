// One node on links that the test holds in its hand: what must not be forgotten between one attempt and the next.

import type { BrokerSink } from '@roomcast/channels'
import { txt } from '@roomcast/core'
import { expect, test } from 'vitest'
import { Kind } from '../../packages/redis-bridge/src/envelope.ts'
import type { Link, LinkEvents } from '../../packages/redis-bridge/src/link.ts'
import { clusterNames, type Names, plainNames } from '../../packages/redis-bridge/src/names.ts'
import { Node } from '../../packages/redis-bridge/src/node.ts'
import { VirtualClock } from './sim/virtual-clock.ts'

/** A link of a Redis that gives everything back, and may leave subscriptions unanswered. */
class Attempt implements Link {
  readonly events: LinkEvents
  /** The kinds of all envelopes. */
  readonly published: number[] = []
  readonly #clock: VirtualClock
  /** Redis channels whose subscription is not answered. */
  readonly #silent: (redisChannel: string) => boolean

  constructor(events: LinkEvents, clock: VirtualClock, silent: (redisChannel: string) => boolean) {
    this.events = events
    this.#clock = clock
    this.#silent = silent
  }

  publish(commands: readonly { redisChannel: string; bytes: Uint8Array }[], done: (error?: Error) => void): void {
    this.published.push(...commands.map(({ bytes }) => bytes[3]!))
    this.#clock.soon(() => {
      for (const { redisChannel, bytes } of commands) this.events.message(redisChannel, Buffer.from(bytes))
      done()
    })
  }

  subscribe(redisChannels: readonly string[], done: (error?: Error) => void): void {
    if (!redisChannels.some(this.#silent)) this.#clock.soon(() => done())
  }

  unsubscribe(_redisChannels: readonly string[], done: (error?: Error) => void): void {
    this.#clock.soon(() => done())
  }

  close(): void {}
}

function setUp(names: Names = plainNames('p')) {
  const clock = new VirtualClock(1)
  const attempts: Attempt[] = []
  const gaps: string[] = []
  const world = { silent: (_redisChannel: string): boolean => false }
  const node = new Node({
    clock,
    names,
    id: new Uint8Array(8),
    lingerMs: 5000,
    onLost: () => {},
    openLink(events) {
      const attempt = new Attempt(events, clock, (redisChannel) => world.silent(redisChannel))
      attempts.push(attempt)
      return attempt
    },
  })
  const sink: BrokerSink = { deliver: () => {}, gap: (channel) => gaps.push(channel) }
  node.start(sink)
  return { clock, attempts, gaps, world, node }
}

test('deaf for over a minute: the gap is told although the first attempt that comes up is lost again', () => {
  const { clock, attempts, gaps, world, node } = setUp()
  node.join('room')
  attempts.at(-1)!.events.up()
  clock.advance(10)
  expect(node.status).toBe('ready')
  attempts.at(-1)!.events.down(new Error('lost'))
  // Nobody answers for longer than marks cover.
  clock.advance(70_000)
  // A proxy before a Redis that is away takes the connection and ends it.
  world.silent = () => true
  attempts.at(-1)!.events.up()
  clock.advance(1)
  attempts.at(-1)!.events.down(new Error('lost'))
  clock.advance(2_001)
  world.silent = () => false
  attempts.at(-1)!.events.up()
  clock.advance(10)
  expect(node.status).toBe('ready')
  expect(gaps).toEqual(['room'])
})

test('a master of a cluster that never answers the first subscription is given up', () => {
  const names = clusterNames('p')
  const { clock, attempts, world, node } = setUp(names)
  world.silent = (redisChannel) => redisChannel === names.own(33)
  attempts[0]!.events.up()
  clock.advance(9_000)
  world.silent = () => false
  attempts.at(-1)!.events.up()
  clock.advance(10)
  expect(attempts).toHaveLength(2)
  expect(node.status).toBe('ready')
})

test('closing gives what was published before Redis was there its two seconds too, and marks it', async () => {
  const { clock, attempts, node } = setUp()
  node.publish('room', txt('first and last'))
  const closed = node.close()
  clock.advance(1_000)
  attempts[0]!.events.up()
  clock.advance(10)
  await closed
  expect(node.stats).toMatchObject({ published: 1, queued: 0, dropped: 0 })
  expect(attempts[0]!.published).toEqual([Kind.MESSAGES, Kind.TAIL_MARK])
})

test('with nothing to give, closing waits for nobody', async () => {
  const { node } = setUp()
  await node.close()
  expect(node.status).toBe('closed')
})
