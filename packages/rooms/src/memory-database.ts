// The store inside one process: exact, and bounded in every direction. One database can serve several `createRooms`, which
// then stand for nodes (tests, examples); it loses nothing, so it never gives a mark. Also the smallest example of a store.

import { type Clock, processClock } from './clock.ts'
import { StoreUnavailableError } from './errors.ts'
import { MemoryLog } from './memory-log.ts'
import { MemoryPresence } from './memory-presence.ts'
import type { BusRecord, Command, HistoryRule, Page, Position, Range, Store, StoreSink } from './port.ts'
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

/** Stores that see each other: one for each `createRooms`. */
export interface MemoryDatabase {
  store(): Store
}

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024
const DEFAULT_MAX_IDLE_ROOMS = 10_000
const SWEEP_INTERVAL_MS = 10_000
const KEY_TTL_MS = 300_000
/** So many idempotency keys are remembered. */
const MAX_KEYS = 100_000

/** Makes the store of one process.
 * @throws TypeError for an option of the wrong type, RangeError for a wrong value. */
export function memoryStore(options: MemoryOptions = {}): Store {
  return createMemoryDatabase(options).store()
}

/** Makes a database for several `createRooms` of one process.
 * @throws as `memoryStore`. */
export function createMemoryDatabase(options: MemoryOptions = {}): MemoryDatabase {
  for (const name of ['maxBytes', 'maxIdleRooms'] as const) {
    const value = options[name] ?? 1
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number`)
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${name} must be a positive integer: ${value}`)
  }
  return new Database(options)
}

/** What all stores of a database share. */
export class Database implements MemoryDatabase {
  readonly clock: Clock
  readonly presence: MemoryPresence
  readonly stores: Set<MemoryStore> = new Set()
  /** By room, the stores that joined it. */
  readonly joined: Map<string, Set<MemoryStore>> = new Map()
  /** In the order of use: rooms that nobody uses are forgotten from the front. */
  readonly logs: Map<string, MemoryLog> = new Map()
  readonly keys: RecentKeys<Position>
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
    this.keys = new RecentKeys(clock, KEY_TTL_MS, MAX_KEYS)
  }

  store(): MemoryStore {
    return new MemoryStore(this)
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
    this.logs.set(room, log)
    const before = log.bytes
    const result = act(log, now)
    this.#bytes += log.bytes - before
    if (this.#bytes > this.#maxBytes) this.#makeRoom()
    this.#sweepLater()
    return result
  }

  /** Hands a record to every store that joined the room, but one. */
  deliver(room: string, record: BusRecord, except?: MemoryStore): void {
    for (const store of this.joined.get(room) ?? []) {
      // Microtasks run in the order they were queued: that keeps the order of the numbers.
      if (store !== except) queueMicrotask(() => store.deliver(room, record))
    }
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
      else if (log.publications.length === 0 && !this.joined.has(room)) idle.push([room, log])
    }
    for (const [room, log] of idle.slice(0, Math.max(0, idle.length - this.#maxIdleRooms))) this.#drop(room, log)
  }
}

/** One node's access to a database. */
export class MemoryStore implements Store {
  readonly #database: Database
  readonly #joined = new Set<string>()
  #sink: StoreSink | undefined
  #status: 'new' | 'started' | 'closed' = 'new'

  constructor(database: Database) {
    this.#database = database
  }

  start(sink: StoreSink): void {
    if (this.#status !== 'new') throw new Error('a store can be started once')
    this.#status = 'started'
    this.#sink = sink
    this.#database.stores.add(this)
  }

  join(room: string): void {
    if (this.#status !== 'started') return
    this.#joined.add(room)
    const stores = this.#database.joined.get(room)
    if (stores === undefined) this.#database.joined.set(room, new Set([this]))
    else stores.add(this)
  }

  leave(room: string): void {
    this.#joined.delete(room)
    const stores = this.#database.joined.get(room)
    stores?.delete(this)
    if (stores?.size !== 0) return
    this.#database.joined.delete(room)
    const log = this.#database.logs.get(room)
    // Epoch and number live for their time from now on.
    if (log !== undefined) log.left(this.#database.clock.now())
  }

  ready(): Promise<void> {
    return Promise.resolve()
  }

  carry(room: string, record: BusRecord): boolean {
    if (this.#status !== 'started') return false
    this.#database.deliver(room, record, this)
    return true
  }

  publish(...[room, draft, rule, key]: Parameters<Store['publish']>): Promise<Position> {
    return this.#do((database) => {
      const first = key === undefined ? undefined : database.keys.get(`${room}\n${key}`)
      if (first !== undefined) return first
      const publication = database.use(room, rule, (log, now) => log.append(draft, rule, now))
      database.deliver(room, { kind: 'publication', publication })
      const { epoch, offset } = publication
      if (key !== undefined) database.keys.add(`${room}\n${key}`, { epoch, offset })
      return { epoch, offset }
    })
  }

  claim(room: string, key: string): Promise<boolean> {
    return this.#do(({ keys }) => {
      const isNew = keys.get(`${room}\n${key}`) === undefined
      if (isNew) keys.add(`${room}\n${key}`, { epoch: '', offset: 0 })
      return isNew
    })
  }

  read(room: string, rule: HistoryRule, range: Range): Promise<Page> {
    return this.#do((database) => database.use(room, rule, (log, now) => log.read(range, now)))
  }

  fork(room: string, epoch: string): Promise<void> {
    return this.#do((database) => {
      if (database.logs.get(room)?.epoch === epoch) database.forget(room)
    })
  }

  enter(...[room, info]: Parameters<Store['enter']>): Promise<boolean> {
    return this.#do(({ presence }) => presence.enter(this, room, info))
  }

  exit(room: string, client: string): Promise<boolean> {
    return this.#do(({ presence }) => presence.exit(this, room, client))
  }

  assert(...[entries]: Parameters<Store['assert']>): ReturnType<Store['assert']> {
    return this.#do(({ presence }) => presence.assert(this, entries))
  }

  lease(): ReturnType<Store['lease']> {
    return this.#do(({ presence }) => presence.renew(this))
  }

  presence(room: string): ReturnType<Store['presence']> {
    return this.#do(({ presence }) => presence.of(room))
  }

  presenceStats(room: string): ReturnType<Store['presenceStats']> {
    return this.#do(({ presence }) => {
      const all = presence.of(room)
      return { clients: all.length, users: new Set(all.map(({ user }) => user)).size }
    })
  }

  command(command: Command): ReturnType<Store['command']> {
    return this.#do(async ({ stores }) => {
      await Promise.resolve()
      const counts = [...stores].map((store) => store.#sink!.command(command))
      return { clients: counts.reduce((sum, count) => sum + count, 0), nodes: counts.length, missing: 0 }
    })
  }

  close(): Promise<void> {
    if (this.#status === 'started') {
      for (const room of [...this.#joined]) this.leave(room)
      this.#database.stores.delete(this)
      this.#database.presence.release(this)
    }
    this.#status = 'closed'
    return Promise.resolve()
  }

  /** A record that was on its way: for rooms that were left meanwhile it comes too late. */
  deliver(room: string, record: BusRecord): void {
    if (this.#joined.has(room)) this.#sink?.deliver(room, record)
  }

  #do<T>(act: (database: Database) => T | Promise<T>): Promise<T> {
    if (this.#status !== 'started') return Promise.reject(new StoreUnavailableError('the store is closed'))
    return Promise.resolve(act(this.#database))
  }
}
