// Joining and leaving in memory: sockets that are connected already go in and out of rooms, with nothing on the wire.

/** A socket, as churn sees it. */
export interface Churner {
  join(channel: string): void
  leave(channel: string): void
}

const CHURN_MS = 1000
const CHANNELS = 1000
const JOINS = 10
const names = Array.from({ length: CHANNELS }, (_, i) => `/room-${i}`)

/** Joins each socket to ten rooms of a thousand, then takes it out of them again, and so on for a second.
 * @returns how many joins and leaves there were in a second of CPU time. */
export function churn(sockets: readonly Churner[]): number {
  churnFor(sockets, CHURN_MS / 4)
  return churnFor(sockets, CHURN_MS)
}

function churnFor(sockets: readonly Churner[], ms: number): number {
  const before = process.cpuUsage()
  const end = performance.now() + ms
  let count = 0
  for (let round = 0; performance.now() < end; round++) {
    for (const [i, socket] of sockets.entries()) {
      for (let k = 0; k < JOINS; k++) socket.join(names[(i * 7 + k * 31 + round) % CHANNELS]!)
    }
    for (const [i, socket] of sockets.entries()) {
      for (let k = 0; k < JOINS; k++) socket.leave(names[(i * 7 + k * 31 + round) % CHANNELS]!)
    }
    count += sockets.length * JOINS * 2
  }
  const { user, system } = process.cpuUsage(before)
  return (count / (user + system)) * 1e6
}
