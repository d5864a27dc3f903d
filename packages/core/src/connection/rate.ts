// How many control frames a peer may send: a bucket that holds one second's worth and fills as time goes on.

/** A token bucket. */
export class TokenBucket {
  readonly #perSecond: number
  #tokens: number
  #filledAt = performance.now()
  #credit = 0
  #creditedAt = 0

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
  }

  /** Takes one; false: none is left. */
  take(): boolean {
    const now = performance.now()
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((now - this.#filledAt) / 1000) * this.#perSecond)
    this.#filledAt = now
    if (now - this.#creditedAt > 1000) this.#credit = 0
    if (this.#tokens >= 1) this.#tokens--
    else if (this.#credit >= 1) this.#credit--
    else return false
    return true
  }

  /** Nothing was read for so long, in ms: what came meanwhile comes within the next second, and is no flood for that. */
  credit(elapsed: number): void {
    this.#credit += (elapsed / 1000) * this.#perSecond
    this.#creditedAt = performance.now()
  }
}
