// A store over Redis, without any I/O of its own: time, chance and the transport are given. Records that are not kept go over
// the numbered bus as any message of a bridge does, so that every loss of them is told. What is numbered, kept or leased is
// done by scripts, over the same connections, and comes back on the same subscriptions.

import { bin } from '@roomcast/core'
import { type Present, type Store, type StoreSink, StoreUnavailableError } from '@roomcast/rooms'
import { Attention } from '../bus/attention.ts'
import { BusNode, type BusNodeOptions, type BusNodeStats } from '../bus/bus-node.ts'
import { Kind, nodeOf } from '../bus/envelope.ts'
import { encodeRecord, reading, readRecord } from './bytes.ts'
import { Calls, type CallsBudget } from './calls.ts'
import { Histories } from './histories.ts'
import { decodeLeaves, decodePublication, decodeTop, StoreKind } from './messages.ts'
import { Places } from './places.ts'
import { Presence } from './presence.ts'
import { Requests } from './requests.ts'
import { roomRoutes } from './room-routes.ts'
import { Tops } from './tops.ts'

/** Closing gives up this node's entries, for so long. */
const RELEASE_MS = 2000

export type StoreNodeOptions = Omit<BusNodeOptions, 'carries' | 'guest'>

/** One node's access to rooms in Redis. */
export class StoreNode implements Store {
  readonly #options: StoreNodeOptions
  readonly #bus: BusNode
  readonly #attention: Attention
  readonly #places: Places
  readonly #histories: Histories
  readonly #tops: Tops
  readonly #presence: Presence
  readonly #requests: Requests
  readonly #budget: CallsBudget = { calls: 0, bytes: 0 }
  #sink: StoreSink | undefined
  #unwatch: (() => void) | undefined
  #closing: Promise<void> | undefined
  #refusalTold = false
  #invalid = 0

