// The publishing half of whoever is on the bus, a node or a publisher: numbers, a bounded queue for each partition, marks
// for what fell silent, and the lines that come and go. No I/O of its own: time, chance and links are given.

import type { Buffer } from 'node:buffer'
import { Answers } from './answers.ts'
import { Attention } from './attention.ts'
import { Batch, costOf, type Settled } from './batch.ts'
import type { Clock } from './clock.ts'
import { type Counter, Counters, TOLD_MS } from './counters.ts'
import { type Carried, encodeNotice, Kind } from './envelope.ts'
import { Lane } from './lane.ts'
import { Lines } from './lines.ts'
import type { Transport } from './link.ts'
import { Marks, NODE_MARKS_MS, PUBLISHER_MARKS_MS } from './marks.ts'
import { MAX_WAIT_MS, PublishQueue } from './publish-queue.ts'
import type { Receiver } from './receiver.ts'

/** What may wait, in bytes: over it messages are lost, and counted. Their numbers are used, so receivers learn it. */
const MAX_QUEUED_BYTES = 64 * 1_048_576

/** Counters kept: about 50 MB when full, and as much again for those of the id before. */
const MAX_COUNTERS = 200_000

/** Closing waits so long for answers. */
const CLOSE_MS = 2000

export interface SenderOptions {
  clock: Clock
  transport: Transport
  /** Makes the 8 random bytes of a node's id. A restart is a new node. */
  newId(): Uint8Array
  /** What its messages are. Default: frames for members. */
  carries?: Carried | undefined
  /** Once for each outage: why. */
  onLost(error: Error): void
  maxQueuedBytes?: number | undefined
  maxCounters?: number | undefined
}

export class Sender {
  readonly #options: SenderOptions
  readonly #receiver: Receiver | undefined
  readonly #attention: Attention
  readonly #counters: Counters
  readonly #marks: Marks
  readonly #answers: Answers
  readonly #queues: PublishQueue[] = []
  readonly #maxQueuedBytes: number
  readonly lines: Lines
  readonly lanes: readonly Lane[]
  #unwatch: (() => void) | undefined
  #order = 0
  #notices = 0
  #queuedBytes = 0
  #lostTold = false
  #everEstablished = false
  #closing: Promise<void> | undefined
  #onIdle: (() => void) | undefined
  /** When each partition last was known to work. */
  readonly #workedAt: number[]
  /** Messages not answered. */
  queued = 0
  published = 0
  /** Messages lost here. */
  dropped = 0
  /** Times that all of it was there again. */
  reconnects = 0

