// How fast somebody may go: so much at once, then so much per second. Nobody is refused: whoever is faster waits.

/** A rate: so much at once, then so much per second. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** The pace of one socket, or of one channel. One number is kept: the time at which everything that was taken is paid
 * for. Times in ms, given by the caller. */
export class Pace {
  #paidAt = 0

  /** How long it takes until `amount` may be taken, in ms. More than a whole burst waits for a whole burst. */
  waitMs({ perSecond, burst }: Rate, amount: number, now: number): number {
    const debtMs = Math.max(0, this.#paidAt - now)
    return Math.max(0, debtMs - ((burst - Math.min(amount, burst)) * 1000) / perSecond)
  }

  /** Takes `amount`, whether or not the time has come. */
  take({ perSecond }: Rate, amount: number, now: number): void {
    this.#paidAt = Math.max(this.#paidAt, now) + (amount * 1000) / perSecond
  }

  /** Nothing is owed: as good as a new one. */
  isPaid(now: number): boolean {
    return this.#paidAt <= now
  }
}
