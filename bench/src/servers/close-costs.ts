// What it costs to close a socket: it must be its own channels that count, however many others there are.

import type { Channels } from '@roomcast/channels'
import type { Socket } from '@roomcast/core'

/** CPU µs of this process for a socket in no channel, and for one in 100 channels of its own while there are 1,000 other
 * channels and while there are 100,000. */
export interface CloseCosts {
  none: number
  few: number
  many: number
}

const OWN_CHANNELS = 100
const AT_A_TIME = 50
const PASSES = 5
const FEW = 1000
const MANY = 100_000

/** Closes some of the sockets; the rest are the members of the other channels. The best of some passes: what is above it
 * is other work of the machine. */
export function closeCosts(channels: Channels, sockets: readonly Socket[]): CloseCosts {
  const closing = sockets.slice(0, AT_A_TIME * PASSES * 3)
  const rest = sockets.slice(closing.length)
  const close = (own: number): number => {
    const some = closing.splice(0, AT_A_TIME)
    for (const [i, socket] of some.entries()) {
      for (let k = 0; k < own; k++) channels.join(`own-${i}-${k}`, socket)
    }
    // Garbage of all that joining is no part of closing.
    globalThis.gc?.()
    const began = process.cpuUsage()
    for (const socket of some) socket.terminate()
    const { user, system } = process.cpuUsage(began)
    if (some.some((socket) => channels.channelsOf(socket).length > 0)) throw new Error('closed, and still a member')
    return (user + system) / AT_A_TIME
  }
  const best: CloseCosts = { none: Infinity, few: Infinity, many: Infinity }
  for (let pass = 0; pass < PASSES; pass++) {
    best.none = Math.min(best.none, close(0))
    for (let i = 0; i < FEW; i++) channels.join(`other-${i}`, rest[i % rest.length]!)
    best.few = Math.min(best.few, close(OWN_CHANNELS))
    for (let i = FEW; i < MANY; i++) channels.join(`other-${i}`, rest[i % rest.length]!)
    best.many = Math.min(best.many, close(OWN_CHANNELS))
    for (const socket of rest) channels.leaveAll(socket)
  }
  return best
}
