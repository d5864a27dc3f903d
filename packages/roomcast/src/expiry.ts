// A deadline that may be far away, be moved, or fall away: when a connection ends because its token has.

/** The most that a timer of node takes: 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** One deadline. */
export class Expiry {
  readonly #onExpired: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(onExpired: () => void) {
    this.#onExpired = onExpired
  }

  /** @param at when, in ms since 1970; undefined: never. */
  set(at: number | undefined): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (at === undefined) return
    const waitMs = Math.max(0, at - Date.now())
    const next = (): void => (waitMs > MAX_TIMER_MS ? this.set(at) : this.#onExpired())
    this.#timer = setTimeout(next, Math.min(waitMs, MAX_TIMER_MS)).unref()
  }
}
