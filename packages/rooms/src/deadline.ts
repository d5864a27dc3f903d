// Something that may go on for a while, but not for longer.

import type { Clock } from './clock.ts'

/** Runs a function when one and the same thing has been waited for, for too long. */
export class Deadline {
  readonly #clock: Clock
  readonly #ms: number
  readonly #run: () => void
  #waited: number | undefined
  #cancel: (() => void) | undefined

  constructor(clock: Clock, ms: number, run: () => void) {
    this.#clock = clock
    this.#ms = ms
    this.#run = run
  }

  /** @param waited what is waited for at this moment; undefined: nothing. */
  watch(waited: number | undefined): void {
    if (waited === this.#waited) return
    this.#waited = waited
    this.#cancel?.()
    this.#cancel = undefined
    if (waited === undefined) return
    this.#cancel = this.#clock.after(this.#ms, () => {
      this.#waited = undefined
      this.#cancel = undefined
      this.#run()
    })
  }
}
