// The time of one node: nothing of it runs any more when it is dead, and nothing while it is frozen.

import type { Clock } from '../../../packages/redis-bridge/src/bus/clock.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'

export class NodeClock implements Clock {
  readonly #clock: VirtualClock
  dead = false
  frozenUntil = 0

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  get works(): boolean {
    return !this.dead && this.#clock.now() >= this.frozenUntil
  }

  now(): number {
    return this.#clock.now()
  }

  random(): number {
    return this.#clock.random()
  }

  soon(run: () => void): void {
    this.after(0, run)
  }

  after(ms: number, run: () => void): () => void {
    let cancel: () => void
    const due = (): void => {
      if (this.dead) return
      if (this.works) return run()
      cancel = this.#clock.after(this.frozenUntil - this.#clock.now(), due)
    }
    cancel = this.#clock.after(ms, due)
    return () => cancel()
  }
}
