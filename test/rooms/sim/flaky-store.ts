// The memory store as a node meets a store over a network: calls take time and can fail before or after they were carried
// out, the bus is late and loses, and marks tell now and then where rooms stand.

import { type BusRecord, type HistoryRule, type Store, type StoreSink, StoreUnavailableError } from '@roomcast/rooms'
import type { Database } from '../../../packages/rooms/src/memory-database.ts'
import type { MemoryLog } from '../../../packages/rooms/src/memory-log.ts'
import { MemoryStore } from '../../../packages/rooms/src/memory-store.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'
import type { Said } from '../codecs.ts'
import type { Checker } from './checker.ts'

const MARK_INTERVAL_MS = 1000

/** What a store does wrong on purpose, to see that the checker notices. */
export interface Broken {
  /** Gives no marks. */
  noMarks?: boolean
  /** Carries out every repeat of a publication. */
  noKeys?: boolean
  /** Gives a room that was forgotten the same epoch again. */
  sameEpoch?: boolean
}

export class FlakyStore implements Store {
  readonly #inner: Store
  readonly #database: Database
  readonly #clock: VirtualClock
  readonly #checker: Checker
  readonly #ruleOf: (room: string) => HistoryRule
  readonly #broken: Broken
  readonly #joined = new Set<string>()
  #sink: StoreSink | undefined
  #dead = false
  #requestsAt = 0
  #repliesAt = 0
  #subscribedAt = 0
  #busAt = 0
  /** Calls fail until then. */
  downUntil = 0
  /** The bus brings nothing until then. */
  deafUntil = 0
  /** The part of what the bus brings that gets lost. */
  lossRate = 0

  constructor(
    database: Database,
    clock: VirtualClock,
    checker: Checker,
    ruleOf: (room: string) => HistoryRule,
    broken: Broken,
  ) {
    this.#inner = new MemoryStore(database)
    this.#database = database
    this.#clock = clock
    this.#checker = checker
    this.#ruleOf = ruleOf
    this.#broken = broken
  }

  start(sink: StoreSink): void {
    this.#sink = sink
    this.#inner.start({
      deliver: (room, record) => this.#bus((to) => to.deliver(room, record)),
      mark: () => {},
      gap: () => {},
      answer: (request) => sink.answer(request),
    })
    if (!this.#broken.noMarks) this.#mark()
  }

  join(...[room, rule]: Parameters<Store['join']>): void {
    this.#subscribe(() => {
      this.#joined.add(room)
      this.#inner.join(room, rule)
    })
  }

  leave(room: string): void {
    this.#subscribe(() => {
      this.#joined.delete(room)
      this.#inner.leave(room)
    })
  }

  ready(): Promise<void> {
    return new Promise((resolve) => this.#subscribe(resolve))
  }

  carry(room: string, record: BusRecord): boolean {
    if (this.#clock.now() < this.downUntil) return false
    this.#request(() => void this.#inner.carry(room, record))
    return true
  }

  publish(...[room, draft, rule, key]: Parameters<Store['publish']>): ReturnType<Store['publish']> {
    return this.#call(() => {
      const before = this.#database.logs.get(room)?.lastId
      const published = this.#inner.publish(room, draft, rule, this.#broken.noKeys ? undefined : key)
      const log = this.#database.logs.get(room)
      if (log !== undefined && log.lastId !== before) this.#checker.placed(room, lastOf(log))
      return published
    })
  }

  read(...args: Parameters<Store['read']>): ReturnType<Store['read']> {
    return this.#call(() => this.#inner.read(...args))
  }

  removeHistory(...args: Parameters<Store['removeHistory']>): ReturnType<Store['removeHistory']> {
    return this.#call(() => this.#inner.removeHistory(...args))
  }

  fork(...args: Parameters<Store['fork']>): ReturnType<Store['fork']> {
    return this.#call(() => this.#inner.fork(...args))
  }

  claim(...args: Parameters<Store['claim']>): ReturnType<Store['claim']> {
    return this.#call(() => this.#inner.claim(...args))
  }

  enter(...args: Parameters<Store['enter']>): ReturnType<Store['enter']> {
    return this.#call(() => this.#inner.enter(...args))
  }

  exit(...args: Parameters<Store['exit']>): ReturnType<Store['exit']> {
    return this.#call(() => this.#inner.exit(...args))
  }

  assert(...args: Parameters<Store['assert']>): ReturnType<Store['assert']> {
    return this.#call(() => this.#inner.assert(...args))
  }

  lease(): ReturnType<Store['lease']> {
    return this.#call(() => this.#inner.lease())
  }

  presence(room: string): ReturnType<Store['presence']> {
    return this.#inner.presence(room)
  }

  presenceStats(room: string): ReturnType<Store['presenceStats']> {
    return this.#inner.presenceStats(room)
  }

  ask(...args: Parameters<Store['ask']>): ReturnType<Store['ask']> {
    return this.#call(() => this.#inner.ask(...args))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** The node dies: nothing comes any more, and its lease runs out. */
  kill(): void {
    this.#dead = true
    for (const room of this.#joined) this.#inner.leave(room)
  }

  #delay(): number {
    const chance = this.#clock.random()
    return chance < 0.95 ? 0.1 + chance * 5 : chance * 100
  }

  /** One connection: what is asked is carried out in order. */
  #request(run: () => void): void {
    this.#requestsAt = Math.max(this.#requestsAt, this.#clock.now() + this.#delay())
    this.#clock.after(this.#requestsAt - this.#clock.now(), () => {
      if (!this.#dead) run()
    })
  }

  /** Another connection, with an order of its own. */
  #subscribe(run: () => void): void {
    this.#subscribedAt = Math.max(this.#subscribedAt, this.#clock.now() + this.#delay())
    this.#clock.after(this.#subscribedAt - this.#clock.now(), () => {
      if (!this.#dead) run()
    })
  }

  #call<T>(run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const { now, random } = { now: this.#clock.now(), random: this.#clock.random() }
      const fails = now < this.downUntil
      this.#request(() => {
        const done = fails && random < 0.5 ? undefined : run()
        const answer = (): void => {
          if (this.#dead) return
          if (fails || done === undefined) reject(new StoreUnavailableError())
          else done.then(resolve, reject)
        }
        this.#repliesAt = Math.max(this.#repliesAt, this.#clock.now() + this.#delay())
        this.#clock.after(this.#repliesAt - this.#clock.now(), answer)
      })
    })
  }

  /** What comes on it: messages keep their order, if they come. */
  #bus(run: (sink: StoreSink) => void): void {
    if (this.#clock.now() < this.deafUntil || this.#clock.random() < this.lossRate) return
    this.#busAt = Math.max(this.#busAt, this.#clock.now() + this.#delay())
    this.#clock.after(this.#busAt - this.#clock.now(), () => {
      if (!this.#dead) run(this.#sink!)
    })
  }

  #mark(): void {
    this.#clock.after(MARK_INTERVAL_MS, () => {
      if (this.#dead) return
      for (const room of this.#joined) {
        const { epoch, offset, lastId } = this.#database.use(room, this.#ruleOf(room), (log) => log)
        this.#bus((to) => to.mark(room, { epoch, offset, lastId }))
      }
      this.#mark()
    })
  }
}

/** What was published last, as the store keeps it. */
function lastOf({ row }: MemoryLog): Said {
  const { epoch, offset, data } = row.at(row.length - 1)
  return { epoch, offset, data: String(data) }
}
