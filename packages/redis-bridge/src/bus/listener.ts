// The hearing half of a node in one partition: what it is subscribed to, since when it was deaf, whom it asks for what it
// missed and what it answers. Deaf counts from the first subscription that was confirmed: from then on somebody relies on
// hearing everything.

import type { Clock } from './clock.ts'
import { TOLD_MS } from './counters.ts'
import { type Envelope, Kind } from './envelope.ts'
import type { Lane } from './lane.ts'
import type { Line } from './line.ts'
import type { Routes } from './link.ts'
import type { Interest } from './positions.ts'
import type { Sender } from './sender.ts'
import { Subscriptions } from './subscriptions.ts'

/** Deaf for longer, marks may be over: every channel is said to have lost something. */
const MARKS_COVER_MS = 60_000

/** What was published before an asker went deaf may have been on its way. */
const ASK_MARGIN_MS = 2000

/** What is asked for, or owed unasked, has come after so long. */
const ANSWERED_MS = 5000

export interface ListenerOptions {
  clock: Clock
  routes: Routes
  lane: Lane
  sender: Sender
  /** The id that this node's own route has; 8 bytes, and the same in hex. */
  home: Uint8Array
  homeHex: string
  lingerMs: number
  /** Something of a channel was lost, and nobody knows of whom. */
  gap(channel: string): void
  /** Every subscription is confirmed. */
  listening(): void
}

export class Listener {
  readonly #options: ListenerOptions
  readonly subscriptions: Subscriptions
  readonly #startedAt: number
  #line: Line | undefined
  /** What must be confirmed on this line before it listens. */
  #unconfirmed = 0
  #isListening = false
  /** When this node last heard itself. */
  #heardAt: number | undefined
  /** Since when it may have missed something that nobody was told of: it heard itself then, or said that it may have lost
   * something, or had a subscription confirmed for the first time. */
  #deafSince: number | undefined
  /** Until then the answers to what it asked may be on their way. Deaf again before, it asks for the same again. */
  #answeredAt = Number.NEGATIVE_INFINITY
  /** What begins anew after too long a silence, or after it was refused, and is told so when it is confirmed, be it many
   * attempts later. */
  #renewed = new Set<Interest>()
  /** Every channel says on this line that it may have lost something. */
  #toldOnLine = false
  /** When every channel was last said to have lost something. */
  #toldAt = Number.NEGATIVE_INFINITY
  /** Marks that this node owes unasked reach back to here, until they are surely out. */
  #owedSince = Number.POSITIVE_INFINITY
  /** Who was deaf then has not had them: they were on their way, or others were told to ask for them. */
  #owedAt = Number.NEGATIVE_INFINITY
  /** An outage before then leaves them owed. */
  #owedUntil = Number.NEGATIVE_INFINITY

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#startedAt = options.clock.now()
    const { clock, routes, lane, lingerMs } = options
    const all = (channels: readonly string[]): string[] => channels.map((name) => routes.of(name, lane.partition))
    this.subscriptions = new Subscriptions(
      clock,
      {
        subscribe: (channels, done) => this.#line?.subscribe(all(channels), done),
        unsubscribe: (channels, done) => this.#line?.unsubscribe(all(channels), done),
        confirmed: (channel, interest) => {
          this.#deafSince ??= clock.now()
          if (this.#renewed.delete(interest)) options.gap(channel)
        },
        missed: (interest) => void this.#renewed.add(interest),
      },
      lingerMs,
    )
  }

