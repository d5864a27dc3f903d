// One node on links that the test holds in its hand: what must not be forgotten between one attempt and the next.

import type { BrokerSink } from '@roomcast/channels'
import { txt } from '@roomcast/core'
import { expect, test } from 'vitest'
import { BusNode } from '../../packages/redis-bridge/src/bus/bus-node.ts'
import { encodeMessages, Kind } from '../../packages/redis-bridge/src/bus/envelope.ts'
import type { Link, LinkEvents, PublishReply, RoutedMessage, Routes } from '../../packages/redis-bridge/src/bus/link.ts'
import { clusterRoutes, plainRoutes } from '../../packages/redis-bridge/src/redis/routes.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** A link of a Redis that gives everything back, and may leave subscriptions unanswered. */
class Attempt implements Link {
  readonly events: LinkEvents
  /** The kinds of all envelopes. */
  readonly published: number[] = []
  readonly #clock: VirtualClock
  /** Routes whose subscription is not answered. */
  readonly #silent: (route: string) => boolean

  constructor(events: LinkEvents, clock: VirtualClock, silent: (route: string) => boolean) {
    this.events = events
    this.#clock = clock
    this.#silent = silent
  }

  publish(messages: readonly RoutedMessage[], replied: (index: number, reply: PublishReply) => void): void {
    this.published.push(...messages.map(({ bytes }) => bytes[3]!))
    this.#clock.soon(() => {
      for (const [i, { route, bytes }] of messages.entries()) {
        this.events.message(route, Buffer.from(bytes))
        replied(i, { receivers: 1 })
      }
    })
  }

  subscribe(routes: readonly string[], done: (error?: Error) => void): void {
    if (!routes.some(this.#silent)) this.#clock.soon(() => done())
  }

  unsubscribe(_routes: readonly string[], done: (error?: Error) => void): void {
    this.#clock.soon(() => done())
  }

  mend(): void {
    this.#clock.soon(() => this.events.mended())
  }

  close(): void {}
}

function setUp(routes: Routes = plainRoutes('p'), maxPositions?: number) {
  const clock = new VirtualClock(1)
  const attempts: Attempt[] = []
  const gaps: string[] = []
  const world = { silent: (_route: string): boolean => false }
  const node = new BusNode({
    clock,
    newId: () => new Uint8Array(8),
    lingerMs: 5000,
    onLost: () => {},
    maxPositions,
    transport: {
      routes,
      locate(_partition, found) {
        found('')
        return () => {}
      },
      open(_place, events) {
        const attempt = new Attempt(events, clock, (route) => world.silent(route))
        attempts.push(attempt)
        return attempt
      },
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
  const routes = clusterRoutes('p')
  const { clock, attempts, world, node } = setUp(routes)
  world.silent = (route) => route === routes.shared(33)
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

test('positions that make room for others are counted, and leave the node ready', () => {
  const { clock, attempts, gaps, node } = setUp(plainRoutes('p'), 10)
  node.join('room')
  attempts[0]!.events.up()
  clock.advance(10)
  const { bytes } = txt('x')
  const hear = (from: number): void => {
    const envelope = encodeMessages(Buffer.alloc(8, from), 1, 0xffff_ffff, [bytes], bytes.length)
    attempts[0]!.events.message('p:room', envelope)
  }
  for (let from = 1; from <= 10; from++) hear(from)
  expect(node.stats.forgotten).toBe(0)
  for (let from = 11; from <= 13; from++) hear(from)
  expect(node.stats).toMatchObject({ delivered: 13, forgotten: 3 })
  expect(node.status).toBe('ready')
  // What is forgotten because nothing was heard for an hour made room for nobody.
  clock.advance(2 * 3_600_000)
  for (let from = 21; from <= 30; from++) hear(from)
  expect(node.stats).toMatchObject({ delivered: 23, forgotten: 3 })
  expect(node.status).toBe('ready')
  expect(gaps).toEqual([])
})

test('with nothing to give, closing waits for nobody', async () => {
  const { node } = setUp()
  await node.close()
  expect(node.status).toBe('closed')
})
