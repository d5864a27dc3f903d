// One schedule: three nodes, a Redis and a seed that decides who says what, who comes and goes, and what breaks.

import { txt } from '@roomcast/core'
import { BusNode } from '../../../packages/redis-bridge/src/bus/bus-node.ts'
import { decode, Kind } from '../../../packages/redis-bridge/src/bus/envelope.ts'
import type { PublishReply, Routes } from '../../../packages/redis-bridge/src/bus/link.ts'
import { plainRoutes } from '../../../packages/redis-bridge/src/redis/routes.ts'
import { messageOf } from '../../support/fake-socket.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { History, ownerOf } from './history.ts'
import { ProcessClock } from './process-clock.ts'
import { RedisModel } from './redis-model.ts'

const CHANNELS = ['a', 'b', 'c', 'd']
const NODES = 3
const MAX_QUEUED = 40
/** So many times everybody speaks. */
const RUSH = 10
/** Invented names push all counters out, once at a time. */
const MAX_COUNTERS = 12
const INVENTED = 9
const INVENTIONS_MS = 75_000
const MAX_QUEUED_BYTES = MAX_QUEUED * 500

/** Nothing may be left to find out after so long. */
const SETTLE_MS = 150_000

/** Deaf and not known to be so for longer is a fault. */
const MAX_DEAF_MS = 9100

export interface Outcome {
  faults: string[]
  lost: number
  tooEarly: number
  tooLate: number
  gaps: number
  deliveries: number
}

/** A node, and who it is to the others. */
interface WorldNode {
  /** Its first id. */
  id: string
  /** The one it has now. */
  current: string
  node: BusNode
  clock: ProcessClock
  joined: Set<string>
  inventedAt: number
}

/** What Redis does with some messages, whatever else is in the same envelope. */
const POISONS = ['no permission', 'too large', 'too large to be answered'] as const

function refusal(bytes: Buffer): PublishReply | 'close' | undefined {
  if (bytes.length < 100) return undefined
  const text = bytes.toString('latin1')
  if (text.includes(POISONS[2])) return 'close'
  if (text.includes(POISONS[1])) return { refused: new Error('ERR invalid bulk length'), divisible: true }
  if (text.includes(POISONS[0])) return { refused: new Error('NOPERM'), divisible: false }
  return undefined
}

/** Partitions that share one connection, as those of one master in a cluster do. */
const threePartitions: Routes = {
  partitions: 3,
  partitionOf: (channel) => channel.charCodeAt(0) % 3,
  of: (channel, partition) => `p:{${partition}}:${channel}`,
  shared: (partition) => `p:{${partition}}:`,
  direct: (partition, node) => `p:{${partition}}:\0${node}`,
  parse: (route) => ({ channel: route[6] === '\0' ? '' : route.slice(6), partition: Number(route[3]) }),
}

class World {
  readonly clock: VirtualClock
  readonly redis: RedisModel
  readonly history: History
  readonly lingerMs: number
  readonly routes: Routes
  readonly nodes: WorldNode[] = []
  readonly #BusNode: typeof BusNode
  /** Nodes and channels, with the time until which one may not subscribe to the other. */
  readonly #forbidden = new Map<string, number>()
  /** Nodes whose next mark goes with the connection to publish on. */
  readonly #markless = new Set<string>()
  #made = 0
  #said = 0

  constructor(seed: number, code: typeof BusNode) {
    this.#BusNode = code
    this.clock = new VirtualClock(seed)
    this.routes = seed % 2 === 0 ? plainRoutes('p') : threePartitions
    this.redis = new RedisModel(this.clock, this.routes)
    this.redis.answersLost = 0.5
    this.redis.forbids = (route, node) => {
      const until = this.#forbidden.get(`${node} ${this.routes.parse(route).channel}`)
      return until !== undefined && this.clock.now() < until
    }
    this.lingerMs = [0, 500, 5000][this.pick(3)]!
    this.redis.refuses = (_route, bytes) => refusal(bytes)
    this.history = new History(() => this.clock.now(), this.lingerMs)
    this.redis.handled = (route, bytes, reply) => {
      const { kind, node, number, frames } = decode(bytes)!
      if (kind !== Kind.MESSAGES) return
      this.history.handled(node, this.routes.parse(route).channel, number, frames.length, 'receivers' in reply)
    }
    for (let i = 0; i < NODES; i++) this.#make(i)
  }