  constructor(options: StoreNodeOptions) {
    this.#options = options
    const { clock, transport } = options
    const routes = roomRoutes(transport.routes)
    this.#attention = new Attention(clock)
    this.#bus = new BusNode({
      ...options,
      transport: { ...transport, routes },
      carries: Kind.RECORDS,
      guest: {
        message: (kind, channel, bytes) => this.#message(kind, channel, bytes),
        listening: (partition) => this.#tops.listening(partition),
      },
    })
    const homeHex = this.#bus.home
    const home = Buffer.from(homeHex, 'hex')
    const newEpoch = (): string => Buffer.from(options.newId()).toString('base64url')
    const starts = Array.from({ length: routes.partitions }, (_, partition) => transport.routes.shared(partition))
    this.#places = new Places(routes, starts, (partition, { lineage }) => {
      return new Calls({
        ...{ partition, clock, newEpoch, attention: this.#attention, budget: this.#budget, lineageKey: lineage },
        lines: this.#bus.lines,
        changed: () => this.#changed(partition),
        up: () => this.#up(partition),
        refused: (error) => this.#refused(error),
      })
    })
    const places = this.#places
    const numbered = this.#numbered.bind(this)
    this.#histories = new Histories({ places, home, newEpoch, numbered })
    this.#tops = new Tops({ clock, places, home, mark: (room, top) => this.#sink?.mark(room, top) })
    this.#presence = new Presence({ clock, places, home, homeHex })
    const { publishCommand, first: place } = places
    const answer: StoreSink['answer'] = (request) => this.#sink!.answer(request)
    this.#requests = new Requests({ clock, place, publishCommand, routes, home, homeHex, answer })
  }

  get status(): BusNode['status'] {
    return this.#bus.status
  }

  /** What the bus counts, and how many calls are not answered. */
  get stats(): BusNodeStats & { calls: number } {
    const { invalid, ...stats } = this.#bus.stats
    return { ...stats, invalid: invalid + this.#invalid, calls: this.#budget.calls }
  }

  start(sink: StoreSink): void {
    if (this.#sink !== undefined || this.#closing !== undefined) throw new Error('a store can be started once')
    this.#sink = sink
    this.#unwatch = this.#attention.watch(() => {
      for (const { calls } of this.#places.all) calls.expire()
    })
    this.#bus.start({
      deliver: (room, { bytes }) => this.#carried(room, bytes),
      gap: (room, info) => sink.gap(room, info),
    })
    for (const { calls } of this.#places.all) calls.open()
  }

  join(...[room, rule]: Parameters<Store['join']>): void {
    if (this.#closing !== undefined) return
    this.#bus.join(room)
    if (rule !== undefined) this.#tops.join(room, rule)
  }

  leave(room: string): void {
    this.#bus.leave(room)
    this.#tops.leave(room)
  }

  ready(room: string): Promise<void> {
    return this.#bus.ready(room)
  }

  carry(...[room, record]: Parameters<Store['carry']>): boolean {
    return this.#bus.publish(room, bin(encodeRecord(record)))
  }

  publish(...args: Parameters<Store['publish']>): ReturnType<Store['publish']> {
    return this.#open(() => this.#histories.publish(...args))
  }

  removeHistory(room: string): Promise<void> {
    return this.#open(() => this.#histories.removeHistory(room))
  }

  claim(...args: Parameters<Store['claim']>): Promise<boolean> {
    return this.#open(() => this.#histories.claim(...args))
  }

  read(...args: Parameters<Store['read']>): ReturnType<Store['read']> {
    return this.#open(() => this.#histories.read(...args))
  }

  fork(...args: Parameters<Store['fork']>): Promise<void> {
    return this.#open(() => this.#histories.fork(...args))
  }

  enter(...args: Parameters<Store['enter']>): Promise<boolean> {
    return this.#open(() => this.#presence.enter(...args))
  }

  exit(...args: Parameters<Store['exit']>): Promise<boolean> {
    return this.#open(() => this.#presence.exit(...args))
  }

  assert(...args: Parameters<Store['assert']>): ReturnType<Store['assert']> {
    return this.#open(() => this.#presence.assert(...args))
  }

  lease(): ReturnType<Store['lease']> {
    return this.#open(() => this.#presence.lease())
  }

  presence(room: string): Promise<readonly Present[]> {
    return this.#open(() => this.#presence.presence(room))
  }

  async presenceStats(room: string): Promise<{ clients: number; users: number }> {
    const all = await this.presence(room)
    return { clients: all.length, users: new Set(all.map(({ user }) => user)).size }
  }

  ask(...args: Parameters<Store['ask']>): ReturnType<Store['ask']> {
    return this.#open(() => this.#requests.ask(...args))
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    if (this.#sink !== undefined) {
      const { clock } = this.#options
      let cancel = (): void => {}
      const late = new Promise<void>((resolve) => {
        cancel = clock.after(RELEASE_MS, resolve)
      })
      await Promise.race([late, Promise.allSettled([this.#presence.release(), this.#requests.gone()])])
      cancel()
    }
    this.#unwatch?.()
    this.#tops.close()
    this.#presence.close()
    this.#requests.close()
    for (const { calls } of this.#places.all) calls.close()
    await this.#bus.close()
  }

  /** A promise that rejects is all that a caller gets of a store that is not open. */
  #open<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closing === undefined && this.#sink !== undefined) return run()
    return Promise.reject(new StoreUnavailableError('the store is closed'))
  }

  /** What a Redis has is not what it had. */
  #changed(partition: number): void {
    this.#presence.changed(this.#places.all[partition]!)
    this.#tops.listening(partition)
  }

  #up(partition: number): void {
    this.#refusalTold = false
    if (partition === 0) this.#requests.up()
    this.#tops.look()
  }

  #refused(error: Error): void {
    if (this.#refusalTold) return
    this.#refusalTold = true
    this.#options.onLost(error)
  }

  #numbered(...args: Parameters<Tops['published']>): void {
    this.#tops.published(...args)
  }

  /** A record came over the bus: the payload of a server's frame. */
  #carried(room: string, frame: Buffer): void {
    const short = frame[1]!
    const record = reading(frame, short < 126 ? 2 : short === 126 ? 4 : 10, readRecord)
    if (record === undefined) this.#invalid++
    else this.#sink!.deliver(room, record)
  }

  /** What only a store says. False: it is not valid. */
  #message(kind: number, room: string, bytes: Buffer): boolean {
    const ofRoom = kind === StoreKind.PUBLICATION || kind === StoreKind.TOP || kind === StoreKind.LEAVES
    if (ofRoom !== (room !== '')) return false
    if (!ofRoom) {
      if (kind !== StoreKind.REQUEST && kind !== StoreKind.ANSWER) return false
      return this.#requests.message(kind, nodeOf(bytes), bytes)
    }
    if (!this.#bus.isWanted(room)) return true
    const sink = this.#sink!
    if (kind === StoreKind.PUBLICATION) {
      const publication = decodePublication(bytes)
      if (publication === undefined) return false
      sink.deliver(room, { kind: 'publication', publication })
    } else if (kind === StoreKind.TOP) {
      const top = decodeTop(bytes)
      if (top === undefined) return false
      this.#tops.told(room, top)
    } else {
      const infos = decodeLeaves(bytes)
      if (infos === undefined) return false
      for (const info of infos) sink.deliver(room, { kind: 'leave', info })
    }
    return true
  }
}
