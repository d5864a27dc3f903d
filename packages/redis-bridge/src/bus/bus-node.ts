// One node on the bus, without any I/O of its own: what is published (sender.ts), what is wanted and whether it can be
// believed (listener.ts), and what came in (positions.ts).

import type { Broker, BrokerSink, BrokerStatus } from '@roomcast/channels'
import { Framed } from '@roomcast/core'
import { hexOf } from './counters.ts'
import { decode, type Envelope, isNotice, Kind, kindOf, nodeOf, unpinned } from './envelope.ts'
import type { Line } from './line.ts'
import type { Lines } from './lines.ts'
import { Listener } from './listener.ts'
import { Positions } from './positions.ts'
import { Sender, type SenderOptions } from './sender.ts'

/** What a node counts since it was made, except `queued`. Messages, unless it says else. */
export interface BusNodeStats {
  /** Accepted for the bus. */
  published: number
  /** Came from the bus, our own included. */
  received: number
  /** Passed on to local members. */
  delivered: number
  /** Our own that came back. */
  echoes: number
  /** Gaps that were reported. */
  gaps: number
  /** Lost here: too much waited or for too long, the bus refused them, or the node was closed before it had them. */
  dropped: number
  /** Messages of the bus that were no envelope. */
  invalid: number
  /** Times that the bus was lost and came back. */
  reconnects: number
  /** Not answered by the bus yet. */
  queued: number
  /** Positions of (node, channel) pairs that had to make room for others: a loss while one was forgotten may be
   * unreported. */
  forgotten: number
}

export interface BusNodeOptions extends SenderOptions {
  lingerMs: number
  maxPositions?: number | undefined
  guest?: Guest | undefined
}

/** Who shares a node's lines and subscriptions: envelopes of kinds that the node does not know are his. */
interface Guest {
  /** An envelope came: of a channel, or, with `''`, on one of the node's own routes. False: it is not valid. */
  message(kind: number, channel: string, bytes: Buffer): boolean
  /** In a partition everything is subscribed to, for the first time or again. */
  listening(partition: number): void
}

/** A broker over a bus. */
export class BusNode implements Broker {
  readonly #sender: Sender
  readonly #listeners: readonly Listener[]
  readonly #positions: Positions
  readonly #options: BusNodeOptions
  readonly #homeHex: string
  #sink: BrokerSink | undefined
  #status: BrokerStatus = 'connecting'
  #closing: Promise<void> | undefined
  #received = 0
  #delivered = 0
  #echoes = 0
  #gaps = 0
  #invalid = 0

  constructor(options: BusNodeOptions) {
    this.#options = options
    const { clock, transport, lingerMs, maxPositions } = options
    const { routes } = transport
    this.#positions = new Positions(clock, maxPositions)
    const sender = new Sender(options, {
      up: ({ partition }, line) => this.#listeners[partition]!.up(line),
      down: ({ partition }) => this.#onDown(this.#listeners[partition]!),
      heard: ({ partition }) => this.#listeners[partition]!.heard(),
      probe: ({ partition }) => this.#listeners[partition]!.probe(),
      message: (line, route, bytes) => this.#onMessage(line, route, bytes),
      complete: () => {
        if (this.#closing === undefined) this.#status = 'ready'
      },
      isSubscribed: ({ partition, channel }) => this.#listeners[partition]!.subscriptions.isOn(channel),
    })
    this.#sender = sender
    const home = sender.node
    this.#homeHex = hexOf(home)
    const gap = (channel: string): void => this.#gap(channel, {})
    this.#listeners = sender.lanes.map((lane) => {
      const listening = (): void => options.guest?.listening(lane.partition)
      return new Listener({ clock, routes, lane, sender, home, homeHex: this.#homeHex, lingerMs, gap, listening })
    })
  }

  /** The lines, for others who use them beside this node. */
  get lines(): Lines {
    return this.#sender.lines
  }

  /** The id that this node's own routes are called by, in hex. */
  get home(): string {
    return this.#homeHex
  }

  /** Whether a channel has members here. */
  isWanted(channel: string): boolean {
    return this.#subscriptionsOf(channel).interestIn(channel)?.wanted ?? false
  }

  get status(): BrokerStatus {
    if (this.#status !== 'ready') return this.#status
    // One channel that cannot be subscribed to is deaf, however well the others are.
    return this.#listeners.some(({ subscriptions }) => subscriptions.failing > 0) ? 'degraded' : 'ready'
  }

  get stats(): BusNodeStats {
    const { published, dropped, queued, reconnects } = this.#sender
    return {
      published,
      received: this.#received,
      delivered: this.#delivered,
      echoes: this.#echoes,
      gaps: this.#gaps,
      dropped,
      invalid: this.#invalid,
      reconnects,
      queued,
      forgotten: this.#positions.forgotten,
    }
  }

  start(sink: BrokerSink): void {
    if (this.#sink !== undefined || this.#closing !== undefined) throw new Error('a broker can be started once')
    this.#sink = sink
    this.#sender.open()
  }

  join(channel: string): void {
    if (this.#closing === undefined) this.#subscriptionsOf(channel).join(channel)
  }

  leave(channel: string): void {
    this.#subscriptionsOf(channel).leave(channel)
  }

  ready(channel: string): Promise<void> {
    return this.#subscriptionsOf(channel).ready(channel)
  }

  publish(channel: string, frame: Framed): boolean {
    return this.#closing === undefined && this.#sender.publish(channel, frame.bytes)
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#status = 'closed'
      for (const listener of this.#listeners) listener.close()
      this.#closing = this.#sender.close()
    }
    return this.#closing
  }

  #subscriptionsOf(channel: string): Listener['subscriptions'] {
    return this.#listeners[this.#options.transport.routes.partitionOf(channel)]!.subscriptions
  }

  #onDown(listener: Listener): void {
    listener.down()
    if (this.#status === 'ready') this.#status = 'degraded'
  }

  #onMessage(line: Line, route: string, bytes: Buffer): void {
    if (this.#closing !== undefined) return
    const { guest, carries = Kind.MESSAGES } = this.#options
    const { channel, partition } = this.#options.transport.routes.parse(route)
    const kind = guest && kindOf(bytes)
    if (kind !== undefined && kind > Kind.RECORDS) {
      if (this.#sender.isOwn(nodeOf(bytes))) line.heard()
      if (!guest!.message(kind, channel, bytes)) this.#invalid++
      return
    }
    const envelope = decode(bytes, carries)
    const listener = this.#listeners[partition]
    if (envelope === undefined || listener === undefined || (channel === '') !== isNotice(envelope)) {
      this.#invalid++
      return
    }
    if (envelope.kind === carries) this.#received += envelope.frames.length
    if (this.#sender.isOwn(envelope.node)) {
      this.#echoes += envelope.frames.length
      line.heard()
    } else if (channel !== '') {
      this.#onForeign(listener, channel, envelope)
    } else {
      this.#onNotice(listener, route === this.#options.transport.routes.shared(partition), envelope)
    }
  }

  #onNotice(listener: Listener, toAll: boolean, envelope: Envelope): void {
    if (envelope.kind === Kind.ASK) toAll ? listener.asked(envelope) : listener.askedBack(envelope)
    else if (toAll && envelope.age > 0) listener.returned(envelope)
  }

  #onForeign(listener: Listener, channel: string, { node, number, age, frames }: Envelope): void {
    const found = listener.subscriptions.interestIn(channel)
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
