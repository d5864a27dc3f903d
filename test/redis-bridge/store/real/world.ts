// Three nodes in processes of their own, each behind a proxy of its own, on one real Redis; clients, and those who speak; and
// the judgement. Everything is ended by process id.

import { FaultProxy } from '../../../support/fault-proxy.ts'
import { RedisServer, until } from '../../../support/redis.ts'
import { randomOf } from '../../node/records.ts'
import { Client, type Site, Speakers } from './crowd.ts'
import { Ledger } from './ledger.ts'
import { RoomsNode } from './node.ts'

export interface WorldOptions {
  seed: number
  clients: number
  rooms: number
  perSecond: number
  /** Arguments of redis-server. */
  args?: readonly string[] | undefined
  tcp?: boolean | undefined
}

export const PREFIX = 'app'
const ROOMS_PER_CLIENT = 2

export class World implements Site {
  readonly redis: RedisServer
  readonly proxies: FaultProxy[] = []
  readonly nodes: RoomsNode[] = []
  readonly rooms: readonly string[]
  readonly clients: Client[] = []
  readonly ledger: Ledger = new Ledger((room) => !room.startsWith('short'))
  readonly random: () => number
  readonly speakers: Speakers
  readonly options: WorldOptions
  readonly #ended: (() => Promise<void>)[] = []

  private constructor(redis: RedisServer, options: WorldOptions) {
    this.redis = redis
    this.options = options
    this.random = randomOf(options.seed)
    this.rooms = Array.from({ length: options.rooms }, (_, i) => `${i % 4 === 3 ? 'short' : 'room'} ${i}`)
    for (let i = 0; i < options.clients; i++) {
      const rooms = Array.from({ length: ROOMS_PER_CLIENT }, (_, k) => this.rooms[(i + k * 3) % this.rooms.length]!)
      this.clients.push(new Client(this, `c${i}`, [...new Set(rooms)]))
    }
    this.speakers = new Speakers(this, this.clients)
  }

  static async start(options: WorldOptions): Promise<World> {
    const world = new World(
      await RedisServer.start({ args: [...(options.args ?? [])], tcp: options.tcp ?? false }),
      options,
    )
    try {
      for (let i = 0; i < 3; i++) world.proxies.push(await FaultProxy.start(world.redis.path))
      await Promise.all(world.proxies.map((_, i) => world.startNode(i)))
      for (const [i, client] of world.clients.entries()) client.connect(world.nodes[i % 3])
      await world.everybodyIn()
      world.speakers.start(world.rooms, options.perSecond)
      return world
    } catch (error) {
      await world.stop()
      throw error
    }
  }

  /** Starts a node in a place, where none is or is any more. */
  async startNode(i: number): Promise<RoomsNode> {
    const node = await RoomsNode.start({ url: this.proxies[i]!.url, prefix: PREFIX })
    this.#ended.push(() => node.kill())
    this.nodes[i] = node
    return node
  }

  onStop(stop: () => Promise<void>): void {
    this.#ended.push(stop)
  }

  /** The nodes that are up. */
  get working(): RoomsNode[] {
    return this.nodes.filter(({ up }) => up)
  }

  async everybodyIn(deadlineMs = 30_000): Promise<void> {
    await until('everybody to be in', () => this.clients.every(({ isIn }) => isIn), deadlineMs)
  }

  /** Nobody speaks any more, everything is known, and whoever is in is where the room is. */
  async judge(): Promise<void> {
    this.speakers.stop()
    await until('what was said to be acknowledged', () => this.speakers.pending === 0, 20_000)
    await this.everybodyIn()
    const { ledger } = this
    for (const room of this.rooms) {
      let top = (await this.working[0]!.tell({ do: 'history', room })) as { epoch: string; offset: number }
      const isAt = (): boolean =>
        this.clients.every(({ stays }) => {
          const at = stays.get(room)?.at
          return !stays.has(room) || (at?.epoch === top.epoch && at.offset === top.offset)
        })
      // Where a mark is on its way still, it has come by then.
      await until('', isAt, 12_000).catch(() => {})
      top = (await this.working[0]!.tell({ do: 'history', room })) as { epoch: string; offset: number }
      for (const { stays } of this.clients) if (stays.has(room)) ledger.quiet(stays.get(room)!, top)
    }
  }

  /** Who is in a room, as a node has it, is who is in it. */
  async presenceIsTrue(deadlineMs = 25_000): Promise<void> {
    for (const room of this.rooms) {
      const wanted = this.clients.filter(({ rooms }) => rooms.includes(room)).map(({ name }) => name)
      let present: string[] = []
      const isTrue = async (): Promise<boolean> => {
        const asked = this.working[0]!.tell({ do: 'presence', room }).catch(() => [])
        present = (await asked) as string[]
        return String(present.sort()) === String(wanted.sort())
      }
      await until(`presence of ${room} to be true`, isTrue, deadlineMs).catch((error: Error) => {
        throw new Error(`${error.message}; present: ${present}; in it: ${wanted}`)
      })
    }
  }

  async stop(): Promise<void> {
    this.speakers.stop()
    for (const client of this.clients) client.close()
    await Promise.all(this.#ended.splice(0).map((end) => end()))
    await Promise.all(this.proxies.map((proxy) => proxy.close()))
    await this.redis.stop()
  }
}
