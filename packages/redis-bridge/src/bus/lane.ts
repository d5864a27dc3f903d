// One partition's way to the bus: it is kept on a line, and when that is lost it finds another, after a pause that grows
// from 50 ms to 2 s with full jitter. Every attempt resolves its place again.

import { backOff, type Clock } from './clock.ts'
import type { Line, LineUser } from './line.ts'
import type { Lines } from './lines.ts'

const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 2000

/** A partition's lines, one after the other. */
export class Lane {
  readonly partition: number
  readonly #clock: Clock
  readonly #lines: Lines
  readonly #user: LineUser
  #detach: (() => void) | undefined
  #cancel: (() => void) | undefined
  #attempt = 0
  #closed = false
  /** There while it is up. */
  line: Line | undefined
  /** It works: it is up and proven. */
  established = false

  constructor(partition: number, clock: Clock, lines: Lines, user: LineUser) {
    this.partition = partition
    this.#clock = clock
    this.#lines = lines
    this.#user = user
  }

  open(): void {
    if (this.#closed) return
    this.#detach = this.#lines.attach(this.partition, {
      ...this.#user,
      up: (line) => {
        this.line = line
        this.#user.up(line)
      },
      down: (error) => this.#down(error),
    })
  }

  /** It is proven to work: the next outage begins with the shortest pause. */
  establish(): void {
    this.established = true
    this.#attempt = 0
  }

  /** This partition cannot be worked with on its line, which others may go on using. */
  fail(error: Error): void {
    if (this.#detach !== undefined) this.#down(error)
  }

  close(): void {
    this.#closed = true
    this.#cancel?.()
    this.#drop()
  }

  #down(error: Error): void {
    if (this.#closed) return
    this.#drop()
    this.#user.down(error)
    if (this.#closed) return
    const ms = backOff(++this.#attempt, FIRST_PAUSE_MS, MAX_PAUSE_MS, this.#clock.random())
    this.#cancel = this.#clock.after(ms, () => this.open())
  }

  #drop(): void {
    this.line = undefined
    this.established = false
    this.#detach?.()
    this.#detach = undefined
  }
}
