// Redis answers what it is told, or is lost: what comes in alone does not tell that it hears us.

import type { Clock } from './clock.ts'

/** A command that is not answered for so long tells that Redis is lost. */
const ANSWERED_MS = 4000
const WATCH_MS = 500

export interface AnswersOptions {
  clock: Clock
  /** When the oldest PUBLISH without an answer was written; infinity when there is none. */
  oldestWrittenAt(): number
  /** An answer is late. */
  late(error: Error): void
}

/** Watches that one link's commands are answered. */
export class Answers {
  readonly #options: AnswersOptions
  #cancel: (() => void) | undefined
  #link = 0

  constructor(options: AnswersOptions) {
    this.#options = options
  }

  /** A link is up. */
  start(): void {
    this.stop()
    this.#cancel = this.#options.clock.after(WATCH_MS, this.#watch)
  }

  /** It is down: nothing that it owes counts any more. */
  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#link++
  }

  /** `done`, watched: it is called in time, or the answer is late. */
  inTime(done: (error?: Error) => void): (error?: Error) => void {
    const { clock } = this.#options
    const link = this.#link
    let answered = false
    // Once more around the loop: after a pause of our own the answer may lie there unread.
    const look = (): void => {
      if (!answered && this.#link === link) this.#late()
    }
    const cancel = clock.after(ANSWERED_MS, () => clock.soon(look))
    return (error) => {
      answered = true
      cancel()
      done(error)
    }
  }

  readonly #watch = (): void => {
    const { clock, oldestWrittenAt } = this.#options
    this.#cancel = clock.after(WATCH_MS, this.#watch)
    if (oldestWrittenAt() < clock.now() - ANSWERED_MS) this.#late()
  }

  #late(): void {
    this.#options.late(new Error('Redis does not answer'))
  }
}
