// A store, and the calls that go to it: how long they take, which fail, which wait.

import type { Store } from '@roomcast/rooms'
import type { KeepingStore } from '../options.ts'
import type { Waiting } from './waiting.ts'

/** Is told of each call that ended. */
export type CallListener = (call: string, ms: number, isFailed: boolean) => void

/** Calls that are answered when something far away has answered. */
export const CALLS: readonly (keyof Store)[] = [
  'publish',
  'removeHistory',
  'claim',
  'read',
  'fork',
  'enter',
  'exit',
  'assert',
  'lease',
  'presence',
  'presenceStats',
]

const AWAITED: ReadonlySet<PropertyKey> = new Set(CALLS)

/** The same store.
 * @param pending what it has not answered. */
export function watchStore(store: KeepingStore, pending: Waiting, called: CallListener): KeepingStore {
  function watched(method: (...args: unknown[]) => Promise<unknown>, name: string): typeof method {
    return (...args) => {
      const end = pending.begin()
      const ended = (isFailed: boolean): void => called(name, end(), isFailed)
      let answer: Promise<unknown>
      try {
        answer = method.apply(store, args)
      } catch (error) {
        ended(true)
        throw error
      }
      // What a store of somebody's own returns need not be a promise of node's.
      Promise.resolve(answer).then(
        () => ended(false),
        () => ended(true),
      )
      return answer
    }
  }
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return AWAITED.has(name) ? watched(value as never, String(name)) : value.bind(target)
    },
  })
}
