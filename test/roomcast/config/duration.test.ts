// Durations as Centrifugo's files write them.

import { expect, test } from 'vitest'
import { readDuration } from '../../../packages/roomcast/src/config/duration.ts'

test.each([
  ['300s', 300_000],
  ['1h30m', 5_400_000],
  ['720h', 2_592_000_000],
  ['1.5s', 1500],
  ['250ms', 250],
  ['0', 0],
  ['0s', 0],
  ['1ns', 1],
  ['1500us', 2],
  ['1500µs', 2],
  ['0.1s', 100],
  ['1m1s1ms', 61_001],
  ['', undefined],
  ['300', undefined],
  ['s', undefined],
  ['-1s', undefined],
  ['1s ', undefined],
  ['1 s', undefined],
  ['1S', undefined],
  ['1d', undefined],
  ['.5s', undefined],
  ['1e3s', undefined],
  ['1s,2s', undefined],
])('%j is %s ms', (text, ms) => {
  expect(readDuration(text)).toBe(ms)
})
