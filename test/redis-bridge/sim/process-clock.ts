// The time of one process, which can stand still: what was due meanwhile runs when it goes on.

import type { Clock } from '../../../packages/redis-bridge/src/bus/clock.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'

export class ProcessClock implements Clock {
  readonly #clock: VirtualClock
  #stillUntil = Number.NEGATIVE_INFINITY

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  get isStill(): boolean {
    return this.sinceStillMs < 0
  }

  /** How long it has been going again. */
  get sinceStillMs(): number {
    return this.#clock.now() - this.#stillUntil
  }

  standStill(ms: number): void {
    this.#stillUntil = this.#clock.now() + ms
  }

  now(): number {
    return this.#clock.now()
  }

  random(): number {
    return this.#clock.random()
  }

  after(ms: number, run: () => void): () => void {
    const fire = (): void => {
      if (this.isStill) cancel = this.#clock.after(this.#stillUntil - this.#clock.now(), fire)
      else run()
    }
    let cancel = this.#clock.after(ms, fire)
    return () => cancel()
  }

  soon(run: () => void): void {
    this.after(0, run)
  }
}
