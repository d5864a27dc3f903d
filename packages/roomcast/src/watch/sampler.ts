// What has to be looked at again and again to be known: whose bytes wait since when, and how late the event loop is. Only
// while somebody asks: the first look is at the first question, the last one two minutes after the last.

import { type EventLoopUtilization, type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks'
import type { Socket } from '@roomcast/core'

const LOOK_MS = 1000
const IDLE_MS = 120_000

/** The event loop is asked every so many ms; a delay is what it is late. */
const RESOLUTION_MS = 20

/** What waits for sockets. */
export interface Queued {
  bytes: number
  sockets: number
  oldestMs: number
}

/** The event loop since it was asked last, in seconds; 0 to 1. */
export interface Loop {
  delay: Readonly<Record<'0.5' | '0.99' | '1', number>>
  utilization: number
}

/** Looks at the sockets of one server, and at the event loop. */
export class Sampler {
  readonly #sockets: () => Iterable<Pick<Socket, 'bufferedBytes'>>
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  /** Since when something waits for a socket, as far as it was looked at. */
  #since = new Map<object, number>()
  #utilization: EventLoopUtilization = performance.eventLoopUtilization()
  #timer: NodeJS.Timeout | undefined
  #askedAt = 0

  constructor(sockets: () => Iterable<Pick<Socket, 'bufferedBytes'>>) {
    this.#sockets = sockets
  }

  /** Somebody asks. */
  ask(): { queued: Queued; loop: Loop } {
    this.#askedAt = performance.now()
    if (this.#timer === undefined) {
      this.#delay.enable()
      this.#timer = setInterval(() => this.#look(), LOOK_MS).unref()
    }
    return { queued: this.#look(), loop: this.#loop() }
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#delay.disable()
    this.#since.clear()
  }

  #look(): Queued {
    const now = performance.now()
    if (now - this.#askedAt > IDLE_MS) this.stop()
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
    this.#since = since
    return queued
  }

  #loop(): Loop {
    // What the histogram holds is the whole interval between two of its looks.
    const late = (ns: number): number => (Number.isFinite(ns) ? Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000) : 0)
    const { count, max } = this.#delay
    const at = (percent: number): number => (count === 0 ? 0 : late(this.#delay.percentile(percent)))
    const delay = { '0.5': at(50), '0.99': at(99), '1': count === 0 ? 0 : late(max) }
    this.#delay.reset()
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization)
    this.#utilization = now
    return { delay, utilization }
  }
}
