// One schedule of rooms over the store: three nodes, a Redis that runs the store's scripts, and a seed that decides who says
// what, who comes and goes, and what breaks.

import { createRooms, type Member, type RoomOptions, type Rooms } from '@roomcast/rooms'
import { kindOf } from '../../../packages/redis-bridge/src/bus/envelope.ts'
import { plainRoutes } from '../../../packages/redis-bridge/src/redis/routes.ts'
import { decodePublication, StoreKind } from '../../../packages/redis-bridge/src/store/messages.ts'
import { roomRoutes } from '../../../packages/redis-bridge/src/store/room-routes.ts'
import type { StoreNode } from '../../../packages/redis-bridge/src/store/store-node.ts'
import { bareCodec, linesCodec, type TestCodec } from '../../rooms/codecs.ts'
import { Checker, type Seen, type Stay } from '../../rooms/sim/checker.ts'
import { FakeSocket } from '../../support/fake-socket.ts'
import { NodeClock } from './node-clock.ts'
import { RedisModel } from './redis-model.ts'
import { breakSomething } from './rooms-faults.ts'
import { VirtualClock } from './virtual-clock.ts'

const NODES = 3
const CLIENTS = 8
/** Large enough, trimmed all the time, short-lived. */
const ROOMS: Record<string, RoomOptions> = {
  long: { history: { size: 1000, ttlMs: 600_000 }, presence: true, joinLeave: true },
  short: { history: { size: 5, ttlMs: 600_000 }, presence: true, joinLeave: true },
  brief: { history: { size: 100, ttlMs: 2000 }, historyMetaTtlMs: 5000 },
}
export const NAMES: readonly string[] = Object.keys(ROOMS)
const ROUTES = roomRoutes(plainRoutes('p'))
/** After so long nothing may be left to find out: a round over all rooms, and who comes back after it. */
const SETTLE_MS = 45_000

export interface Outcome {
  faults: string[]
  deliveries: number
  recovered: number
  unrecovered: number
  told: number
  /** What was broken, and how often. */
  broken: Map<string, number>
}

/** What a schedule is run with. */
export interface Setting {
  StoreNode: typeof StoreNode
  /** Does nothing fail? */
  calm?: boolean
  actions?: number
}

/** A node, as long as it lives. */
export interface WorldNode {
  name: string
  clock: NodeClock
  rooms: Rooms
  store: StoreNode
}

interface Client {
  name: string
  codec: TestCodec
  socket: FakeSocket
  node: WorldNode
  stays: Map<string, Stay>
  seen: Map<string, Seen>
  /** Rooms it wants to be in. */
  wants: Set<string>
}

export class RoomsWorld {
  readonly clock: VirtualClock
  readonly redis: RedisModel
  readonly checker: Checker
  readonly nodes: WorldNode[] = []
  readonly clients: Client[] = []
  readonly broken: Map<string, number> = new Map()
  readonly #setting: Setting
  readonly #codecs = [linesCodec(), bareCodec()]
  #ids = 0
  #said = 0

