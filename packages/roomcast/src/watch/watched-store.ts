// A store, and what goes through it: how many members each publication is for, how long its calls take, which fail.

import type { BusRecord, Store } from '@roomcast/rooms'
import type { KeepingStore } from '../options.ts'
import type { Waiting } from './waiting.ts'

/** What is told of a store. */
export interface StoreListener {
  /** A publication is for the members of a room on this server. */
  published(room: string): void
  called(call: string, ms: number, isFailed: boolean): void
}

/** Calls that are answered when something far away has answered. */
const CALLS: ReadonlySet<PropertyKey> = new Set<keyof Store>([
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
])

/** The same store.
 * @param pending what it has not answered. */
export function watchStore(store: KeepingStore, pending: Waiting, listener: StoreListener): KeepingStore {
  const tell = (room: string, { kind }: BusRecord): void => {
    if (kind === 'publication') listener.published(room)
  }
  const start: Store['start'] = (sink) =>
    store.start({
      ...sink,
      deliver(room, record) {
        tell(room, record)
        sink.deliver(room, record)
      },
    })
  // In a room without history what is said here has reached its members when it is carried.
  const carry: Store['carry'] = (room, record) => {
    tell(room, record)
    return store.carry(room, record)
  }
  function called(name: string, method: (...args: unknown[]) => Promise<unknown>): typeof method {
    return (...args) => {
      const end = pending.begin()
      const answer = method.apply(store, args)
      answer.then(
        () => listener.called(name, end(), false),
        () => listener.called(name, end(), true),
      )
      return answer
    }
  }
  const methods = new Map<PropertyKey, unknown>(Object.entries({ start, carry }))
  return new Proxy(store, {
    get(target, name) {
      const known = methods.get(name)
      if (known !== undefined) return known
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const method = CALLS.has(name) ? called(String(name), value as never) : value.bind(target)
      methods.set(name, method)
      return method
    },
  })
}
