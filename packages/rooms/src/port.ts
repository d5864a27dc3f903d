// The port between rooms and what they are kept in: what `createRooms` needs of a store, and what it offers in return.
// Types only; memory-store.ts is the smallest store there is.

/** Text, or bytes. */
export type Data = string | Uint8Array

/** A place in a room's history: the identity of the history's lifetime, and a number that counts its publications. */
export interface Position {
  readonly epoch: string
  readonly offset: number
}

/** Who a client is. */
export interface ClientInfo {
  /** The id of its connection. */
  readonly client: string
  /** Whose connection it is; `''`: nobody's in particular. */
  readonly user: string
  /** What others are shown beside it; at most 2 KiB in a room with presence or joins and leaves. */
  readonly info?: Data | undefined
  /** What others are shown beside it in this room alone; counts with `info`. */
  readonly roomInfo?: Data | undefined
}

/** What is published, before the store has numbered it. */
export interface Draft {
  /** Tells a publication from every other, so that two with one number are noticed. */
  readonly id: string
  readonly data: Data
  /** Who said it, where a client did. */
  readonly info?: ClientInfo | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
}

/** A publication, in no protocol's words. In a room without history its epoch and `previous` are `''` and its offset 0. */
export interface Publication extends Draft, Position {
  /** The id of the one before it in its epoch; `''`: it is the first. A store that lost numbers it had given, and gives
   * them again, is found out by it. */
  readonly previous: string
}

/** Where a room stands. */
export interface Top extends Position {
  /** The id of its last publication in this epoch; `''`: there was none. */
  readonly lastId: string
}

/** What crosses between nodes. Each node makes frames of it, for the protocols that its members speak. */
export type BusRecord =
  | { readonly kind: 'publication'; readonly publication: Publication }
  | { readonly kind: 'join' | 'leave'; readonly info: Present }

/** How much a room remembers. */
export interface HistoryRule {
  /** At most so many publications. */
  readonly size: number
  /** The history is gone so long after its last publication. */
  readonly ttlMs: number
  /** At most so many bytes. */
  readonly maxBytes: number
  /** Epoch and number outlive the last member and the history by so long. */
  readonly metaTtlMs: number
}

/** Which publications are asked for: those above `after` and below `before`, at most `limit` of them. */
export interface Range {
  readonly after?: number | undefined
  readonly before?: number | undefined
  readonly limit: number
  /** When there are more: the newest instead of the oldest. */
  readonly newest?: boolean | undefined
}

/** What a read came to. */
export interface Page extends Top {
  /** The number of the oldest publication that is kept, whatever range was asked for; `offset + 1`: none is. What is below
   * it is replayed to nobody any more, also where a node still has it. */
  readonly first: number
  /** In the order of their numbers. What was trimmed is not among them. */
  readonly publications: readonly Publication[]
}

/** Which of a user's clients a command is for. Absent: all. */
export interface Meant {
  readonly user: string
  /** Only the one with this id. */
  readonly client?: string | undefined
  /** Not those with these ids. */
  readonly except?: readonly string[] | undefined
}

/** What is done to a user's clients on every node. Plain data, as JSON can carry it. */
export type Command = Meant &
  (
    | { readonly do: 'disconnect'; code: number; reason: string; blockMs: number }
    | { readonly do: 'unsubscribe'; room: string; code: number; reason: string }
    | { readonly do: 'subscribe'; room: string; given?: unknown }
    | { readonly do: 'refresh'; expiresAt: number | undefined; info?: string | undefined }
  )

/** What every node is asked: to carry out a command, how it is, or who is in which room. */
export type NodeRequest =
  | Command
  | { readonly do: 'status' }
  /** `pattern`: a name in which `*` stands for any characters and `?` for one. */
  | { readonly do: 'list'; readonly pattern: string; readonly limit: number }

/** How a node is. */
export interface NodeStatus {
  /** Random, made anew at each start. */
  readonly id: string
  readonly uptimeMs: number
  /** How many clients are connected to it, of how many users. */
  readonly clients: number
  readonly users: number
  /** In how many rooms it has members, and how many members that makes. */
  readonly rooms: number
  readonly members: number
  /** What it was told to say of itself. */
  readonly about: Readonly<Record<string, string>>
}

/** What a node answers. Plain data, as JSON can carry it. A request that it does not know: nothing of it. */
export interface NodeAnswer {
  /** How many clients a command reached. */
  readonly clients?: number | undefined
  readonly status?: NodeStatus | undefined
  /** Names of rooms and how many members each has on that node: at most as many rooms as were asked for. */
  readonly rooms?: readonly (readonly [room: string, members: number])[] | undefined
  /** There are more. */
  readonly more?: boolean | undefined
}

/** What a request came to. */
export interface Answers {
  /** One of each node that answered in time. */
  readonly answers: readonly NodeAnswer[]
  /** How many nodes are there and did not. */
  readonly missing: number
}

