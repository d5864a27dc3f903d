// What has to be looked at again and again to be known: whose bytes wait since when, and how late the event loop is. Only
// while somebody asks: the first look is at the first question, the last one two minutes after the last. Who asks takes
// nothing from others who ask: two Prometheus, or somebody with curl, are told the same.

import { performance } from 'node:perf_hooks'
import type { Socket } from '@roomcast/core'

const LOOK_MS = 1000
const IDLE_MS = 120_000

/** The event loop is asked every so many ms; a delay is what it is late. */
const TICK_MS = 20

/** The longest delay that is told in steps: 10 s. */
const MAX_STEPS = 10_000 / TICK_MS

/** What waits for sockets. */
export interface Queued {
  bytes: number
  sockets: number
  oldestMs: number
}

/** Looks at the sockets of one server, and at the event loop. */
export class Sampler {
  readonly #sockets: () => Iterable<Pick<Socket, 'bufferedBytes'>>
  readonly #late: (seconds: number) => void
  /** Since when something waits for a socket, as far as it was looked at. */
  #since = new Map<object, number>()
  #timers: readonly NodeJS.Timeout[] = []
  #askedAt = 0
  #tickedAt = 0
  #isEnded = false

  /** @param late hears how late the event loop was, again and again. */
  constructor(sockets: () => Iterable<Pick<Socket, 'bufferedBytes'>>, late: (seconds: number) => void) {
    this.#sockets = sockets
    this.#late = late
  }

  /** Somebody asks. */
  ask(): Queued {
    this.#askedAt = performance.now()
    if (this.#timers.length === 0 && !this.#isEnded) {
      this.#tickedAt = this.#askedAt
      const look = setInterval(() => {
        if (performance.now() - this.#askedAt > IDLE_MS) this.#rest()
        else this.#look()
      }, LOOK_MS)
      this.#timers = [look.unref(), setInterval(() => this.#tick(), TICK_MS).unref()]
    }
    return this.#look()
  }

  /** Looks no more; who asks is told what is at that moment. */
  end(): void {
    this.#isEnded = true
    this.#rest()
  }

  #rest(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    this.#since.clear()
  }

  #look(): Queued {
    const now = performance.now()
    const since = new Map<object, number>()
    const queued: Queued = { bytes: 0, sockets: 0, oldestMs: 0 }
    for (const socket of this.#sockets()) {
      const { bufferedBytes } = socket
      if (bufferedBytes === 0) continue
      const first = this.#since.get(socket) ?? now
      since.set(socket, first)
      queued.bytes += bufferedBytes
      queued.sockets++
      queued.oldestMs = Math.max(queued.oldestMs, now - first)
    }
    if (this.#timers.length > 0) this.#since = since
    return queued
  }

  /** What was due while the loop was busy would have waited, too: the later, the shorter. So each moment counts alike, and
   * of a stall there is more than one look. */
  #tick(): void {
    const now = performance.now()
    const lateMs = Math.max(0, now - this.#tickedAt - TICK_MS)
    this.#tickedAt = now
    const steps = Math.min(Math.floor(lateMs / TICK_MS), MAX_STEPS)
    for (let step = 0; step <= steps; step++) this.#late((lateMs - step * TICK_MS) / 1000)
  }
}
