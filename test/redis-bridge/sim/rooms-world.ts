// One schedule of rooms over the store: three nodes, a Redis that runs the store's scripts, and a seed that decides who says
// what, who comes and goes, and what breaks.

import { createRooms, type RoomOptions } from '@roomcast/rooms'
import { kindOf } from '../../../packages/redis-bridge/src/bus/envelope.ts'
import { plainRoutes } from '../../../packages/redis-bridge/src/redis/routes.ts'
import { decodePublication, StoreKind } from '../../../packages/redis-bridge/src/store/messages.ts'
import { roomRoutes } from '../../../packages/redis-bridge/src/store/room-routes.ts'
import type { StoreNode } from '../../../packages/redis-bridge/src/store/store-node.ts'
import { Checker, type Seen } from '../../rooms/sim/checker.ts'
import { Clients, judgePresence, judgeStays, type Place, type World } from '../../rooms/sim/clients.ts'
import type { FakeSocket } from '../../support/fake-socket.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { NodeClock } from './node-clock.ts'
import { RedisModel } from './redis-model.ts'
import { breakSomething } from './rooms-faults.ts'

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
export interface WorldNode extends Place {
  name: string
  clock: NodeClock
  store: StoreNode
}

export class RoomsWorld implements World<WorldNode> {
  readonly clock: VirtualClock
  readonly redis: RedisModel
  readonly checker: Checker
  readonly nodes: WorldNode[] = []
  readonly clients: Clients<WorldNode>
  readonly broken: Map<string, number> = new Map()
  readonly #setting: Setting
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
    this.clients = new Clients(this, CLIENTS)
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
      const stays = judgeStays(this.clients, room, checker, this.topOf(room))
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
      judgePresence(this.clients, room, checker, present)
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
    this.nodes[i] = {
      ...{ name, clock: nodeClock, rooms, store },
      isWorking: () => nodeClock.works,
      ends: (socket: FakeSocket) => void nodeClock.after(0, () => socket.close()),
    }
  }

  /** A node dies, and those who were there come back elsewhere. */
  kill(i: number): void {
    const node = this.nodes[i]!
    node.clock.dead = true
    this.redis.links.get(node.name)?.cut()
    this.start(i)
    for (const client of this.clients.all) if (client.node === node) this.clients.reconnect(client)
  }

  #act(): void {
    const { clock } = this
    const room = NAMES[clock.pick(NAMES.length)]!
    const client = this.clients.all[clock.pick(CLIENTS)]!
    const chance = clock.random()
    if (chance < 0.6) for (let i = clock.random() < 0.1 ? clock.pick(15) : 1; i > 0; i--) this.#say(room)
    else if (chance < 0.75) this.clients.want(client, room)
    else if (chance < 0.8) this.clients.leave(client, room)
    else if (chance < 0.92) this.clients.reconnect(client)
    else if (!this.#setting.calm) breakSomething(this)
  }

  /** Where a room stands, as far as it can be believed. */
  topOf(room: string): Seen {
    const { data } = this.redis
    const [lineage, top] = [data.hash('p:lineage'), data.hash(`p:m:${room}`)]
    const isTrue = lineage.get('r') === data.replicationId && lineage.get('s') === top.get('l')
    return isTrue ? { epoch: top.get('e')!, offset: Number(top.get('n')) } : { epoch: '', offset: 0 }
  }

  /** Somebody publishes, and tries again with the same key while it is not known what came of it. Without a key he does
   * not. */
  #say(room: string, data = `d${++this.#said}`, attempts = 0): void {
    const node = this.place()
    if (node === undefined) return
    this.checker.asked(room, data)
    const { rooms } = node
    const isKeyed = Number(data.slice(1)) % 4 > 0
    rooms.publish(room, data, isKeyed ? { idempotencyKey: data } : {}).then(
      (position) => this.checker.acknowledged(data, position),
      () => {
        if (isKeyed && attempts < 5) this.clock.after(200, () => this.#say(room, data, attempts + 1))
      },
    )
  }

  /** One of the nodes that run. */
  place(): WorldNode | undefined {
    const working = this.nodes.filter((node) => node.isWorking())
    return working[this.clock.pick(working.length)]
  }
}

/** Runs a schedule. */
export function runSchedule(seed: number, setting: Setting): Promise<Outcome> {
  return new RoomsWorld(seed, setting).run()
}
