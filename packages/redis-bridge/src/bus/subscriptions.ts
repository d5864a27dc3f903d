// What one partition is subscribed to. Local membership is the truth and changes at once; the bus follows, one operation
// in flight per channel, whatever comes back and when. Nobody's call waits for it, so no race between a leave and a join
// can leave a channel deaf. After an outage everything comes back in chunks, a few at a time: so each answer tells of
// progress, however many there are.

import { backOff, type Clock } from './clock.ts'
import { type Interest, TRANSIT_MS } from './positions.ts'
import { isOn, newInterest, type Operation, release, renew, type Subscription } from './subscription.ts'

/** How the other side is told. `done` is called later, or never when the line is lost. */
export interface SubscriptionsPort {
  subscribe(channels: readonly string[], done: (error?: Error) => void): void
  unsubscribe(channels: readonly string[], done: (error?: Error) => void): void
  /** A channel is confirmed: `interest` is what it was confirmed for. */
  confirmed(channel: string, interest: Interest): void
  /** A channel that was confirmed before is refused now: what it misses is not known when it is confirmed for `interest`. */
  missed(interest: Interest): void
}

const RETRY_MS = 50
const MAX_RETRY_MS = 10_000

/** Names in one command: what is batched is answered together. */
const CHANNELS_PER_COMMAND = 256

/** Commands in flight. */
const MAX_COMMANDS = 4

/** Keeps the subscriptions of one partition equal to a node's interest. */
export class Subscriptions {
  readonly #clock: Clock
  readonly #port: SubscriptionsPort
  readonly #lingerMs: number
  readonly #subscriptions = new Map<string, Subscription>()
  #due = new Set<Subscription>()
  #scheduled = false
  #commands = 0
  /** Counts lines, so that what an old one answers is not believed. */
  #line = 0
  #up = false
  #closed = false
  /** What must be confirmed before all is as it was. */
  readonly #missing = new Set<Subscription>()
  #onComplete: (() => void) | undefined
  /** Channels whose operations fail. */
  failing = 0

  constructor(clock: Clock, port: SubscriptionsPort, lingerMs: number) {
    this.#clock = clock
    this.#port = port
    this.#lingerMs = lingerMs
  }

