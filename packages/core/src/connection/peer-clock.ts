// What one peer's bytes and silences mean: whether it is there, and whether it sends control frames faster than it may.
// Pure: the heartbeat tells the time, the connection does what comes out.

import type { Limits } from '../limits.ts'
import { type Heartbeat, MAX_TICK_MS } from '../server/heartbeat.ts'
import type { SendQueue } from './send-queue.ts'

/** While bytes are refused the kernel takes the next ones only when a third of its buffer is free, perhaps a megabyte: a
 * peer that reads all the time may be so many times `pongTimeoutMs` about it. */
const REFUSED_TIMEOUTS = 4

/** The control frames of so long may come at once, in ms: a second, and a little more, as fractions do not add up
 * exactly. */
const BURST_MS = 1000.5

/** After so many ms without a byte a connection keeps no parser. */
const QUIET_MS = 1000

export class PeerClock {
  #lastByteAt: number // like the next in the heartbeat's time; 0: not running
  #pingedAt = 0
  /** Pings that the peer has not answered: as many pongs are no flood. */
  #unanswered = 0
  /** How long what the peer sent has waited, by our doing, in ms: it comes all at once. */
  #heldMs = 0
  /** When the control frames so far were due at the rate that is allowed, in the heartbeat's time for peers. */
  #controlDue = 0

  constructor(now: number) {
    this.#lastByteAt = now
  }

  /** Bytes came. */
  heard(now: number): void {
    this.#lastByteAt = now
    this.#pingedAt = 0
  }

  /** A ping went out. */
  pinged(): void {
    this.#unanswered++
  }

  /** A pong came; false: nobody had asked for it. */
  answered(): boolean {
    if (this.#unanswered === 0) return false
    this.#unanswered--
    return true
  }

  isQuiet(now: number): boolean {
    return now - this.#lastByteAt >= QUIET_MS
  }

  /** Time has passed in which its bytes were read.
   * @param queue what the kernel refuses stands before our ping, and a peer that takes some of it lives; null: what the
   * peer sends waits, by our doing. */
  tick(
    now: number,
    elapsed: number,
    queue: Pick<SendQueue, 'refused' | 'takenAt'> | null,
    limits: Limits,
  ): 'ping' | 'lost' | null {
    if (queue === null) return this.#tickHolding(elapsed, limits)
    this.#heldMs = Math.max(0, this.#heldMs - elapsed)
    if (this.#pingedAt > 0) {
      // What the kernel took since then stands before our ping, too: the peer has yet to read it.
      const patience = queue.refused || queue.takenAt >= this.#pingedAt ? REFUSED_TIMEOUTS : 1
      return now - Math.max(this.#pingedAt, queue.takenAt) >= limits.pongTimeoutMs * patience ? 'lost' : null
    }
    if (now - this.#lastByteAt < limits.idleTimeoutMs) return null
    this.#pingedAt = now
    return 'ping'
  }

  /** Time has passed in which what the peer sent waited, by our doing: the clocks stand still, and only what is sent tells
   * whether anybody is there. A peer whose TCP connection is gone answers one ping with a reset, which the next one meets. */
  #tickHolding(elapsed: number, { idleTimeoutMs, pongTimeoutMs }: Limits): 'ping' | null {
    this.#lastByteAt += elapsed
    if (this.#pingedAt > 0) this.#pingedAt += elapsed
    const pingsBy = (ms: number): number =>
      ms < idleTimeoutMs ? 0 : 1 + Math.floor((ms - idleTimeoutMs) / pongTimeoutMs)
    const before = pingsBy(this.#heldMs)
    this.#heldMs += elapsed
    return pingsBy(this.#heldMs) > before ? 'ping' : null
  }

  /** Counts a control frame; false: more than `maxControlFramesPerSecond`. A second's worth may come at once, at least one,
   * and what was sent while nothing was read. */
  mayControl(heartbeat: Heartbeat, { maxControlFramesPerSecond }: Limits): boolean {
    // The heartbeat may not have noticed yet that the process was away.
    if (!this.#isDue(heartbeat, maxControlFramesPerSecond)) heartbeat.catchUp()
    if (!this.#isDue(heartbeat, maxControlFramesPerSecond)) return false
    this.#controlDue = this.#nextDue(heartbeat, maxControlFramesPerSecond)
    return true
  }

  #isDue(heartbeat: Heartbeat, rate: number): boolean {
    // One may come at any rate, also when the clock is a tick behind.
    return this.#nextDue(heartbeat, rate) - heartbeat.peerNow <= Math.max(BURST_MS, 1000 / rate + MAX_TICK_MS + 1)
  }

  #nextDue({ peerNow, absentMs }: Heartbeat, rate: number): number {
    return Math.max(this.#controlDue, peerNow - absentMs - this.#heldMs) + 1000 / rate
  }
}
