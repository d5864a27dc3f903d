// What is published and not yet acknowledged by Redis: one bounded queue in the order of publishing. Everything a turn
// publishes to one channel is one PUBLISH, and the commands of a turn are written in one go. What a lost connection leaves
// unacknowledged is written again with the same numbers: receivers drop what they have seen.

import type { Buffer } from 'node:buffer'
import type { Clock } from './clock.ts'
import { encodeMessages, encodeNotice, HEADER_BYTES, Kind, MAX_AGE, writeAge } from './envelope.ts'
import type { Outgoing as Command, Link } from './link.ts'
import { type Source, Sources } from './sources.ts'

/** What may wait for Redis. Over it messages are lost, and counted: their numbers are used, so receivers learn it. */
const MAX_QUEUED_MESSAGES = 10_000
const MAX_QUEUED_BYTES = 16 * 1_048_576

/** What an outage gathers for one channel is not one huge PUBLISH. */
const MAX_BATCH_MESSAGES = 1000
const MAX_BATCH_BYTES = 1_048_576

/** Hears what became of a message. */
export type Settled = (error?: Error) => void

interface Batch {
  readonly source: Source<Batch>
  /** The number of its first message. */
  readonly first: number
  /** When the message before that one was published. */
  readonly beforeAt: number
  frames: Buffer[]
  bytes: number
  count: number
  envelope: Buffer | undefined
  settled: Settled[]
}

type Entry =
  | { kind: 'messages'; batch: Batch }
  | { kind: 'mark'; source: Source<Batch>; last: number; lastAt: number }
  | { kind: 'own'; what: Kind; redisChannel: string; ageMs: number }

export interface OutgoingOptions {
  clock: Clock
  node: Uint8Array
  nameOf: (channel: string) => string
  /** Redis refused, or the connection broke. */
  failed: (error: Error) => void
  /** Redis has something that was written. */
  acknowledged?: () => void
  maxQueuedMessages?: number | undefined
}

/** The publishing half of a node. */
export class Outgoing {
  readonly #options: OutgoingOptions
  readonly #sources: Sources<Batch>
  readonly #maxQueuedMessages: number
  #link: Link | undefined
  #waiting: Entry[] = []
  /** Written and not acknowledged, one group for each write, with the time of that. */
  readonly #inFlight = new Map<Entry[], number>()
  #scheduled = false
  #notices = 0
  #bytes = 0
  #onIdle: (() => void) | undefined
  /** Messages not acknowledged. */
  queued = 0
  published = 0
  /** Messages lost here. */
  dropped = 0

