import { expect, test } from 'vitest'
import { realClock } from '../../packages/redis-bridge/src/real-clock.ts'

test('no timer is early, as those of node can be', async () => {
  // Begun at other moments of a millisecond each, which is what it depends on.
  const early = await Promise.all(
    Array.from({ length: 400 }, async (_, i) => {
      for (const until = performance.now() + (i % 7) * 0.1; performance.now() < until; );
      const due = realClock.now() + 1 + (i % 40) / 4
      await new Promise<void>((resolve) => void realClock.after(due - realClock.now(), resolve))
      return due - realClock.now()
    }),
  )
  expect(early.filter((ms) => ms > 0)).toEqual([])
})

test('what is called off does not run, and what is due already runs', async () => {
  const ran: string[] = []
  realClock.after(2, () => ran.push('called off'))()
  await new Promise<void>((resolve) => {
    realClock.after(-5, () => ran.push('due'))
    realClock.after(20, resolve)
  })
  expect(ran).toEqual(['due'])
})
