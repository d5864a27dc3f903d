// What the memory store remembers of one room: epoch, number, and the newest publications within the room's rule.

import type { Draft, HistoryRule, Page, Publication, Range } from './port.ts'
import { Row } from './row.ts'

/** One room's history. */
export class MemoryLog {
  readonly epoch: string
  readonly #metaTtlMs: number
  offset = 0
  lastId = ''
  /** The last of them is `offset`. */
  row: Row = new Row()
  /** When the history is gone, and when epoch and number are, unless somebody is in the room. */
  emptyAt: number
  forgottenAt: number

  constructor(epoch: string, now: number, rule: HistoryRule) {
    this.epoch = epoch
    this.#metaTtlMs = rule.metaTtlMs
    this.emptyAt = now
    this.forgottenAt = now + rule.metaTtlMs
  }

  get bytes(): number {
    return this.row.bytes
  }

  append(draft: Draft, rule: HistoryRule, now: number): Publication {
    this.touch(now)
    const { epoch, row, lastId: previous } = this
    const publication: Publication = { ...draft, epoch, offset: ++this.offset, previous }
    this.lastId = draft.id
    row.push(publication)
    while (row.length > rule.size || row.bytes > rule.maxBytes) row.shift()
    this.emptyAt = now + rule.ttlMs
    this.forgottenAt = this.emptyAt + rule.metaTtlMs
    return publication
  }

  read({ after = 0, before = Number.POSITIVE_INFINITY, limit, newest = false }: Range, now: number): Page {
    this.touch(now)
    const first = this.row.first ?? this.offset + 1
    const from = Math.max(after + 1 - first, 0)
    const to = Math.max(Math.min(before - first, this.row.length), from)
    const [start, end] = newest ? [Math.max(from, to - limit), to] : [from, Math.min(to, from + limit)]
    const { epoch, offset, lastId } = this
    return { epoch, offset, lastId, first, publications: this.row.slice(start, end) }
  }

  /** Drops the history when its time is over. */
  touch(now: number): void {
    if (now > this.emptyAt) this.clear()
  }

  /** The last member went: epoch and number live for their time from now on, or from the end of the history. */
  left(now: number): void {
    this.forgottenAt = Math.max(now, this.emptyAt) + this.#metaTtlMs
  }

  clear(): void {
    this.row = new Row()
  }
}
