// The rooms of this node that have somebody in them, or on the way in: how members come and go, and what reaches them. Where
// a room with history stands is track.ts, who is live in it audience.ts, who is connected clients.ts.

import type { Framed, Socket, WriteResult } from '@roomcast/core'
import type { Audience } from './audience.ts'
import { Blocks } from './blocks.ts'
import { Clients } from './clients.ts'
import type { Clock } from './clock.ts'
import { own } from './data.ts'
import { type Entering, waits, whenOwed } from './entering.ts'
import { guarded } from './guarded.ts'
import { fits, isTold, type RoomInfo, renewInfo } from './info.ts'
import { Kept } from './kept.ts'
import type { Codec, Entered, EnterResult, Member, Place, ReplyToAll } from './member.ts'
import type { RoomRule } from './options.ts'
import type { BusRecord, Entry, GapInfo, NodeAnswer, NodeRequest, NodeStatus, Store } from './port.ts'
import { PresenceKeeper } from './presence.ts'
import { NOTHING_OWED } from './replay.ts'
import { answer } from './requests.ts'
import { type Announced, type Client, Membership, type Room } from './room.ts'
import type { RoomsStats } from './stats.ts'
import { Track } from './track.ts'
import { WindowBudget } from './window.ts'

/** An unsubscribe from this code on is one after which clients come back by themselves. */
const INSUFFICIENT_STATE = 2500

/** What the rooms of a node are made with. */
export interface LocalRoomsOptions {
  store: Store
  clock: Clock
  /** The rule of a room nobody is in. */
  ruleOf: (room: string) => RoomRule
  maxRoomsPerClient: number
  maxReplayBytes: number
  enterTimeoutMs: number
  /** Who is live in which room. */
  audience: Audience
  nodeId: string
  about: Readonly<Record<string, string>>
  /** Members of a room without history missed something. */
  onGap: (room: string, info: GapInfo) => void
}

/** The rooms of this node. It checks no arguments. */
export class LocalRooms {
  readonly #options: LocalRoomsOptions
  readonly #rooms = new Map<string, Room>()
  readonly #audience: Audience
  readonly #clients: Clients
  readonly #blocks: Blocks
  readonly #presence: PresenceKeeper
  readonly #budget: WindowBudget
  readonly #startedAt: number
  /** How many memberships there are. */
  #members = 0
  /** Records that the store could not hand on. */
  #dropped = 0
  #closed = false

