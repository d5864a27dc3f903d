// How many control frames a peer may send: a bucket that holds one second's worth and fills as time goes on.

/** A token bucket. Time is given by the caller, in ms of any monotonic clock. */
export class TokenBucket {
  readonly #perSecond: number
  #tokens: number
  #filledAt: number

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
    this.#filledAt = now
  }

  /** Takes one; false: none is left. */
  take(now: number): boolean {
    const filled = this.#tokens + ((now - this.#filledAt) / 1000) * this.#perSecond
    this.#tokens = Math.min(this.#perSecond, filled) - 1
    this.#filledAt = now
    if (this.#tokens >= 0) return true
    this.#tokens = 0
    return false
  }
}
