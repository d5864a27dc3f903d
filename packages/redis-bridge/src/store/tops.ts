// How a node learns of a publication that it should have had and that nothing came after. Three ways: who published tells
// where the room stands when it has been quiet for a second; whoever was cut off looks, when everything is subscribed to
// again; and every room with members is looked at now and then, which also keeps its epoch alive.

import type { HistoryRule, Top } from '@roomcast/rooms'
import type { Clock } from '../bus/clock.ts'
import { TOUCHED_WITHIN_MS } from './histories.ts'
import { TOPS } from './history-scripts.ts'
import { encodeTop } from './messages.ts'
import type { Place, Places } from './places.ts'

const TICK_MS = 1000

/** Every room with members is looked at once in so many ticks. */
const ROUND_TICKS = 30

/** Rooms in one call. */
const ROOMS_PER_CALL = 200

/** Rooms that wait for their mark; for those over it, the receivers look by themselves. */
const MAX_MARKS = 10_000

export interface TopsOptions {
  clock: Clock
  places: Places
  home: Uint8Array
  /** A room stands there, as Redis has it. */
  mark(room: string, top: Top): void
}

/** Where rooms stand, told and asked. */
export class Tops {
  readonly #options: TopsOptions
  /** Rooms with history that have members here. */
  readonly #joined = new Map<string, HistoryRule>()
  #round: IterableIterator<string> | undefined
  /** Rooms that are to be looked at. */
  readonly #due = new Set<string>()
  readonly #asking = new Set<string>()
  /** Rooms that were published to from here in this tick, and in the one before. */
  #fresh = new Map<string, Top>()
  #older = new Map<string, Top>()
  #cancel: (() => void) | undefined
  #closed = false

  constructor(options: TopsOptions) {
    this.#options = options
  }

  join(room: string, rule: HistoryRule): void {
    this.#joined.set(room, rule)
    this.#tickLater()
  }

  leave(room: string): void {
    this.#joined.delete(room)
    this.#due.delete(room)
  }

  /** A publication of this node got a number. */
  published(room: string, top: Top): void {
    const known = this.#fresh.get(room)
    if (known?.epoch === top.epoch && known.offset > top.offset) return
    if (known === undefined && this.#fresh.size >= MAX_MARKS) return
    this.#fresh.set(room, top)
    this.#tickLater()
  }

  /** Where a room stands was told by whoever published. */
  told(room: string, top: Top): void {
    if (this.#joined.has(room)) this.#options.mark(room, top)
  }

  /** In a partition everything is subscribed to again: what came before that may be missing. */
  listening(partition: number): void {
    const { places } = this.#options
    for (const room of this.#joined.keys()) if (places.of(room).partition === partition) this.#due.add(room)
    this.look()
  }

  close(): void {
    this.#closed = true
    this.#cancel?.()
  }

  #tickLater(): void {
    if (this.#cancel !== undefined || this.#closed) return
    this.#cancel = this.#options.clock.after(TICK_MS, () => {
      this.#cancel = undefined
      this.#tell()
      this.#goRound()
      this.look()
      if (this.#joined.size + this.#fresh.size + this.#older.size > 0) this.#tickLater()
    })
  }

  #tell(): void {
    const { places, home } = this.#options
    for (const [room, top] of this.#older) {
      // What was published to meanwhile is not quiet yet.
      if (this.#fresh.has(room)) continue
      const place = places.of(room)
      place.calls.out?.publish([{ route: place.route(room), bytes: encodeTop(home, top), replied: () => {} }])
    }
    this.#older = this.#fresh
    this.#fresh = new Map()
  }

  #goRound(): void {
    for (let left = Math.ceil(this.#joined.size / ROUND_TICKS); left > 0; left--) {
      this.#round ??= this.#joined.keys()
      const { value, done } = this.#round.next()
      if (done) this.#round = undefined
      else this.#due.add(value)
    }
  }

  /** Looks at what is to be looked at, where that is possible. */
  look(): void {
    const byPlace = new Map<Place, string[]>()
    for (const room of this.#due) {
      const place = this.#options.places.of(room)
      if (this.#asking.has(room) || place.calls.out === undefined) continue
      const rooms = byPlace.get(place) ?? []
      rooms.push(room)
      byPlace.set(place, rooms)
    }
    for (const [place, rooms] of byPlace) {
      for (let i = 0; i < rooms.length; i += ROOMS_PER_CALL) void this.#ask(place, rooms.slice(i, i + ROOMS_PER_CALL))
    }
  }

  async #ask({ keys, calls }: Place, rooms: readonly string[]): Promise<void> {
    for (const room of rooms) {
      this.#due.delete(room)
      this.#asking.add(room)
    }
    try {
      const tops = (await calls.call({
        script: TOPS,
        keys: [keys.lineage, ...rooms.map((room) => keys.top(room))],
        args: rooms.map((room) => (this.#joined.get(room)?.metaTtlMs ?? 0) + TOUCHED_WITHIN_MS),
        again: true,
      })) as [Buffer, number, Buffer][]
      for (const [i, room] of rooms.entries()) {
        const [epoch = '', offset = 0, lastId = ''] = tops[i]!
        this.told(room, { epoch: String(epoch), offset, lastId: String(lastId) })
      }
    } catch {
      // It is asked again with the next tick.
      for (const room of rooms) if (this.#joined.has(room)) this.#due.add(room)
    } finally {
      for (const room of rooms) this.#asking.delete(room)
    }
  }
}