  constructor(options: SenderOptions, receiver?: Receiver) {
    this.#options = options
    this.#receiver = receiver
    const { clock, transport, newId, maxQueuedBytes = MAX_QUEUED_BYTES, maxCounters = MAX_COUNTERS } = options
    this.#maxQueuedBytes = maxQueuedBytes
    this.#attention = new Attention(clock)
    this.#marks = new Marks({
      clock,
      delaysMs: receiver === undefined ? PUBLISHER_MARKS_MS : NODE_MARKS_MS,
      hearsAsks: receiver !== undefined,
      send: (counter) => this.#queueOf(counter).mark(counter),
    })
    this.#counters = new Counters({
      clock,
      maxCounters,
      newId,
      partitionOf: transport.routes.partitionOf,
      workedAt: (partition) => (this.lanes[partition]!.established ? clock.now() : this.#workedAt[partition]!),
      forgotten: (counter) => this.#marks.drop(counter),
      retired: (counter) => this.#marks.retired(counter),
    })
    this.#answers = new Answers({
      clock,
      counters: () => this.#counters.all(),
      tell: (counter) => {
        this.#marks.asked(counter)
        this.#queueOf(counter).mark(counter)
      },
    })
    this.lines = new Lines({
      clock,
      attention: this.#attention,
      transport,
      message: (line, route, bytes) => receiver?.message(line, route, bytes),
    })
    this.#workedAt = new Array(transport.routes.partitions).fill(clock.now())
    this.lanes = this.#workedAt.map((_, partition) => this.#makeLane(partition))
  }

  /** The id that messages have now. */
  get node(): Uint8Array {
    return this.#counters.node
  }

  get isEstablished(): boolean {
    return this.lanes.every(({ established }) => established)
  }

  isOwn(node: string): boolean {
    return this.#counters.isOwn(node)
  }

  open(): void {
    this.#unwatch = this.#attention.watch(() => {
      for (const queue of this.#queues) queue.expire()
    })
    for (const lane of this.lanes) lane.open()
  }

  /** Queues a message, or loses it and says false: too much waits. */
  publish(channel: string, frame: Buffer, settled?: Settled): boolean {
    const now = this.#options.clock.now()
    const counter = this.#counters.get(channel)
    const beforeAt = counter.lastAt
    counter.last++
    counter.lastAt = counter.touchedAt = now
    this.#marks.burst(counter)
    const costBytes = costOf(frame)
    if (this.#queuedBytes + costBytes > this.#maxQueuedBytes) {
      this.dropped++
      // What comes next has another number than the one after the last in there.
      counter.open = undefined
      return false
    }
    this.published++
    this.queued++
    this.#queuedBytes += costBytes
    if (counter.open === undefined || !counter.open.takes(frame, now)) {
      const batch = new Batch(counter, counter.last, beforeAt, ++this.#order)
      counter.open = batch
      batch.add(frame, now, settled)
      this.#queueOf(counter).push(batch)
    } else {
      counter.open.add(frame, now, settled)
    }
    return true
  }

  /** Publishes a probe or an ask at once. What refuses it cannot be worked with. */
  notice(lane: Lane, kind: Kind, route: string, node: Uint8Array, ageMs: number): void {
    const { line } = lane
    const { clock } = this.#options
    const at = clock.now()
    line?.out.publish([
      {
        route,
        bytes: encodeNotice(kind, node, ++this.#notices, ageMs),
        replied: (reply) => {
          if ('refused' in reply) line.fail(reply.refused)
        },
        again: () => {
          if (lane.line === line) this.notice(lane, kind, route, node, ageMs + clock.now() - at)
        },
      },
    ])
  }

  /** Tells the last numbers of what was used in a partition at or after `since`, soon. */
  tellSince(partition: number, since: number): void {
    this.#answers.owe(partition, since)
  }

  /** A lane is proven to work. */
  establish(lane: Lane): void {
    this.#workedAt[lane.partition] = this.#options.clock.now()
    if (lane.established) return
    lane.establish()
    if (!this.isEstablished) return
    if (this.#everEstablished) this.reconnects++
    this.#everEstablished = true
    this.#lostTold = false
    this.#receiver?.complete()
  }

  /** Sends all marks at once, waits up to 2 s for answers, then lets go; again: the same. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#marks.close()
    this.#tellLast()
    const began = this.#attention.now()
    let unwatch: (() => void) | undefined
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
      unwatch = this.#attention.watch(() => {
        if (this.#attention.now() - began > CLOSE_MS) resolve()
      })
      for (const queue of this.#queues) queue.flush()
      this.#tellIdle()
    })
    unwatch?.()
    this.#unwatch?.()
    for (const lane of this.lanes) lane.close()
    for (const queue of this.#queues) queue.close(new Error('closed before the message was answered'))
    this.#answers.close()
    this.#counters.close()
  }

  #makeLane(partition: number): Lane {
    const { clock, transport, carries = Kind.MESSAGES } = this.#options
    const { routes } = transport
    const receiver = this.#receiver
    /** Ourselves among the receivers. */
    const own = (counter: Counter): number => (receiver?.isSubscribed(counter) ? 1 : 0)
    const queue = new PublishQueue({
      clock,
      carries,
      routeOf: ({ channel }) => routes.of(channel, partition),
      markOf: ({ numbering, last, lastAt }, now) => encodeNotice(Kind.TAIL_MARK, numbering.node, last, now - lastAt),
      settled: (batch, error) => this.#settled(batch, error),
      published: (counter, number, receivers) => {
        if (receiver === undefined) this.establish(lane)
        this.#marks.published(counter, number, receivers - own(counter))
      },
      told: (counter, number, receivers) => {
        if (receivers === undefined) return this.#marks.refused(counter)
        if (receiver === undefined) this.establish(lane)
        this.#marks.told(counter, number, receivers - own(counter))
      },
      idle: () => this.#tellIdle(),
    })
    const lane = new Lane(partition, clock, this.lines, {
      queue,
      up: (line) => {
        queue.up(line.out)
        if (this.#closing !== undefined) this.#tellLast()
        else if (receiver !== undefined) receiver.up(lane, line)
        else this.#tellUnasked(partition)
      },
      down: (error) => {
        queue.down()
        if (this.#closing !== undefined) return
        receiver?.down(lane)
        if (this.#lostTold) return
        this.#lostTold = true
        this.#options.onLost(error)
      },
      heard: () => receiver?.heard(lane),
      probe: () => receiver?.probe(lane) ?? false,
    })
    this.#queues[partition] = queue
    return lane
  }

  /** Nobody can ask any more: whoever is deaf now, or was and has not been told yet, is told of everything lately used. */
  #tellLast(): void {
    const since = this.#options.clock.now() - TOLD_MS
    for (const counter of this.#counters.all()) if (counter.touchedAt >= since) this.#queueOf(counter).mark(counter)
  }

  /** Who hears no asks tells what may have been lost before, and what it lost itself. */
  #tellUnasked(partition: number): void {
    const workedAt = this.#workedAt[partition]!
    if (!this.#everEstablished && this.#options.clock.now() - workedAt <= MAX_WAIT_MS) return
    this.tellSince(partition, workedAt - TOLD_MS)
  }

  #queueOf({ partition }: Counter): PublishQueue {
    return this.#queues[partition]!
  }

  #settled(batch: Batch, error: Error | undefined): void {
    this.queued -= batch.count
    this.#queuedBytes -= batch.costBytes
    if (error !== undefined) {
      this.dropped += batch.count
      // Its numbers are told as lost, also where they were the last ones.
      if (this.#closing === undefined) this.#marks.again(batch.counter)
    }
    batch.settle(error)
  }

  #tellIdle(): void {
    if (this.#onIdle === undefined || !this.#queues.every(({ isIdle }) => isIdle)) return
    this.#onIdle()
    this.#onIdle = undefined
  }
}
