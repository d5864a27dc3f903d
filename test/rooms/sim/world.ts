// One schedule: three nodes, a store over a bad network, and a seed that decides who says what, who comes and goes, and
// what breaks.

import type { createRooms, HistoryRule, RoomOptions } from '@roomcast/rooms'
import { Database } from '../../../packages/rooms/src/memory-database.ts'
import type { FakeSocket } from '../../support/fake-socket.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { goBack } from '../go-back.ts'
import { Checker, type Seen } from './checker.ts'
import { type World as Around, Clients, judgePresence, judgeStays, type Place } from './clients.ts'
import { type Broken, FlakyStore } from './flaky-store.ts'

const NODES = 3
const CLIENTS = 8
/** Large enough, trimmed all the time, short-lived. */
const ROOMS: Record<string, RoomOptions> = {
  long: { history: { size: 1000, ttlMs: 600_000 }, presence: true, joinLeave: true },
  short: { history: { size: 5, ttlMs: 600_000 }, presence: true, joinLeave: true },
  brief: { history: { size: 100, ttlMs: 2000 }, historyMetaTtlMs: 5000 },
}
const NAMES = Object.keys(ROOMS)
/** After so long nothing may be left to find out. */
const SETTLE_MS = 25_000

export interface Outcome {
  faults: string[]
  deliveries: number
  recovered: number
  unrecovered: number
  told: number
}

/** What a schedule is run with. */
export interface Setting {
  createRooms: typeof createRooms
  broken?: Broken
  /** Does the store go back to an earlier state of itself now and then, and when does such a room go on? `'found'`: at the
   * latest when the store has found it out by itself. `'told'`: without that, where one who saw more was told. */
  rollbacks?: 'found' | 'told'
  /** Does nothing fail, and is nothing lost? */
  calm?: boolean
}

/** A node, whose clients lose their connection at once. */
interface WorldNode extends Place {
  store: FlakyStore
}

class World implements Around<WorldNode> {
  readonly clock: VirtualClock
  readonly checker: Checker
  readonly database: Database
  readonly nodes: WorldNode[] = []
  readonly clients: Clients<WorldNode>
  readonly #setting: Setting
  /** Rooms nobody comes back to for a while. */
  readonly #shut = new Set<string>()
  /** What those saw last who were told that they missed something. */
  readonly #told: string[] = []
  #ids = 0
  #said = 0

  constructor(seed: number, setting: Setting) {
    this.#setting = setting
    this.clock = new VirtualClock(seed)
    this.checker = new Checker(setting.calm ?? false)
    const newId = (): string => (setting.broken?.sameEpoch ? 'epoch' : `e${++this.#ids}`)
    this.database = new Database({ clock: this.clock, newId })
    for (let i = 0; i < NODES; i++) this.#start(i)
    this.clients = new Clients(this, CLIENTS)
  }

  async run(actions: number): Promise<Outcome> {
    const { clock, checker, database } = this
    for (let i = 0; i < actions; i++) {
      this.#act()
      const chance = clock.random()
      await clock.pass(chance < 0.4 ? 0 : chance < 0.9 ? clock.random() * 20 : clock.random() * 1500)
    }
    for (const { store } of this.nodes) Object.assign(store, { downUntil: 0, deafUntil: 0, lossRate: 0 })
    await clock.pass(SETTLE_MS)
    for (const room of NAMES) {
      const stays = judgeStays(this.clients, room, checker, this.topOf(room))
      if (!ROOMS[room]!.presence) continue
      const present = database.presence.of(room)
      const clients = new Set(present.map(({ client }) => client))
      if (this.#setting.calm) for (const stay of stays) checker.knows(stay, clients)
      judgePresence(
        this.clients,
        room,
        checker,
        present.map(({ user }) => user),
      )
    }
    const { faults, deliveries, recovered, unrecovered, told } = checker
    return { faults, deliveries, recovered, unrecovered, told }
  }

  #act(): void {
    const { clock } = this
    const room = NAMES[clock.pick(NAMES.length)]!
    const client = this.clients.all[clock.pick(CLIENTS)]!
    const chance = clock.random()
    if (chance < 0.6) for (let i = clock.random() < 0.1 ? clock.pick(15) : 1; i > 0; i--) this.#say(room)
    else if (chance < 0.75) this.clients.want(client, room)
    else if (chance < 0.82) this.clients.leave(client, room)
    else if (chance < 0.94) this.clients.reconnect(client)
    else if (!this.#setting.calm) this.#break(room)
  }

  #ruleOf(room: string): HistoryRule {
    const { history, historyMetaTtlMs: metaTtlMs = 3_600_000 } = ROOMS[room]!
    return { ...history!, metaTtlMs, maxBytes: 1_000_000 }
  }

