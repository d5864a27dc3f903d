// Is anybody hearing us? A connection can look healthy and carry nothing. What proves that it does is our own message
// coming back: others' traffic would not tell that we publish into the void. 4 s without one → a probe; 2.5 s later
// another; 2.5 s later it is over: at most 9 s.

import type { Clock } from './clock.ts'

/** A tenth of a second short of 4 s, so that late timers keep the whole within 9. */
const QUIET_MS = 3900
const ANSWER_MS = 2500
const ATTEMPTS = 2

/** A timer later than this means that we were busy, not that Redis is silent: what came meanwhile is not read yet. */
const LATE_MS = 500

export interface ProbeOptions {
  clock: Clock
  /** Publishes a probe. */
  send(): void
  /** It did not come back. */
  failed(): void
}

/** Watches one way to Redis and back. */
export class Probe {
  readonly #options: ProbeOptions
  #heardAt = 0
  /** Probes sent since the last echo. */
  #sent = 0
  #due = 0
  #cancel: (() => void) | undefined

  constructor(options: ProbeOptions) {
    this.#options = options
  }

  /** Begins with a probe. */
  start(): void {
    this.stop()
    this.#sent = 0
    this.#ask()
  }

  /** Something of our own came back. */
  heard(): void {
    this.#sent = 0
    this.#heardAt = this.#options.clock.now()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #ask(): void {
    this.#sent++
    this.#wait(ANSWER_MS)
    this.#options.send()
  }

  #wait(ms: number): void {
    this.#due = this.#options.clock.now() + ms
    this.#cancel = this.#options.clock.after(ms, this.#look)
  }

  readonly #look = (): void => {
    const now = this.#options.clock.now()
    const quietMs = now - this.#heardAt
    if (this.#sent === 0 && quietMs < QUIET_MS) this.#wait(QUIET_MS - quietMs)
    else if (this.#sent > 0 && now - this.#due > LATE_MS) this.#wait(ANSWER_MS)
    else if (this.#sent < ATTEMPTS) this.#ask()
    else this.#options.failed()
  }
}
