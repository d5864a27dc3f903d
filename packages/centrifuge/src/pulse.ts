// Is the client alive? Pings go out, and only their answers count.

import type { Alarm } from './alarm.ts'
import type { Limits } from './options.ts'

/** After a deadline what has come meanwhile is read before it is judged: the stall may have been ours. */
const SECOND_LOOK_MS = 100

/** A ping behind bytes that the peer has not taken yet cannot be answered: so often it is waited for again. */
const MAX_EXTENSIONS = 4

/** What a pulse needs of its connection. */
export interface Beating {
  ping(): void
  /** We do not read: an answer may be there. */
  readonly isPaused: boolean
  /** The peer has not taken everything yet: the ping may be on its way. */
  readonly isBehind: boolean
  /** There was no answer. */
  died(): void
}

export interface PulseOptions {
  readonly alarm: Alarm
  readonly limits: Pick<Limits, 'pingIntervalMs' | 'pongTimeoutMs'>
}

/** The pings of one connection. */
export class Pulse {
  readonly #options: PulseOptions
  readonly #beating: Beating
  #isAwaiting = false
  #looks = 0
  #extensions = 0

  constructor(options: PulseOptions, beating: Beating) {
    this.#options = options
    this.#beating = beating
  }

  /** @param spread 0 to 1: where in the second half of the interval the first ping goes out. */
  start(spread: number): void {
    this.#pingIn(this.#options.limits.pingIntervalMs * (0.5 + 0.5 * spread))
  }

  /** An answer came; false: nobody asked. */
  answered(): boolean {
    if (!this.#isAwaiting) return false
    this.#isAwaiting = false
    return true
  }

  #pingIn(delayMs: number): void {
    this.#options.alarm.set('pulse', delayMs, this.#ping)
  }

  #judgeIn(delayMs: number): void {
    this.#options.alarm.set('pulse', delayMs, this.#judge)
  }

  readonly #ping = (): void => {
    this.#isAwaiting = true
    this.#looks = 0
    this.#extensions = 0
    this.#beating.ping()
    this.#judgeIn(this.#options.limits.pongTimeoutMs)
  }

  readonly #judge = (): void => {
    const { pingIntervalMs, pongTimeoutMs } = this.#options.limits
    if (!this.#isAwaiting) this.#pingIn(pingIntervalMs - pongTimeoutMs)
    else if (this.#looks++ === 0) this.#judgeIn(Math.min(SECOND_LOOK_MS, pongTimeoutMs))
    else if (this.#beating.isPaused || (this.#beating.isBehind && this.#extensions++ < MAX_EXTENSIONS)) {
      this.#looks = 0
      this.#judgeIn(pongTimeoutMs)
    } else this.#beating.died()
  }
}
