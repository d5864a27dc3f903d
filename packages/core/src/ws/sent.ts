// When what was sent has left: the callbacks of `send`, `ping` and `pong`. The kernel takes what a healthy peer is sent as
// the turn ends; from the first time it refuses something, callbacks wait until it has taken everything. So one who sends
// the next message when he is called back never has more than one waiting.

import type { WriteResult } from '../handler.ts'
import { setImmediate } from '../server/real-time.ts'

/** Called with an error when what was sent is lost, or with nothing. */
export type SentCallback = (error?: Error) => void

export class Sent {
  readonly #call: (callback: SentCallback, error?: Error) => void
  #waiting: SentCallback[] = []

  /** @param call calls what a user wrote, and catches. */
  constructor(call: (callback: SentCallback, error?: Error) => void) {
    this.#call = call
  }

  /** `callback` belongs to a write that came to `result`. */
  add(result: WriteResult, callback: SentCallback): void {
    if (result === 'dropped' || result === 'closed') {
      const why = result === 'dropped' ? 'dropped: the peer reads too slowly' : 'WebSocket is not open'
      process.nextTick(this.#call, callback, new Error(why))
    } else if (result === 'backpressure' || this.#waiting.length > 0) this.#waiting.push(callback)
    else setImmediate(() => this.#call(callback))
  }

  /** Everything has left, or, with an error, what has not never will. */
  settle(error?: Error): void {
    for (const callback of this.#waiting.splice(0)) this.#call(callback, error)
  }
}
