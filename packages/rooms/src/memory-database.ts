// What the memory store keeps: exact, and bounded in every direction. One database can serve several `createRooms`, which
// then stand for nodes (tests, examples). A node's access to it is memory-store.ts.

import { Blocks } from './blocks.ts'
import { type Clock, processClock } from './clock.ts'
import { own } from './data.ts'
import { MemoryLog } from './memory-log.ts'
import { MemoryPresence } from './memory-presence.ts'
import type { BusRecord, HistoryRule, NodeAnswer, NodeRequest, Position } from './port.ts'
import { RecentKeys } from './recent-keys.ts'

/** Options of `memoryStore` and `createMemoryDatabase`. */
export interface MemoryOptions {
  /** Bytes of all histories together; over it, the histories that were published to least recently go. Default 256 MiB. */
  readonly maxBytes?: number | undefined
  /** Rooms whose epoch and number are remembered although nobody is in them and their history is gone. Default 10,000. */
  readonly maxIdleRooms?: number | undefined
  /** Default: the process's own. */
  readonly clock?: Clock | undefined
  /** Makes what was never made before, for epochs. Default: random. */
  readonly newId?: (() => string) | undefined
}

/** What a database tells one of its nodes. */
export interface MemoryNode {
  deliver(room: string, record: BusRecord): void
  answer(request: NodeRequest): NodeAnswer
}

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024
const DEFAULT_MAX_IDLE_ROOMS = 10_000
const SWEEP_INTERVAL_MS = 10_000
const KEY_TTL_MS = 300_000
/** So many idempotency keys are remembered. */
const MAX_KEYS = 100_000

/** What all stores of a database share. */
export class Database {
  readonly clock: Clock
  readonly presence: MemoryPresence
  readonly nodes: Set<MemoryNode> = new Set()
  /** By room, the nodes that joined it. */
  readonly joined: Map<string, Set<MemoryNode>> = new Map()
  /** In the order of use: rooms that nobody uses are forgotten from the front. */
  readonly logs: Map<string, MemoryLog> = new Map()
  readonly keys: RecentKeys<Position>
  readonly blocks: Blocks
  readonly #maxBytes: number
  readonly #maxIdleRooms: number
  readonly #newId: () => string
  #bytes = 0
  #sweeping = false

  constructor({ maxBytes, maxIdleRooms, clock = processClock, newId = () => crypto.randomUUID() }: MemoryOptions) {
    this.clock = clock
    this.#maxBytes = maxBytes ?? DEFAULT_MAX_BYTES
    this.#maxIdleRooms = maxIdleRooms ?? DEFAULT_MAX_IDLE_ROOMS
    this.#newId = newId
    this.presence = new MemoryPresence(clock, (room, info) => this.deliver(room, { kind: 'leave', info }))
    this.blocks = new Blocks(clock)
    this.keys = new RecentKeys(clock, KEY_TTL_MS, MAX_KEYS)
  }

  /** The bytes of all histories. */
  get bytes(): number {
    return this.#bytes
  }

  /** Does something with a room's history, and counts what it takes afterwards. */
  use<T>(room: string, rule: HistoryRule, act: (log: MemoryLog, now: number) => T): T {
    const now = this.clock.now()
    let log = this.logs.get(room)
    if (log !== undefined && this.#isForgotten(room, log, now)) {
      this.#drop(room, log)
      log = undefined
    }
    log ??= new MemoryLog(this.#newId(), now, rule)
    // It is the one used last.
    this.logs.delete(room)
    this.logs.set(own(room), log)
    const before = log.bytes
    const result = act(log, now)
    this.#bytes += log.bytes - before
    if (this.#bytes > this.#maxBytes) this.#makeRoom()
    this.#sweepLater()
    return result
  }

  /** Hands a record to every node that joined the room, but one. */
  deliver(room: string, record: BusRecord, except?: MemoryNode): void {
    for (const node of this.joined.get(room) ?? []) {
      // Microtasks run in the order they were queued: that keeps the order of the numbers.
      if (node !== except) queueMicrotask(() => node.deliver(room, record))
    }
  }

  /** Removes what is kept of a room; its epoch and number stay. */
  clear(room: string): void {
    const log = this.logs.get(room)
    if (log === undefined) return
    this.#bytes -= log.bytes
    log.clear()
  }

  /** Forgets a room: what follows has another epoch. */
  forget(room: string): void {
    const log = this.logs.get(room)
    if (log !== undefined) this.#drop(room, log)
  }

  #drop(room: string, log: MemoryLog): void {
    this.logs.delete(room)
    this.#bytes -= log.bytes
  }

  #isForgotten(room: string, log: MemoryLog, now: number): boolean {
    return now > log.forgottenAt && !this.joined.has(room)
  }

  #makeRoom(): void {
    for (const log of this.logs.values()) {
      if (this.#bytes <= this.#maxBytes) return
      this.#bytes -= log.bytes
      log.clear()
    }
  }

  #sweepLater(): void {
    if (this.#sweeping) return
    this.#sweeping = true
    this.clock.after(SWEEP_INTERVAL_MS, () => {
      this.#sweeping = false
      this.#sweep()
      if (this.logs.size > 0) this.#sweepLater()
    })
  }

  #sweep(): void {
    const now = this.clock.now()
    const idle: [string, MemoryLog][] = []
    for (const [room, log] of this.logs) {
      const before = log.bytes
      log.touch(now)
      this.#bytes += log.bytes - before
      if (this.#isForgotten(room, log, now)) this.#drop(room, log)
      else if (log.row.length === 0 && !this.joined.has(room)) idle.push([room, log])
    }
    for (const [room, log] of idle.slice(0, Math.max(0, idle.length - this.#maxIdleRooms))) this.#drop(room, log)
  }
}
