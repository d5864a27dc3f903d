// Replies that are ready and not written yet. What is answered while one message is read, or in one run of promises, goes
// out as one message.

import type { Framed, Payload } from '@roomcast/core'
import type { Format, Piece } from './wire/format.ts'
import type { Wire } from './wire/schema.ts'

/** When they are so many bytes they are written: core judges each message by what waits before it. */
const FLUSH_BYTES = 64 * 1024

export interface RepliesOptions {
  readonly format: Format
  readonly defer: (run: () => void) => void
  readonly write: (message: Payload) => void
}

/** The replies of one connection. */
export class Replies {
  readonly #options: RepliesOptions
  #pieces: Piece[] = []
  #bytes = 0
  #isCorked = false
  #isFlushDue = false

  constructor(options: RepliesOptions) {
    this.#options = options
  }

  add(reply: Wire<'Reply'>): void {
    const piece = this.#options.format.encode(reply)
    this.#pieces.push(piece)
    this.#bytes += piece.length
    if (this.#bytes >= FLUSH_BYTES) this.flush()
    else if (!this.#isCorked && !this.#isFlushDue) {
      this.#isFlushDue = true
      this.#options.defer(() => {
        this.#isFlushDue = false
        this.flush()
      })
    }
  }

  /** Runs a function whose replies are written when it has returned. */
  collect(run: () => void): void {
    this.#isCorked = true
    try {
      run()
    } finally {
      this.#isCorked = false
      this.flush()
    }
  }

  /** One message of those that wait and this one, for whoever writes it. */
  with(reply: Wire<'Reply'>): Payload | Framed {
    return this.#options.format.joinWith(this.#take(), reply)
  }

  flush(): void {
    if (this.#pieces.length > 0) this.#options.write(this.#options.format.join(this.#take()))
  }

  #take(): Piece[] {
    const pieces = this.#pieces
    this.#pieces = []
    this.#bytes = 0
    return pieces
  }
}
