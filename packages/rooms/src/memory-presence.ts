// Who is where, as the memory store keeps it: entries under leases of nodes, and the sweep that removes a dead node's.

import type { Clock } from './clock.ts'
import type { Entry, Lease, Present } from './port.ts'

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
  readonly #left: (room: string, info: Present) => void
  readonly #leases = new Map<object, NodeLease>()
  /** By node and room: who is there, by client. A client's id is its node's alone. */
  readonly #nodes = new Map<object, Map<string, Map<string, Present>>>()
  #cancelSweep: (() => void) | undefined

  /** @param left tells every node of somebody whose node is gone. */
  constructor(clock: Clock, left: (room: string, info: Present) => void) {
    this.#clock = clock
    this.#left = left
  }

  /** How many nodes have anybody anywhere. */
  get size(): number {
    return this.#nodes.size
  }

  renew(node: object): Lease {
    const lease = this.#leases.get(node)
    this.#leases.set(node, { renewedAt: this.#clock.now(), state: 'known' })
    if (this.#cancelSweep === undefined) this.#sweep()
    if (lease === undefined || lease.state === 'unknown') return 'lost'
    return lease.state === 'swept' ? 'swept' : 'kept'
  }

  enter(node: object, room: string, info: Present): boolean {
    if (!this.#leases.has(node)) this.#leases.set(node, { renewedAt: this.#clock.now(), state: 'unknown' })
    let rooms = this.#nodes.get(node)
    if (rooms === undefined) {
      rooms = new Map()
      this.#nodes.set(node, rooms)
    }
    let entries = rooms.get(room)
    if (entries === undefined) {
      entries = new Map()
      rooms.set(room, entries)
    }
    const isNew = !entries.has(info.client)
    entries.set(info.client, info)
    return isNew
  }

  exit(node: object, room: string, client: string): boolean {
    const rooms = this.#nodes.get(node)
    const entries = rooms?.get(room)
    if (entries === undefined || !entries.delete(client)) return false
    if (entries.size === 0) rooms!.delete(room)
    if (rooms!.size === 0) this.#nodes.delete(node)
    return true
  }

  assert(node: object, wanted: readonly Entry[]): { added: Entry[]; removed: Entry[] } {
    const keys = new Set(wanted.map(([room, { client }]) => `${room}\n${client}`))
    const removed: Entry[] = []
    for (const [room, entries] of this.#nodes.get(node) ?? []) {
      for (const [client, info] of entries) if (!keys.has(`${room}\n${client}`)) removed.push([room, info])
    }
    for (const [room, { client }] of removed) this.exit(node, room, client)
    return { added: wanted.filter(([room, info]) => this.enter(node, room, info)), removed }
  }

  of(room: string): Present[] {
    const alive = this.#clock.now() - LEASE_MS
    const all: Present[] = []
    for (const [node, rooms] of this.#nodes) {
      if ((this.#leases.get(node)?.renewedAt ?? Number.NEGATIVE_INFINITY) > alive)
        all.push(...(rooms.get(room)?.values() ?? []))
    }
    return all
  }

  /** A node goes in good order: its entries and their leaves at once. */
  release(node: object): void {
    for (const [room, info] of this.assert(node, []).removed) this.#left(room, info)
    this.#leases.delete(node)
  }

  /** Everything is forgotten, and nobody is told. */
  clear(): void {
    this.#leases.clear()
    this.#nodes.clear()
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
    let more = false
    /** How many leaves of a room are told by now. */
    const told = new Map<string, number>()
    for (const node of dead) {
      for (const [room, entries] of this.#nodes.get(node) ?? []) {
        const some = [...entries.values()].slice(0, SWEEP_BATCH - (told.get(room) ?? 0))
        told.set(room, (told.get(room) ?? 0) + some.length)
        more ||= some.length < entries.size
        for (const info of some) {
          this.exit(node, room, info.client)
          this.#left(room, info)
        }
      }
    }
    if (more) this.#cancelSweep = this.#clock.after(SWEEP_INTERVAL_MS, () => this.#sweep())
  }
}
