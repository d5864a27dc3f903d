// The rooms of this node that have somebody in them, or on the way in: how members come and go, and what reaches them. Where
// a room with history stands is track.ts, who is live in it audience.ts, who is connected clients.ts.

import { inspect } from 'node:util'
import type { Framed, Socket } from '@roomcast/core'
import type { Audience } from './audience.ts'
import { Blocks } from './blocks.ts'
import { type Client, Clients, infoOf, type Membership, membershipIn } from './clients.ts'
import type { Clock } from './clock.ts'
import type { Codec, Entered, EnterResult, Member, Place, ReplyToAll, Since } from './member.ts'
import { byteLength, MAX_INFO_BYTES, type RoomRule } from './options.ts'
import type { BusRecord, ClientInfo, Entry, GapInfo, NodeAnswer, NodeRequest, NodeStatus, Store } from './port.ts'
import { PresenceKeeper } from './presence.ts'
import { NOTHING_OWED, type Owed } from './replay.ts'
import { answer } from './requests.ts'
import { Track } from './track.ts'
import { Kept, WindowBudget } from './window.ts'

/** Who comes into a room without history waits so long for other nodes to be heard: longer than a healthy bus ever takes. */
const CONFIRM_MS = 1000

/** An unsubscribe from this code on is one after which clients come back by themselves. */
const INSUFFICIENT_STATE = 2500

/** A room with somebody in it, or on the way in. */
interface Room {
  readonly name: string
  readonly rule: RoomRule
  /** Of a room with history. */
  readonly track: Track | undefined
  count: number
}

/** Somebody on the way into a room, and what it is owed there. */
interface Entering {
  readonly room: Room
  readonly membership: Membership
  readonly since: Since | undefined
  owed: Owed
}

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

