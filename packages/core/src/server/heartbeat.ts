// The one clock, and the one timer, of all connections of a server. Every deadline (idle, pong, message, close, handshake)
// is a number compared at its tick, so a socket has no timer of its own and "now" costs a field read.
//
// The clock counts time in which the process could have read its sockets: after a blocked event loop it goes on by one
// tick, not by the delay. Peers are not blamed for our own absence.

import type { AsyncResource } from 'node:async_hooks'
import type { Limits } from '../limits.ts'
import { clearInterval, now, setInterval } from './real-time.ts'

/** The longest tick: how late a deadline may be noticed, in ms. */
export const MAX_TICK_MS = 250
const MIN_TICK_MS = 5

/** How long a TCP connection may outlive what ended its WebSocket: time for the last frames to arrive, in ms; with the
 * tick that notices it, a second. */
export const LINGER_MS: number = 1000 - MAX_TICK_MS

/** What the heartbeat looks after. */
export interface Beating {
  /** @param now the clock, in ms. @param elapsed ms since the tick before. */
  tick(now: number, elapsed: number): void
}

/** The timer of one server. It does not keep the process alive, unless somebody waits for the server's end. */
export class Heartbeat {
  readonly #tickMs: number
  readonly #all: readonly Iterable<Beating>[]
  readonly #scope: AsyncResource
  readonly #afterTick: () => void
  #timer: NodeJS.Timeout | null = null
  #last = 0
  /** The clock, in whole ms (a fraction would be an object of its own in every field that keeps it); above zero. */
  now = 1
  /** How much longer the process has been away than it has been back since, in ms: what was sent to it meanwhile comes
   * all at once. */
  absentMs = 0
  /** All of its absences, in ms. */
  #allAbsentMs = 0

  /** @param scope the server's own asynchronous context: the timer must not keep the one of the first connection. */
  constructor(limits: Limits, all: readonly Iterable<Beating>[], scope: AsyncResource, afterTick: () => void) {
    const { idleTimeoutMs, pongTimeoutMs, messageTimeoutMs, closeTimeoutMs, handshakeTimeoutMs } = limits
    const shortest = Math.min(idleTimeoutMs, pongTimeoutMs, messageTimeoutMs, closeTimeoutMs, handshakeTimeoutMs)
    this.#tickMs = Math.max(MIN_TICK_MS, Math.min(MAX_TICK_MS, Math.floor(shortest / 4)))
    this.#all = all
    this.#scope = scope
    this.#afterTick = afterTick
  }

  /** The clock with the absences in it, in which a peer that is told "so many a second" counts, in ms. */
  get peerNow(): number {
    return this.now + this.#allAbsentMs
  }

  /** Begins to beat, when it does not yet. */
  start(): void {
    if (this.#timer !== null) return
    this.#last = now()
    const beat = (): void => this.#beat()
    this.#timer = this.#scope.runInAsyncScope(setInterval, undefined, beat, this.#tickMs) as NodeJS.Timeout
    this.#timer.unref()
  }

  /** Keeps the process alive until it stops: somebody waits for the last deadlines. */
  hold(): void {
    this.#timer?.ref()
  }

  /** Stops until the next `start`. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** Notices an absence before the tick that would: sockets are read before timers run. */
  catchUp(): void {
    const absent = Math.round(now() - this.#last) - this.#tickMs
    if (this.#timer === null || absent <= 0) return
    this.#last += absent
    this.absentMs += absent
    this.#allAbsentMs += absent
  }

  #beat(): void {
    this.catchUp()
    const real = now()
    const elapsed = Math.min(Math.round(real - this.#last), this.#tickMs)
    this.#last = real
    this.now += elapsed
    this.absentMs = Math.max(0, this.absentMs - elapsed)
    for (const some of this.#all) for (const one of some) one.tick(this.now, elapsed)
    this.#afterTick()
  }
}
