// The rooms of this node that have somebody in them, or on the way in: how members come and go, and what reaches them. Where
// a room with history stands is track.ts, who is live in it audience.ts, who is connected clients.ts.

import { inspect } from 'node:util'
import type { Framed, Socket } from '@roomcast/core'
import { Audience } from './audience.ts'
import { type Client, Clients, infoOf, type Membership, membershipIn } from './clients.ts'
import type { Clock } from './clock.ts'
import type { Codec, Entered, EnterResult, Member, Place, ReplyToAll, Since } from './member.ts'
import { byteLength, MAX_INFO_BYTES, type RoomRule } from './options.ts'
import type { BusRecord, ClientInfo, Command, Entry, Store } from './port.ts'
import { PresenceKeeper } from './presence.ts'
import { NOTHING_OWED, type Owed } from './replay.ts'
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
}

/** The rooms of this node. It checks no arguments. */
export class LocalRooms {
  readonly #options: LocalRoomsOptions
  readonly #rooms = new Map<string, Room>()
  readonly #audience = new Audience()
  readonly #clients: Clients
  readonly #presence: PresenceKeeper
  readonly #budget: WindowBudget
  #closed = false

  constructor(options: LocalRoomsOptions) {
    this.#options = options
    const { store, clock, maxReplayBytes } = options
    this.#budget = new WindowBudget(maxReplayBytes)
    this.#clients = new Clients(clock, (client) => this.#leaveAll(client))
    this.#presence = new PresenceKeeper(store, clock, {
      entries: () => this.#entries(),
      tell: (kind, room, info) => this.#tell(kind, room, info),
    })
    store.start({
      deliver: (room, record) => this.#deliver(room, record),
      mark: (room, position) => this.#rooms.get(room)?.track?.mark(position),
      command: (command) => this.#obey(command),
    })
  }

  stats(): { rooms: number; clients: number; replayBytes: number } {
    return { rooms: this.#rooms.size, clients: this.#clients.size, replayBytes: this.#budget.bytes }
  }

  ruleOf(room: string): RoomRule {
    return this.#rooms.get(room)?.rule ?? this.#options.ruleOf(room)
  }

  connect(member: Member): 'connected' | 'blocked' | 'closed' {
    if (this.#clients.isBlocked(member.user)) return 'blocked'
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
    const waits = entering.some(({ room, membership }) => room.track !== undefined || membership.present)
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
      const confirmed = await Promise.all(entering.map(({ room, since }) => room.track?.confirm(since) ?? true))
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
    if (--room.count > 0) return
    this.#rooms.delete(name)
    room.track?.close()
    this.#options.store.leave(name)
  }

  #leaveAll({ memberships }: Client): void {
    for (const membership of memberships) this.#leave(membership)
  }

  #open(name: string, rule: RoomRule): Room {
    this.#options.store.join(name)
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
    tellExpelled(client.member, room, code, reason)
  }

  #tell(kind: 'join' | 'leave', room: string, info: ClientInfo): void {
    if (!this.ruleOf(room).joinLeave) return
    this.#audience.sendJoinLeave(room, (codec) => codec[kind](room, info))
    this.#options.store.carry(room, { kind, info })
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

  /** Carries out a command on the clients of this node. */
  #obey(command: Command): number {
    if (command.do === 'disconnect' && command.blockMs > 0) this.#clients.block(command.user, command.blockMs)
    const clients = this.#clients.of(command.user)
    return clients.filter((client) => this.#obeys(client, command)).length
  }

  #obeys(client: Client, command: Command): boolean {
    const { member } = client
    if (command.do === 'disconnect') {
      member.socket.close(command.code, command.reason)
    } else if (command.do === 'unsubscribe') {
      const membership = membershipIn(client, command.room)
      if (membership === undefined) {
        // Its protocol may be asking whether it may come in.
        tellExpelled(member, command.room, command.code, command.reason)
        return false
      }
      this.#putOut(membership, command.code, command.reason)
    } else {
      try {
        member.commanded?.(command)
      } catch (error) {
        process.emitWarning(`commanded failed: ${inspect(error)}`, 'RoomcastWarning')
      }
    }
    return true
  }
}

function tellExpelled(member: Member, room: string, code: number, reason: string): void {
  try {
    member.expelled?.(room, code, reason)
  } catch (error) {
    process.emitWarning(`expelled failed: ${inspect(error)}`, 'RoomcastWarning')
  }
}
