// The rooms of this node that have somebody in them, or on the way in: how members come and go, and what reaches them. Where
// a room with history stands is track.ts, who is live in it audience.ts, who is connected clients.ts.

import type { Framed, Socket } from '@roomcast/core'
import { Audience } from './audience.ts'
import { Blocks } from './blocks.ts'
import { type Client, Clients, type Membership, membershipIn } from './clients.ts'
import type { Clock } from './clock.ts'
import type { Codec, Entered, EnterOptions, EnterResult, Member } from './member.ts'
import { byteLength, MAX_INFO_BYTES, type RoomRule } from './options.ts'
import type { BusRecord, ClientInfo, Entry, GapInfo, NodeAnswer, NodeRequest, NodeStatus, Store } from './port.ts'
import { PresenceKeeper } from './presence.ts'
import { NOTHING_OWED, type Owed } from './replay.ts'
import { answer } from './requests.ts'
import { Track } from './track.ts'
import { Kept, WindowBudget } from './window.ts'

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

  async enter(room: string, member: Member, options: EnterOptions): Promise<EnterResult> {
    const connected = this.connect(member)
    if (connected !== 'connected') return connected
    const client = this.#clients.get(member.socket)!
    if (membershipIn(client, room) !== undefined) return 'member'
    if (client.memberships.length >= this.#options.maxRoomsPerClient) return 'full'
    const rule = this.ruleOf(room)
    if (rule.presence && byteLength(member.info ?? '') > MAX_INFO_BYTES) return 'too_large'
    const joined = this.#rooms.get(room) ?? this.#open(room, rule)
    joined.count++
    this.#members++
    const membership: Membership = { client, room, state: 'entering', present: rule.presence }
    // A list made so has no room to spare: `push` makes it for 17.
    client.memberships = client.memberships.concat(membership)
    // Nothing to wait for: in the step of the call.
    if (joined.track === undefined && !rule.presence) return this.#goLive(joined, membership, NOTHING_OWED, options)
    return this.#enter(joined, membership, options)
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
        unsubscribe: (membership, code, reason) => {
          const { room, client } = membership
          this.#leave(membership, client.member.codec.unsubscribed(room, code, reason))
        },
      },
      request,
    )
  }

  close(): void {
    this.#presence.close()
    this.#closed = true
    for (const client of [...this.#clients.all()]) this.#leaveAll(client)
  }

  async #enter(room: Room, membership: Membership, options: EnterOptions): Promise<EnterResult> {
    const { track, name, rule } = room
    const present = rule.presence ? this.#presence.enter(name, infoOf(membership)) : undefined
    for (;;) {
      const confirmed = track === undefined || (await track.confirm(options.since))
      await present
      if (membership.state === 'gone') return 'closed'
      if (!confirmed) {
        this.#leave(membership)
        return 'unavailable'
      }
      const owed = track === undefined ? NOTHING_OWED : track.owed(options.since)
      if (owed !== undefined) return this.#goLive(room, membership, owed, options)
    }
  }

  /** One step: the reply, then whatever is delivered from now on. */
  #goLive(room: Room, membership: Membership, { missed, ...position }: Owed, { reply }: EnterOptions): EnterResult {
    const { member } = membership.client
    const entered: Entered = { ...position, publications: missed.map((kept) => kept.body(member.codec)) }
    try {
      member.socket.write(reply(entered))
    } catch (error) {
      this.#leave(membership)
      throw error
    }
    // The write may have closed it.
    if (membership.state !== 'entering') return 'closed'
    membership.state = 'live'
    this.#audience.join(room.name, membership)
    this.#tell('join', room.name, infoOf(membership))
    return 'entered'
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
      this.#leave(membership, notice)
    }
  }

  #tell(kind: 'join' | 'leave', room: string, info: ClientInfo): void {
    if (!this.ruleOf(room).joinLeave) return
    this.#audience.send(room, (codec) => codec[kind](room, info))
    this.carry(room, { kind, info })
  }

  #deliver(name: string, record: BusRecord): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    if (record.kind !== 'publication') {
      if (room.rule.joinLeave) this.#audience.send(name, (codec) => codec[record.kind](name, record.info))
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

function infoOf({ client: { member } }: Membership): ClientInfo {
  const { client, user, info } = member
  return { client, user, info }
}
