// How one connection ends: the first thing that ended it decides what `closed` is told, and the TCP connection may last a
// little longer than that, so that what was accepted still goes out.

import type { Duplex } from 'node:stream'
import type { CloseInfo } from '../handler.ts'
import type { Limits } from '../limits.ts'
import { CloseCode } from '../protocol/close.ts'
import { LINGER_MS } from '../server/heartbeat.ts'
import type { SendQueue } from './send-queue.ts'

/** A peer that takes some of our bytes now and then may make its end last so many times `closeTimeoutMs`. */
const MAX_TIMEOUTS = 4

/** The first thing that ended a connection. */
export type Cause = Pick<CloseInfo, 'code' | 'reason' | 'by' | 'cause'>

/** TCP was lost. @param cause the system's error, where there was one. */
export function lost(cause?: Error | null): Cause {
  return { code: CloseCode.ABNORMAL, reason: '', by: 'network', ...(cause && { cause }) }
}

export class Ending {
  readonly #cause: Cause
  readonly #began: number
  #since: number
  closeSent = false
  closeReceived = false
  /** When we destroyed the stream, in the heartbeat's time; 0: not yet. */
  destroyedAt = 0
  /** Nothing more is read: the connection waits only for its last bytes to go out. */
  #finished = false

  constructor(cause: Cause, now: number) {
    this.#cause = cause
    this.#began = this.#since = now
  }

  /** Our Close has been sent, and the peer's is to come. */
  get awaitsClose(): boolean {
    return this.closeSent && !this.#finished
  }

  /** Nothing more comes from the peer. */
  finish(now: number): void {
    this.#finished = true
    this.#since = now
  }

  /** Is it time to end TCP? `'lingered'`: everything is out, and the peer has had its second to read it. `'late'`: it
   * did not close, or took nothing, for `closeTimeoutMs`. `'gone'`: it was ended, and nobody may ever tell. */
  over(now: number, queue: SendQueue, stream: Duplex, { closeTimeoutMs }: Limits): 'late' | 'lingered' | 'gone' | null {
    // Node's streams may be told not to say 'close', and one of an application's may forget to.
    if (this.destroyedAt > 0) return stream.closed || now - this.destroyedAt >= closeTimeoutMs ? 'gone' : null
    const since = Math.max(this.#since, queue.takenAt)
    if (this.awaitsClose || queue.bufferedBytes > 0) {
      return now - since >= closeTimeoutMs || now - this.#began >= closeTimeoutMs * MAX_TIMEOUTS ? 'late' : null
    }
    return now - since >= LINGER_MS ? 'lingered' : null
  }

  /** What `closed` is told.
   * @param sent everything that was accepted, our Close among it, was taken by the kernel. */
  info(sent: boolean): CloseInfo {
    return { ...this.#cause, clean: this.closeSent && this.closeReceived && sent }
  }
}
