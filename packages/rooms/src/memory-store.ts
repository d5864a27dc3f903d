// The store inside one process. It loses nothing, so it never gives a mark and never tells of a gap. Also the smallest
// example of a store.

import { StoreUnavailableError } from './errors.ts'
import { Database, type MemoryNode, type MemoryOptions } from './memory-database.ts'
import type {
  Answers,
  BusRecord,
  HistoryRule,
  NodeAnswer,
  NodeRequest,
  Page,
  Position,
  Range,
  Store,
  StoreSink,
} from './port.ts'

/** Stores that see each other: one for each `createRooms`. */
export interface MemoryDatabase {
  store(): Store
}

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
  const database = new Database(options)
  return { store: () => new MemoryStore(database) }
}

/** One node's access to a database. */
export class MemoryStore implements Store, MemoryNode {
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
    this.#database.nodes.add(this)
    for (const command of this.#database.blocks.commands()) queueMicrotask(() => this.answer(command))
  }

  join(...[room]: Parameters<Store['join']>): void {
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

  removeHistory(room: string): Promise<void> {
    return this.#do((database) => database.clear(room))
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

  ask(request: NodeRequest): Promise<Answers> {
    return this.#do(async ({ nodes, blocks }) => {
      if (request.do === 'disconnect') blocks.add(request)
      await Promise.resolve()
      return { answers: [...nodes].map((node) => node.answer(request)), missing: 0 }
    })
  }

  close(): Promise<void> {
    if (this.#status === 'started') {
      for (const room of [...this.#joined]) this.leave(room)
      this.#database.nodes.delete(this)
      this.#database.presence.release(this)
    }
    this.#status = 'closed'
    return Promise.resolve()
  }

  /** A record that was on its way: for rooms that were left meanwhile it comes too late. */
  deliver(room: string, record: BusRecord): void {
    if (this.#joined.has(room)) this.#sink?.deliver(room, record)
  }

  answer(request: NodeRequest): NodeAnswer {
    return this.#sink!.answer(request)
  }

  #do<T>(act: (database: Database) => T | Promise<T>): Promise<T> {
    if (this.#status !== 'started') return Promise.reject(new StoreUnavailableError('the store is closed'))
    return Promise.resolve(act(this.#database))
  }
}
