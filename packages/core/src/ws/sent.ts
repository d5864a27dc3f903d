// When what was sent has left: the callbacks of `send`, `ping` and `pong`. The kernel takes what a healthy peer is sent as
// the turn ends; from the first time it refuses something, callbacks wait until it has taken everything. So one who sends
// the next message when he is called back never has more than one waiting.

import type { WriteResult } from '../handler.ts'
import { setImmediate } from '../server/real-time.ts'

/** Called with an error when what was sent is lost, or with nothing. */
export type SentCallback = (error?: Error) => void

export class Sent {
  readonly #call: (callback: SentCallback, error?: Error) => void
  /** In the order of what was sent. */
  #waiting: { readonly callback: SentCallback }[] = []
  /** The kernel refused something, and has not taken everything since. */
  #refused = false
  /** Has the connection ended before everything left? */
  readonly #isCut: () => boolean

  /** @param call calls what a user wrote, and catches. */
  constructor(call: (callback: SentCallback, error?: Error) => void, isCut: () => boolean) {
    this.#call = call
    this.#isCut = isCut
  }

  /** `callback` belongs to a write to an open socket that came to `result`. */
  add(result: WriteResult, callback: SentCallback): void {
    if (result === 'dropped' || result === 'closed') return this.fail(callback, `${result}: the peer reads too slowly`)
    const one = { callback }
    this.#waiting.push(one)
    this.#refused ||= result === 'backpressure'
    if (!this.#refused) setImmediate(() => this.#left(one))
  }

  /** What `callback` belongs to is lost. */
  fail(callback: SentCallback, why: string): void {
    process.nextTick(this.#call, callback, new Error(why))
  }

  /** Everything has left, or, with an error, what has not never will. */
  settle(error?: Error): void {
    this.#refused = false
    for (const { callback } of this.#waiting.splice(0)) this.#call(callback, error)
  }

  #left(one: { readonly callback: SentCallback }): void {
    // What the connection has not taken when it ends is told by `settle`.
    if (this.#waiting[0] !== one || this.#isCut()) return
    this.#waiting.shift()
    this.#call(one.callback)
  }
}