  join(channel: string): void {
    if (this.#closed) return
    let found = this.#subscriptions.get(channel)
    if (found === undefined) {
      found = {
        channel,
        wanted: true,
        state: 'off',
        busy: undefined,
        interest: newInterest(),
        cancelLinger: undefined,
        cancelRetry: undefined,
        failures: 0,
        waiters: [],
      }
      this.#subscriptions.set(channel, found)
    }
    found.wanted = true
    found.cancelLinger?.()
    found.cancelLinger = undefined
    if (found.interest.ended) found.interest = newInterest()
    this.#consider(found)
  }

  leave(channel: string): void {
    const found = this.#subscriptions.get(channel)
    if (found === undefined || !found.wanted) return
    found.wanted = false
    release(found)
    if (this.#missing.delete(found)) this.#schedule()
    // There is no subscription that could linger. Kept, it would be told of losses from while nobody wanted it.
    if (!this.#up) return this.#forget(found)
    found.cancelLinger = this.#clock.after(this.#lingerMs, () => {
      found.cancelLinger = undefined
      this.#consider(found)
    })
  }

  /** Resolves when the channel is confirmed and nothing is in flight that would undo it, or nobody wants it. */
  ready(channel: string): Promise<void> {
    const found = this.#subscriptions.get(channel)
    if (found === undefined || !found.wanted || isOn(found)) return Promise.resolve()
    return new Promise((resolve) => found.waiters.push(resolve))
  }

  /** Whether the channel is surely subscribed to. */
  isOn(channel: string): boolean {
    const found = this.#subscriptions.get(channel)
    return found !== undefined && isOn(found)
  }

  /** What a message of the channel belongs to; undefined when it is not subscribed to any more. */
  interestIn(channel: string): { interest: Interest; wanted: boolean } | undefined {
    const found = this.#subscriptions.get(channel)
    return found === undefined || found.interest.ended ? undefined : found
  }

  /** A new line is there: everything wanted is subscribed to. `complete` is called when all that was wanted at this moment
   * is confirmed, or refused, or not wanted any more; never from within this call. */
  up(complete: () => void): void {
    this.#up = true
    this.#onComplete = complete
    for (const one of this.#subscriptions.values()) {
      this.#missing.add(one)
      this.#consider(one)
    }
    this.#schedule()
  }

  /** The line is lost, and every subscription with it. @param heardAt when it was known to work. */
  down(heardAt: number = Number.POSITIVE_INFINITY): void {
    this.#up = false
    this.#line++
    this.#commands = 0
    this.failing = 0
    this.#missing.clear()
    this.#due.clear()
    this.#onComplete = undefined
    for (const one of this.#subscriptions.values()) {
      one.state = 'off'
      one.busy = undefined
      one.failures = 0
      one.cancelRetry?.()
      one.cancelRetry = undefined
      const { interest } = one
      if (interest.since !== undefined && heardAt - interest.since < TRANSIT_MS) interest.cutEarly = true
      this.#consider(one)
    }
  }

  /** Every wanted channel that was confirmed before begins anew: what it saw says nothing of losses any more.
   * Returns them. */
  renew(): Set<Interest> {
    const renewed = new Set<Interest>()
    for (const one of this.#subscriptions.values()) {
      if (one.wanted && one.interest.since !== undefined) renewed.add(renew(one))
    }
    return renewed
  }

  close(): void {
    this.#closed = true
    this.down()
    for (const one of this.#subscriptions.values()) {
      one.cancelLinger?.()
      one.wanted = false
      release(one)
    }
    this.#subscriptions.clear()
  }

  #consider(one: Subscription): void {
    if (one.busy !== undefined || this.#next(one) === undefined) return
    if (!this.#up) {
      // Nothing is subscribed to: there is nothing to undo, and nothing to linger for.
      if (!one.wanted) this.#forget(one)
      return
    }
    this.#due.add(one)
    this.#schedule()
  }

  /** What is to be done about a channel. */
  #next(one: Subscription): Operation | 'forget' | undefined {
    if (one.wanted) return one.state === 'on' ? undefined : 'subscribe'
    if (one.state === 'off') return 'forget'
    return one.cancelLinger === undefined ? 'unsubscribe' : undefined
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
    while (this.#commands < MAX_COMMANDS && this.#due.size > 0) {
      const chunks: Record<Operation, Subscription[]> = { unsubscribe: [], subscribe: [] }
      for (const one of this.#due) {
        const next = one.busy === undefined ? this.#next(one) : undefined
        if (next === 'subscribe' || next === 'unsubscribe') {
          if (chunks[next].length === CHANNELS_PER_COMMAND) break
          // What was refused is tried alone, so that nothing else is refused with it.
          if (one.failures > 0) {
            this.#perform(next, [one])
            if (this.#commands >= MAX_COMMANDS) break
          } else {
            chunks[next].push(one)
          }
        }
        this.#due.delete(one)
        if (next === 'forget') this.#forget(one)
      }
      this.#perform('unsubscribe', chunks.unsubscribe)
      this.#perform('subscribe', chunks.subscribe)
    }
    this.#checkComplete()
  }

  #perform(operation: Operation, chunk: readonly Subscription[]): void {
    if (chunk.length === 0) return
    const line = this.#line
    this.#commands++
    for (const one of chunk) {
      one.busy = operation
      if (operation === 'unsubscribe') one.interest.ended = true
    }
    this.#port[operation](
      chunk.map(({ channel }) => channel),
      (error) => {
        if (line !== this.#line) return
        this.#commands--
        for (const one of chunk) this.#answered(one, operation, error, chunk.length > 1)
        if (this.#due.size > 0) this.#schedule()
        this.#checkComplete()
      },
    )
  }

  #answered(one: Subscription, operation: Operation, error: Error | undefined, together: boolean): void {
    if (error !== undefined) return this.#retry(one, together)
    if (one.failures > 0) this.failing--
    one.failures = 0
    one.busy = undefined
    if (operation === 'unsubscribe') {
      one.state = 'off'
    } else {
      one.state = 'on'
      one.interest.since ??= this.#clock.now()
      if (one.wanted) this.#port.confirmed(one.channel, one.interest)
      release(one)
      this.#missing.delete(one)
    }
    this.#consider(one)
  }

  /** @param together it may have been refused for another's sake: at once, alone. */
  #retry(one: Subscription, together: boolean): void {
    // Nothing else waits for what may never be allowed.
    if (!together && this.#missing.delete(one) && one.interest.since !== undefined) this.#port.missed(renew(one))
    one.state = 'unsure'
    one.busy = 'retry'
    if (one.failures++ === 0) this.failing++
    const ms = together ? 0 : backOff(one.failures, RETRY_MS, MAX_RETRY_MS, this.#clock.random())
    one.cancelRetry = this.#clock.after(ms, () => {
      one.cancelRetry = undefined
      one.busy = undefined
      this.#consider(one)
    })
  }

  #forget(one: Subscription): void {
    one.interest.ended = true
    one.cancelLinger?.()
    one.cancelLinger = undefined
    this.#missing.delete(one)
    if (this.#subscriptions.get(one.channel) === one) this.#subscriptions.delete(one.channel)
  }

  #checkComplete(): void {
    if (this.#missing.size > 0) return
    const complete = this.#onComplete
    this.#onComplete = undefined
    complete?.()
  }
}
