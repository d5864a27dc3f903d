// One link after another: what breaks is opened anew, after a pause that grows from 50 ms to 2 s with full jitter, until
// it is closed. Every attempt resolves its address again.

import type { Clock } from './clock.ts'
import { backOff } from './interest.ts'
import type { Link, OpenLink } from './link.ts'

const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 2000

/** A Redis that accepts connections and answers nothing is given up after so long. */
const OPEN_TIMEOUT_MS = 10_000

export interface SessionEvents {
  up(link: Link): void
  /** The link that was up is over. */
  down(): void
  message(redisChannel: string, bytes: Buffer): void
  /** Once for each outage: why. */
  lost(error: Error): void
}

/** Keeps a link to Redis. */
export class Session {
  readonly #clock: Clock
  readonly #openLink: OpenLink
  readonly #events: SessionEvents
  #link: Link | undefined
  #up = false
  #closed = false
  #attempt = 0
  #told = false
  #cancel: (() => void) | undefined
  /** Times that it was lost and came back. */
  reconnects = 0
  #everUp = false

  constructor(clock: Clock, openLink: OpenLink, events: SessionEvents) {
    this.#clock = clock
    this.#openLink = openLink
    this.#events = events
  }

  /** Begins; nothing is told before it has returned. */
  open(): void {
    if (this.#closed) return
    this.#cancel = this.#clock.after(OPEN_TIMEOUT_MS, () => this.fail(new Error('Redis did not answer in time')))
    const link = this.#openLink({
      up: () => {
        if (this.#link !== link) return
        this.#up = true
        if (this.#everUp) this.reconnects++
        this.#everUp = true
        this.#events.up(link)
      },
      down: (error) => {
        if (this.#link === link) this.fail(error)
      },
      message: (redisChannel, bytes) => {
        if (this.#link === link) this.#events.message(redisChannel, bytes)
      },
    })
    this.#link = link
  }

  /** Redis answers on it: from here on others watch it. */
  answered(): void {
    this.#cancel?.()
  }

  /** It works: the next outage begins with the shortest pause. */
  established(): void {
    this.#attempt = 0
    this.#told = false
  }

  /** Gives the link up and opens another. */
  fail(error: Error): void {
    if (this.#closed || this.#link === undefined) return
    this.#drop()
    if (!this.#told) {
      this.#told = true
      this.#events.lost(error)
    }
    if (this.#closed) return
    const ms = backOff(++this.#attempt, FIRST_PAUSE_MS, MAX_PAUSE_MS, this.#clock.random())
    this.#cancel = this.#clock.after(ms, () => this.open())
  }

  close(): void {
    this.#closed = true
    this.#drop()
  }

  #drop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    const wasUp = this.#up
    this.#up = false
    this.#link?.close()
    this.#link = undefined
    if (wasUp) this.#events.down()
  }
}
