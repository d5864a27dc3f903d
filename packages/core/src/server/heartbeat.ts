// One timer for all connections of a server. Every deadline (idle, pong, message, close, handshake) is a number compared
// at its tick, so a socket has no timer of its own and "now" costs a field read.
//
// Its clock counts time in which the process could have read its sockets: after a blocked event loop it goes on by one
// tick, not by the delay. Peers are not blamed for our own absence.

import type { Limits } from '../limits.ts'

/** The longest tick: how late a deadline may be noticed, in ms. */
const MAX_TICK_MS = 250
const MIN_TICK_MS = 5

/** How long a TCP connection may outlive what ended its WebSocket: time for the last frames to arrive, in ms; with the
 * tick that notices it, a second. */
export const LINGER_MS: number = 1000 - MAX_TICK_MS

/** What the heartbeat looks after. */
export interface Beating {
  /** @param now the clock, in ms. @param elapsed ms since the tick before. */
  tick(now: number, elapsed: number): void
}

/** The timer of one server. It never keeps the process alive. */
export class Heartbeat {
  readonly #tickMs: number
  readonly #all: readonly Iterable<Beating>[]
  readonly #afterTick: () => void
  #timer: NodeJS.Timeout | null = null
  #last = 0
  /** The clock, in whole ms (a fraction would be an object of its own in every field that keeps it); above zero. */
  now = 1

  constructor(limits: Limits, all: readonly Iterable<Beating>[], afterTick: () => void) {
    const { idleTimeoutMs, pongTimeoutMs, messageTimeoutMs, closeTimeoutMs, handshakeTimeoutMs } = limits
    const shortest = Math.min(idleTimeoutMs, pongTimeoutMs, messageTimeoutMs, closeTimeoutMs, handshakeTimeoutMs)
    this.#tickMs = Math.max(MIN_TICK_MS, Math.min(MAX_TICK_MS, Math.floor(shortest / 4)))
    this.#all = all
    this.#afterTick = afterTick
  }

  /** Begins to beat, when it does not yet. */
  start(): void {
    if (this.#timer !== null) return
    this.#last = performance.now()
    this.#timer = setInterval(() => this.#beat(), this.#tickMs)
    this.#timer.unref()
  }

  /** Stops until the next `start`. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  #beat(): void {
    const real = performance.now()
    const elapsed = Math.min(Math.round(real - this.#last), this.#tickMs)
    this.#last = real
    this.now += elapsed
    for (const some of this.#all) for (const one of some) one.tick(this.now, elapsed)
    this.#afterTick()
  }
}
