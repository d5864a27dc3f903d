// Our own slow seconds are not the other side's: what lies in the socket is read before anybody is judged.

import { expect, test } from 'vitest'
import { Attention } from '../../packages/redis-bridge/src/bus/attention.ts'
import { Line } from '../../packages/redis-bridge/src/bus/line.ts'
import type { LinkEvents, PublishReply } from '../../packages/redis-bridge/src/bus/link.ts'
import { VirtualClock } from './sim/virtual-clock.ts'

/** A line to somebody who answers when he is told to, and what became of it. */
function setUp() {
  const clock = new VirtualClock(1)
  const attention = new Attention(clock)
  const failures: string[] = []
  const replies: ((reply: PublishReply) => void)[] = []
  const confirmations: (() => void)[] = []
  let events!: LinkEvents
  const line = new Line({
    clock,
    attention,
    message: () => {},
    over: () => {},
    open: (given) => {
      events = given
      return {
        publish(messages, replied) {
          for (const i of messages.keys()) replies.push((reply) => replied(i, reply))
        },
        subscribe: (_routes, done) => confirmations.push(() => done()),
        unsubscribe: () => {},
        close: () => {},
      }
    },
  })
  line.add({
    up: () => {},
    down: (error) => failures.push(error.message),
    room: () => {},
    heard: () => {},
    probe: () => true,
  })
  const publish = (): void => line.publish([{ route: 'r', bytes: Buffer.alloc(1), replied: () => {} }])
  return {
    clock,
    line,
    failures,
    replies,
    confirmations,
    publish,
    up: () => events.up(),
    progress: () => events.progress(),
  }
}

const STALLS_MS = [600, 4500, 60_000]

test.each(STALLS_MS)('a stall of %i ms right before each deadline costs nobody his connection', (ms) => {
  const { clock, line, failures, replies, confirmations, publish, up } = setUp()
  clock.advance(9_900)
  clock.stall(ms)
  // The turn after the stall: timers first, then what had come is read.
  clock.advance(200)
  up()
  publish()
  line.subscribe(['r'], () => {})
  line.verify()
  clock.advance(2400)
  clock.stall(ms)
  clock.advance(200)
  for (const reply of replies.splice(0)) reply({ receivers: 1 })
  line.heard()
  clock.advance(1300)
  clock.stall(ms)
  clock.advance(200)
  for (const confirm of confirmations.splice(0)) confirm()
  clock.advance(300)
  expect(failures).toEqual([])
})

test('who is silent for real is found in time', () => {
  type Bench = ReturnType<typeof setUp>
  const cases: [what: string, act: (bench: Bench) => void, limitMs: number][] = [
    ['the connection was not there in time', () => {}, 10_600],
    ['what was published is not answered', ({ publish }) => publish(), 4600],
    ['subscriptions are not confirmed', ({ line }) => line.subscribe(['r'], () => {}), 4600],
    ['what was published does not come back', ({ line }) => line.verify(), 9000],
  ]
  for (const [what, act, limitMs] of cases) {
    const one = setUp()
    if (limitMs < 10_000) one.up()
    act(one)
    one.clock.advance(limitMs)
    expect(one.failures).toEqual([what])
  }
})

test('a process that is always late judges at last', () => {
  const { clock, failures, publish, up } = setUp()
  up()
  publish()
  for (let i = 0; i < 200 && failures.length === 0; i++) {
    clock.stall(600)
    clock.advance(1)
  }
  expect(failures).toHaveLength(1)
})

test('progress is enough: the last of many confirmations may come a minute after the first was asked for', () => {
  const { clock, line, failures, confirmations, up } = setUp()
  up()
  for (let i = 0; i < 20; i++) line.subscribe([`r${i}`], () => {})
  for (const confirm of confirmations) {
    clock.advance(3000)
    confirm()
  }
  expect(failures).toEqual([])
})
