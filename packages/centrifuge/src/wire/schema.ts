// Every message of the protocol, once for both codecs: the name of a field in JSON, its number in Protobuf, its type. Only
// what is served here: fields of features that are left out are unknown, and unknown fields are passed over.

import type { Data } from '@roomcast/rooms'

/** A field: `[number, type]`, or with how often it occurs. `bytes` are raw JSON within JSON. `body`: a publication that was
 * encoded before. */
const SCHEMA = {
  Command: {
    id: [1, 'uint32'],
    // In the order in which they count when several are set.
    connect: [4, 'ConnectRequest'],
    ping: [11, 'Empty'],
    subscribe: [5, 'SubscribeRequest'],
    unsubscribe: [6, 'RoomRequest'],
    publish: [7, 'PublishRequest'],
    presence: [8, 'RoomRequest'],
    presence_stats: [9, 'RoomRequest'],
    history: [10, 'HistoryRequest'],
    rpc: [13, 'RPCRequest'],
    send: [12, 'Message'],
    refresh: [14, 'RefreshRequest'],
    sub_refresh: [15, 'SubRefreshRequest'],
  },
  ConnectRequest: {
    token: [1, 'string'],
    data: [2, 'bytes'],
    subs: [3, 'SubscribeRequest', 'map'],
    name: [4, 'string'],
    version: [5, 'string'],
    headers: [6, 'string', 'map'],
    flag: [7, 'int64'],
  },
  SubscribeRequest: {
    channel: [1, 'string'],
    token: [2, 'string'],
    recover: [3, 'bool'],
    epoch: [6, 'string'],
    offset: [7, 'uint64'],
    data: [8, 'bytes'],
    positioned: [9, 'bool'],
    recoverable: [10, 'bool'],
    join_leave: [11, 'bool'],
    tf: [13, 'Empty'],
    flag: [14, 'int64'],
    type: [15, 'int32'],
  },
  RoomRequest: { channel: [1, 'string'] },
  PublishRequest: { channel: [1, 'string'], data: [2, 'bytes'], type: [3, 'int32'] },
  HistoryRequest: {
    channel: [1, 'string'],
    limit: [7, 'int32'],
    since: [8, 'StreamPosition'],
    reverse: [9, 'bool'],
  },
  StreamPosition: { offset: [1, 'uint64'], epoch: [2, 'string'] },
  RPCRequest: { data: [1, 'bytes'], method: [2, 'string'] },
  RefreshRequest: { token: [1, 'string'] },
  SubRefreshRequest: { channel: [1, 'string'], token: [2, 'string'], type: [3, 'int32'] },
  Empty: {},

  Reply: {
    id: [1, 'uint32'],
    error: [2, 'Error'],
    push: [4, 'Push'],
    connect: [5, 'ConnectResult'],
    subscribe: [6, 'SubscribeResult'],
    unsubscribe: [7, 'Empty'],
    publish: [8, 'Empty'],
    presence: [9, 'PresenceResult'],
    presence_stats: [10, 'PresenceStatsResult'],
    history: [11, 'HistoryResult'],
    rpc: [13, 'Message'],
    refresh: [14, 'RefreshResult'],
    sub_refresh: [15, 'Refresh'],
  },
  Error: { code: [1, 'uint32'], message: [2, 'string'], temporary: [3, 'bool'] },
  ConnectResult: {
    client: [1, 'string'],
    version: [2, 'string'],
    expires: [3, 'bool'],
    ttl: [4, 'uint32'],
    data: [5, 'bytes'],
    subs: [6, 'SubscribeResult', 'map'],
    ping: [7, 'uint32'],
    pong: [8, 'bool'],
  },
  SubscribeResult: {
    expires: [1, 'bool'],
    ttl: [2, 'uint32'],
    recoverable: [3, 'bool'],
    epoch: [6, 'string'],
    publications: [7, 'body', 'repeated'],
    recovered: [8, 'bool'],
    offset: [9, 'uint64'],
    positioned: [10, 'bool'],
    data: [11, 'bytes'],
    was_recovering: [12, 'bool'],
  },
  PresenceResult: { presence: [1, 'ClientInfo', 'map'] },
  PresenceStatsResult: { num_clients: [1, 'uint32'], num_users: [2, 'uint32'] },
  HistoryResult: { publications: [1, 'body', 'repeated'], epoch: [2, 'string'], offset: [3, 'uint64'] },
  Message: { data: [1, 'bytes'] },
  RefreshResult: { expires: [3, 'bool'], ttl: [4, 'uint32'] },
  Refresh: { expires: [1, 'bool'], ttl: [2, 'uint32'] },
  ClientInfo: { user: [1, 'string'], client: [2, 'string'], conn_info: [3, 'bytes'], chan_info: [4, 'bytes'] },
  Publication: {
    data: [4, 'bytes'],
    info: [5, 'ClientInfo'],
    offset: [6, 'uint64'],
    tags: [7, 'string', 'map'],
    epoch: [14, 'string'],
  },
  Push: {
    channel: [2, 'string'],
    pub: [4, 'body'],
    join: [5, 'Presence'],
    leave: [6, 'Presence'],
    unsubscribe: [7, 'Unsubscribe'],
    message: [8, 'Message'],
    subscribe: [9, 'SubscribePush'],
    refresh: [12, 'Refresh'],
  },
  Presence: { info: [1, 'ClientInfo'] },
  Unsubscribe: { code: [2, 'uint32'], reason: [3, 'string'] },
  SubscribePush: {
    recoverable: [1, 'bool'],
    epoch: [4, 'string'],
    offset: [5, 'uint64'],
    positioned: [6, 'bool'],
    data: [7, 'bytes'],
  },
} as const

