// Which Redis channels to be subscribed to. Local membership is the truth and changes at once; Redis follows, one
// operation in flight per channel, whatever comes back and when. Nobody's call waits for it, so no race between a leave
// and a join can leave a channel deaf.

import type { Clock } from './clock.ts'
import { type Interest, TRANSIT_MS } from './positions.ts'

/** How the other side is told. `done` is called later, or never when the connection is lost. */
export interface InterestPort {
  subscribe(channels: readonly string[], done: (error?: Error) => void): void
  unsubscribe(channels: readonly string[], done: (error?: Error) => void): void
  /** Redis has confirmed a channel: `interest` is what it was confirmed for. */
  confirmed(channel: string, interest: Interest): void
}

interface Entry {
  readonly channel: string
  wanted: boolean
  /** The latest that is known of Redis. `'unsure'`: an operation failed. */
  state: 'off' | 'on' | 'unsure'
  busy: 'subscribe' | 'unsubscribe' | 'retry' | undefined
  interest: Interest
  lingering: (() => void) | undefined
  failures: number
  waiters: (() => void)[]
}

const RETRY_MS = 50
const MAX_RETRY_MS = 2000

/** Names in one SUBSCRIBE: what is batched is answered together. */
const CHANNELS_PER_COMMAND = 256

/** Keeps the subscriptions of one node equal to its interest. */
export class Interests {
  readonly #clock: Clock
  readonly #port: InterestPort
  readonly #lingerMs: number
  readonly #entries = new Map<string, Entry>()
  #due = new Set<Entry>()
  #scheduled = false
  /** Counts connections, so that what an old one answers is not believed. */
  #connection = 0
  #up = false
  #closed = false
  /** What must be confirmed before all is as it was. */
  readonly #missing = new Set<Entry>()
  #onComplete: (() => void) | undefined
  /** Channels whose operations fail. */
  failing = 0

  constructor(clock: Clock, port: InterestPort, lingerMs: number) {
    this.#clock = clock
    this.#port = port
    this.#lingerMs = lingerMs
  }

  join(channel: string): void {
    if (this.#closed) return
    let entry = this.#entries.get(channel)
    if (entry === undefined) {
      entry = {
        channel,
        wanted: true,
        state: 'off',
        busy: undefined,
        interest: newInterest(),
        lingering: undefined,
        failures: 0,
        waiters: [],
      }
      this.#entries.set(channel, entry)
    }
    entry.wanted = true
    entry.lingering?.()
    entry.lingering = undefined
    if (entry.interest.ended) entry.interest = newInterest()
    this.#consider(entry)
  }

  leave(channel: string): void {
    const entry = this.#entries.get(channel)
    if (entry === undefined || !entry.wanted) return
    entry.wanted = false
    release(entry)
    if (this.#missing.delete(entry)) this.#schedule()
    entry.lingering = this.#clock.after(this.#lingerMs, () => {
      entry.lingering = undefined
      this.#consider(entry)
    })
  }

  /** Resolves when Redis has confirmed the channel and nothing is in flight that would undo it, or nobody wants it. */
  ready(channel: string): Promise<void> {
    const entry = this.#entries.get(channel)
    if (entry === undefined || !entry.wanted || isOn(entry)) return Promise.resolve()
    return new Promise((resolve) => entry.waiters.push(resolve))
  }

  /** What a message of the channel belongs to; undefined when it is not subscribed to any more. */
  interestIn(channel: string): { interest: Interest; wanted: boolean } | undefined {
    const entry = this.#entries.get(channel)
    return entry === undefined || entry.interest.ended ? undefined : entry
  }

  /** A new connection is there: everything wanted is subscribed to. `complete` is called when all that was wanted at
   * this moment is confirmed or not wanted any more; never from within this call. */
  up(complete: () => void): void {
    this.#up = true
    this.#onComplete = complete
    for (const entry of this.#entries.values()) {
      this.#missing.add(entry)
      this.#consider(entry)
    }
    this.#schedule()
  }

  /** The connection is lost, and every subscription with it. @param heardAt when it was known to work. */
  down(heardAt: number = Number.POSITIVE_INFINITY): void {
    this.#up = false
    this.#connection++
    this.failing = 0
    this.#missing.clear()
    this.#due.clear()
    this.#onComplete = undefined
    for (const entry of this.#entries.values()) {
      entry.state = 'off'
      entry.busy = undefined
      entry.failures = 0
      const { interest } = entry
      if (interest.since !== undefined && heardAt - interest.since < TRANSIT_MS) interest.cutEarly = true
      this.#consider(entry)
    }
  }

