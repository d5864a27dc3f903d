// Who is where, as the memory store keeps it: entries under leases of nodes, and the sweep that removes a dead node's.

import type { Clock } from './clock.ts'
import type { ClientInfo, Entry, Lease } from './port.ts'

/** Entries of a node that did not renew for so long are in no answer. */
const LEASE_MS = 15_000
/** They are removed, and their leaves told, so long after the last renewal. */
const SWEEP_AFTER_MS = 20_000
/** A node that was swept is told so, should it come back within that time. */
const REMEMBER_SWEPT_MS = 3_600_000
/** So many leaves are told at once for each room. */
const SWEEP_BATCH = 200
const SWEEP_INTERVAL_MS = 1000

interface NodeLease {
  renewedAt: number
  state: 'known' | 'swept' | 'unknown'
}

/** Leases and entries of all nodes. */
export class MemoryPresence {
  readonly #clock: Clock
  readonly #left: (room: string, info: ClientInfo) => void
  readonly #leases = new Map<object, NodeLease>()
  readonly #rooms = new Map<string, Map<string, { node: object; info: ClientInfo }>>()
  #cancelSweep: (() => void) | undefined

  /** @param left tells every node of somebody whose node is gone. */
  constructor(clock: Clock, left: (room: string, info: ClientInfo) => void) {
    this.#clock = clock
    this.#left = left
  }

  renew(node: object): Lease {
    const lease = this.#leases.get(node)
    this.#leases.set(node, { renewedAt: this.#clock.now(), state: 'known' })
    if (this.#cancelSweep === undefined) this.#sweep()
    if (lease === undefined || lease.state === 'unknown') return 'lost'
    return lease.state === 'swept' ? 'swept' : 'kept'
  }

  enter(node: object, room: string, info: ClientInfo): boolean {
    if (!this.#leases.has(node)) this.#leases.set(node, { renewedAt: this.#clock.now(), state: 'unknown' })
    const entries = this.#rooms.get(room) ?? new Map()
    const isNew = !entries.has(info.client)
    entries.set(info.client, { node, info })
    this.#rooms.set(room, entries)
    return isNew
  }

  exit(node: object, room: string, client: string): boolean {
    const entries = this.#rooms.get(room)
    if (entries?.get(client)?.node !== node) return false
    entries.delete(client)
    if (entries.size === 0) this.#rooms.delete(room)
    return true
  }

  assert(node: object, wanted: readonly Entry[]): { added: Entry[]; removed: Entry[] } {
    const keys = new Set(wanted.map(([room, { client }]) => `${room}\n${client}`))
    const removed: Entry[] = []
    for (const [room, entries] of this.#rooms) {
      for (const [client, entry] of entries) {
        if (entry.node === node && !keys.has(`${room}\n${client}`)) removed.push([room, entry.info])
      }
    }
    for (const [room, { client }] of removed) this.exit(node, room, client)
    return { added: wanted.filter(([room, info]) => this.enter(node, room, info)), removed }
  }

  of(room: string): ClientInfo[] {
    const alive = this.#clock.now() - LEASE_MS
    return [...(this.#rooms.get(room)?.values() ?? [])]
      .filter(({ node }) => (this.#leases.get(node)?.renewedAt ?? Number.NEGATIVE_INFINITY) > alive)
      .map(({ info }) => info)
  }

  /** A node goes in good order: its entries and their leaves at once. */
  release(node: object): void {
    for (const [room, info] of this.assert(node, []).removed) this.#left(room, info)
    this.#leases.delete(node)
  }

  /** Everything is forgotten, and nobody is told. */
  clear(): void {
    this.#leases.clear()
    this.#rooms.clear()
  }

  /** Removes some entries of dead nodes, and goes on until none is left. */
  #sweep(): void {
    this.#cancelSweep = undefined
    const dead = new Set<object>()
    for (const [node, lease] of this.#leases) {
      const silentMs = this.#clock.now() - lease.renewedAt
      if (silentMs <= SWEEP_AFTER_MS) continue
      dead.add(node)
      lease.state = 'swept'
      if (silentMs > REMEMBER_SWEPT_MS) this.#leases.delete(node)
    }
    if (dead.size === 0) return
    let more = false
    for (const [room, entries] of [...this.#rooms]) {
      const gone = [...entries.values()].filter(({ node }) => dead.has(node))
      more ||= gone.length > SWEEP_BATCH
      for (const { node, info } of gone.slice(0, SWEEP_BATCH)) {
        this.exit(node, room, info.client)
        this.#left(room, info)
      }
    }
    if (more) this.#cancelSweep = this.#clock.after(SWEEP_INTERVAL_MS, () => this.#sweep())
  }
}
