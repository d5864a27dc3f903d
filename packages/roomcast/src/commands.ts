// How many commands one socket may send: a burst, then so many per second. The rest waits its turn; core reads no more of
// the socket meanwhile, so nothing piles up here.

import type { Opcode, Socket } from '@roomcast/core'
import type { Pace, Rate } from './pace.ts'

/** A message counts for one command, and for one more for each 4 KiB: reading JSON of 1 MiB can take 80 ms, in which
 * nobody else is heard. */
const BYTES_PER_COMMAND = 4096

/** Does what one message asks for. */
export type Perform = (socket: Socket<Pace>, data: Buffer, opcode: Opcode) => Promise<void> | undefined

/** The same, at a pace of `rate` for each socket, kept in its state. While a message waits so do those behind it; it is
 * dropped when its socket closes first. */
export function paced(rate: Rate, perform: Perform): Perform {
  return (socket, data, opcode) => {
    const now = performance.now()
    const amount = 1 + Math.floor(data.length / BYTES_PER_COMMAND)
    const waitMs = socket.state.waitMs(rate, amount, now)
    socket.state.take(rate, amount, now)
    if (waitMs === 0) return perform(socket, data, opcode)
    return openAfter(waitMs, socket).then((isOpen) => (isOpen ? perform(socket, data, opcode) : undefined))
  }
}

/** Resolves with true after `ms`, or with false as soon as the socket closes. */
function openAfter(ms: number, socket: Socket<Pace>): Promise<boolean> {
  return new Promise((resolve) => {
    const forget = socket.onClosing(() => {
      clearTimeout(timer)
      resolve(false)
    })
    const timer = setTimeout(() => {
      forget()
      resolve(true)
    }, ms)
  })
}