/** What is known of a loss between nodes. */
export interface GapInfo {
  /** The node whose records were lost; absent when unknown. */
  readonly node?: string | undefined
  /** How many were lost; absent when unknown. */
  readonly missed?: number | undefined
}

/** How this node's lease stood when it was renewed. `'swept'`: it had run out, and others removed this node's entries and
 * told of it. `'lost'`: the store knows nothing of this node and nobody was told anything: it is new, or was emptied. */
export type Lease = 'kept' | 'swept' | 'lost'

/** Who is in a room, as presence keeps it. */
export interface Present extends ClientInfo {
  /** Members are not told that it comes and goes, not even when its node is gone. */
  readonly isUnannounced?: boolean | undefined
}

/** An entry of presence: a room, and who is in it. */
export type Entry = readonly [room: string, info: Present]

/** Numbers, keeps and leases; one for each node. Calls of one node are carried out in their order. None throws for the
 * condition of what is behind it, and none calls the sink before it has returned. A call that returns a promise rejects
 * with a `StoreUnavailableError` when it cannot be carried out, within a few seconds; it may have been carried out then.
 * After `close` everything rejects or is a no-op. */
export interface Store {
  /** Called once, by `createRooms`, before anything else.
   * @throws Error when it was started before. */
  start(sink: StoreSink): void

  /** The first local member of a room came: its records are wanted from now on.
   * @param rule absent for a room without history. While a room with history is joined by any node, its epoch and its
   * number are kept. */
  join(room: string, rule: HistoryRule | undefined): void
  /** The last local member went. */
  leave(room: string): void
  /** Can it reach the other nodes? Absent: it always can, and hears everything at once. */
  readonly status?: 'connecting' | 'ready' | 'degraded' | 'closed'
  /** Resolves when every record of the room from then on reaches this node, or its loss becomes known by a number or by a
   * mark. */
  ready(room: string): Promise<void>
  /** Hands a record to the other nodes, never back to this one, at most once, in the order of the calls, without being kept.
   * False: it is lost, and the other nodes are told of a gap. What is lost on the way is told there, too. */
  carry(room: string, record: BusRecord): boolean

  /** Numbers a publication, keeps it and hands it to every node that joined the room, this one too, in one step.
   * @param key a repeat of it within 5 minutes resolves with the first position, and reaches nobody. */
  publish(room: string, draft: Draft, rule: HistoryRule, key: string | undefined): Promise<Position>
  /** Removes what is kept of a room. Its epoch, its number and the id of its last publication stay, and keys do. */
  removeHistory(room: string): Promise<void>
  /** Is a key new in a room? For rooms without history, whose publications are carried and not kept. */
  claim(room: string, key: string): Promise<boolean>
  /** Where the room stands, and what it remembers of a range. Makes an epoch where there is none. */
  read(room: string, rule: HistoryRule, range: Range): Promise<Page>
  /** What this node delivered contradicts the store: it lost numbers it had given. The room gets another epoch, unless it
   * has by now another one than `epoch`. */
  fork(room: string, epoch: string): Promise<void>

  /** Enters a client into a room's presence, under this node's lease. False: it was there already. */
  enter(room: string, info: Present): Promise<boolean>
  /** Removes it again. False: this node had no such entry. */
  exit(room: string, client: string): Promise<boolean>
  /** Makes this node's entries exactly these; tells which were missing and which were too many. */
  assert(entries: readonly Entry[]): Promise<{ added: readonly Entry[]; removed: readonly Entry[] }>
  /** Renews this node's lease (15 s). Entries of a node whose lease ran out are in no answer; 20 s after its last renewal
   * one of the other nodes removes them, at most 200 a second and room, and each leave is told once, to every node. */
  lease(): Promise<Lease>
  presence(room: string): Promise<readonly Present[]>
  presenceStats(room: string): Promise<{ clients: number; users: number }>

  /** Asks every node, this one too; resolves within 2 s with what was answered by then. A `disconnect` with `blockMs` is
   * kept until that is over, 100,000 of them: a node that starts, or could not be reached for a while, is given it later, as
   * a request with the `blockMs` that is left, and its answer goes nowhere. */
  ask(request: NodeRequest): Promise<Answers>

  /** Gives up this node's entries, whose leaves the other nodes are told, and lets go of everything. Again: the same. */
  close(): Promise<void>
}

/** Where a store puts what it received. */
export interface StoreSink {
  /** A record of a room that was joined. */
  deliver(room: string, record: BusRecord): void
  /** The room stands there: what has a number up to this one was published, also if it never came. */
  mark(room: string, top: Top): void
  /** Records of a joined room were lost on their way to this node, or may have been. A room with history is read then. */
  gap(room: string, info: GapInfo): void
  /** Answers for this node. Does not throw. */
  answer(request: NodeRequest): NodeAnswer
}
