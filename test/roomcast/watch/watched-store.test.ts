// What is counted of the calls to a store, whichever way they end.

import { memoryStore, type Store } from '@roomcast/rooms'
import { expect, test } from 'vitest'
import { Waiting } from '../../../packages/roomcast/src/watch/waiting.ts'
import { watchStore } from '../../../packages/roomcast/src/watch/watched-store.ts'
import { nextTurn } from '../../support/log.ts'

const answers: [how: string, claim: () => unknown, isFailed: boolean][] = [
  ['resolves', () => Promise.resolve(true), false],
  ['rejects', () => Promise.reject(new Error('away')), true],
  ['throws', () => assertNever(), true],
  // biome-ignore lint/suspicious/noThenProperty: what somebody's own store may return.
  ['returns what can be awaited', () => ({ then: (done: (value: boolean) => void) => done(true) }), false],
  ['returns a value', () => true, false],
]

function assertNever(): never {
  throw new Error('a defect')
}

test.each(answers)('a call that %s is counted once, and waits no more', async (_, claim, isFailed) => {
  const store = Object.assign(memoryStore(), { claim: claim as Store['claim'] })
  const pending = new Waiting()
  const told: unknown[] = []
  const watched = watchStore(store, pending, (call, _ms, isFailed) => told.push([call, isFailed]))
  try {
    await watched.claim('room', 'key')
  } catch {}
  await nextTurn()
  expect([told, pending.count, pending.oldestMs]).toEqual([[['claim', isFailed]], 0, 0])
})
