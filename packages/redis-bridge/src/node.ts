// One node on the bus, without any I/O of its own: what is published, what is wanted, what came in, and whether all of
// that can be believed. bridge.ts gives it ioredis and the machine's clock, the simulation gives it models of both.

import type { Broker, BrokerSink, BrokerStatus } from '@roomcast/channels'
import { Framed } from '@roomcast/core'
import { Answers } from './answers.ts'
import type { Clock } from './clock.ts'
import { decode, type Envelope, isNotice, Kind, unpinned } from './envelope.ts'
import { Interests } from './interest.ts'
import type { Link, OpenLink } from './link.ts'
import type { Names } from './names.ts'
import { Outgoing } from './outgoing.ts'
import { type Interest, Positions } from './positions.ts'
import { Probe } from './probe.ts'
import { Session } from './session.ts'
import type { BridgeStats } from './stats.ts'

/** Deaf for longer, marks may be over: every channel is said to have lost something. */
const MARKS_COVER_MS = 60_000

/** An ask is answered after so long at most, so that many nodes that come back together are answered once. */
const ANSWER_MS = 50

const ASK_MARGIN_MS = 2000 // What was published before the asker went deaf may have been on its way.

/** Closing waits so long for Redis to acknowledge what was published. */
const CLOSE_TIMEOUT_MS = 2000

export interface NodeOptions {
  clock: Clock
  /** 8 random bytes: a restart is a new node. */
  id: Uint8Array
  names: Names
  lingerMs: number
  openLink: OpenLink
  /** Once for each outage: why. */
  onLost: (error: Error) => void
  maxPositions?: number
  maxQueuedMessages?: number
}

/** A broker over links. */
export class Node implements Broker {
  readonly #clock: Clock
  readonly #names: Names
  readonly #id: string
  readonly #outgoing: Outgoing
  readonly #interests: Interests
  readonly #positions: Positions
  readonly #session: Session
  readonly #answers: Answers
  readonly #probes: Probe[]
  #sink: BrokerSink | undefined
  #status: BrokerStatus = 'connecting'
  #link: Link | undefined
  /** Partitions whose own Redis channel is not confirmed, plus one for the interest. */
  #unconfirmed = 0
  /** Partitions that have not heard their own message on this link. */
  readonly #unheard = new Set<number>()
  /** When this node last heard itself; undefined: never. */
  #heardAt: number | undefined
  /** What begins anew after too long a silence, and is told so when it is confirmed, be it many attempts later. */
  #renewed = new Set<Interest>()
  #answerDeafMs = 0
  #cancelAnswer: (() => void) | undefined
  #closing: Promise<void> | undefined
  #received = 0
  #delivered = 0
  #echoes = 0
  #gaps = 0
  #invalid = 0

