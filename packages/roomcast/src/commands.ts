// How many commands one socket may send: a burst, then so many per second. The rest waits its turn; core reads no more of
// the socket meanwhile, so nothing piles up.

import type { Opcode, Socket } from '@roomcast/core'
import type { Pace, Rate } from './pace.ts'

/** What keeps a pace. */
export interface Paced {
  readonly pace: Pace
  /** It had to wait, which was told. */
  wasThrottled: boolean
}

/** A message counts for one command, and for one more for each 4 KiB: reading JSON of 1 MiB can take 80 ms, in which
 * nobody else is heard. */
const BYTES_PER_COMMAND = 4096

/** Does what one message asks for. */
export type Perform<S extends Paced> = (socket: Socket<S>, data: Buffer, opcode: Opcode) => Promise<void> | undefined

/** The same, at a pace of `rate` for each socket, kept in its state. Who is too fast is not refused: the promise that is
 * returned holds back the next message, which core has not read in full by then, so nothing is kept here meanwhile.
 * @param throttled hears, once of each socket, that it has to wait. */
export function paced<S extends Paced>(
  rate: Rate,
  perform: Perform<S>,
  throttled: (socket: Socket<S>) => void,
): Perform<S> {
  return (socket, data, opcode) => {
    const now = performance.now()
    const { pace } = socket.state
    pace.take(rate, 1 + Math.floor(data.length / BYTES_PER_COMMAND), now)
    const done = perform(socket, data, opcode)
    const waitMs = pace.waitMs(rate, 1, now)
    if (waitMs === 0) return done
    if (!socket.state.wasThrottled) throttled(socket)
    socket.state.wasThrottled = true
    return Promise.all([done, untilClosed(waitMs, socket)]).then(() => {})
  }
}

/** Resolves after `ms`, or as soon as the socket closes. */
function untilClosed(ms: number, socket: Pick<Socket, 'onClosing'>): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      forget()
      resolve()
    }
    const timer = setTimeout(end, ms)
    const forget = socket.onClosing(end)
  })
}