  constructor(seed: number, setting: Setting) {
    this.#setting = setting
    this.clock = new VirtualClock(seed)
    this.redis = new RedisModel(this.clock)
    this.checker = new Checker(setting.calm ?? false)
    this.checker.numbersOnce = true
    this.redis.said = (route, bytes) => {
      if (kindOf(bytes) !== StoreKind.PUBLICATION) return
      const { data, epoch, offset } = decodePublication(bytes)!
      this.checker.placed(ROUTES.parse(route).channel, { data: String(data), epoch, offset })
    }
    for (let i = 0; i < NODES; i++) this.start(i)
    for (let i = 0; i < CLIENTS; i++) {
      const [codec, node] = [this.#codecs[i % 2]!, this.nodes[i % NODES]!]
      const common = { stays: new Map(), seen: new Map(), wants: new Set<string>() }
      this.clients.push({ name: `c${i}`, codec, socket: new FakeSocket(), node, ...common })
      this.#connect(this.clients[i]!)
    }
  }

  async run(): Promise<Outcome> {
    const { clock, checker, redis } = this
    for (let i = this.#setting.actions ?? 100; i > 0; i--) {
      this.#act()
      const chance = clock.random()
      await clock.pass(chance < 0.4 ? 0 : chance < 0.9 ? clock.random() * 20 : clock.random() * 1500)
    }
    redis.up()
    redis.data.refusesWrites = false
    redis.bannedUntil.clear()
    for (const node of this.nodes) node.clock.frozenUntil = Math.min(node.clock.frozenUntil, clock.now())
    await clock.pass(SETTLE_MS)
    await this.#judge()
    const { faults, deliveries, recovered, unrecovered, told } = checker
    return { faults, deliveries, recovered, unrecovered, told, broken: this.broken }
  }

  async #judge(): Promise<void> {
    const { checker, clock } = this
    for (const room of NAMES) {
      const stays = this.clients.flatMap(({ stays }) => stays.get(room) ?? [])
      const wanted = this.clients.filter(({ wants }) => wants.has(room)).map(({ name }) => name)
      for (const stay of stays) checker.quiet(stay, this.#topOf(room))
      if (String(stays.map(({ who }) => who)) !== String(wanted))
        checker.fault(`in ${room}: ${stays.length} of ${wanted}`)
      if (!ROOMS[room]!.presence) continue
      let present: string[] = []
      const clients = new Set<string>()
      const asked = this.nodes[0]!.rooms.presence(room).then((all) => {
        present = [...all.values()].map(({ user }) => user)
        for (const client of all.keys()) clients.add(client)
      })
      asked.catch((error: unknown) => checker.fault(`no presence: ${error}`))
      await clock.pass(1000)
      if (this.#setting.calm) for (const stay of stays) checker.knows(stay, clients)
      if (String(present.sort()) !== String(wanted.sort()))
        checker.fault(`present in ${room}: ${present}, in it: ${wanted}`)
    }
  }

  /** A new node takes a place. */
  start(i: number): void {
    const { clock } = this
    const nodeClock = new NodeClock(clock)
    const name = `n${++this.#ids}`
    let ids = 0
    const newId = (): Uint8Array => {
      const bytes = Buffer.alloc(8)
      bytes.write(name)
      bytes.writeUInt32BE(++ids, 4)
      return bytes
    }
    const transport = this.redis.transport(name)
    const common = { clock: nodeClock, transport, newId, lingerMs: 500, maxPositions: 1000, onLost: () => {} }
    const store = new this.#setting.StoreNode(common)
    const rooms = createRooms({ store, clock: nodeClock, newId: () => name, options: (room) => ROOMS[room] })
    this.nodes[i] = { name, clock: nodeClock, rooms, store }
  }

  /** A node dies, and those who were there come back elsewhere. */
  kill(i: number): void {
    const node = this.nodes[i]!
    node.clock.dead = true
    this.redis.links.get(node.name)?.cut()
    this.start(i)
    for (const client of this.clients) if (client.node === node) this.#reconnect(client)
  }

  #act(): void {
    const { clock } = this
    const room = NAMES[clock.pick(NAMES.length)]!
    const client = this.clients[clock.pick(CLIENTS)]!
    const chance = clock.random()
    if (chance < 0.6) for (let i = clock.random() < 0.1 ? clock.pick(15) : 1; i > 0; i--) this.#say(room)
    else if (chance < 0.75) this.#want(client, room)
    else if (chance < 0.8) this.#leave(client, room)
    else if (chance < 0.92) this.#reconnect(client)
    else if (!this.#setting.calm) breakSomething(this)
  }

  /** Where a room stands, as far as it can be believed. */
  #topOf(room: string): Seen {
    const { data } = this.redis
    const [lineage, top] = [data.hash('p:lineage'), data.hash(`p:m:${room}`)]
    const isTrue = lineage.get('r') === data.replicationId && lineage.get('s') === top.get('l')
    return isTrue ? { epoch: top.get('e')!, offset: Number(top.get('n')) } : { epoch: '', offset: 0 }
  }

  /** Somebody publishes, and tries again with the same key while it is not known what came of it. Without a key he does
   * not. */
  #say(room: string, data = `d${++this.#said}`, attempts = 0): void {
    const working = this.nodes.filter(({ clock }) => clock.works)
    if (working.length === 0) return
    this.checker.asked(room, data)
    const { rooms } = working[this.clock.pick(working.length)]!
    const isKeyed = Number(data.slice(1)) % 4 > 0
    rooms.publish(room, data, isKeyed ? { idempotencyKey: data } : {}).then(
      (position) => this.checker.acknowledged(data, position),
      () => {
        if (isKeyed && attempts < 5) this.clock.after(200, () => this.#say(room, data, attempts + 1))
      },
    )
  }

  #connect(client: Client): void {
    const working = this.nodes.filter(({ clock }) => clock.works)
    if (working.length === 0) return void this.clock.after(500, () => this.#connect(client))
    client.node = working[this.clock.pick(working.length)]!
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
    const { name, codec, socket, node } = client
    if (!node.clock.works) return this.#again(client, room)
    const since = client.seen.get(room)
    const stay: Stay = { who: name, room, since, asOf: this.#topOf(room), at: undefined, told: new Map() }
    client.stays.set(room, stay)
    const member: Member<string> = { client: `${name}.${++this.#ids}`, user: name, socket, codec }
    const reply = (entered: Parameters<TestCodec['reply']>[1]) => codec.reply(room, entered)
    void node.rooms.enter(room, member, { since, reply }).then((result) => {
      if (client.stays.get(room) !== stay || result === 'entered') return
      client.stays.delete(room)
      if (result !== 'unavailable' && result !== 'member')
        this.checker.fault(`${name} could not enter ${room}: ${result}`)
      else this.#again(client, room)
    })
  }

  #leave(client: Client, room: string): void {
    const { node, socket } = client
    if (!node.clock.works) return
    client.wants.delete(room)
    if (client.stays.delete(room)) node.rooms.leave(room, socket)
  }

  /** It loses its connection, which its node learns when it can, and has another one a little later. */
  #reconnect(client: Client): void {
    const { socket, node } = client
    if (socket.readyState !== 'open') return
    client.stays.clear()
    client.socket = new FakeSocket()
    client.socket.close()
    const between = client.socket
    node.clock.after(0, () => socket.close())
    this.clock.after(this.clock.random() * 300, () => {
      if (client.socket === between) this.#connect(client)
    })
  }
}

/** Runs a schedule. */
export function runSchedule(seed: number, setting: Setting): Promise<Outcome> {
  return new RoomsWorld(seed, setting).run()
}
