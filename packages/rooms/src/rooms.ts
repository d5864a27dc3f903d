// What an application calls: publishing, histories, who is there, commands. Its mistakes throw here. How members come and go
// is local-rooms.ts.

import type { Socket } from '@roomcast/core'
import { Audience } from './audience.ts'
import { processClock } from './clock.ts'
import { disconnect, refresh, subscribe, unsubscribe } from './commands.ts'
import { copyOf, copyOfInfo, copyOfTags } from './data.ts'
import { draftIds } from './draft-ids.ts'
import { UnrecoverablePositionError } from './errors.ts'
import { type GapListener, GapListeners } from './gap.ts'
import { guarded } from './guarded.ts'
import { type RoomInfo, shown } from './info.ts'
import { Kept } from './kept.ts'
import { LocalRooms } from './local-rooms.ts'
import type { EnterOptions, EnterResult, Member, Place, ReplyToAll } from './member.ts'
import { isRoomName } from './name.ts'
import {
  checkCount,
  checkInteger,
  checkMember,
  checkPublish,
  checkRoom,
  checkRoomsOptions,
  checkSince,
  checkString,
  type PublishOptions,
  type RoomsOptions,
  ruleOf,
} from './options.ts'
import type { ClientInfo, Command, Data, NodeStatus, Position, Store } from './port.ts'
import type {
  DisconnectOptions,
  HistoryPage,
  HistoryQuery,
  ListQuery,
  RefreshOptions,
  SubscribeOptions,
  UnsubscribeOptions,
} from './queries.ts'
import { type CommandResult, commandResult, type RoomList, roomList } from './requests.ts'
import type { RoomsStats } from './stats.ts'

const DEFAULT_MAX_REPLAY_BYTES = 64 * 1024 * 1024
const DEFAULT_HISTORY_LIMIT = 100
const DEFAULT_LIST_LIMIT = 10_000
const NOWHERE: Position = { epoch: '', offset: 0 }

/** Makes the rooms of this node.
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a wrong value; what the store's `start`
 * throws when it serves others already. */
export function createRooms(options: RoomsOptions): Rooms {
  checkRoomsOptions(options)
  return new Rooms(options)
}

/** Rooms that remember, and know who is there. Made by `createRooms`. */
export class Rooms {
  readonly #store: Store
  readonly #audience: Audience
  readonly #local: LocalRooms
  readonly #gaps = new GapListeners()
  readonly #nextId: () => string
  #closed: Promise<void> | undefined