  up(line: Line): void {
    const { clock, routes, lane, homeHex } = this.#options
    this.#line = line
    this.#toldOnLine = this.#deafMs() > MARKS_COVER_MS
    if (this.#toldOnLine) {
      const owed = [...this.#renewed].filter(({ ended }) => !ended)
      this.#renewed = new Set([...owed, ...this.subscriptions.renew()])
      this.#toldAt = clock.now()
      this.#deafSince = this.#toldAt
    }
    this.#unconfirmed = 2
    const confirmed = (): void => {
      if (this.#line === line && --this.#unconfirmed === 0) this.#listening(line)
    }
    line.subscribe([routes.shared(lane.partition), routes.direct(lane.partition, homeHex)], (error) => {
      if (this.#line !== line) return
      if (error !== undefined) return lane.fail(error)
      confirmed()
    })
    this.subscriptions.up(confirmed)
  }

  down(): void {
    if (this.#line === undefined) return
    this.#line = undefined
    this.#isListening = false
    this.subscriptions.down(this.#heardAt ?? this.#deafSince)
  }

  /** Something of our own came back on this line. */
  heard(): void {
    if (!this.#isListening) return
    this.#heardAt = this.#options.clock.now()
    if (this.#heardAt >= this.#answeredAt) this.#deafSince = this.#heardAt
    this.#options.sender.establish(this.#options.lane)
  }

  /** Publishes a probe; false: it does not listen yet. */
  probe(): boolean {
    if (!this.#isListening) return false
    const { routes, lane, homeHex } = this.#options
    this.#notice(Kind.PROBE, routes.direct(lane.partition, homeHex), 0)
    return true
  }

  /** Another node was deaf, and asks. */
  asked({ age }: Envelope): void {
    const { clock, lane, sender } = this.#options
    const deafSince = clock.now() - age
    const owedSince = deafSince <= this.#owedAt ? this.#owedSince : deafSince
    sender.tellSince(lane.partition, Math.min(deafSince - ASK_MARGIN_MS, owedSince))
  }

  /** Another node was away for longer than its marks reach back, and is there again. What it had to say meanwhile may be
   * lost, so it is asked: for what was said since we told our members last that they may have lost something. */
  returned({ node, age }: Envelope): void {
    const { clock, routes, lane } = this.#options
    if (!this.#isListening) return
    const untoldMs = clock.now() - this.#toldAt + ASK_MARGIN_MS
    this.#notice(Kind.ASK, routes.direct(lane.partition, node), Math.min(age + TOLD_MS, untoldMs))
  }

  /** This node alone was asked, by one that was there while it was away. */
  askedBack({ age }: Envelope): void {
    const { clock, lane, sender } = this.#options
    sender.tellSince(lane.partition, clock.now() - age)
  }

  close(): void {
    this.subscriptions.close()
  }

  /** Every subscription is confirmed: what was missed is asked for, and whether we are heard is tried. */
  #listening(line: Line): void {
    const { clock, routes, lane, sender } = this.#options
    // Only now: what came back before came while some channels were deaf still.
    this.#isListening = true
    const now = clock.now()
    // What was said to have lost something said so when it was confirmed: until then nothing is left to ask for.
    if (this.#toldOnLine) this.#deafSince = now
    const deafMs = this.#deafMs()
    const awaySince = this.#heardAt ?? this.#startedAt
    const awayMs = now - awaySince
    const unasked = awayMs <= MARKS_COVER_MS
    const stillOwed = awaySince <= this.#owedUntil ? this.#owedSince : now
    this.#owedSince = Math.min(stillOwed, awaySince - TOLD_MS)
    this.#owedAt = now + (unasked ? ANSWERED_MS : 0)
    this.#owedUntil = now + (unasked ? ANSWERED_MS : TOLD_MS)
    if (deafMs > 0) this.#answeredAt = now + ANSWERED_MS
    if (deafMs > 0) this.#notice(Kind.ASK, routes.shared(lane.partition), deafMs)
    if (unasked) sender.tellSince(lane.partition, this.#owedSince)
    else this.#notice(Kind.PROBE, routes.shared(lane.partition), awayMs)
    line.verify()
    this.#options.listening()
  }

  #deafMs(): number {
    return this.#deafSince === undefined ? 0 : this.#options.clock.now() - this.#deafSince
  }

  #notice(kind: Kind, route: string, ageMs: number): void {
    const { sender, lane, home } = this.#options
    sender.notice(lane, kind, route, home, ageMs)
  }
}
