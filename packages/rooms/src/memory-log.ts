// What the memory store remembers of one room: epoch, number, and the newest publications within the room's rule.

import type { Draft, HistoryRule, Page, Publication, Range } from './port.ts'
import { publicationBytes } from './window.ts'

/** One room's history. */
export class MemoryLog {
  readonly epoch: string
  readonly #metaTtlMs: number
  offset = 0
  lastId = ''
  bytes = 0
  /** In the order of their numbers, the last of them `offset`. */
  publications: Publication[] = []
  /** When the history is gone, and when epoch and number are, unless somebody is in the room. */
  emptyAt: number
  forgottenAt: number

  constructor(epoch: string, now: number, rule: HistoryRule) {
    this.epoch = epoch
    this.#metaTtlMs = rule.metaTtlMs
    this.emptyAt = now
    this.forgottenAt = now + rule.metaTtlMs
  }

  append(draft: Draft, rule: HistoryRule, now: number): Publication {
    this.touch(now)
    const { id, data, info, tags } = draft
    const { epoch, lastId: previous } = this
    // Written out: what a spread makes takes half as much again.
    const publication: Publication = { id, data, info, tags, epoch, offset: ++this.offset, previous }
    this.lastId = id
    this.publications.push(publication)
    this.bytes += publicationBytes(publication)
    while (this.publications.length > rule.size || this.bytes > rule.maxBytes) {
      this.bytes -= publicationBytes(this.publications.shift()!)
    }
    this.emptyAt = now + rule.ttlMs
    this.forgottenAt = this.emptyAt + rule.metaTtlMs
    return publication
  }

  read({ after = 0, before = Number.POSITIVE_INFINITY, limit, newest = false }: Range, now: number): Page {
    this.touch(now)
    const first = this.publications[0]?.offset ?? this.offset + 1
    const from = Math.max(after + 1 - first, 0)
    const to = Math.max(Math.min(before - first, this.publications.length), from)
    const [start, end] = newest ? [Math.max(from, to - limit), to] : [from, Math.min(to, from + limit)]
    const { epoch, offset, lastId } = this
    return { epoch, offset, lastId, first, publications: this.publications.slice(start, end) }
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
    this.publications = []
    this.bytes = 0
  }
}