  constructor(options: OutgoingOptions) {
    this.#options = options
    this.#maxQueuedMessages = options.maxQueuedMessages ?? MAX_QUEUED_MESSAGES
    this.#sources = new Sources(options.clock, options.nameOf, (source) =>
      this.#push({ kind: 'mark', source, last: source.last, lastAt: source.lastAt }),
    )
  }

  /** When the oldest of what is not acknowledged was written; infinity when there is nothing. */
  get oldestWrittenAt(): number {
    for (const writtenAt of this.#inFlight.values()) return writtenAt
    return Number.POSITIVE_INFINITY
  }

  /** Queues a message, or drops it and says false: the queue is full. */
  publish(channel: string, frame: Buffer, settled?: Settled): boolean {
    const source = this.#sources.get(channel)
    const beforeAt = source.lastAt
    this.#sources.count(source)
    if (this.queued >= this.#maxQueuedMessages || this.#bytes + frame.length > MAX_QUEUED_BYTES) {
      this.dropped++
      source.open = undefined
      return false
    }
    this.published++
    this.queued++
    this.#bytes += frame.length
    let batch = source.open
    if (batch === undefined || batch.count >= MAX_BATCH_MESSAGES || batch.bytes + frame.length > MAX_BATCH_BYTES) {
      batch = { source, first: source.last, beforeAt, frames: [], bytes: 0, count: 0, envelope: undefined, settled: [] }
      source.open = batch
      this.#push({ kind: 'messages', batch })
    }
    batch.frames.push(frame)
    batch.bytes += frame.length
    batch.count++
    if (settled !== undefined) batch.settled.push(settled)
    return true
  }

  /** Publishes a probe or an ask on a Redis channel of the bridge's own. */
  notice(what: Kind, redisChannel: string, ageMs: number): void {
    this.#push({ kind: 'own', what, redisChannel, ageMs })
  }

  /** Tells again of all channels used at or after `since`. */
  markUsedSince(since: number): void {
    if (this.#link !== undefined) this.#sources.markUsedSince(since)
  }

  /** Redis is there. */
  up(link: Link): void {
    this.#link = link
    this.#sources.start()
    if (this.#onIdle !== undefined) this.#sources.markAll()
    this.#schedule()
  }

  /** Redis is gone: what it has not acknowledged comes first again. Marks and notices were for this connection. */
  down(): void {
    this.#link = undefined
    this.#sources.stop()
    this.#waiting = [...this.#inFlight.keys(), this.#waiting].flat().filter(({ kind }) => kind === 'messages')
    this.#inFlight.clear()
    this.#settleIdle()
  }

  /** Sends all marks at once; resolves when everything is acknowledged. Messages wait for a connection, marks alone do not. */
  drain(): Promise<void> {
    if (this.#link !== undefined) this.#sources.markAll()
    return new Promise((resolve) => {
      this.#onIdle = resolve
      this.#flush()
      this.#settleIdle()
    })
  }

  /** What is left is lost. */
  close(): void {
    const error = new Error('closed before Redis had the message')
    for (const entry of [...this.#inFlight.keys(), this.#waiting].flat()) {
      if (entry.kind !== 'messages') continue
      this.dropped += entry.batch.count
      for (const settled of entry.batch.settled) settled(error)
    }
    this.#link = undefined
    this.#inFlight.clear()
    this.#waiting = []
    this.#bytes = 0
    this.queued = 0
    this.#sources.close()
    this.#settleIdle()
  }

  #push(entry: Entry): void {
    this.#waiting.push(entry)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#link === undefined || this.#waiting.length === 0) return
    this.#scheduled = true
    this.#options.clock.soon(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    const link = this.#link
    if (link === undefined || this.#waiting.length === 0) return
    const group = this.#waiting
    this.#waiting = []
    const now = this.#options.clock.now()
    this.#inFlight.set(group, now)
    const commands = group.map((entry) => this.#command(entry, now))
    link.publish(commands, (error) => {
      if (this.#link !== link) return
      if (error === undefined) this.#acknowledged(group)
      else this.#options.failed(error)
    })
  }

  #command(entry: Entry, now: number): Command {
    const { node } = this.#options
    if (entry.kind === 'own') {
      const bytes = encodeNotice(entry.what, node, ++this.#notices, entry.ageMs)
      return { redisChannel: entry.redisChannel, bytes }
    }
    if (entry.kind === 'mark') {
      const { redisChannel } = entry.source
      const { last, lastAt } = entry
      return { redisChannel, bytes: encodeNotice(Kind.TAIL_MARK, node, last, now - lastAt) }
    }
    const { batch } = entry
    const { source } = batch
    const age = batch.first === 1 ? MAX_AGE : now - batch.beforeAt
    if (batch.envelope === undefined) {
      batch.envelope = encodeMessages(node, batch.first, age, batch.frames, batch.bytes)
      batch.frames = []
    } else {
      writeAge(batch.envelope, age)
    }
    if (source.open === batch) source.open = undefined
    source.writtenAt = now
    return { redisChannel: source.redisChannel, bytes: batch.envelope }
  }

  #acknowledged(group: Entry[]): void {
    this.#inFlight.delete(group)
    this.#options.acknowledged?.()
    for (const entry of group) {
      if (entry.kind !== 'messages') continue
      const { batch } = entry
      this.queued -= batch.count
      this.#bytes -= batch.envelope!.length - HEADER_BYTES
      for (const settled of batch.settled) settled()
    }
    this.#settleIdle()
  }

  #settleIdle(): void {
    if (this.#inFlight.size > 0 || this.#waiting.length > 0) return
    this.#onIdle?.()
    this.#onIdle = undefined
  }
}