  constructor({ clock, id, names, lingerMs, openLink, onLost, maxPositions, maxQueuedMessages }: NodeOptions) {
    this.#clock = clock
    this.#names = names
    this.#id = Buffer.from(id).toString('hex')
    this.#positions = new Positions(clock, maxPositions)
    this.#session = new Session(clock, openLink, {
      up: (link) => this.#onUp(link),
      down: () => this.#onDown(),
      message: (redisChannel, bytes) => this.#onMessage(redisChannel, bytes),
      lost: onLost,
    })
    this.#outgoing = new Outgoing({
      clock,
      node: id,
      nameOf: names.of,
      failed: (error) => this.#session.fail(error),
      maxQueuedMessages,
    })
    this.#answers = new Answers({
      clock,
      oldestWrittenAt: () => this.#outgoing.oldestWrittenAt,
      late: (error) => this.#session.fail(error),
    })
    const all = (channels: readonly string[]): string[] => channels.map(names.of)
    this.#interests = new Interests(
      clock,
      {
        subscribe: (channels, done) => this.#link?.subscribe(all(channels), this.#answers.inTime(done)),
        unsubscribe: (channels, done) => this.#link?.unsubscribe(all(channels), this.#answers.inTime(done)),
        confirmed: (channel, interest) => {
          if (this.#renewed.delete(interest)) this.#gap(channel, {})
        },
      },
      lingerMs,
    )
    this.#probes = Array.from({ length: names.partitions }, (_, partition) => {
      return new Probe({
        clock,
        send: () => this.#outgoing.notice(Kind.PROBE, names.own(partition), 0),
        failed: () => this.#session.fail(new Error('Redis does not give back what it is sent')),
      })
    })
  }

  get status(): BrokerStatus {
    if (this.#status !== 'ready') return this.#status
    // One channel that cannot be subscribed to is deaf, however well the others are.
    return this.#interests.failing > 0 ? 'degraded' : 'ready'
  }

  get stats(): BridgeStats {
    return {
      published: this.#outgoing.published,
      received: this.#received,
      delivered: this.#delivered,
      echoes: this.#echoes,
      gaps: this.#gaps,
      dropped: this.#outgoing.dropped,
      invalid: this.#invalid,
      reconnects: this.#session.reconnects,
      queued: this.#outgoing.queued,
    }
  }

  start(sink: BrokerSink): void {
    if (this.#sink !== undefined || this.#closing !== undefined) throw new Error('a broker can be started once')
    this.#sink = sink
    this.#session.open()
  }

  join(channel: string): void {
    if (this.#closing === undefined) this.#interests.join(channel)
  }

  leave(channel: string): void {
    this.#interests.leave(channel)
  }

  ready(channel: string): Promise<void> {
    return this.#interests.ready(channel)
  }

  publish(channel: string, frame: Framed): void {
    if (this.#closing === undefined) this.#outgoing.publish(channel, frame.bytes)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#status = 'closed'
    for (const probe of this.#probes) probe.stop()
    this.#cancelAnswer?.()
    this.#interests.close()
    let cancel: (() => void) | undefined
    await Promise.race([
      this.#outgoing.drain(),
      new Promise<void>((resolve) => {
        cancel = this.#clock.after(CLOSE_TIMEOUT_MS, resolve)
      }),
    ])
    cancel?.()
    this.#session.close()
    this.#outgoing.close()
  }

  #onUp(link: Link): void {
    this.#link = link
    this.#answers.start()
    this.#outgoing.up(link)
    if (this.#closing !== undefined) return
    const deafMs = this.#heardAt === undefined ? 0 : this.#clock.now() - this.#heardAt
    const owed = [...this.#renewed].filter(({ ended }) => !ended)
    if (deafMs > MARKS_COVER_MS) this.#renewed = new Set([...owed, ...this.#interests.renew()])
    const { partitions } = this.#names
    this.#unconfirmed = partitions + 1
    const confirmed = (): void => {
      if (this.#link === link && --this.#unconfirmed === 0) this.#listening()
    }
    for (let partition = 0; partition < partitions; partition++) {
      // Each in time: once one partition has answered, nobody else watches the opening.
      const done = this.#answers.inTime((error) => {
        if (this.#link !== link) return
        if (error !== undefined) return this.#session.fail(error)
        this.#session.answered()
        confirmed()
      })
      link.subscribe([this.#names.own(partition)], done)
    }
    this.#interests.up(confirmed)
  }

  /** Every subscription is confirmed: what was missed is asked for, and whether we are heard is tried. */
  #listening(): void {
    // Only now: what came back before came while some channels were deaf still.
    for (let partition = 0; partition < this.#names.partitions; partition++) this.#unheard.add(partition)
    if (this.#heardAt !== undefined) {
      const deafMs = this.#clock.now() - this.#heardAt
      for (let partition = 0; partition < this.#names.partitions; partition++) {
        this.#outgoing.notice(Kind.ASK, this.#names.own(partition), deafMs)
      }
    }
    for (const probe of this.#probes) probe.start()
  }

  #onDown(): void {
    this.#link = undefined
    this.#answers.stop()
    for (const probe of this.#probes) probe.stop()
    this.#unheard.clear()
    this.#outgoing.down()
    if (this.#closing !== undefined) return
    this.#interests.down(this.#heardAt)
    if (this.#status === 'ready') this.#status = 'degraded'
  }

  #onMessage(redisChannel: string, bytes: Buffer): void {
    if (this.#closing !== undefined) return
    const envelope = decode(bytes)
    const { channel, partition } = this.#names.parse(redisChannel)
    if (envelope === undefined || (channel === '') !== isNotice(envelope)) {
      this.#invalid++
      return
    }
    if (envelope.kind === Kind.MESSAGES) this.#received += envelope.frames.length
    if (envelope.node === this.#id) {
      this.#echoes += envelope.frames.length
      this.#onEcho(partition)
    } else if (envelope.kind === Kind.ASK) {
      this.#onAsk(envelope.age)
    } else if (channel !== '') {
      this.#onForeign(channel, envelope)
    }
  }

  #onEcho(partition: number): void {
    this.#probes[partition]!.heard()
    this.#heardAt = this.#clock.now()
    if (this.#unheard.delete(partition) && this.#unheard.size === 0) {
      this.#status = 'ready'
      this.#session.established()
    }
  }

  #onAsk(deafMs: number): void {
    this.#answerDeafMs = Math.max(this.#answerDeafMs, deafMs)
    this.#cancelAnswer ??= this.#clock.after(ANSWER_MS, () => {
      this.#cancelAnswer = undefined
      this.#outgoing.markUsedSince(this.#clock.now() - this.#answerDeafMs - ASK_MARGIN_MS)
      this.#answerDeafMs = 0
    })
  }

  #onForeign(channel: string, { node, number, age, frames }: Envelope): void {
    const found = this.#interests.interestIn(channel)
    if (found === undefined) return
    const count = frames.length
    const before = count === 0 ? number : number - 1
    const { repeated, lost } = this.#positions.see(found.interest, channel, node, before, before + count, age)
    if (!found.wanted) return
    if (lost !== 0) this.#gap(channel, lost === 'some' ? { node } : { node, missed: lost })
    if (repeated >= count) return
    const sink = this.#sink!
    for (const frame of unpinned(repeated === 0 ? frames : frames.slice(repeated))) {
      this.#delivered++
      sink.deliver(channel, new Framed(frame, true))
    }
  }

  #gap(channel: string, info: { node?: string; missed?: number }): void {
    this.#gaps++
    this.#sink?.gap(channel, info)
  }
}