  constructor(options: RoomsOptions) {
    const { store, options: optionsOf = () => undefined, clock = processClock } = options
    this.#store = store
    const { newId = () => crypto.randomUUID(), onDelivered } = options
    // Nothing of others runs within a call that sends.
    this.#audience = new Audience((room, members) => {
      if (onDelivered) queueMicrotask(() => guarded('onDelivered', () => onDelivered(room, members)))
    })
    this.#nextId = draftIds(newId)
    this.#local = new LocalRooms({
      store,
      audience: this.#audience,
      nodeId: newId(),
      about: { ...options.about },
      onGap: (room, info) => this.#gaps.tell(room, info),
      clock,
      ruleOf: (room) => ruleOf(optionsOf(room)),
      maxRoomsPerClient: options.maxRoomsPerClient ?? 128,
      maxReplayBytes: options.maxReplayBytes ?? DEFAULT_MAX_REPLAY_BYTES,
      enterTimeoutMs: options.enterTimeoutMs ?? 10_000,
    })
  }

  /** Figures of this node. */
  stats(): RoomsStats {
    return this.#local.stats()
  }

  /** Publishes to everybody in a room, on every node. With history: resolves with its position when the store has it, and
   * rejects with a `StoreUnavailableError` when that is not known to be so. Without: delivered here at once, and `offset`
   * is 0.
   * @throws TypeError, RangeError for arguments of the wrong type or value. */
  publish(room: string, data: Data, options: PublishOptions = {}): Promise<Position> {
    checkRoom(room)
    checkPublish(data, options)
    const { info, tags, idempotencyKey: key } = options
    const { history } = this.#local.ruleOf(room)
    const id = history ? this.#nextId() : ''
    const draft = { id, data: copyOf(data), info: info && copyOfInfo(info), tags: tags && copyOfTags(tags) }
    if (history !== undefined) return this.#store.publish(room, draft, history, key)
    const say = (): Position => {
      const publication = { ...draft, ...NOWHERE, previous: '' }
      this.#local.push(room, new Kept(publication))
      this.#local.carry(room, { kind: 'publication', publication })
      return NOWHERE
    }
    if (key === undefined) return Promise.resolve(say())
    return this.#store.claim(room, key).then((isNew) => (isNew ? say() : NOWHERE))
  }

  /** What a room remembers. `offset` is the room's, whatever part was asked for.
   * @throws RangeError for a room without history. Rejects with an `UnrecoverablePositionError` when `since` is of another
   * epoch, or what follows it was trimmed; with a `StoreUnavailableError`. */
  async history(
    room: string,
    { since, limit = DEFAULT_HISTORY_LIMIT, reverse = false }: HistoryQuery = {},
  ): Promise<HistoryPage> {
    checkRoom(room)
    checkSince(since)
    checkInteger('limit', limit)
    const { history } = this.#local.ruleOf(room)
    if (history === undefined) throw new RangeError(`no history in ${JSON.stringify(room)}`)
    const bound = reverse ? { before: since?.offset } : { after: since?.offset }
    const page = await this.#store.read(room, history, { ...bound, limit, newest: reverse })
    const { epoch, offset, first, publications } = page
    if (since !== undefined) {
      const known = since.epoch ? since.epoch === epoch : since.offset === 0
      const whole = reverse || (since.offset <= offset && since.offset + 1 >= first)
      if (!known || !whole) throw new UnrecoverablePositionError(room)
    }
    return { epoch, offset, publications: reverse ? publications.toReversed() : publications }
  }

  /** Removes what is kept of a room. Its epoch and its number stay: who comes back and missed something is told that it
   * cannot be had. Does nothing in a room without history. Rejects with a `StoreUnavailableError`. */
  async removeHistory(room: string): Promise<void> {
    checkRoom(room)
    if (this.#local.ruleOf(room).history !== undefined) await this.#store.removeHistory(room)
  }

  /** Makes a client known before it is in any room, so that commands to its user reach it. `enter` does it too. */
  connect(member: Member): 'connected' | 'blocked' | 'closed' {
    checkMember(member)
    return this.#local.connect(member)
  }

  /** Puts a client into a room. Without history and presence, on one node alone, it is in when the call returns.
   * @throws TypeError for arguments of the wrong type; Rejects with what `options(room)` and `reply` throw. */
  enter<Body>(room: string, member: Member<Body>, options: EnterOptions<Body>): Promise<EnterResult> {
    checkString('room', room)
    checkMember(member)
    checkSince(options?.since)
    if (typeof options?.reply !== 'function') throw new TypeError('reply must be a function')
    if (!isRoomName(room)) return Promise.resolve('bad_name')
    const { reply, ...place } = options
    const all: ReplyToAll<Body> = (entered) => reply(entered.get(room)!)
    return this.#local.enter(new Map([[room, place]]), member, all as ReplyToAll)
  }

  /** Puts a client into several rooms in one step, with one reply, or into none: then it tells why, for the first that
   * could not be entered. `places` may be empty.
   * @throws TypeError, RangeError for wrong arguments. Rejects with what `options(room)` and `reply` throw. */
  enterAll<Body>(
    places: ReadonlyMap<string, Place>,
    member: Member<Body>,
    reply: ReplyToAll<Body>,
  ): Promise<EnterResult> {
    checkMember(member)
    if (typeof reply !== 'function') throw new TypeError('reply must be a function')
    for (const [room, { since }] of places) {
      checkString('room', room)
      checkSince(since)
    }
    if (![...places.keys()].every(isRoomName)) return Promise.resolve('bad_name')
    return this.#local.enter(new Map(places), member, reply as ReplyToAll)
  }

  /** Takes a client out of a room, also one that is on its way in; false when it was not in it. */
  leave(room: string, socket: Socket): boolean {
    checkString('room', room)
    return this.#local.leave(room, socket)
  }

  /** What others are shown beside a client has changed: `info` of its member is another one by now, or, with a room given,
   * `roomInfo` is to be what is shown there. Who asks who is there is told so from now on. False: it is too large for a room
   * that shows who is there, and nothing is changed. */
  renew(socket: Socket, place?: RoomInfo): boolean {
    if (place !== undefined) checkString('room', place.room)
    return this.#local.renew(socket, place)
  }

  /** Is a socket in a room of this node? On its way in does not count. */
  isMember(room: string, socket: Socket): boolean {
    return this.#audience.has(room, socket)
  }

  /** How many are in a room on this node. */
  memberCount(room: string): number {
    return this.#audience.count(room)
  }

  /** The first socket in a room on this node that passes a test. */
  findMember(room: string, test: (socket: Socket) => boolean): Socket | undefined {
    return this.#audience.find(room, test)
  }

  /** Who is in a room, on all nodes, by client id. */
  async presence(room: string): Promise<Map<string, ClientInfo>> {
    checkRoom(room)
    return new Map((await this.#store.presence(room)).map((present) => [present.client, shown(present)]))
  }

  /** How many clients and users are in a room, on all nodes. */
  async presenceStats(room: string): Promise<{ clients: number; users: number }> {
    checkRoom(room)
    return this.#store.presenceStats(room)
  }

  /** Closes a user's connections, on every node.
   * @throws TypeError, RangeError for arguments of the wrong type or value; so with the other commands. */
  disconnect(user: string, options: DisconnectOptions = {}): Promise<CommandResult> {
    return this.#command(disconnect(user, options))
  }

  /** Takes a user's clients out of a room, on every node. From code 2500 on they come back by themselves. */
  unsubscribe(user: string, room: string, options: UnsubscribeOptions = {}): Promise<CommandResult> {
    return this.#command(unsubscribe(user, room, options))
  }

  /** Has a user's clients put into a room, on every node, each by its protocol (`commanded`). */
  subscribe(user: string, room: string, options: SubscribeOptions = {}): Promise<CommandResult> {
    return this.#command(subscribe(user, room, options))
  }

  /** Prolongs a user's connections, on every node, each by its protocol (`commanded`). */
  refresh(user: string, options: RefreshOptions = {}): Promise<CommandResult> {
    return this.#command(refresh(user, options))
  }

  /** Rooms with members and how many each has, on all nodes or on this one alone.
   * @throws TypeError, RangeError for arguments of the wrong type or value. */
  async list({ pattern = '*', limit = DEFAULT_LIST_LIMIT, scope = 'all' }: ListQuery = {}): Promise<RoomList> {
    checkString('pattern', pattern)
    checkCount('limit', limit)
    if (scope !== 'all' && scope !== 'local') throw new RangeError(`no such scope: ${scope}`)
    const request = { do: 'list', pattern, limit } as const
    const local = scope === 'local'
    return roomList(
      local ? { answers: [this.#local.answer(request)], missing: 0 } : await this.#store.ask(request),
      limit,
    )
  }

  /** How every node is. */
  async nodes(): Promise<{ nodes: readonly NodeStatus[]; missing: number }> {
    const { answers, missing } = await this.#store.ask({ do: 'status' })
    return { nodes: answers.flatMap(({ status }) => status ?? []), missing }
  }

  /** Calls `listener` whenever members of a room without history missed something that another node said. What it throws
   * becomes a process warning. */
  on(event: 'gap', listener: GapListener): this {
    this.#gaps.add(event, listener)
    return this
  }

  /** Takes a listener back; if it was given several times, the latest. */
  off(event: 'gap', listener: GapListener): this {
    this.#gaps.remove(event, listener)
    return this
  }

  /** Forgets all memberships (the sockets stay open) and releases the store. Again: the same promise. */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = this.#local.close().then(() => this.#store.close())
    }
    return this.#closed
  }

  async #command(command: Command): Promise<CommandResult> {
    return commandResult(await this.#store.ask(command))
  }
}
