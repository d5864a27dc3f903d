// One schedule: three nodes, a store over a bad network, and a seed that decides who says what, who comes and goes, and
// what breaks.

import type { createRooms, HistoryRule, Member, RoomOptions, Rooms } from '@roomcast/rooms'
import { Database } from '../../../packages/rooms/src/memory-database.ts'
import { FakeSocket } from '../../support/fake-socket.ts'
import { bareCodec, linesCodec, type TestCodec } from '../codecs.ts'
import { goBack } from '../go-back.ts'
import { Checker, type Seen, type Stay } from './checker.ts'
import { type Broken, FlakyStore } from './flaky-store.ts'
import { VirtualClock } from './virtual-clock.ts'

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

interface Client {
  name: string
  codec: TestCodec
  socket: FakeSocket
  node: number
  stays: Map<string, Stay>
  seen: Map<string, Seen>
  /** Rooms it wants to be in. */
  wants: Set<string>
}

class World {
  readonly clock: VirtualClock
  readonly checker: Checker
  readonly database: Database
  readonly nodes: { rooms: Rooms; store: FlakyStore }[] = []
  readonly clients: Client[] = []
  readonly #setting: Setting
  readonly #codecs = [linesCodec(), bareCodec()]
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
    for (let i = 0; i < CLIENTS; i++) {
      const codec = this.#codecs[i % 2]!
      const common = { stays: new Map(), seen: new Map(), wants: new Set<string>() }
      this.clients.push({ name: `c${i}`, codec, socket: new FakeSocket(), node: i % NODES, ...common })
      this.#connect(this.clients[i]!)
    }
  }

  async run(actions: number): Promise<Outcome> {
    const { clock, checker, database } = this
    for (let i = 0; i < actions; i++) {
      this.#act()
      const chance = clock.random()
      await clock.advance(chance < 0.4 ? 0 : chance < 0.9 ? clock.random() * 20 : clock.random() * 1500)
    }
    for (const { store } of this.nodes) Object.assign(store, { downUntil: 0, deafUntil: 0, lossRate: 0 })
    await clock.advance(SETTLE_MS)
    for (const room of NAMES) {
      const stays = this.clients.flatMap(({ stays }) => stays.get(room) ?? [])
      const wanted = this.clients.filter(({ wants }) => wants.has(room)).map(({ name }) => name)
      for (const stay of stays)
        checker.quiet(
          stay,
          database.use(room, this.#ruleOf(room), (log) => log),
        )
      if (String(stays.map(({ who }) => who)) !== String(wanted))
        checker.fault(`in ${room}: ${stays.length} of ${wanted}`)
      if (!ROOMS[room]!.presence) continue
      const present = database.presence.of(room).map(({ user }) => user)
      const clients = new Set(database.presence.of(room).map(({ client }) => client))
      if (this.#setting.calm) for (const stay of stays) checker.knows(stay, clients)
      if (String(present.sort()) !== String(wanted.sort()))
        checker.fault(`present in ${room}: ${present}, in it: ${wanted}`)
    }
    const { faults, deliveries, recovered, unrecovered, told } = checker
    return { faults, deliveries, recovered, unrecovered, told }
  }

  #act(): void {
    const { clock } = this
    const room = NAMES[clock.pick(NAMES.length)]!
    const client = this.clients[clock.pick(CLIENTS)]!
    const chance = clock.random()
    if (chance < 0.6) for (let i = clock.random() < 0.1 ? clock.pick(15) : 1; i > 0; i--) this.#say(room)
    else if (chance < 0.75) this.#want(client, room)
    else if (chance < 0.82) this.#leave(client, room)
    else if (chance < 0.94) this.#reconnect(client)
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
    this.nodes[i] = { rooms, store }
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

  #connect(client: Client): void {
    const socket = new FakeSocket()
    client.socket = socket
    const write = socket.write.bind(socket)
    socket.write = (data, opcode) => {
      const result = write(data, opcode)
      const frame = socket.frames.pop()
      if (frame !== undefined && socket === client.socket) this.#hear(client, frame)
      return result
    }
    for (const room of client.wants) this.#enter(client, room)
  }

  #hear(client: Client, frame: FakeSocket['frames'][number]): void {
    const heard = client.codec.hear(frame)
    const stay = client.stays.get(heard.room)
    if (stay === undefined)
      return this.checker.fault(`${client.name} heard ${heard.is} of ${heard.room}, where it is not`)
    const stays = this.checker.hear(stay, heard)
    if (stay.at !== undefined) client.seen.set(heard.room, stay.at)
    if (stays) return
    if (stay.at?.last !== undefined) this.#told.push(stay.at.last)
    client.stays.delete(heard.room)
    this.#again(client, heard.room)
  }

  /** As an SDK does: it comes back by itself. */
  #again(client: Client, room: string): void {
    const { socket } = client
    this.clock.after(100 + this.clock.random() * 400, () => {
      if (client.socket === socket && client.wants.has(room) && !client.stays.has(room)) this.#enter(client, room)
    })
  }

  #want(client: Client, room: string): void {
    if (client.wants.has(room)) return
    client.wants.add(room)
    // Somebody who loads the page anew remembers nothing.
    if (this.clock.random() < 0.2) client.seen.delete(room)
    this.#enter(client, room)
  }

  #enter(client: Client, room: string): void {
    // Between two connections: it enters everything with the next.
    if (client.socket.readyState !== 'open') return
    if (this.#shut.has(room)) return this.#again(client, room)
    const { name, codec, socket, node } = client
    const since = client.seen.get(room)
    const { epoch, offset } = this.database.use(room, this.#ruleOf(room), (log) => log)
    const stay: Stay = { who: name, room, since, asOf: { epoch, offset }, at: undefined, told: new Map() }
    client.stays.set(room, stay)
    const member: Member<string> = { client: `${name}.${++this.#ids}`, user: name, socket, codec }
    const reply = (entered: Parameters<TestCodec['reply']>[1]) => codec.reply(room, entered)
    void this.nodes[node]!.rooms.enter(room, member, { since, reply }).then((result) => {
      if (client.stays.get(room) !== stay || result === 'entered') return
      client.stays.delete(room)
      if (result !== 'unavailable' && result !== 'member')
        this.checker.fault(`${name} could not enter ${room}: ${result}`)
      else this.#again(client, room)
    })
  }

  #leave(client: Client, room: string): void {
    client.wants.delete(room)
    if (!client.stays.delete(room)) return
    this.nodes[client.node]!.rooms.leave(room, client.socket)
  }

  #reconnect(client: Client): void {
    const { socket } = client
    client.stays.clear()
    client.node = this.clock.pick(NODES)
    socket.close()
    this.clock.after(this.clock.random() * 300, () => {
      if (client.socket === socket) this.#connect(client)
    })
  }

  #break(room: string): void {
    const { clock } = this
    const i = clock.pick(NODES)
    const { store } = this.nodes[i]!
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
        for (const client of this.clients.filter(({ node }) => node === i)) this.#reconnect(client)
        this.#start(i)
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
    if (this.clients.some(({ stays }) => stays.has(room) && stays.get(room)!.at === undefined)) return
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
