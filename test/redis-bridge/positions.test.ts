// The receiver's rules, one at a time.

import { beforeEach, describe, expect, test } from 'vitest'
import { type Interest, Positions } from '../../packages/redis-bridge/src/bus/positions.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const NONE = { repeated: 0, lost: 0 }
const HOUR_MS = 3_600_000

let clock: VirtualClock
let positions: Positions
let interest: Interest

beforeEach(() => {
  clock = new VirtualClock(1)
  positions = new Positions(clock, 2)
  clock.advance(10_000)
  interest = { since: clock.now(), cutEarly: false, ended: false }
})

/** A message of a node; by default the one before it was published long ago. */
function message(number: number, { count = 1, age = 1e9, node = 'n', of = interest } = {}) {
  return positions.see(of, 'room', node, number - 1, number + count - 1, age)
}

describe('with a position', () => {
  test('the next is nothing special, a jump is a loss of so many', () => {
    expect(message(7)).toEqual(NONE)
    expect(message(8, { count: 3 })).toEqual(NONE)
    expect(message(15)).toEqual({ repeated: 0, lost: 4 })
    expect(message(16)).toEqual(NONE)
  })

  test('what was seen is a repeat, and of a partly new envelope only the new is new', () => {
    message(1, { count: 5 })
    expect(message(2, { count: 3 })).toEqual({ repeated: 3, lost: 0 })
    expect(message(4, { count: 4 })).toEqual({ repeated: 2, lost: 0 })
    expect(message(8)).toEqual(NONE)
  })

  test('a mark tells of what is missing before it, once', () => {
    message(1)
    const mark = (last: number) => positions.see(interest, 'room', 'n', last, last, 1000)
    expect(mark(1)).toEqual(NONE)
    expect(mark(4)).toEqual({ repeated: 0, lost: 3 })
    expect(mark(4)).toEqual(NONE)
    expect(message(5)).toEqual(NONE)
  })

  test('nodes and channels are apart', () => {
    message(1)
    expect(message(9, { node: 'm' })).toEqual(NONE)
    expect(positions.see(interest, 'hall', 'n', 8, 9, 1e9)).toEqual(NONE)
  })
})

describe('without a position', () => {
  test('the message before was published before we came: nothing was lost', () => {
    clock.advance(5000)
    expect(message(7, { age: 5000 })).toEqual(NONE)
  })

  test('it was published after we came: it was lost, and nobody knows with how many others', () => {
    clock.advance(5000)
    expect(message(7, { age: 2999 })).toEqual({ repeated: 0, lost: 'some' })
    expect(message(8)).toEqual(NONE)
  })

  test('where the connection was lost right after we came, it is told more closely', () => {
    interest.cutEarly = true
    clock.advance(1000)
    expect(message(7, { age: 750 })).toEqual(NONE)
    expect(message(7, { age: 650, node: 'm' })).toEqual({ repeated: 0, lost: 'some' })
  })

  test('nothing comes before number 1', () => {
    clock.advance(1e9)
    expect(message(1, { age: 0 })).toEqual(NONE)
  })

  test('a mark tells of its own message', () => {
    clock.advance(5000)
    expect(positions.see(interest, 'room', 'n', 7, 7, 1000)).toEqual({ repeated: 0, lost: 'some' })
  })

  test('before Redis has confirmed, nothing is known to be lost', () => {
    expect(message(7, { age: 0, of: { since: undefined, cutEarly: false, ended: false } })).toEqual(NONE)
  })
})

describe('forgetting', () => {
  test('after an UNSUBSCRIBE a jump says nothing, a repeat still does', () => {
    message(5)
    interest.ended = true
    clock.advance(1000)
    const next: Interest = { since: clock.now(), cutEarly: false, ended: false }
    expect(message(5, { of: next })).toEqual({ repeated: 1, lost: 0 })
    expect(message(9, { of: next })).toEqual({ repeated: 0, lost: 3 })
    interest = { since: clock.now(), cutEarly: false, ended: false }
    next.ended = true
    expect(message(20, { of: interest })).toEqual(NONE)
  })

  test('where a position was pushed out, only what was lost after its last sight is known to be', () => {
    message(1, { node: 'a' })
    clock.advance(100_000)
    message(1, { node: 'b' })
    message(1, { node: 'c' })
    // That of a is forgotten, last seen 100 s ago: what was published 60 s ago should have come, 150 s ago not.
    expect(message(5, { node: 'a', age: 60_000 })).toEqual({ repeated: 0, lost: 'some' })
    clock.advance(100_000)
    message(2, { node: 'c' })
    // Now that of b is: it was last seen when a was forgotten.
    expect(message(5, { node: 'b', age: 150_000 })).toEqual(NONE)
  })

  test('after an hour of silence a position is forgotten, and what is seen stays', () => {
    message(1, { node: 'a' })
    clock.advance(HOUR_MS / 2)
    message(2, { node: 'a' })
    clock.advance(HOUR_MS - 1000)
    expect(message(4, { node: 'a' })).toEqual({ repeated: 0, lost: 1 })
    clock.advance(HOUR_MS + 1000)
    expect(message(1, { node: 'a' })).toEqual(NONE)
  })
})
