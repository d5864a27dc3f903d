// One write per socket and turn: who has what to write, in acceptance order. `write` only appends to a socket's list; the
// outbox writes each list once, when the turn ends. In a busy room most lists are equal: whoever has the same list as the
// socket before (the same frames, in the same order) shares that one's joined buffer.
//
// A turn also ends after enough socket reads: libuv handles all readable sockets before setImmediate, and the first of
// thousands would wait for the last. A flush that has worked for `sliceMs` goes on in the next turn: newly written
// sockets first, then the backlog, which always gets its own slice. What a turn leaves is a batch of its own, and a small
// one goes before a large one, or who is caught behind a room of thousands would wait for all of them.

import { Buffer } from 'node:buffer'
import { now } from '../server/real-time.ts'
import type { Turn, TurnTask } from '../server/turn.ts'
import { Slab } from './slab.ts'

/** One socket's list, as the outbox sees it: send-queue.ts. */
export interface Queue {
  /** May something be written to its stream? */
  readonly ready: boolean
  readonly list: readonly Buffer[]
  readonly listBytes: number
  /** It is written when this turn ends. */
  dirty: boolean
  /** Puts all that is accepted on the list. */
  seal(): void
  /** Writes the first `count` frames, joined to `bytes`, to the stream. */
  write(bytes: Buffer, count: number): void
  /** Writes the first frame as it is, or the next 64 KiB of a larger one. */
  writeFirst(): void
}

/** Frames are joined up to this size; a larger one goes out in views of it, not copied, so that it is known what the
 * kernel took. */
export const JOIN_BYTES = 65_536

const READS_PER_TURN = 512

/** How many sockets are written between two looks at the clock. */
const WRITES_PER_LOOK = 16

/** Batches of the backlog; beyond it the last one grows. */
const MAX_BATCHES = 8

const NONE: readonly Buffer[] = []
const EMPTY = Buffer.alloc(0)

/** The outbox of one server. */
export class Outbox implements TurnTask {
  readonly slab: Slab = new Slab()
  readonly #turn: Turn
  readonly #sliceMs: number
  #fresh: Queue[] = []
  /** What turns have left, oldest first. */
  #backlog: Queue[][] = []
  #reads = 0
  #waits = false
  #lastList: readonly Buffer[] = NONE
  #lastJoined: Buffer = EMPTY

  constructor(turn: Turn, sliceMs: number) {
    this.#turn = turn
    this.#sliceMs = sliceMs
  }

  /** This queue has something to write when the turn ends. */
  add(queue: Queue): void {
    this.#fresh.push(queue)
    this.#waitForEnd()
  }

  /** A socket was read and what it sent was handled. */
  readHandled(): void {
    if (++this.#reads < READS_PER_TURN || this.#fresh.length === 0) return
    this.#flushFresh()
    this.#lastList = NONE
  }

  onTurnEnd(): void {
    this.#waits = false
    this.#flushFresh()
    this.#flushBacklog()
    this.#lastList = NONE
    this.#lastJoined = EMPTY
    if (this.#backlog.length > 0) this.#waitForEnd()
  }

  #waitForEnd(): void {
    if (this.#waits) return
    this.#waits = true
    this.#turn.atEnd(this)
  }

  /** Writes one queue now, out of turn, as far as the kernel takes it. */
  flushOne(queue: Queue): void {
    queue.seal()
    while (queue.ready) {
      const { list } = queue
      const count = queue.listBytes <= JOIN_BYTES ? list.length : countUpTo(list, JOIN_BYTES)
      if (count === 1) queue.writeFirst()
      else if (count === list.length) queue.write(this.#joined(list, queue.listBytes), count)
      else queue.write(Buffer.concat(list.slice(0, count)), count)
    }
  }

  #joined(list: readonly Buffer[], bytes: number): Buffer {
    if (!equalLists(list, this.#lastList)) {
      this.#lastJoined = Buffer.concat(list, bytes)
      this.#lastList = list
    }
    return this.#lastJoined
  }

  #flushFresh(): void {
    this.#reads = 0
    const fresh = this.#fresh
    this.#fresh = []
    // From the other end: who was written right after a large room is the next.
    const left = this.#slice(fresh, now() + this.#sliceMs).reverse()
    if (left.length === 0) return
    if (this.#backlog.length < MAX_BATCHES) this.#backlog.push(left)
    else this.#backlog[MAX_BATCHES - 1] = this.#backlog[MAX_BATCHES - 1]!.concat(left)
  }

  #flushBacklog(): void {
    const backlog = this.#backlog
    const end = now() + this.#sliceMs
    // Every second time the oldest batch begins, so that it is never forgotten for smaller ones.
    for (let oldest = this.#turn.number % 2 === 0; backlog.length > 0; oldest = false) {
      const at = oldest ? 0 : smallest(backlog)
      const left = this.#slice(backlog[at]!, end)
      if (left.length > 0) return void (backlog[at] = left)
      backlog.splice(at, 1)
    }
  }

  /** Writes queues until the time is over; those that are left. */
  #slice(queues: Queue[], end: number): Queue[] {
    for (let i = 0; i < queues.length; i++) {
      const queue = queues[i]!
      queue.dirty = false
      this.flushOne(queue)
      if ((i + 1) % WRITES_PER_LOOK === 0 && now() >= end) return queues.slice(i + 1)
    }
    return []
  }
}

/** Joins the frames from `first` on: each costs far more memory as an object of its own than its bytes, and those are what
 * is capped. Not when they are more than one write: that would be cut, and its rest could not be discarded any more. */
export function packFrom(list: Buffer[], first: number): boolean {
  const loose = list.slice(first)
  const bytes = loose.reduce((sum, frame) => sum + frame.length, 0)
  if (bytes > JOIN_BYTES) return false
  list.length = first
  list.push(Buffer.concat(loose, bytes))
  return true
}

function smallest(batches: readonly Queue[][]): number {
  return batches.reduce((best, batch, at) => (batch.length < batches[best]!.length ? at : best), 0)
}

function equalLists(a: readonly Buffer[], b: readonly Buffer[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** How many frames from the beginning make up at most `bytes`; at least one. */
function countUpTo(list: readonly Buffer[], bytes: number): number {
  let count = 1
  for (let sum = list[0]!.length; count < list.length; count++) {
    sum += list[count]!.length
    if (sum > bytes) break
  }
  return count
}
