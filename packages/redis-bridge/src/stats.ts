// What a bridge and a store count.

import type { BusNodeStats } from './bus/bus-node.ts'

/** What `stats()` of a bridge returns. */
export type BridgeStats = BusNodeStats

/** What `stats()` of a store returns: of its messages what a bridge counts, and its calls. */
export interface StoreStats extends BusNodeStats {
  /** Not answered by Redis yet. */
  calls: number
}