  pick(n: number): number {
    return Math.floor(this.clock.random() * n)
  }

  #make(i: number): void {
    // Ids of one node begin alike.
    const ofNode = Buffer.alloc(8)
    ofNode.writeUInt32BE(++this.#made, 0)
    const made = { current: '' }
    let ids = 0
    const newId = (): Uint8Array => {
      const bytes = Buffer.from(ofNode)
      bytes.writeUInt32BE(++ids, 4)
      made.current = bytes.toString('hex')
      return bytes
    }
    const owner = ofNode.toString('hex', 0, 4)
    const { lingerMs, history, redis } = this
    const clock = new ProcessClock(this.clock)
    const node = new this.#BusNode({
      clock,
      lingerMs,
      newId,
      transport: redis.transport(
        owner,
        (route, envelope) => this.#heard(id, route, envelope),
        (route, envelope) => this.#written(route, envelope),
      ),
      onLost: () => {},
      maxQueuedBytes: MAX_QUEUED_BYTES,
      maxPositions: 1000,
      maxCounters: MAX_COUNTERS,
    })
    const id = made.current
    this.nodes[i] = Object.assign(made, { id, node, clock, joined: new Set<string>(), inventedAt: clock.now() })
    node.start({
      deliver: (channel, frame) => history.delivered(id, channel, String(messageOf(frame)).split('|')[0]!),
      gap: (channel, info) => history.gap(id, channel, info),
    })
  }

  /** The history is told what arrived. */
  #heard(id: string, route: string, bytes: Buffer): void {
    const envelope = decode(bytes)
    if (envelope === undefined || ownerOf(envelope.node) === ownerOf(id)) return
    const { kind, node, number, age, frames } = envelope
    if (kind === Kind.PROBE || kind === Kind.ASK) return
    const before = kind === Kind.TAIL_MARK ? number : number - 1
    this.history.arrived(id, node, this.routes.parse(route).channel, before, before + frames.length, age)
  }

  #written(route: string, bytes: Buffer): void {
    const { kind, node, number } = decode(bytes)!
    if (kind === Kind.TAIL_MARK && this.#markless.delete(ownerOf(node))) {
      this.clock.soon(() => this.redis.links.get(ownerOf(node))!.cutCommand())
    }
    if (kind === Kind.MESSAGES) this.history.written(node, this.routes.parse(route).channel, number)
  }

  /** Which link a node has; none is like no other. */
  #linkOf(id: string): unknown {
    const turn = this.redis.turns.get(ownerOf(id)) ?? 0
    return turn % 2 === 1 ? turn : Symbol('none')
  }

  join(i: number, channel: string): void {
    const { id, node, clock, joined } = this.nodes[i]!
    if (clock.isStill || joined.has(channel)) return
    joined.add(channel)
    const membership = this.history.joined(id, channel, this.#linkOf(id))
    node.join(channel)
    void node.ready(channel).then(() => this.history.ready(membership))
  }

  leave(i: number, channel: string): void {
    const { id, node, clock, joined } = this.nodes[i]!
    if (clock.isStill || !joined.delete(channel)) return
    this.history.left(id, channel, this.#linkOf(id))
    node.leave(channel)
  }

  say(i: number, channel: string, times: number, poison = ''): void {
    const one = this.nodes[i]!
    if (one.clock.isStill) return
    for (let k = 0; k < times; k++) {
      const key = String(++this.#said)
      const isPoison = k === times - 1 && poison !== ''
      const text = isPoison ? `${key}|${poison.padEnd(100, '.')}` : key
      const isTaken = one.node.publish(channel, txt(text))
      // Only now it is known under which id.
      this.history.publish(one.current, channel, key, isPoison ? 'poison' : isTaken ? 'owed' : 'dropped')
    }
  }

  /** All talk at once, and one of the messages ends the connection. */
  rush(i: number): void {
    const at = this.pick(RUSH)
    const poison = POISONS[1 + this.pick(2)]!
    for (let k = 0; k < RUSH; k++) {
      this.clock.after(k * 2, () => {
        for (const channel of CHANNELS) this.say(i, channel, 1)
        if (k === at) this.say(i, CHANNELS[this.pick(CHANNELS.length)]!, 1, poison)
      })
    }
  }

  /** Somebody publishes to channels that nobody is in. */
  invent(i: number): void {
    const one = this.nodes[i]!
    // Twice within one outage is more than is kept.
    if (one.clock.isStill || one.node.status !== 'ready' || this.clock.now() - one.inventedAt < INVENTIONS_MS) return
    one.inventedAt = this.clock.now()
    for (let k = 0; k < INVENTED; k++) one.node.publish(`invented ${++this.#said}`, txt(''))
  }

  /** A node dies, or ends well, and another takes its place. */
  replace(i: number, well: boolean): void {
    const { id, node, joined } = this.nodes[i]!
    for (const channel of joined) this.history.left(id, channel, this.#linkOf(id))
    this.history.gone.add(id)
    const hearing = this.#hearing()
    const untold = new Set(this.nodes.map((other) => other.id).filter((other) => !well || !hearing.has(other)))
    this.history.untold.set(ownerOf(id), untold)
    if (!hearing.has(id)) for (const other of this.nodes) untold.add(other.id)
    // What breaks while the last marks are on their way takes them with it.
    this.clock.after(2500, () => {
      const still = this.#hearing()
      for (const [other, link] of hearing) if (still.get(other) !== link) untold.add(other)
    })
    if (!well) this.redis.links.get(ownerOf(id))!.cut()
    void node.close()
    this.#make(i)
    for (const channel of joined) this.join(i, channel)
  }

  /** The nodes to which everything gets through at the moment, with their links. */
  #hearing(): Map<string, unknown> {
    const { down, frozenUntil, links } = this.redis
    if (down || frozenUntil > this.clock.now()) return new Map()
    const mayPublish = (id: string): boolean => this.clock.now() >= (this.redis.mutedUntil.get(ownerOf(id)) ?? 0)
    const hearing = this.nodes.filter(
      ({ id, node }) => node.status === 'ready' && mayPublish(id) && links.get(ownerOf(id))!.flows,
    )
    return new Map(hearing.map(({ id }) => [id, links.get(ownerOf(id))]))
  }

  breakSomething(): void {
    const link = this.redis.links.get(ownerOf(this.nodes[this.pick(NODES)]!.id))!
    switch (this.pick(15)) {
      case 0:
      case 1:
        return link.cut()
      case 2:
        return link.blackHole('subscriber')
      case 3:
        return link.blackHole('command')
      case 4:
        return link.stall(this.clock.now() + 10 + this.clock.random() * 1500)
      case 5: {
        if (this.redis.down) return
        this.redis.stop()
        const long = this.clock.random() < 0.15 ? 90_000 : 4000
        this.clock.after(50 + this.clock.random() * long, () => this.redis.up())
        return
      }
      case 6:
        return this.redis.freeze(10 + this.clock.random() * 1500)
      case 7:
        return link.overflow(this.clock.random() * 1000)
      case 9:
        return this.mute()
      case 10:
        // One node alone is away, often for longer than marks reach back.
        this.redis.bannedUntil.set(link.node, this.clock.now() + this.clock.random() * 100_000)
        return link.cut()
      case 11:
        return this.cutTwice(link.node)
      case 12:
        if (this.clock.random() < 0.5) return link.cutCommand()
        return void this.#markless.add(link.node)
      case 14:
        return this.standStill(this.pick(NODES))
      case 13:
        // Redis ends who is subscribed to what is not allowed any more.
        this.#forbidden.set(
          `${link.node} ${CHANNELS[this.pick(CHANNELS.length)]}`,
          this.clock.now() + this.clock.random() * 60_000,
        )
        return link.cut()
      case 8:
        return this.replace(this.pick(NODES), this.clock.random() < 0.5)
    }
  }

  /** A process stands still, and Redis may end its connection meanwhile. */
  standStill(i: number): void {
    const { id, clock } = this.nodes[i]!
    if (clock.isStill) return
    const ms = 300 + this.clock.random() * 6000
    clock.standStill(ms)
    const endsAfter = this.clock.random() < 0.6 ? this.clock.random() * ms : undefined
    this.redis.links.get(ownerOf(id))!.unread(ms + 1, endsAfter)
  }

  /** A node may not publish for a while, maybe from its start. */
  mute(): void {
    const i = this.pick(NODES)
    if (this.clock.random() < 0.5) this.replace(i, true)
    const owner = ownerOf(this.nodes[i]!.id)
    this.redis.mutedUntil.set(owner, this.clock.now() + this.clock.random() * 100_000)
  }

  /** Hardly back, a node is lost again. */
  cutTwice(owner: string): void {
    this.redis.links.get(owner)!.cut()
    this.clock.after(500 + this.clock.random() * 6000, () => this.redis.links.get(owner)!.blackHole('subscriber'))
  }

  act(): void {
    const i = this.pick(NODES)
    const channel = CHANNELS[this.pick(CHANNELS.length)]!
    const chance = this.clock.random()
    if (chance < 0.55) this.say(i, channel, 1)
    else if (chance < 0.7) this.say(i, channel, 1 + this.pick(8))
    else if (chance < 0.715) this.say(i, channel, MAX_QUEUED + 5)
    else if (chance < 0.72) this.say(i, channel, 1 + this.pick(4), POISONS[this.pick(POISONS.length)])
    else if (chance < 0.82) this.join(i, channel)
    else if (chance < 0.9) this.leave(i, channel)
    else if (chance < 0.93) this.breakSomething()
    else if (chance < 0.96) this.invent(i)
    else if (chance < 0.965) this.rush(i)
    this.checkStatus()
  }

  checkStatus(): void {
    for (const { id, node, clock } of this.nodes) {
      // What stands still notices nothing, and reads first.
      if (clock.sinceStillMs < MAX_DEAF_MS) continue
      const { deafSince } = this.redis.links.get(ownerOf(id))!
      if (node.status === 'ready' && deafSince !== undefined && this.clock.now() - deafSince > MAX_DEAF_MS) {
        this.history.faults.push(`deaf and ready: ${id} since ${deafSince}, at ${this.clock.now()}`)
      }
    }
  }

  /** Everybody's subscriptions are those of its members. */
  checkSubscriptions(): void {
    for (const { id, node, joined } of this.nodes) {
      if (node.status !== 'ready') this.history.faults.push(`${id} is ${node.status} at the end`)
      const expected = [...joined.values()].map((name) => this.routes.of(name, this.routes.partitionOf(name)))
      for (let i = 0; i < this.routes.partitions; i++) expected.push(this.routes.shared(i), this.routes.direct(i, id))
      const actual = this.redis.subscriptions(ownerOf(id)).sort()
      if (String(expected.sort()) !== String(actual)) {
        this.history.faults.push(`subscriptions of ${id}: ${actual}; members in ${expected}`)
      }
    }
  }
}

/** Time between two actions: mostly short, sometimes long. */
function pause(world: World): number {
  const chance = world.clock.random()
  if (chance < 0.3) return 0
  if (chance < 0.8) return world.clock.random() * 30
  if (chance < 0.97) return world.clock.random() * 1500
  return world.clock.random() * 30_000
}

/** Runs a schedule. @param code the node, where another than the one that is right is to be tried. */
export async function runSchedule(seed: number, code: typeof BusNode = BusNode, actions = 300): Promise<Outcome> {
  const world = new World(seed, code)
  for (let i = 0; i < actions; i++) {
    world.act()
    world.clock.advance(pause(world))
    // Promises are the one thing that does not follow the virtual clock.
    await Promise.resolve()
  }
  world.redis.up()
  world.redis.bannedUntil.clear()
  world.redis.mutedUntil.clear()
  world.clock.advance(SETTLE_MS)
  await Promise.resolve()
  world.checkSubscriptions()
  const faults = world.history.judge()
  const { lost, tooEarly, tooLate, gaps, deliveries } = world.history
  for (const { node } of world.nodes) void node.close()
  return { faults, lost, tooEarly, tooLate, gaps, deliveries }
}