/** Fields that are written in JSON although they are zero or empty: clients read them without asking. */
const WRITTEN_EMPTY: Readonly<Record<string, readonly string[]>> = {
  PresenceResult: ['presence'],
  PresenceStatsResult: ['num_clients', 'num_users'],
  HistoryResult: ['publications', 'epoch', 'offset'],
  ClientInfo: ['user', 'client'],
  Unsubscribe: ['code'],
}

export type Name = keyof typeof SCHEMA
export type Scalar = 'string' | 'bytes' | 'body' | 'bool' | 'uint32' | 'int32' | 'uint64' | 'int64'

interface Scalars {
  string: string
  bytes: Data
  body: unknown
  bool: boolean
  uint32: number
  int32: number
  uint64: number
  int64: number
}

type Value<T> = T extends keyof Scalars ? Scalars[T] : T extends Name ? Wire<T> : never
type FieldValue<F> = F extends readonly [number, infer T]
  ? Value<T>
  : F extends readonly [number, infer T, 'map']
    ? Readonly<Record<string, Value<T>>>
    : F extends readonly [number, infer T, 'repeated']
      ? readonly Value<T>[]
      : never

/** A message as this package handles it: what is not there, or empty, may be undefined. */
export type Wire<N extends Name> = {
  readonly [K in keyof (typeof SCHEMA)[N]]?: FieldValue<(typeof SCHEMA)[N][K]> | undefined
}

/** A field, as the codecs walk over it. */
export interface Field {
  readonly key: string
  readonly no: number
  readonly type: Scalar | Name
  readonly many: 'map' | 'repeated' | undefined
  readonly isWrittenEmpty: boolean
}

/** The fields of each message, in the order in which they are written. */
export const FIELDS: Readonly<Record<Name, readonly Field[]>> = Object.fromEntries(
  Object.entries(SCHEMA).map(([name, fields]) => [
    name,
    Object.entries(fields as Record<string, readonly [number, Scalar | Name, ('map' | 'repeated')?]>).map(
      ([key, [no, type, many]]) => {
        const isWrittenEmpty = WRITTEN_EMPTY[name]?.includes(key) ?? false
        return { key, no, type, many, isWrittenEmpty }
      },
    ),
  ]),
) as unknown as Readonly<Record<Name, readonly Field[]>>

/** Is the type of a field a message? */
export function isMessage(type: Scalar | Name): type is Name {
  return type in SCHEMA
}

/** A command that was read. */
export type Command = Wire<'Command'>
/** What a command can ask for. */
export type Method = Exclude<keyof Command, 'id' | 'ping'>
