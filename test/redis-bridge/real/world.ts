// Nodes in processes of their own, each behind a proxy of its own, on one real Redis; their histories, and the judgement
// of them. Everything is ended by process id, and the folder removed.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FaultProxy } from '../../support/fault-proxy.ts'
import { RedisServer, until } from '../../support/redis.ts'
import { check, type Verdict } from '../history.ts'
import { clock, type NodeOptions } from '../node/records.ts'
import { BusSpy } from './bus-spy.ts'
import { NodeProcess } from './node-process.ts'

export interface WorldOptions {
  /** Default: three, A to C. */
  names?: string[]
  /** Arguments of redis-server. */
  args?: string[]
  lingerMs?: number
  /** Keep every envelope the spy heard. Default: false. */
  keepEnvelopes?: boolean
}

export const PREFIX = 'app'

/** A node and the way it has to Redis. */
export interface Station {
  node: NodeProcess
  proxy: FaultProxy
}

export class World {
  readonly redis: RedisServer
  readonly spy: BusSpy
  readonly stations: Record<string, Station> = {}
  /** Every process there ever was. */
  readonly logs: NodeProcess[] = []
  readonly #folder = mkdtempSync(join(tmpdir(), 'roomcast-world-'))
  readonly #options: WorldOptions
  readonly #closing: (() => Promise<void>)[] = []

  private constructor(redis: RedisServer, spy: BusSpy, options: WorldOptions) {
    this.redis = redis
    this.spy = spy
    this.#options = options
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const redis = await RedisServer.start({ args: options.args ?? [] })
    const spy = await BusSpy.start(redis.connect(), PREFIX, options.keepEnvelopes ?? false)
    const world = new World(redis, spy, options)
    try {
      for (const name of options.names ?? ['A', 'B', 'C']) await world.add(name)
      await world.allReady()
      return world
    } catch (error) {
      await world.stop()
      throw error
    }
  }

  /** Starts a node; one of the same name takes over the place and the proxy of that. */
  async add(name: string, place = name): Promise<NodeProcess> {
    let proxy = this.stations[place]?.proxy
    if (!proxy) {
      const own = await FaultProxy.start(this.redis.path)
      this.#closing.push(() => own.close())
      proxy = own
    }
    const { lingerMs } = this.#options
    const options: NodeOptions = { name, url: proxy.url, prefix: PREFIX, file: join(this.#folder, name) }
    const node = new NodeProcess(lingerMs === undefined ? options : { ...options, lingerMs })
    this.logs.push(node)
    this.stations[place] = { node, proxy }
    return node
  }

  station(place: string): Station {
    const found = this.stations[place]
    if (!found) throw new Error(`no station ${place}`)
    return found
  }

  /** The nodes that are up. */
  get nodes(): NodeProcess[] {
    return Object.values(this.stations)
      .map(({ node }) => node)
      .filter(({ killedAt, closed }) => killedAt === undefined && !closed)
  }

  /** Runs with what must be closed before the rest. */
  onStop(close: () => Promise<void>): void {
    this.#closing.push(close)
  }

  async join(channels: string[], nodes: NodeProcess[] = this.nodes): Promise<void> {
    await Promise.all(nodes.map((node) => node.tell({ do: 'join', channels })))
    await Promise.all(nodes.map((node) => node.tell({ do: 'ready', channels })))
  }

  async allReady(deadlineMs = 15_000): Promise<void> {
    await until('every node to be ready', () => this.nodes.every(({ status }) => status === 'ready'), deadlineMs)
  }

  judge(): Verdict {
    for (const log of this.logs) log.read()
    const { lingerMs = 5_000 } = this.#options
    return check({ logs: this.logs, nameOf: this.spy.nameOf, lingerMs })
  }

  /** Waits until every message arrived or was reported, at most so long, then judges. */
  async settle(deadlineMs = 8_000): Promise<Verdict> {
    const end = clock() + deadlineMs
    for (;;) {
      const verdict = this.judge()
      if (verdict.open === 0 || clock() > end) return verdict
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.logs.map((node) => node.kill()))
    await Promise.all(this.#closing.splice(0).map((close) => close()))
    await this.redis.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
