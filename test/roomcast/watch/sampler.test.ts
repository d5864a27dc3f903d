// What is looked at between scrapes, with a clock of the test's own: whose bytes wait since when, how late the event loop is.

import { performance } from 'node:perf_hooks'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Sampler } from '../../../packages/roomcast/src/watch/sampler.ts'

let now: number
let late: number[]
let sockets: { bufferedBytes: number }[]
let sampler: Sampler
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  now = 1000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  late = []
  sockets = [{ bufferedBytes: 0 }, { bufferedBytes: 0 }]
  sampler = new Sampler(
    () => sockets,
    (seconds) => late.push(seconds),
  )
})
afterEach(() => {
  sampler.end()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** Time passes, a tick of 20 ms after the other. */
function pass(ms: number): void {
  for (let gone = 0; gone < ms; gone += 20) {
    now += 20
    vi.advanceTimersByTime(20)
  }
}

test('bytes, sockets, and since when the longest of them waits', () => {
  sockets[0]!.bufferedBytes = 10
  expect(sampler.ask()).toEqual({ bytes: 10, sockets: 1, oldestMs: 0 })
  pass(3000)
  sockets[1]!.bufferedBytes = 5
  expect(sampler.ask()).toEqual({ bytes: 15, sockets: 2, oldestMs: 3000 })
  sockets[0]!.bufferedBytes = 0
  pass(1000)
  expect(sampler.ask()).toEqual({ bytes: 5, sockets: 1, oldestMs: 1000 })
  sockets = []
  expect(sampler.ask()).toEqual({ bytes: 0, sockets: 0, oldestMs: 0 })
})

test('who is asked again after two minutes knows nothing of before', () => {
  sockets[0]!.bufferedBytes = 10
  sampler.ask()
  pass(119_000)
  expect(vi.getTimerCount()).toBe(2)
  pass(3000)
  expect(vi.getTimerCount()).toBe(0)
  now += 3_600_000
  expect(sampler.ask().oldestMs).toBe(0)
})

test('asked after the end it says what is at that moment, and begins nothing', () => {
  sampler.ask()
  sampler.end()
  sockets[0]!.bufferedBytes = 10
  expect(sampler.ask()).toEqual({ bytes: 10, sockets: 1, oldestMs: 0 })
  expect(vi.getTimerCount()).toBe(0)
})

test('a stall counts with each moment of it that somebody would have waited for its end, up to ten seconds', () => {
  sampler.ask()
  pass(60)
  expect(late).toEqual([0, 0, 0])
  late = []
  now += 100
  pass(20)
  expect(late.map((seconds) => Math.round(seconds * 1000))).toEqual([100, 80, 60, 40, 20, 0])
  late = []
  now += 3_600_000
  pass(20)
  expect(late).toHaveLength(501)
})
