// A store whose deliveries pass the gate: what other servers said, and what has its number now, reaches the members of a
// room when they have room. And one that remembers whether the bus took what was carried last, which `publish` does not tell.

import type { BusRecord, Store } from '@roomcast/rooms'
import type { KeepingStore } from './options.ts'
import type { Passage } from './watch/watched-gate.ts'
import type { Revocations } from './who/revocations.ts'

export interface GatedStore extends KeepingStore {
  /** Did the bus take what was carried last? Else too much waits for it, and other servers do not get it. */
  readonly tookLast: boolean
}

/** What a frame has beside its data, about. */
const FRAME_BYTES = 64

/** Hears of commands before they are carried out. */
export type Listener = Pick<Revocations, 'hear'>

/** The same store, but for that.
 * @param gate asked for at each delivery: it is made of the rooms that the store is for. */
export function gatedStore(store: KeepingStore, gate: () => Pick<Passage, 'pass'>, listener: Listener): GatedStore {
  let tookLast = true
  // All of a room passes in one line, so that its order stays.
  const start: Store['start'] = (sink) =>
    store.start({
      ...sink,
      answer(request) {
        listener.hear(request, () => sink.answer(request))
        return sink.answer(request)
      },
      deliver: (room, record) => gate().pass(room, bytesOf(record), () => sink.deliver(room, record)),
      mark: (room, top) => gate().pass(room, 0, () => sink.mark(room, top)),
      gap: (room, info) => gate().pass(room, 0, () => sink.gap(room, info)),
    })
  const carry: Store['carry'] = (room, record) => {
    tookLast = store.carry(room, record)
    return tookLast
  }
  return new Proxy(store, {
    get(target, name) {
      if (name === 'start') return start
      if (name === 'carry') return carry
      if (name === 'tookLast') return tookLast
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  }) as GatedStore
}

function bytesOf(record: BusRecord): number {
  if (record.kind !== 'publication') return FRAME_BYTES
  const { data } = record.publication
  return FRAME_BYTES + (typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength)
}
