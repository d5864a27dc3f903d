// One partition's way to the bus: it is kept on a line, and when that is lost it finds another, after a pause that grows
// from 50 ms to 2 s with full jitter. Every attempt resolves its place again.

import { backOff, type Clock } from './clock.ts'
import type { Line, LineUser } from './line.ts'
import type { Lines } from './lines.ts'

const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 2000

export interface LaneEvents {
  up(line: Line): void
  /** The line is lost, or there was none. */
  down(error: Error): void
  /** Nothing can be written, and nothing that was is answered any more. */
  cut(): void
  /** It can. */
  mended(): void
  room(): void
  heard(): void
  /** Publishes a probe; false: it does not listen yet. */
  probe(): boolean
}

export class Lane implements LineUser {
  readonly partition: number
  readonly #clock: Clock
  readonly #lines: Lines
  readonly #events: LaneEvents
  #detach: (() => void) | undefined
  #cancel: (() => void) | undefined
  #attempt = 0
  #closed = false
  /** There while it is up. */
  line: Line | undefined
  /** It works: it is up and proven. */
  established = false

  constructor(partition: number, clock: Clock, lines: Lines, events: LaneEvents) {
    this.partition = partition
    this.#clock = clock
    this.#lines = lines
    this.#events = events
  }

  open(): void {
    if (!this.#closed) this.#detach = this.#lines.attach(this.partition, this)
  }

  /** It is proven to work: the next outage begins with the shortest pause. */
  establish(): void {
    this.established = true
    this.#attempt = 0
  }

  /** This partition cannot be worked with on its line, which others may go on using. */
  fail(error: Error): void {
    if (this.#detach !== undefined) this.down(error)
  }

  close(): void {
    this.#closed = true
    this.#cancel?.()
    this.#drop()
  }

  up(line: Line): void {
    this.line = line
    this.#events.up(line)
  }

  down(error: Error): void {
    if (this.#closed) return
    this.#drop()
    this.#events.down(error)
    if (this.#closed) return
    const ms = backOff(++this.#attempt, FIRST_PAUSE_MS, MAX_PAUSE_MS, this.#clock.random())
    this.#cancel = this.#clock.after(ms, () => this.open())
  }

  cut(): void {
    this.#events.cut()
  }

  mended(): void {
    this.#events.mended()
  }

  room(): void {
    this.#events.room()
  }

  heard(): void {
    this.#events.heard()
  }

  probe(): boolean {
    return this.#events.probe()
  }

  #drop(): void {
    this.line = undefined
    this.established = false
    this.#detach?.()
    this.#detach = undefined
  }
}
