// The reconciler under random members and a Redis that answers late, refuses, and goes away: in the end it is subscribed
// to the channels with members and to nothing else. fast-check prints the seed and the shortest case of a failure.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backOff } from '../../packages/redis-bridge/src/bus/clock.ts'
import { Subscriptions } from '../../packages/redis-bridge/src/bus/subscriptions.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const CHANNELS = ['a', 'b']
const LINGER_MS = 20

type Step =
  | { do: 'join' | 'leave' | 'ready'; channel: string }
  | { do: 'wait'; ms: number }
  | { do: 'answer'; refuse: boolean }
  | { do: 'down' | 'up' }

const channel = fc.constantFrom(...CHANNELS)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('join' as const, 'leave' as const), channel }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('ready' as const), channel }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 60 }) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), refuse: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('down' as const, 'up' as const) }) },
  ),
  { maxLength: 80, size: 'max' },
)

interface Operation {
  kind: 'subscribe' | 'unsubscribe'
  channels: readonly string[]
  done: (error?: Error) => void
}

/** A reconciler against a Redis that performs an operation when it is asked to answer it. */
class Bench {
  readonly clock = new VirtualClock(1)
  readonly subscribed = new Set<string>()
  operations: Operation[] = []
  up = false
  readonly subscriptions = new Subscriptions(
    this.clock,
    {
      subscribe: (channels, done) => this.#begin({ kind: 'subscribe', channels, done }),
      unsubscribe: (channels, done) => this.#begin({ kind: 'unsubscribe', channels, done }),
      confirmed: () => {},
      missed: () => {},
    },
    LINGER_MS,
  )

  #begin(operation: Operation): void {
    const busy = this.operations.flatMap(({ channels }) => channels)
    for (const name of operation.channels) expect(busy, 'one operation in flight per channel').not.toContain(name)
    this.operations.push(operation)
  }

  /** Redis handles the oldest operation. What it refuses may have been done all the same. */
  answer(refuse: boolean): void {
    const operation = this.operations.shift()
    if (operation === undefined) return
    const done = !refuse || this.clock.random() < 0.5
    for (const name of done ? operation.channels : []) {
      if (operation.kind === 'subscribe') this.subscribed.add(name)
      else this.subscribed.delete(name)
    }
    operation.done(refuse ? new Error('refused') : undefined)
  }

  goUp(complete: () => void = () => {}): void {
    if (this.up) return
    this.up = true
    this.subscriptions.up(complete)
  }

  goDown(): void {
    this.up = false
    this.operations = []
    this.subscribed.clear()
    this.subscriptions.down()
  }

  /** Until nothing moves any more. */
  settle(): void {
    for (let i = 0; i < 50; i++) {
      this.clock.advance(LINGER_MS + 2000)
      while (this.operations.length > 0) this.answer(false)
    }
  }
}

describe('reconciler', () => {
  test('ends with exactly the channels that have members, and ready says so', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const bench = new Bench()
        const wanted = new Set<string>()
        const promises: Promise<void>[] = []
        bench.goUp()
        for (const step of list) {
          if (step.do === 'wait') bench.clock.advance(step.ms)
          else if (step.do === 'answer') bench.answer(step.refuse)
          else if (step.do === 'up') bench.goUp()
          else if (step.do === 'down') bench.goDown()
          else if (step.do === 'leave' && wanted.delete(step.channel)) bench.subscriptions.leave(step.channel)
          else if (step.do === 'join' && !wanted.has(step.channel)) {
            wanted.add(step.channel)
            bench.subscriptions.join(step.channel)
          } else if (step.do === 'ready') {
            promises.push(bench.subscriptions.ready(step.channel))
            // What is ready at once is subscribed to, and nothing is on its way to undo it.
            let ready = false
            void bench.subscriptions.ready(step.channel).then(() => {
              ready = true
            })
            await Promise.resolve()
            if (ready && wanted.has(step.channel)) {
              expect(bench.subscribed).toContain(step.channel)
              expect(bench.operations.flatMap(({ channels }) => channels)).not.toContain(step.channel)
            }
          }
        }
        bench.goUp()
        bench.settle()
        expect([...bench.subscribed].sort()).toEqual([...wanted].sort())
        expect(bench.subscriptions.failing).toBe(0)
        await Promise.all(promises)
      }),
      { numRuns: 1000 },
    )
  })

  test('join, leave, join within lingerMs costs one SUBSCRIBE', () => {
    const bench = new Bench()
    bench.goUp()
    bench.subscriptions.join('a')
    bench.clock.advance(1)
    bench.answer(false)
    for (let i = 0; i < 10; i++) {
      bench.subscriptions.leave('a')
      bench.clock.advance(LINGER_MS - 1)
      bench.subscriptions.join('a')
      bench.clock.advance(1)
    }
    expect(bench.operations).toEqual([])
    bench.subscriptions.leave('a')
    bench.clock.advance(LINGER_MS + 1)
    expect(bench.operations.map(({ kind }) => kind)).toEqual(['unsubscribe'])
  })

  test.each([
    ['leave', 'goDown', 'goUp', 'join'],
    ['goDown', 'leave', 'goUp', 'join'],
    ['goDown', 'leave', 'join', 'goUp'],
  ] as const)('nothing lingers while no line is there: %s, %s, %s, %s', (...steps) => {
    const bench = new Bench()
    bench.goUp()
    bench.subscriptions.join('a')
    bench.clock.advance(1)
    bench.answer(false)
    const { interest } = bench.subscriptions.interestIn('a')!
    for (const step of steps) {
      if (step === 'join' || step === 'leave') bench.subscriptions[step]('a')
      else bench[step]()
    }
    bench.clock.advance(1)
    bench.answer(false)
    expect(bench.subscriptions.isOn('a')).toBe(true)
    expect([interest.ended, bench.subscriptions.interestIn('a')!.interest === interest]).toEqual([true, false])
  })

  test('ready waits for an UNSUBSCRIBE in flight, and for the SUBSCRIBE after it', async () => {
    const bench = new Bench()
    bench.goUp()
    bench.subscriptions.join('a')
    bench.clock.advance(1)
    bench.answer(false)
    bench.subscriptions.leave('a')
    bench.clock.advance(LINGER_MS + 1)
    bench.subscriptions.join('a')
    let ready = false
    const promise = bench.subscriptions.ready('a').then(() => {
      ready = true
    })
    for (const kind of ['unsubscribe', 'subscribe']) {
      await Promise.resolve()
      expect(ready).toBe(false)
      expect(bench.operations.map((operation) => operation.kind)).toEqual([kind])
      bench.answer(false)
      bench.clock.advance(1)
    }
    await promise
  })

  test('many channels are subscribed to with few commands, and what complete waits for is what was there', () => {
    const bench = new Bench()
    for (let i = 0; i < 1000; i++) bench.subscriptions.join(String(i))
    let complete = 0
    bench.goUp(() => complete++)
    expect(complete).toBe(0)
    bench.clock.advance(1)
    expect(bench.operations).toHaveLength(4)
    bench.subscriptions.join('later')
    while (bench.operations.length > 0) bench.answer(false)
    expect(complete).toBe(1)
    bench.settle()
    expect(bench.subscribed.size).toBe(1001)
  })

  test('the pause grows to its limit, with full jitter', () => {
    expect([1, 2, 3, 7, 1000].map((attempt) => backOff(attempt, 50, 2000, 0.5))).toEqual([25, 50, 100, 1000, 1000])
    expect(backOff(9, 50, 2000, 0)).toBe(0)
  })
})
