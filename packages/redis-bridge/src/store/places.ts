// Where a room is in Redis: in a cluster in one of many partitions, each with its keys and a queue of calls.

import type { Routes } from '../bus/link.ts'
import type { Calls } from './calls.ts'
import { Keys } from './room-routes.ts'

/** A partition. */
export interface Place {
  readonly partition: number
  readonly keys: Keys
  readonly calls: Calls
  /** The Redis channel of a room. */
  route(room: string): string
}

/** All partitions. */
export class Places {
  readonly all: readonly Place[]
  /** How scripts publish. */
  readonly publishCommand: string
  readonly #routes: Routes

  /** @param keyStarts what the keys of each partition begin with. */
  constructor(routes: Routes, keyStarts: readonly string[], makeCalls: (partition: number, keys: Keys) => Calls) {
    this.#routes = routes
    this.publishCommand = routes.partitions === 1 ? 'PUBLISH' : 'SPUBLISH'
    this.all = keyStarts.map((start, partition) => {
      const keys = new Keys(start)
      const calls = makeCalls(partition, keys)
      return { partition, keys, calls, route: (room) => routes.of(room, partition) }
    })
  }

  of(room: string): Place {
    return this.all[this.#routes.partitionOf(room)]!
  }

  /** Where what is not of one room is kept. */
  get first(): Place {
    return this.all[0]!
  }
}