  /** Every wanted channel that was confirmed before begins anew: what it saw says nothing of losses any more.
   * Returns them. */
  renew(): Set<Interest> {
    const renewed = new Set<Interest>()
    for (const entry of this.#entries.values()) {
      if (!entry.wanted || entry.interest.since === undefined) continue
      entry.interest.ended = true
      entry.interest = newInterest()
      renewed.add(entry.interest)
    }
    return renewed
  }

  close(): void {
    this.#closed = true
    this.down()
    for (const entry of this.#entries.values()) {
      entry.lingering?.()
      entry.wanted = false
      release(entry)
    }
    this.#entries.clear()
  }

  #consider(entry: Entry): void {
    if (entry.busy !== undefined || this.#next(entry) === undefined) return
    if (!this.#up) {
      // Nothing is subscribed to: there is nothing to undo, and nothing to linger for.
      if (!entry.wanted) this.#forget(entry)
      return
    }
    this.#due.add(entry)
    this.#schedule()
  }

  /** What is to be done about a channel. */
  #next(entry: Entry): 'subscribe' | 'unsubscribe' | 'forget' | undefined {
    if (entry.wanted) return entry.state === 'on' ? undefined : 'subscribe'
    if (entry.state === 'off') return 'forget'
    return entry.lingering === undefined ? 'unsubscribe' : undefined
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(() => {
      this.#scheduled = false
      if (this.#up) this.#flush()
    })
  }

  #flush(): void {
    const due = this.#due
    this.#due = new Set()
    const subscribes: Entry[] = []
    const unsubscribes: Entry[] = []
    for (const entry of due) {
      if (entry.busy !== undefined) continue
      const next = this.#next(entry)
      if (next === 'forget') this.#forget(entry)
      else if (next === 'subscribe') subscribes.push(entry)
      else if (next === 'unsubscribe') unsubscribes.push(entry)
    }
    for (const entry of unsubscribes) entry.interest.ended = true
    this.#perform('unsubscribe', unsubscribes)
    this.#perform('subscribe', subscribes)
    this.#checkComplete()
  }

  #perform(operation: 'subscribe' | 'unsubscribe', entries: readonly Entry[]): void {
    const connection = this.#connection
    for (let i = 0; i < entries.length; i += CHANNELS_PER_COMMAND) {
      const chunk = entries.slice(i, i + CHANNELS_PER_COMMAND)
      for (const entry of chunk) entry.busy = operation
      this.#port[operation](
        chunk.map(({ channel }) => channel),
        (error) => {
          if (connection !== this.#connection) return
          for (const entry of chunk) this.#answered(entry, operation, error)
          this.#checkComplete()
        },
      )
    }
  }

  #answered(entry: Entry, operation: 'subscribe' | 'unsubscribe', error: Error | undefined): void {
    if (error !== undefined) return this.#retry(entry)
    if (entry.failures > 0) this.failing--
    entry.failures = 0
    entry.busy = undefined
    if (operation === 'unsubscribe') {
      entry.state = 'off'
    } else {
      entry.state = 'on'
      entry.interest.since ??= this.#clock.now()
      if (entry.wanted) this.#port.confirmed(entry.channel, entry.interest)
      release(entry)
      this.#missing.delete(entry)
    }
    this.#consider(entry)
  }

  #retry(entry: Entry): void {
    entry.state = 'unsure'
    entry.busy = 'retry'
    if (entry.failures++ === 0) this.failing++
    const connection = this.#connection
    const ms = backOff(entry.failures, RETRY_MS, MAX_RETRY_MS, this.#clock.random())
    this.#clock.after(ms, () => {
      if (connection !== this.#connection) return
      entry.busy = undefined
      this.#consider(entry)
    })
  }

  #forget(entry: Entry): void {
    entry.interest.ended = true
    entry.lingering?.()
    entry.lingering = undefined
    this.#missing.delete(entry)
    if (this.#entries.get(entry.channel) === entry) this.#entries.delete(entry.channel)
  }

  #checkComplete(): void {
    if (this.#missing.size > 0) return
    const complete = this.#onComplete
    this.#onComplete = undefined
    complete?.()
  }
}

/** Full jitter: anything up to the doubled step, so that nodes that lost Redis together do not come back together. */
export function backOff(attempt: number, stepMs: number, maxMs: number, random: number): number {
  return random * Math.min(maxMs, stepMs * 2 ** Math.min(attempt - 1, 16))
}

function newInterest(): Interest {
  return { since: undefined, cutEarly: false, ended: false }
}

function isOn(entry: Entry): boolean {
  return entry.state === 'on' && entry.busy === undefined
}

function release(entry: Entry): void {
  const { waiters } = entry
  entry.waiters = []
  for (const waiter of waiters) waiter()
}
