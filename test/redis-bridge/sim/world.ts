// One schedule: three nodes, a Redis and a seed that decides who says what, who comes and goes, and what breaks.

import { txt } from '@roomcast/core'
import { BusNode } from '../../../packages/redis-bridge/src/bus/bus-node.ts'
import { decode, Kind } from '../../../packages/redis-bridge/src/bus/envelope.ts'
import { plainRoutes } from '../../../packages/redis-bridge/src/redis/routes.ts'
import { messageOf } from '../../support/fake-socket.ts'
import { History } from './history.ts'
import { RedisModel } from './redis-model.ts'
import { VirtualClock } from './virtual-clock.ts'

const CHANNELS = ['a', 'b', 'c', 'd']
const NODES = 3
const MAX_QUEUED = 40
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

class World {
  readonly clock: VirtualClock
  readonly redis: RedisModel
  readonly history: History
  readonly lingerMs: number
  readonly routes = plainRoutes('p')
  readonly nodes: { id: string; node: BusNode; joined: Set<string> }[] = []
  #made = 0

  constructor(seed: number) {
    this.clock = new VirtualClock(seed)
    this.redis = new RedisModel(this.clock)
    this.lingerMs = [0, 500, 5000][this.pick(3)]!
    this.history = new History(() => this.clock.now(), this.lingerMs)
    for (let i = 0; i < NODES; i++) this.#make(i)
  }

  pick(n: number): number {
    return Math.floor(this.clock.random() * n)
  }

  #make(i: number): void {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32BE(++this.#made, 4)
    const id = bytes.toString('hex')
    const { clock, lingerMs, history, redis } = this
    const node = new BusNode({
      clock,
      lingerMs,
      newId: () => bytes,
      transport: redis.transport(id, (route, envelope) => this.#heard(id, route, envelope)),
      onLost: () => {},
      maxQueuedBytes: MAX_QUEUED_BYTES,
      maxPositions: 1000,
    })
    this.nodes[i] = { id, node, joined: new Set() }
    node.start({
      deliver: (channel, frame) => history.delivered(id, channel, String(messageOf(frame))),
      gap: (channel, info) => history.gap(id, channel, info),
    })
  }

  /** The history is told what arrived. */
  #heard(id: string, route: string, bytes: Buffer): void {
    const envelope = decode(bytes)
    if (envelope === undefined || envelope.node === id) return
    const { kind, node, number, age, frames } = envelope
    if (kind === Kind.PROBE || kind === Kind.ASK) return
    const before = kind === Kind.TAIL_MARK ? number : number - 1
    this.history.arrived(id, node, this.routes.parse(route).channel, before, before + frames.length, age)
  }

  join(i: number, channel: string): void {
    const { id, node, joined } = this.nodes[i]!
    if (joined.has(channel)) return
    joined.add(channel)
    const membership = this.history.joined(id, channel, this.redis.turns.get(id))
    node.join(channel)
    void node.ready(channel).then(() => this.history.ready(membership))
  }

  leave(i: number, channel: string): void {
    const { id, node, joined } = this.nodes[i]!
    if (!joined.delete(channel)) return
    this.history.left(id, channel, this.redis.turns.get(id))
    node.leave(channel)
  }

  say(i: number, channel: string, times: number): void {
    const { id, node } = this.nodes[i]!
    for (let k = 0; k < times; k++) {
      const number = this.history.publish(id, channel)
      node.publish(channel, txt(`${id}|${channel}|${number}`))
    }
  }

  /** A node dies, or ends well, and another takes its place. */
  replace(i: number, well: boolean): void {
    const { id, node, joined } = this.nodes[i]!
    for (const channel of joined) this.history.left(id, channel, this.redis.turns.get(id))
    this.history.gone.add(id)
    const hearing = this.#hearing()
    const untold = new Set(this.nodes.map((other) => other.id).filter((other) => !well || !hearing.has(other)))
    this.history.untold.set(id, untold)
    if (!hearing.has(id)) for (const other of this.nodes) untold.add(other.id)
    // What breaks while the last marks are on their way takes them with it.
    this.clock.after(2500, () => {
      const still = this.#hearing()
      for (const [other, link] of hearing) if (still.get(other) !== link) untold.add(other)
    })
    if (!well) this.redis.links.get(id)!.cut()
    void node.close()
    this.#make(i)
    for (const channel of joined) this.join(i, channel)
  }

  /** The nodes to which everything gets through at the moment, with their links. */
  #hearing(): Map<string, unknown> {
    const { down, frozenUntil, links } = this.redis
    if (down || frozenUntil > this.clock.now()) return new Map()
    const hearing = this.nodes.filter(({ id, node }) => node.status === 'ready' && links.get(id)!.flows)
    return new Map(hearing.map(({ id }) => [id, links.get(id)]))
  }

  breakSomething(): void {
    const link = this.redis.links.get(this.nodes[this.pick(NODES)]!.id)!
    switch (this.pick(9)) {
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
      case 8:
        return this.replace(this.pick(NODES), this.clock.random() < 0.5)
    }
  }

  act(): void {
    const i = this.pick(NODES)
    const channel = CHANNELS[this.pick(CHANNELS.length)]!
    const chance = this.clock.random()
    if (chance < 0.55) this.say(i, channel, 1)
    else if (chance < 0.7) this.say(i, channel, 1 + this.pick(8))
    else if (chance < 0.72) this.say(i, channel, MAX_QUEUED + 5)
    else if (chance < 0.82) this.join(i, channel)
    else if (chance < 0.9) this.leave(i, channel)
    else if (chance < 0.93) this.breakSomething()
    this.checkStatus()
  }

  checkStatus(): void {
    for (const { id, node } of this.nodes) {
      const { deafSince } = this.redis.links.get(id)!
      if (node.status === 'ready' && deafSince !== undefined && this.clock.now() - deafSince > MAX_DEAF_MS) {
        this.history.faults.push(`deaf and ready: ${id} since ${deafSince}, at ${this.clock.now()}`)
      }
    }
  }

  /** Everybody's subscriptions are those of its members. */
  checkSubscriptions(): void {
    for (const { id, node, joined } of this.nodes) {
      if (node.status !== 'ready') this.history.faults.push(`${id} is ${node.status} at the end`)
      const expected = [...joined.values()].map((name) => this.routes.of(name, 0))
      expected.push(this.routes.shared(0), this.routes.direct(0, id))
      const actual = this.redis.subscriptions(id).sort()
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

/** Runs a schedule. */
export async function runSchedule(seed: number, actions = 300): Promise<Outcome> {
  const world = new World(seed)
  for (let i = 0; i < actions; i++) {
    world.act()
    world.clock.advance(pause(world))
    // Promises are the one thing that does not follow the virtual clock.
    await Promise.resolve()
  }
  world.redis.up()
  world.clock.advance(SETTLE_MS)
  await Promise.resolve()
  world.checkSubscriptions()
  const faults = world.history.judge()
  const { lost, tooEarly, tooLate, gaps, deliveries } = world.history
  for (const { node } of world.nodes) void node.close()
  return { faults, lost, tooEarly, tooLate, gaps, deliveries }
}
