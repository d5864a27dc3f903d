// Something that may go on for a while, but not for longer.

import type { Clock } from './clock.ts'

/** Runs a function when a condition has held for some time without a break. */
export class Deadline {
  readonly #clock: Clock
  readonly #ms: number
  readonly #run: () => void
  #cancel: (() => void) | undefined

  constructor(clock: Clock, ms: number, run: () => void) {
    this.#clock = clock
    this.#ms = ms
    this.#run = run
  }

  /** Does the condition hold at this moment? */
  watch(holds: boolean): void {
    if (!holds) {
      this.#cancel?.()
      this.#cancel = undefined
    } else if (this.#cancel === undefined) {
      this.#cancel = this.#clock.after(this.#ms, () => {
        this.#cancel = undefined
        this.#run()
      })
    }
  }
}