/** What `stats` returns. */
export interface RoomsStats {
  /** How many rooms have members on this node, or somebody on the way in. */
  rooms: number
  /** How many clients are connected. */
  clients: number
  /** How many places in rooms they have. */
  members: number
  /** What is kept at hand for those who come back, in bytes. */
  replayBytes: number
  /** Records of rooms without history, joins and leaves that the store could not hand to other nodes. */
  dropped: number
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
      tell: (kind, room, info) => this.#tell(kind, room, info),
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
    // Nothing to wait for: in the step of the call.
    const waits =
      this.#options.store.status === 'ready' ||
      entering.some(({ room, membership }) => room.track !== undefined || membership.present)
    return waits ? this.#enter(entering, member, reply) : this.#goLive(entering, member, reply)
  }

  leave(room: string, socket: Socket): boolean {
    const client = this.#clients.get(socket)
    const membership = client && membershipIn(client, room)
    if (membership === undefined) return false
    this.#leave(membership)
    return true
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

  close(): void {
    this.#presence.close()
    this.#closed = true
    for (const client of [...this.#clients.all()]) this.#leaveAll(client)
  }

  #admit(client: Client, name: string, place: Place): Entering | EnterResult {
    const { info } = client.member
    const { since, roomInfo, hearsJoinLeave = true } = place
    if (membershipIn(client, name) !== undefined) return 'member'
    if (client.memberships.length >= this.#options.maxRoomsPerClient) return 'full'
    const rule = this.ruleOf(name)
    const { presence: present } = rule
    if (present && byteLength(info ?? '') + byteLength(roomInfo ?? '') > MAX_INFO_BYTES) return 'too_large'
    const room = this.#rooms.get(name) ?? this.#open(name, rule)
    room.count++
    this.#members++
    const membership: Membership = { client, room: name, state: 'entering', present, roomInfo, hearsJoinLeave }
    // A list made so has no room to spare: `push` makes it for 17.
    client.memberships = client.memberships.concat(membership)
    return { room, membership, since, owed: NOTHING_OWED }
  }

  async #enter(entering: readonly Entering[], member: Member, reply: ReplyToAll): Promise<EnterResult> {
    const present = entering.map(({ membership }) =>
      membership.present ? this.#presence.enter(membership.room, infoOf(membership)) : undefined,
    )
    for (;;) {
      const confirmed = await Promise.all(
        entering.map(({ room, since }) => room.track?.confirm(since) ?? this.#heard(room.name)),
      )
      await Promise.all(present)
      if (entering.some(({ membership }) => membership.state === 'gone')) return this.#giveUp(entering, 'closed')
      if (confirmed.includes(false)) return this.#giveUp(entering, 'unavailable')
      const owed = entering.every((one) => {
        const owing = one.room.track === undefined ? NOTHING_OWED : one.room.track.owed(one.since)
        if (owing !== undefined) one.owed = owing
        return owing !== undefined
      })
      if (owed) return this.#goLive(entering, member, reply)
    }
  }

  /** Waits until a room without history is heard from the other nodes, unless they are away or that takes long: it goes on
   * without them. */
  #heard(room: string): Promise<true> | true {
    const { store, clock } = this.#options
    if (store.status !== 'ready') return true
    return new Promise((resolve) => {
      const cancel = clock.after(CONFIRM_MS, () => resolve(true))
      const done = (): void => {
        cancel()
        resolve(true)
      }
      store.ready(room).then(done, done)
    })
  }

  /** One step: the reply, then whatever is delivered from now on. */
  #goLive(entering: readonly Entering[], { codec, socket }: Member, reply: ReplyToAll): EnterResult {
    const entered = new Map<string, Entered>()
    for (const { membership, owed } of entering) {
      const { missed, ...position } = owed
      entered.set(membership.room, { ...position, publications: missed.map((kept) => kept.body(codec)) })
    }
    try {
      const frame = reply(entered)
      if (frame === undefined) return this.#giveUp(entering, 'refused')
      socket.write(frame)
    } catch (error) {
      this.#giveUp(entering, 'refused')
      throw error
    }
    for (const { room, membership } of entering) {
      // The write may have closed it.
      if (membership.state !== 'entering') return 'closed'
      membership.state = 'live'
      this.#audience.join(room.name, membership)
    }
    for (const { room, membership } of entering) this.#tell('join', room.name, infoOf(membership))
    return 'entered'
  }

  #giveUp(entering: readonly Entering[], result: EnterResult): EnterResult {
    for (const { membership } of entering) this.#leave(membership)
    return result
  }

  #leave(membership: Membership, notice?: Framed): void {
    const { client, room: name, state, present } = membership
    if (state === 'gone') return
    const live = state === 'live'
    membership.state = 'gone'
    client.memberships = client.memberships.filter((other) => other !== membership)
    if (live) {
      this.#audience.leave(name, membership)
      if (notice !== undefined) client.member.socket.write(notice)
    }
    if (present) this.#presence.exit(name, infoOf(membership), live)
    else if (live) this.#tell('leave', name, infoOf(membership))
    const room = this.#rooms.get(name)!
    this.#members--
    if (--room.count > 0) return
    this.#rooms.delete(name)
    room.track?.close()
    this.#options.store.leave(name)
  }

  #leaveAll({ memberships }: Client): void {
    for (const membership of memberships) this.#leave(membership)
  }

  #open(name: string, rule: RoomRule): Room {
    this.#options.store.join(name, rule.history)
    const owner = { deliver: (kept: Kept) => this.push(name, kept), expel: () => this.#expel(name) }
    const { history } = rule
    const { store, clock, enterTimeoutMs } = this.#options
    const common = { room: name, store, clock, budget: this.#budget, owner, enterTimeoutMs }
    const track = history && new Track({ ...common, rule: history })
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

  #putOut(membership: Membership, code: number, reason: string, made?: Framed): void {
    const { room, client } = membership
    const { codec, expelled } = client.member
    if (expelled === undefined) return this.#leave(membership, made ?? codec.unsubscribed(room, code, reason))
    this.#leave(membership)
    try {
      client.member.expelled?.(room, code, reason)
    } catch (error) {
      process.emitWarning(`expelled failed: ${inspect(error)}`, 'RoomcastWarning')
    }
  }

  #tell(kind: 'join' | 'leave', room: string, info: ClientInfo): void {
    if (!this.ruleOf(room).joinLeave) return
    this.#audience.sendJoinLeave(room, (codec) => codec[kind](room, info))
    this.carry(room, { kind, info })
  }

  #deliver(name: string, record: BusRecord): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    if (record.kind !== 'publication') {
      if (room.rule.joinLeave) this.#audience.sendJoinLeave(name, (codec) => codec[record.kind](name, record.info))
    } else if (room.track !== undefined) room.track.receive(record.publication)
    else this.push(name, new Kept(record.publication))
  }

  #entries(): Entry[] {
    const entries: Entry[] = []
    for (const { memberships } of this.#clients.all()) {
      for (const membership of memberships) if (membership.present) entries.push([membership.room, infoOf(membership)])
    }
    return entries
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
