// What a bridge counts.

import type { BusNodeStats } from './bus/bus-node.ts'

/** What `stats()` returns. */
export type BridgeStats = BusNodeStats
