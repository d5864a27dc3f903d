// Removes the entries of a dead node: a few of each room, once a second, until none is left. Each step asks Redis whether the
// node is dead still, and whether no other is at it; removing and telling are one step there, so however many try and however
// they end, each leave is told once.

import type { Clock } from '../bus/clock.ts'
import { headOf, StoreKind } from './messages.ts'
import type { Place, Places } from './places.ts'
import { ROOMS_OF, SWEEP } from './presence-scripts.ts'

/** A room is told of a batch of leaves at most so often. */
const ROUND_MS = 1000

const ROOMS_PER_CALL = 50

/** It is dead when Redis says so, which is asked a little later than it can be. */
const MARGIN_MS = 20

export interface SweeperOptions {
  clock: Clock
  places: Places
  home: Uint8Array
  homeHex: string
}

export class Sweeper {
  readonly #options: SweeperOptions
  readonly #head: Buffer
  /** What is being removed, or will be, by partition and node. */
  readonly #busy = new Set<string>()
  readonly #timers = new Set<() => void>()
  #closed = false

  constructor(options: SweeperOptions) {
    this.#options = options
    this.#head = headOf(StoreKind.LEAVES, options.home)
  }

  /** Removes the entries of a node when it is dead, unless that is under way. */
  sweepIn(place: Place, node: string, ms: number): void {
    const key = `${place.partition} ${node}`
    if (this.#closed || this.#busy.has(key)) return
    this.#busy.add(key)
    this.#after(Math.max(ms, 0) + MARGIN_MS)
      .then(() => this.sweep(place, node))
      // Redis is away: who is dead is seen with the next lease.
      .catch(() => {})
      .finally(() => this.#busy.delete(key))
  }

  /** Removes a node's entries until none is left; one's own without a pause. */
  async sweep(place: Place, node: string): Promise<void> {
    const { clock, places, homeHex } = this.#options
    const { keys, calls } = place
    while (!this.#closed) {
      const began = clock.now()
      const rooms = (await calls.call({
        script: ROOMS_OF,
        keys: [keys.roomsOf(node)],
        args: [],
        again: true,
      })) as Buffer[]
      for (let i = 0; i === 0 || i < rooms.length; i += ROOMS_PER_CALL) {
        const some = rooms.slice(i, i + ROOMS_PER_CALL).map(String)
        const state = await calls.call({
          script: SWEEP,
          keys: [
            ...[keys.leases, keys.swept, keys.sweeper, keys.roomsOf(node)],
            ...some.map((room) => keys.entries(room, node)),
          ],
          args: [
            ...[node, homeHex, this.#head, places.publishCommand],
            ...some.flatMap((room) => [room, place.route(room)]),
          ],
          again: true,
        })
        if (String(state) !== 'more') return
      }
      if (node !== homeHex) await this.#after(ROUND_MS - (clock.now() - began))
    }
  }

  close(): void {
    this.#closed = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
  }

  #after(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(Math.max(ms, 0), () => {
        this.#timers.delete(cancel)
        resolve()
      })
      this.#timers.add(cancel)
    })
  }
}
