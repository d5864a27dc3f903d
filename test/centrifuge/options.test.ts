// What a caller gets wrong throws at the call.

import { centrifugeHandler, DisconnectCode, ErrorCode, refuse, textOf, UnsubscribeCode } from '@roomcast/centrifuge'
import { createRooms, memoryStore } from '@roomcast/rooms'
import { expect, test } from 'vitest'
import { OPEN } from './stage.ts'

const rooms = createRooms({ store: memoryStore() })
const GOOD = { rooms, policy: OPEN }

test.each<[string, object, typeof TypeError | typeof RangeError]>([
  ['no rooms', { policy: OPEN }, TypeError],
  ['no policy', { rooms }, TypeError],
  ['a policy without authenticate', { rooms, policy: {} }, TypeError],
  ['a policy of something else', { rooms, policy: { ...OPEN, rpc: true } }, TypeError],
  ['an unknown option', { ...GOOD, pingIntervall: 1 }, TypeError],
  ['a limit in words', { ...GOOD, maxDataBytes: '64K' }, TypeError],
  ['a limit of 0', { ...GOOD, commandBurst: 0 }, RangeError],
  ['half a limit', { ...GOOD, commandsPerSecond: 1.5 }, RangeError],
  ['pongs awaited for longer than an interval', { ...GOOD, pongTimeoutMs: 25_000 }, RangeError],
  ['an empty version', { ...GOOD, version: '' }, RangeError],
  ['a version that is a number', { ...GOOD, version: 1 }, TypeError],
  ['a clock without a date', { ...GOOD, clock: { now: () => 0, after: () => () => {} } }, TypeError],
  ['onError that is none', { ...GOOD, onError: 1 }, TypeError],
  ['random that is none', { ...GOOD, random: 1 }, TypeError],
])('%s', (_about, options, type) => {
  expect(() => centrifugeHandler(options as never)).toThrow(type)
})

test('limits that are undefined are the defaults', () => {
  expect(() => centrifugeHandler({ ...GOOD, maxDataBytes: undefined as never })).not.toThrow()
})

test.each<[unknown[], typeof TypeError | typeof RangeError]>([
  [['103'], TypeError],
  [[103, 1], TypeError],
  [[99], RangeError],
  [[2000], RangeError],
  [[2999], RangeError],
  [[5000], RangeError],
  [[103.5], RangeError],
  [[3500, ''], RangeError],
  [[3500, 'é'.repeat(62)], RangeError],
])('refuse(%j)', (args, type) => {
  expect(() => refuse(...(args as [number]))).toThrow(type)
})

test('each code has words, and what may be tried again is temporary', () => {
  for (const code of [ErrorCode, DisconnectCode, UnsubscribeCode].flatMap(
    (codes) => Object.values(codes) as number[],
  )) {
    expect(textOf(code)).toMatch(/^[a-z ]+$/)
    expect(textOf(code)).not.toBe('application code')
  }
  expect(textOf(4000)).toBe('application code')
  expect([100, 103, 111, 113, 500].map((code) => refuse(code).isTemporary)).toEqual([true, false, true, true, false])
})
