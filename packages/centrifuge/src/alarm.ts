// Several deadlines of one connection on one timer.

import type { Clock } from '@roomcast/rooms'

interface Deadline {
  readonly name: string
  readonly at: number
  readonly run: () => void
}

/** Runs functions later, each under a name: a new one of that name takes the place of the old one. */
export class Alarm {
  readonly #clock: Clock
  /** Most connections have one or two. */
  #deadlines: Deadline[] = []
  #cancel: (() => void) | undefined
  #firesAt = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(name: string, delayMs: number, run: () => void): void {
    const at = this.#clock.now() + delayMs
    this.#deadlines = this.#deadlines.filter((one) => one.name !== name).concat({ name, at, run })
    this.#arm()
  }

  clear(name: string): void {
    this.#deadlines = this.#deadlines.filter((one) => one.name !== name)
  }

  /** Nothing runs any more. */
  stop(): void {
    this.#deadlines = []
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** A timer that fires too early does no harm. */
  #arm(): void {
    const first = Math.min(...this.#deadlines.map(({ at }) => at))
    if (first === Number.POSITIVE_INFINITY || (this.#cancel !== undefined && this.#firesAt <= first)) return
    this.#cancel?.()
    this.#firesAt = first
    // Longer delays than a timer of node can have are taken in parts.
    const delayMs = Math.min(Math.max(first - this.#clock.now(), 0), MAX_DELAY_MS)
    this.#cancel = this.#clock.after(Math.ceil(delayMs), () => this.#fire())
  }

  #fire(): void {
    this.#cancel = undefined
    const now = this.#clock.now()
    const due = this.#deadlines.filter(({ at }) => at <= now)
    this.#deadlines = this.#deadlines.filter(({ at }) => at > now)
    for (const { run } of due) run()
    this.#arm()
  }
}

const MAX_DELAY_MS = 2 ** 31 - 1
