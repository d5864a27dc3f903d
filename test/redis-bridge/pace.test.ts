import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Pace } from '../../packages/redis-bridge/src/bus/pace.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

test('what is written while a debt is all but paid is waited for, too', () => {
  const clock = new VirtualClock(1)
  const calls: boolean[] = []
  const pace = new Pace(clock, () => void calls.push(pace.allows))
  pace.wrote(5 * 1_048_576)
  expect(pace.allows).toBe(false)
  // A moment before it would be called: something may be written already, by somebody who did not wait.
  clock.advance(63)
  expect([pace.allows, calls]).toEqual([true, []])
  pace.wrote(1_500_000)
  clock.advance(10_000)
  expect([pace.allows, calls]).toEqual([true, [true]])
})

test('whoever must not write is called when he may, whatever others write meanwhile', () => {
  // Who is eager looks again and again, and does not wait to be called.
  const steps = fc.array(
    fc.record({ ms: fc.double({ min: 0, max: 150, noNaN: true }), bytes: fc.nat(8 << 20), isEager: fc.boolean() }),
  )
  fc.assert(
    fc.property(steps, (writes) => {
      const clock = new VirtualClock(1)
      let isOwed = false
      const pace = new Pace(clock, () => {
        expect(pace.allows).toBe(true)
        isOwed = false
      })
      for (const { ms, bytes, isEager } of writes) {
        clock.advance(ms)
        while (isEager && !pace.allows) clock.advance(0.25)
        if (pace.allows) pace.wrote(bytes)
        isOwed = !pace.allows
      }
      clock.advance(60_000)
      expect([pace.allows, isOwed]).toEqual([true, false])
    }),
  )
})
