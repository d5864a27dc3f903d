import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type BoundedLines, boundLines } from '../../packages/roomcast/src/lines.ts'
import { describeGap } from '../../packages/roomcast/src/redis-store.ts'

describe('bounded lines', () => {
  const written: string[] = []
  const make = (): BoundedLines =>
    boundLines<string>((line) => written.push(line), {
      max: 2,
      windowMs: 1000,
      rest: (count) => written.push(`and ${count}`),
    })
  beforeEach(() => {
    written.length = 0
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('so many in a window, the rest counted at its end; then anew', () => {
    const lines = make()
    for (const line of 'abcde') lines.say(line)
    expect(written).toEqual(['a', 'b'])
    vi.advanceTimersByTime(999)
    expect(written).toEqual(['a', 'b'])
    vi.advanceTimersByTime(1)
    expect(written).toEqual(['a', 'b', 'and 3'])
    lines.say('f')
    vi.advanceTimersByTime(5000)
    expect(written).toEqual(['a', 'b', 'and 3', 'f'])
  })

  test('flush tells the rest at once, and once', () => {
    const lines = make()
    for (const line of 'abc') lines.say(line)
    lines.flush()
    lines.flush()
    vi.advanceTimersByTime(5000)
    expect(written).toEqual(['a', 'b', 'and 1'])
  })
})

test.each([
  [{ node: 'ab', missed: 3 }, 'gap in "lobby": 3 messages of node ab lost'],
  [{ node: 'ab', missed: 1 }, 'gap in "lobby": 1 message of node ab lost'],
  [{ node: 'ab' }, 'gap in "lobby": messages of node ab lost'],
  [{}, 'gap in "lobby": messages of other servers may be lost'],
])('a gap of %j', (info, line) => {
  expect(describeGap({ room: 'lobby', ...info })).toBe(line)
})
