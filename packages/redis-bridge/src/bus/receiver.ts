// What a sender tells the hearing half of a node.

import type { Counter } from './counters.ts'
import type { Lane } from './lane.ts'
import type { Line } from './line.ts'

/** What a node has beside it; a publisher has nothing. */
export interface Receiver {
  up(lane: Lane, line: Line): void
  down(lane: Lane): void
  heard(lane: Lane, sentAt: number): void
  probe(lane: Lane): boolean
  message(line: Line, route: string, bytes: Buffer): void
  /** Every lane is established. */
  complete(): void
  /** Whether the bus surely counts this node among a channel's subscribers. */
  isSubscribed(counter: Counter): boolean
}
