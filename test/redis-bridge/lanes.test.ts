// Several places, as a cluster has them: what happens to one says nothing of the others.

import { txt } from '@roomcast/core'
import { expect, test } from 'vitest'
import { BusNode } from '../../packages/redis-bridge/src/bus/bus-node.ts'
import { encodeMessages, Kind } from '../../packages/redis-bridge/src/bus/envelope.ts'
import type { Link, LinkEvents, PublishReply, RoutedMessage, Routes } from '../../packages/redis-bridge/src/bus/link.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** Two partitions: that of channels that begin with a, and the other. */
const routes: Routes = {
  partitions: 2,
  partitionOf: (channel) => (channel.startsWith('a') ? 0 : 1),
  of: (channel, partition) => `${partition}:${channel}`,
  shared: (partition) => `${partition}:`,
  direct: (partition, node) => `${partition}:\0${node}`,
  parse: (route) => ({ partition: Number(route[0]), channel: route[2] === '\0' ? '' : route.slice(2) }),
}

/** A place that gives everything back, unless it is deaf, or gone. */
class Place {
  isGone = false
  isDeaf = false
  events: LinkEvents | undefined
  readonly published: RoutedMessage[] = []
  readonly #subscribed = new Set<string>()

  open(clock: VirtualClock, events: LinkEvents): Link {
    this.events = events
    this.#subscribed.clear()
    clock.soon(() => (this.isGone ? events.down(new Error('gone')) : events.up()))
    return {
      publish: (messages, replied: (index: number, reply: PublishReply) => void) => {
        this.published.push(...messages)
        clock.soon(() => {
          for (const [i, { route, bytes }] of messages.entries()) {
            if (!this.isDeaf && this.#subscribed.has(route)) events.message(route, Buffer.from(bytes))
            replied(i, { receivers: 1 })
          }
        })
      },
      subscribe: (names, done) => {
        for (const name of names) this.#subscribed.add(name)
        clock.soon(() => done())
      },
      unsubscribe: (_names, done) => clock.soon(() => done()),
      mend: () => clock.soon(() => events.mended()),
      close: () => {},
    }
  }
}

function setUp() {
  const clock = new VirtualClock(1)
  const places = [new Place(), new Place()] as const
  const gaps: string[] = []
  const got: string[] = []
  const lost: string[] = []
  const node = new BusNode({
    clock,
    lingerMs: 5000,
    newId: () => Buffer.alloc(8, 1),
    onLost: (error) => lost.push(error.message),
    transport: {
      routes,
      locate(partition, found) {
        found(String(partition))
        return () => {}
      },
      open: (place, events) => places[Number(place)]!.open(clock, events),
    },
  })
  node.start({ deliver: (channel) => got.push(channel), gap: (channel) => gaps.push(channel) })
  node.join('a room')
  node.join('b room')
  clock.advance(5000)
  expect(node.status).toBe('ready')
  let number = 0
  const hear = (partition: 0 | 1, channel: string): void => {
    const { bytes } = txt('x')
    const envelope = encodeMessages(
      Buffer.alloc(8, 2),
      ++number,
      number === 1 ? 0xffff_ffff : 1000,
      [bytes],
      bytes.length,
    )
    places[partition].events!.message(routes.of(channel, partition), envelope)
  }
  return { clock, places, gaps, got, lost, node, hear }
}

test('one place is gone: the rooms of the other go on, and the status says so', () => {
  const { clock, places, got, lost, node, hear } = setUp()
  places[0].isGone = true
  places[0].events!.down(new Error('gone'))
  clock.advance(30_000)
  expect(node.status).toBe('degraded')
  hear(1, 'b room')
  node.publish('b room', txt('x'))
  node.publish('a room', txt('waits'))
  clock.advance(1000)
  expect(got).toEqual(['b room'])
  expect(node.stats.queued).toBe(1)
  expect(places[1].published.some(({ route, bytes }) => route === '1:b room' && bytes[3] === Kind.MESSAGES)).toBe(true)
  // One outage is told once, however many attempts it has.
  expect(lost).toEqual(['gone'])
  places[0].isGone = false
  clock.advance(5000)
  expect(node.status).toBe('ready')
  expect(node.stats).toMatchObject({ queued: 0, reconnects: 1 })
})

test('one place carries nothing: deafness counts for its own rooms', () => {
  const { clock, places, gaps, node } = setUp()
  places[0].isDeaf = true
  clock.advance(300_000)
  expect(node.status).toBe('degraded')
  places[0].isDeaf = false
  clock.advance(10_000)
  expect(node.status).toBe('ready')
  expect(new Set(gaps)).toEqual(new Set(['a room']))
})

test('from the first subscription on: a place that never gave anything back may have lost something', () => {
  const { clock, places, gaps, node } = setUp()
  void node.close()
  places[0].isDeaf = true
  const again: string[] = []
  const late = new BusNode({
    ...{ clock, lingerMs: 5000, newId: () => Buffer.alloc(8, 3), onLost: () => {} },
    transport: {
      routes,
      locate(partition, found) {
        found(String(partition))
        return () => {}
      },
      open: (place, events) => places[Number(place)]!.open(clock, events),
    },
  })
  late.start({ deliver: () => {}, gap: (channel) => again.push(channel) })
  late.join('a room')
  late.join('b room')
  clock.advance(150_000)
  places[0].isDeaf = false
  clock.advance(10_000)
  expect(late.status).toBe('ready')
  // Once a minute, not at every attempt.
  expect(again.length).toBeLessThanOrEqual(3)
  expect(new Set(again)).toEqual(new Set(['a room']))
  expect(gaps).toEqual([])
})
