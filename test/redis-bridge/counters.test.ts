// Nobody who invents names makes a process grow, and what was said under an id that was left is told all the same.

import { beforeEach, expect, test } from 'vitest'
import { type Counter, Counters } from '../../packages/redis-bridge/src/bus/counters.ts'
import { Marks, NODE_MARKS_MS } from '../../packages/redis-bridge/src/bus/marks.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const MAX = 100

let clock: VirtualClock
let counters: Counters
let marks: Marks
let sent: Counter[]
let isAway: boolean

beforeEach(() => {
  clock = new VirtualClock(1)
  sent = []
  isAway = false
  marks = new Marks({ clock, delaysMs: NODE_MARKS_MS, hearsAsks: true, send: (counter) => sent.push(counter) })
  let ids = 0
  counters = new Counters({
    clock,
    maxCounters: MAX,
    newId: () => Buffer.from([0, 0, 0, 0, 0, 0, 0, ++ids]),
    partitionOf: () => 0,
    workedAt: () => (isAway ? 0 : clock.now()),
    forgotten: (counter) => marks.drop(counter),
    retired: (counter) => marks.retired(counter),
  })
})

function publish(channel: string): Counter {
  const counter = counters.get(channel)
  counter.last++
  counter.lastAt = clock.now()
  counter.touchedAt = clock.now()
  marks.burst(counter)
  return counter
}

const count = (): number => [...counters.all()].length
const id = (number: number): string => `000000000000000${number}`

test('over the bound it goes on under a new id, and keeps those of the id before: never more than twice the bound', () => {
  for (let i = 0; i < 1000; i++) {
    publish(`invented ${i}`)
    expect(count()).toBeLessThanOrEqual(2 * MAX)
  }
  expect(counters.node.at(-1)).toBe(10)
})

test('what was used in the last 64 s is marked twice under the old id, the rest is forgotten at once', () => {
  publish('old')
  clock.advance(65_000)
  const lately = publish('lately')
  clock.advance(10_000)
  sent = []
  for (let i = 0; i < MAX; i++) publish(`invented ${i}`)
  expect(publish('lately')).not.toBe(lately)
  expect([...counters.all()].map(({ channel }) => channel)).not.toContain('old')
  clock.advance(30_000)
  expect(sent.filter((one) => one === lately)).toHaveLength(2)
})

test('both ids are own, and a while longer; the first one stays', () => {
  for (let i = 0; i < MAX + 1; i++) publish(`a ${i}`)
  clock.advance(3_600_000)
  for (let i = 0; i < MAX; i++) publish(`b ${i}`)
  expect([1, 2, 3, 4].map((number) => counters.isOwn(id(number)))).toEqual([true, true, true, false])
  for (let i = 0; i < MAX; i++) publish(`c ${i}`)
  clock.advance(119_000)
  expect(counters.isOwn(id(2))).toBe(true)
  clock.advance(2000)
  expect([1, 2, 3].map((number) => counters.isOwn(id(number)))).toEqual([true, false, true])
})

test('a counter outlives two hours, and as long as it could not be told', () => {
  publish('a')
  clock.advance(2 * 3_600_000 - 1000)
  expect(count()).toBe(1)
  isAway = true
  clock.advance(27 * 3_600_000)
  expect(count()).toBe(1)
  isAway = false
  clock.advance(700_000)
  expect(count()).toBe(0)
})

test('while the bus is away, nothing is sent again and again, and there is no burst of marks when it is back', () => {
  isAway = true
  for (let i = 0; i < MAX; i++) publish(`room ${i}`)
  clock.advance(27 * 3_600_000)
  expect(sent).toHaveLength(2 * MAX)
  sent = []
  isAway = false
  clock.advance(10_000)
  expect(sent).toEqual([])
})

test('what an answer says of an earlier message does not end the marks of the last', () => {
  const counter = publish('a')
  publish('a')
  marks.published(counter, 1, 0)
  marks.told(counter, 1, 0)
  marks.published(counter, 1, 3)
  marks.told(counter, 1, 3)
  clock.advance(1200)
  expect(sent).toEqual([counter])
  // Nobody is there: two answers in a row say so.
  marks.published(counter, 2, 0)
  marks.told(counter, 2, 0)
  clock.advance(100_000)
  expect(sent).toEqual([counter])
})
