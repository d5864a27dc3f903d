// Our own slow seconds are not the other side's: what lies in the socket is read before anybody is judged.

import { expect, test } from 'vitest'
import { Attention } from '../../packages/redis-bridge/src/bus/attention.ts'
import { Line } from '../../packages/redis-bridge/src/bus/line.ts'
import type { LinkEvents, PublishReply } from '../../packages/redis-bridge/src/bus/link.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** A line to somebody who answers when he is told to, and what became of it. */
function setUp() {
  const clock = new VirtualClock(1)
  const attention = new Attention(clock)
  const failures: string[] = []
  const replies: ((reply: PublishReply) => void)[] = []
  const confirmations: (() => void)[] = []
  let events!: LinkEvents
  let mends = 0
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
        mend: () => void mends++,
        close: () => {},
      }
    },
  })
  line.add({
    up: () => {},
    down: (error) => failures.push(error.message),
    queue: { flush: () => {}, cut: () => {}, suspect: () => undefined, takeSuspect: () => expect.fail('has none') },
    heard: () => {},
    probe: () => true,
  })
  const publish = (): void => line.out.publish([{ route: 'r', bytes: Buffer.alloc(1), replied: () => {} }])
  return {
    clock,
    line,
    failures,
    replies,
    confirmations,
    publish,
    up: () => events.up(),
    progress: () => events.progress(),
    cut: () => events.cut(),
    mended: () => events.mended(),
    mends: () => mends,
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
  clock.advance(1200)
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
    ['the connection to publish on was not there again in time', ({ cut }) => cut(), 4600],
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

test('a way out that was made anew and leads nowhere is found as soon as any other', () => {
  const { clock, line, failures, cut, mended, up } = setUp()
  up()
  line.verify()
  clock.advance(100)
  line.heard()
  for (const ms of [3000, 1500, 1500, 1500]) {
    clock.advance(ms)
    cut()
    clock.advance(200)
    mended()
  }
  expect(failures).toEqual([])
  clock.advance(700)
  expect(failures).toEqual(['what was published does not come back'])
})

test('a way out that ends again and again: at once, then after a pause, and in the end all of it is made anew', () => {
  const { clock, failures, cut, mended, mends, publish, replies, up } = setUp()
  up()
  cut()
  clock.advance(1)
  expect(mends()).toBe(1)
  // Whatever works in between, it may go on.
  for (let i = 0; i < 50; i++) {
    mended()
    publish()
    for (const reply of replies.splice(0)) reply({ receivers: 1 })
    cut()
    clock.advance(50)
  }
  expect(failures).toEqual([])
  expect(mends()).toBe(51)
  for (let i = 0; i < 6; i++) {
    mended()
    cut()
    clock.advance(50)
  }
  expect(failures).toEqual(['the connection to publish on ends again and again'])
})

test('a way out that is ended after a second without use, as some servers do, is made anew as often as that', () => {
  const { clock, failures, cut, mended, mends, up } = setUp()
  up()
  for (let i = 0; i < 100; i++) {
    clock.advance(1000)
    cut()
    clock.advance(10)
    mended()
  }
  expect(failures).toEqual([])
  expect(mends()).toBe(100)
})

test('what is read in the second after a stall was sent when it began, or later', () => {
  const clock = new VirtualClock(1)
  const attention = new Attention(clock)
  const close = attention.watch(() => {})
  /** How old it may be, but for the tick that was the last before a stall. */
  const ageAfter = (ms: number): number => {
    clock.advance(ms)
    return Math.floor((clock.now() - attention.sentAt()) / 300) * 300
  }
  expect([ageAfter(100), ageAfter(900)]).toEqual([0, 0])
  clock.stall(3000)
  expect([ageAfter(0), ageAfter(600), ageAfter(300), ageAfter(300)]).toEqual([3000, 3600, 3900, 0])
  // One upon the other: as old as the first of which something may be left.
  for (let i = 0; i < 10; i++) {
    clock.stall(600)
    clock.advance(0)
  }
  expect(ageAfter(0)).toBe(2400)
  close()
  expect(attention.sentAt()).toBe(clock.now())
})
