// Many nodes on one Redis, in virtual time: what does it cost, and how long until everybody is back? The workload: each
// room has members on three nodes, and each node has published once to each of its channels within the last minute.

import { txt } from '@roomcast/core'
import { BusNode } from '../../../packages/redis-bridge/src/bus/bus-node.ts'
import type { Clock } from '../../../packages/redis-bridge/src/bus/clock.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { CountingRedis, type Counts, type Peer } from './counting-redis.ts'

const NODES_PER_ROOM = 3
const STEP_MS = 100
const MINUTE_MS = 60_000
const MESSAGE = txt('a message of a hundred bytes, about as long as what people say in rooms: this one says so itself!')

/** A node that can be frozen: its timers and what it is sent wait. */
class ScaleNode implements Peer {
  readonly bus: BusNode
  readonly channels: string[] = []
  readonly #clock: VirtualClock
  frozenUntil = 0
  gaps = 0

  constructor(clock: VirtualClock, redis: CountingRedis, number: number) {
    this.#clock = clock
    const id = Buffer.alloc(8)
    id.writeUInt32BE(number + 1, 4)
    this.bus = new BusNode({
      clock: this.#ownClock(),
      transport: redis.transport(this),
      newId: () => id,
      onLost: () => {},
      lingerMs: 5000,
    })
    this.bus.start({ deliver: () => {}, gap: () => this.gaps++ })
  }

  get isReady(): boolean {
    return this.bus.status === 'ready'
  }

  #ownClock(): Clock {
    const clock = this.#clock
    return {
      now: () => clock.now(),
      random: () => clock.random(),
      soon: (run) => void this.#after(0, run),
      after: (ms, run) => this.#after(ms, run),
    }
  }

  #after(ms: number, run: () => void): () => void {
    let cancel = this.#clock.after(ms, () => {
      const frozenMs = this.frozenUntil - this.#clock.now()
      if (frozenMs <= 0) run()
      else cancel = this.#after(frozenMs, run)
    })
    return () => cancel()
  }
}

export interface ScaleOptions {
  nodes: number
  channelsPerNode: number
}

/** What one phase came to. */
export interface Phase extends Counts {
  /** Until the last node was ready again. */
  readyMs: number
  gaps: number
  reconnects: number
}

export interface ScaleResult {
  joining: Phase
  /** From the first publish to the restart, and from that until all is quiet. */
  minute: Phase
  restart: Phase
  idle: Phase
  failover: Phase
  /** Redis is away for longer than marks reach back. */
  long: Phase
  freeze: Phase
}

/** How long each fault lasts, and what it is followed by until all is quiet. */
const RESTART_MS = 1000
const FAILOVER_MS = 8000
const LONG_MS = 65_000
const FREEZE_MS = 20_000
const QUIET_MS = 20_000
export const IDLE_MS = 60_000

export function runScale({ nodes: count, channelsPerNode }: ScaleOptions): ScaleResult {
  const clock = new VirtualClock(1)
  const redis = new CountingRedis(clock)
  const nodes = Array.from({ length: count }, (_, i) => new ScaleNode(clock, redis, i))
  const perRoom = Math.min(NODES_PER_ROOM, count)
  const rooms = Math.round((count * channelsPerNode) / perRoom)
  for (let room = 0; room < rooms; room++) {
    // Another set of nodes for each, so that everybody shares rooms with everybody.
    const stride = 1 + (Math.floor(room / count) % Math.max(1, Math.floor((count - 1) / perRoom)))
    for (let k = 0; k < perRoom; k++) {
      const node = nodes[(room + k * stride) % count]!
      node.channels.push(`room ${room}`)
      node.bus.join(`room ${room}`)
    }
  }

  let before = { gaps: 0, reconnects: 0 }
  const measure = (forMs: number, act: (passedMs: number) => void = () => {}): Phase => {
    let readyMs = 0
    for (let passedMs = 0; passedMs < forMs; passedMs += STEP_MS) {
      act(passedMs)
      clock.advance(STEP_MS)
      if (!nodes.every(({ isReady }) => isReady)) readyMs = passedMs + 2 * STEP_MS
    }
    const gaps = nodes.reduce((sum, node) => sum + node.gaps, 0)
    const reconnects = nodes.reduce((sum, { bus }) => sum + bus.stats.reconnects, 0)
    const phase = { ...redis.take(), readyMs, gaps: gaps - before.gaps, reconnects: reconnects - before.reconnects }
    before = { gaps, reconnects }
    return phase
  }
  const publishAll = (passedMs: number): void => {
    for (const { bus, channels } of nodes) {
      const upTo = Math.ceil((channels.length * (passedMs + STEP_MS)) / MINUTE_MS)
      const from = Math.ceil((channels.length * passedMs) / MINUTE_MS)
      for (let i = from; i < Math.min(upTo, channels.length); i++) bus.publish(channels[i]!, MESSAGE)
    }
  }
  const outage = (ms: number) => (passedMs: number) => {
    if (passedMs === 0) redis.stop()
    if (passedMs === ms) redis.up()
  }

  const joining = measure(QUIET_MS)
  const minute = measure(MINUTE_MS, publishAll)
  const restart = measure(RESTART_MS + QUIET_MS, outage(RESTART_MS))
  measure(MINUTE_MS)
  const idle = measure(IDLE_MS)
  measure(MINUTE_MS, publishAll)
  const failover = measure(FAILOVER_MS + QUIET_MS, outage(FAILOVER_MS))
  measure(MINUTE_MS, publishAll)
  const long = measure(LONG_MS + QUIET_MS, outage(LONG_MS))
  measure(MINUTE_MS)
  const freeze = measure(MINUTE_MS, (passedMs) => {
    if (passedMs === MINUTE_MS / 4) nodes[0]!.frozenUntil = clock.now() + FREEZE_MS
    publishAll(passedMs)
  })
  for (const { bus } of nodes) void bus.close()
  return { joining, minute, restart, idle, failover, long, freeze }
}