  constructor(options: LocalRoomsOptions) {
    this.#options = options
    const { store, clock, maxReplayBytes } = options
    this.#audience = options.audience
    this.#startedAt = clock.now()
    this.#blocks = new Blocks(clock)
    this.#budget = new WindowBudget(maxReplayBytes)
    this.#clients = new Clients((client) => this.#leaveAll(client))
    this.#presence = new PresenceKeeper(store, clock, {
      entries: () => this.#entries(),
      tell: (kind, name, info) =>
        guarded('options', () =>
          this.#tell(kind, { room: { name }, info, isAnnounced: isTold(this.ruleOf(name), info) }),
        ),
    })
    store.start({
      deliver: (room, record) => this.#deliver(room, record),
      mark: (room, position) => this.#rooms.get(room)?.track?.mark(position),
      gap: (room, info) => this.#gap(room, info),
      answer: (request) => this.answer(request),
    })
  }

  stats(): RoomsStats {
    const { bytes: replayBytes } = this.#budget
    const dropped = this.#dropped
    return { rooms: this.#rooms.size, clients: this.#clients.size, members: this.#members, replayBytes, dropped }
  }

  /** The rooms with members, and how many each has. */
  *list(): Generator<readonly [room: string, members: number]> {
    for (const { name, count } of this.#rooms.values()) yield [name, count]
  }

  /** Hands a record to the other nodes. */
  carry(room: string, record: BusRecord): void {
    if (!this.#options.store.carry(room, record)) this.#dropped++
  }

  ruleOf(room: string): RoomRule {
    return this.#rooms.get(room)?.rule ?? this.#options.ruleOf(room)
  }

  connect(member: Member): 'connected' | 'blocked' | 'closed' {
    if (this.#blocks.has(member.user)) return 'blocked'
    return !this.#closed && this.#clients.connect(member) !== undefined ? 'connected' : 'closed'
  }

  async enter(places: ReadonlyMap<string, Place>, member: Member, reply: ReplyToAll): Promise<EnterResult> {
    const connected = this.connect(member)
    if (connected !== 'connected') return connected
    const client = this.#clients.get(member.socket)!
    const entering: Entering[] = []
    for (const [room, place] of places) {
      const admitted = this.#admit(client, room, place)
      if (typeof admitted === 'string') return this.#giveUp(entering, admitted)
      entering.push(admitted)
    }
    const live = (): EnterResult => this.#goLive(entering, client, reply)
    const { store, clock } = this.#options
    // Nothing to wait for: in the step of the call.
    if (!waits(entering, store)) return live()
    const result = await whenOwed(entering, { presence: this.#presence, store, clock }, live)
    return result === 'entered' ? result : this.#giveUp(entering, result)
  }

  leave(room: string, socket: Socket): boolean {
    const client = this.#clients.get(socket)
    const membership = client?.in(room)
    if (membership === undefined) return false
    this.#leave(membership)
    return true
  }

  renew(socket: Socket, place: RoomInfo | undefined): boolean {
    return renewInfo(this.#clients.get(socket), this.#presence, place)
  }

  /** Delivers a publication to the live members of a room, one frame for each codec. */
  push(room: string, kept: Kept): void {
    this.#audience.send(room, (codec) => codec.push(room, kept.body(codec)))
  }

  /** Answers for this node. */
  answer(request: NodeRequest): NodeAnswer {
    if (request.do === 'disconnect') this.#blocks.add(request)
    return answer(
      {
        clients: this.#clients,
        status: () => this.#status(),
        list: () => this.list(),
        unsubscribe: (membership, code, reason) => this.#putOut(membership, code, reason),
      },
      request,
    )
  }

  /** Resolves when everybody's leaving is on its way. */
  close(): Promise<void> {
    this.#closed = true
    const told = this.#presence.close()
    for (const client of [...this.#clients.all()]) this.#leaveAll(client)
    return told
  }

  #admit(client: Client, name: string, place: Place): Entering | EnterResult {
    if (client.in(name) !== undefined) return 'member'
    if ([...client.memberships()].length >= this.#options.maxRoomsPerClient) return 'full'
    const rule = this.ruleOf(name)
    if (!fits(rule, client.member.info, place.roomInfo)) return 'too_large'
    const room = this.#rooms.get(name) ?? this.#open(name, rule)
    room.count++
    this.#members++
    const membership = new Membership(client, room, place)
    client.add(membership)
    return { membership, since: place.since, owed: NOTHING_OWED }
  }

  /** One step: the reply, then whatever is delivered from now on. */
  #goLive(entering: readonly Entering[], { member }: Client, reply: ReplyToAll): EnterResult {
    const entered = new Map<string, Entered>()
    for (const { membership, owed } of entering) {
      const { missed, ...position } = owed
      entered.set(membership.room.name, { ...position, publications: missed.bodies(member.codec) })
    }
    let written: WriteResult
    try {
      const frame = reply(entered)
      if (frame === undefined) return this.#giveUp(entering, 'refused')
      written = member.socket.write(frame)
    } catch (error) {
      this.#giveUp(entering, 'refused')
      throw error
    }
    // Who did not get the reply does not know that it is in. And the write may have closed it.
    if (written === 'dropped') this.#giveUp(entering, 'closed')
    if (entering.some(({ membership }) => membership.state !== 'entering')) return this.#giveUp(entering, 'closed')
    for (const { membership } of entering) {
      membership.state = 'live'
      this.#audience.join(membership.room.name, membership)
    }
    for (const { membership } of entering) this.#tell('join', membership)
    return 'entered'
  }

  #giveUp(entering: readonly Entering[], result: EnterResult): EnterResult {
    for (const { membership } of entering) this.#leave(membership)
    return result
  }

  #leave(membership: Membership, notice?: Framed): void {
    const { client, room, state } = membership
    if (state === 'gone') return
    const live = state === 'live'
    membership.state = 'gone'
    client.remove(membership)
    if (live) {
      this.#audience.leave(room.name, membership)
      if (notice !== undefined) client.member.socket.write(notice)
    }
    if (membership.isPresent) this.#presence.exit(room.name, membership.info, live && membership.isAnnounced)
    else if (live) this.#tell('leave', membership)
    this.#members--
    if (--room.count > 0) return
    this.#rooms.delete(room.name)
    room.track?.close()
    this.#options.store.leave(room.name)
  }

  #leaveAll(client: Client): void {
    for (const membership of client.memberships()) this.#leave(membership)
  }

  #open(named: string, rule: RoomRule): Room {
    const name = own(named)
    this.#options.store.join(name, rule.history)
    const owner = { deliver: (kept: Kept) => this.push(name, kept), expel: () => this.#expel(name) }
    const { store, clock, enterTimeoutMs } = this.#options
    const common = { room: name, store, clock, budget: this.#budget, owner, enterTimeoutMs }
    const track = rule.history && new Track({ ...common, rule: rule.history })
    const room: Room = { name, rule, track, count: 0 }
    this.#rooms.set(name, room)
    return room
  }

  /** What is missing cannot be had: the live members are told, and come back by themselves. */
  #expel(room: string): void {
    const notices = new Map<Codec, Framed>()
    for (const membership of this.#audience.members(room)) {
      const { codec } = membership.client.member
      const notice = notices.get(codec) ?? codec.unsubscribed(room, INSUFFICIENT_STATE, 'insufficient state')
      notices.set(codec, notice)
      this.#putOut(membership, INSUFFICIENT_STATE, 'insufficient state', notice)
    }
  }

  /** Somebody is to be out, and told: by its protocol itself, where it wants to, else by a notice. */
  #putOut(membership: Membership, code: number, reason: string, made?: Framed): void {
    const { room, client } = membership
    const { codec, expelled } = client.member
    if (expelled === undefined) return this.#leave(membership, made ?? codec.unsubscribed(room.name, code, reason))
    this.#leave(membership)
    guarded('expelled', () => client.member.expelled!(room.name, code, reason))
  }

  #tell(kind: 'join' | 'leave', { room: { name }, info, isAnnounced }: Announced): void {
    if (!isAnnounced) return
    this.#audience.sendJoinLeave(name, (codec) => codec[kind](name, info))
    this.carry(name, { kind, info })
  }

  #deliver(name: string, record: BusRecord): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    if (record.kind !== 'publication') {
      if (isTold(room.rule, record.info))
        this.#audience.sendJoinLeave(name, (codec) => codec[record.kind](name, record.info))
    } else if (room.track !== undefined) room.track.receive(record.publication)
    else this.push(name, new Kept(record.publication))
  }

  #entries(): Entry[] {
    const all = [...this.#clients.all()].flatMap((client) => [...client.memberships()])
    return all.flatMap(({ room, present, isPresent }) => (isPresent ? [[room.name, present] as const] : []))
  }

  #gap(name: string, info: GapInfo): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    // A room with history repairs it, or its members are told.
    if (room.track !== undefined) room.track.doubt()
    else this.#options.onGap(name, info)
  }

  #status(): NodeStatus {
    const { nodeId: id, about, clock } = this.#options
    const { rooms, clients, members } = this.stats()
    return { id, uptimeMs: clock.now() - this.#startedAt, clients, users: this.#clients.users, rooms, members, about }
  }
}
