// The newest publications of a room, as this node delivered them: an unbroken row that ends where the room stands. Whoever
// missed some is answered from here, so that bodies are made once however many come back.

import type { Kept } from './kept.ts'
import type { Codec } from './member.ts'
import type { HistoryRule, Publication } from './port.ts'
import { Row } from './row.ts'

/** At most so many publications are replayed to a member. */
export const MAX_REPLAY = 300

/** At most so many bytes of publications are replayed to a member. */
const MAX_REPLAY_BYTES = 1_048_576

/** The bytes of all windows of a node. Over the limit, the windows that were used least recently are emptied. */
export class WindowBudget {
  readonly #maxBytes: number
  readonly #windows = new Map<Window, number>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** A window has so many bytes now. */
  count(window: Window, bytes: number): void {
    this.#bytes += bytes - (this.#windows.get(window) ?? 0)
    this.#windows.delete(window)
    if (bytes > 0) this.#windows.set(window, bytes)
    for (const oldest of this.#windows.keys()) {
      if (this.#bytes <= this.#maxBytes) break
      oldest.clear()
    }
  }
}

/** What a member missed: all of it, within the limits of a replay. */
export interface Missed {
  readonly count: number
  /** The bodies, oldest first; those that are not there yet are made. One list for all who missed the same, so that a codec
   * can know it again. */
  bodies(codec: Codec): readonly unknown[]
}

/** Nothing. */
export const NOTHING_MISSED: Missed = { count: 0, bodies: () => NO_BODIES }

const NO_BODIES: readonly unknown[] = []

/** What was replayed last. */
interface Replayed {
  /** The number of the first. */
  readonly first: number
  readonly bodies: readonly unknown[]
}

/** The row itself: at most 300 publications and 1 MiB, and no more than the room remembers. */
export class Window {
  readonly #budget: WindowBudget
  readonly #maxCount: number
  readonly #maxBytes: number
  #row = new Row()
  /** By codec: the bodies, in the places of their publications, so far as they were made. */
  #bodies = new Map<Codec, unknown[]>()
  /** By codec: many come back at once, and missed the same. Good until the row changes. */
  #replayed = new Map<Codec, Replayed>()

  /** @param rule what the room remembers: no more of it is kept here. */
  constructor(budget: WindowBudget, { size, maxBytes }: HistoryRule) {
    this.#budget = budget
    this.#maxCount = Math.min(size, MAX_REPLAY)
    this.#maxBytes = Math.min(maxBytes, MAX_REPLAY_BYTES)
  }

  /** Adds the next publication, and the bodies that were made of it. */
  append({ publication, bodies }: Kept): void {
    this.#replayed.clear()
    this.#row.push(publication)
    const last = this.#row.length - 1
    for (const [codec, body] of bodies) this.#bodiesOf(codec)[last] = body
    this.#trim()
  }

  /** Adds what came before the row, or begins it. `before` ends where the row begins, or overlaps it.
   * @param offset where the room stands: the row must end there. */
  prepend(before: readonly Publication[], offset: number): void {
    const first = this.#row.first ?? offset + 1
    const older = before.filter((publication) => publication.offset < first)
    if (older.length === 0 || older.at(-1)!.offset !== first - 1) return
    this.#replayed.clear()
    const row = new Row()
    for (const publication of [...older, ...this.#row.slice()]) row.push(publication)
    this.#row = row
    for (const bodies of this.#bodies.values()) bodies.unshift(...older.map(() => undefined))
    this.#trim()
  }

  /** What is below a number is not kept any more. */
  dropBefore(first: number): void {
    while (this.#row.length > 0 && this.#row.first! < first) this.#shift()
    this.#trim()
  }

  /** Everything after a number; undefined when the row does not reach back so far.
   * @param offset where the room stands. */
  after(since: number, offset: number): Missed | undefined {
    if (since >= offset) return NOTHING_MISSED
    const { first } = this.#row
    if (first === undefined || first > since + 1) return undefined
    if (first + this.#row.length - 1 !== offset) return undefined
    const from = since + 1 - first
    return { count: this.#row.length - from, bodies: (codec) => this.#bodiesFrom(since + 1, codec) }
  }

  /** The id of the publication of that number, if it is here. */
  idOf(offset: number): string | undefined {
    return this.#row.idOf(offset)
  }

  clear(): void {
    this.#row = new Row()
    this.#bodies = new Map()
    this.#replayed.clear()
    this.#budget.count(this, 0)
  }

  #bodiesFrom(first: number, codec: Codec): readonly unknown[] {
    let replayed = this.#replayed.get(codec)
    if (replayed?.first !== first) {
      const bodies = this.#bodiesOf(codec)
      const from = first - this.#row.first!
      for (let i = from; i < this.#row.length; i++) bodies[i] ??= codec.body(this.#row.at(i))
      replayed = { first, bodies: bodies.slice(from) }
      this.#replayed.set(codec, replayed)
    }
    return replayed.bodies
  }

  #bodiesOf(codec: Codec): unknown[] {
    let bodies = this.#bodies.get(codec)
    if (bodies === undefined) {
      bodies = []
      this.#bodies.set(codec, bodies)
    }
    while (bodies.length < this.#row.length) bodies.push(undefined)
    return bodies
  }

  #shift(): void {
    this.#replayed.clear()
    this.#row.shift()
    for (const [codec, bodies] of this.#bodies) {
      bodies.shift()
      if (bodies.length === 0) this.#bodies.delete(codec)
    }
  }

  #trim(): void {
    while (this.#row.length > this.#maxCount || this.#row.bytes > this.#maxBytes) this.#shift()
    this.#budget.count(this, this.#row.bytes)
  }
}
