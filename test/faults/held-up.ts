// How long this process could not attend to its sockets: on a busy machine time-outs strike that nobody deserved.

const EVERY_MS = 25

/** Looks at the clock all the time; never keeps the process alive. */
export class HeldUp {
  #last = performance.now()
  #longestMs = 0

  constructor() {
    setInterval(() => this.#look(), EVERY_MS).unref()
  }

  /** The longest delay since it was last forgotten, in whole ms. */
  get longestMs(): number {
    this.#look()
    return Math.round(this.#longestMs)
  }

  forget(): void {
    this.#look()
    this.#longestMs = 0
  }

  #look(): void {
    const now = performance.now()
    this.#longestMs = Math.max(this.#longestMs, now - this.#last - EVERY_MS)
    this.#last = now
  }
}