  #start(i: number): void {
    const { clock, checker, database } = this
    const store = new FlakyStore(database, clock, checker, (room) => this.#ruleOf(room), this.#setting.broken ?? {})
    const newId = (): string => `n${++this.#ids}`
    const rooms = this.#setting.createRooms({ store, clock, newId, options: (room) => ROOMS[room] })
    const ends = (socket: FakeSocket): void => socket.close()
    this.nodes[i] = { rooms, store, isWorking: () => true, ends }
  }

  /** Somebody publishes, and tries again with the same key while it is not known what came of it. */
  #say(room: string, data = `d${++this.#said}`, attempts = 0): void {
    this.checker.asked(room, data)
    const { rooms } = this.nodes[this.clock.pick(NODES)]!
    rooms.publish(room, data, { idempotencyKey: data }).then(
      (position) => this.checker.acknowledged(data, position),
      () => {
        if (attempts < 5) this.clock.after(200, () => this.#say(room, data, attempts + 1))
      },
    )
  }

  place(): WorldNode {
    return this.nodes[this.clock.pick(NODES)]!
  }

  topOf(room: string): Seen {
    return this.database.use(room, this.#ruleOf(room), (log) => log)
  }

  isShut(room: string): boolean {
    return this.#shut.has(room)
  }

  told(last: string | undefined): void {
    if (last !== undefined) this.#told.push(last)
  }

  #break(room: string): void {
    const { clock } = this
    const i = clock.pick(NODES)
    const node = this.nodes[i]!
    const { store } = node
    const until = clock.now() + clock.random() * 3000
    switch (clock.pick(this.#setting.rollbacks ? 7 : 6)) {
      case 0:
        store.downUntil = until
        return
      case 1:
        store.deafUntil = until
        return
      case 2:
        for (const node of this.nodes) Object.assign(node.store, { downUntil: until, deafUntil: until })
        return
      case 3:
        store.lossRate = 0.5
        clock.after(clock.random() * 3000, () => {
          store.lossRate = 0
        })
        return
      case 4:
        if (clock.random() < 0.7) return this.database.forget(room)
        for (const name of NAMES) this.database.forget(name)
        return this.database.presence.clear()
      case 5:
        store.kill()
        this.#start(i)
        for (const client of this.clients.all) if (client.node === node) this.clients.reconnect(client)
        return
      case 6:
        return this.#goBack(room)
    }
  }

  /** The store loses the last publication of a room, and gives its number again. Whoever saw it is to be told, and the room
   * gets another epoch. Who comes from elsewhere meanwhile cannot be known to have seen it, so nobody does; what nobody was
   * left to notice, the store itself finds out some time later. */
  #goBack(room: string): void {
    const log = this.database.logs.get(room)
    if (log === undefined || log.row.length < 2 || this.#shut.has(room)) return
    // What somebody brings along who is on the way in cannot be compared.
    if (this.clients.all.some(({ stays }) => stays.has(room) && stays.get(room)!.at === undefined)) return
    const lost = goBack(log)
    this.#shut.add(room)
    const told = this.#told.length
    this.clock.after(10_000, () => {
      const noticed = this.#told.slice(told).includes(String(lost.data))
      const trusting = this.#setting.rollbacks === 'told' && noticed
      if (!trusting && this.database.logs.get(room)?.epoch === lost.epoch) this.database.forget(room)
      this.#shut.delete(room)
    })
  }
}

/** Runs a schedule. */
export function runSchedule(seed: number, setting: Setting, actions = 250): Promise<Outcome> {
  return new World(seed, setting).run(actions)
}
