// Who may what: what this protocol asks its surroundings, and what can be answered. Types only. Whoever implements it knows
// of tokens, namespaces and users' hooks; this package knows of none.

import type { HandshakeRequest } from '@roomcast/core'
import type { Data } from '@roomcast/rooms'
import type { Refusal } from './codes.ts'

/** What a policy answers: what was asked for, a refusal, or `undefined`, which refuses too (103; for `authenticate` 3500,
 * or 3501 when no token was sent). It may be a promise. A `Refusal` that is thrown counts as returned; whatever else is
 * thrown is answered 100, and goes to `onError`. */
export type Answer<T> = T | Refusal | undefined | PromiseLike<T | Refusal | undefined>

/** A connection, as a policy sees it. */
export interface Client {
  /** Its id: a UUID, made by the server. */
  readonly id: string
  /** Whose connection it is; `''`: nobody's in particular. */
  readonly user: string
  /** What others are shown beside it. */
  readonly info: Data | undefined
  /** When it ends unless it is refreshed, in Unix seconds. */
  readonly expiresAt: number | undefined
  readonly protocol: 'json' | 'protobuf'
  /** What `authenticate` returned as `state`: the policy's own. */
  readonly state: unknown
  /** The client's IP address, `''` over a unix socket. */
  readonly remoteAddress: string
  /** Is it in that room? On its way in does not count. */
  isIn(room: string): boolean
  /** Sends it data that belongs to no room: the SDK's event `message`. */
  send(data: Data): void
  /** Closes it. @param code 3000–4999; default 3503. @param reason at most 123 bytes; default the code's. */
  disconnect(code?: number, reason?: string): void
}

/** What a client says when it connects. */
export interface ConnectRequest {
  /** The id that it will have. */
  readonly client: string
  /** `''`: none. */
  readonly token: string
  readonly data: Data | undefined
  /** What the SDK calls itself. */
  readonly name: string
  readonly version: string
  /** What the SDK was given in place of HTTP headers, which browsers cannot set. Not to be trusted as a proxy's. */
  readonly headers: Readonly<Record<string, string>>
  /** The rooms that it wants to be in at once, or come back to. */
  readonly rooms: readonly string[]
  readonly protocol: 'json' | 'protobuf'
  /** The upgrade: its headers, query, address. It is let go of when the connection is decided over. */
  readonly http: HandshakeRequest
}

/** Somebody is let in. */
export interface Admission {
  /** `''`: nobody in particular. */
  readonly user: string
  /** Shown to others: JSON, at most 2 KiB where rooms have presence. */
  readonly info?: Data | undefined
  /** Unix seconds: the client must send a new token before, else it is closed with 3005 after a grace delay. One that has
   * passed is answered 110. */
  readonly expiresAt?: number | undefined
  /** Handed to the client. */
  readonly data?: Data | undefined
  /** Rooms that it is put into at once: server-side subscriptions. */
  readonly rooms?: ReadonlyMap<string, RoomGrant> | Readonly<Record<string, RoomGrant>> | undefined
  /** Kept as `client.state`. */
  readonly state?: unknown
}

/** May a client have it? `'asked'`: when it asks. */
export type Feature = 'never' | 'asked' | 'always'

/** Somebody may be in a room. */
export interface RoomGrant {
  /** Shown to others in this room alone. */
  readonly info?: Data | undefined
  /** Unix seconds: the client must send a new token before, else it is out (2501) after a grace delay. One that has passed
   * is answered 110. */
  readonly expiresAt?: number | undefined
  /** Handed to the client. */
  readonly data?: Data | undefined
  /** Is it told where the room stands? Default `'never'`. The room needs a history for this one and the next. */
  readonly positioned?: Feature | undefined
  /** Is it given what it missed? Includes `positioned`. Default `'never'`. */
  readonly recoverable?: Feature | undefined
  /** Is it told who comes and goes? The room must have `joinLeave`. Default `'never'`. */
  readonly joinLeave?: Feature | undefined
  /** Is it shown among those who are there, where the room has presence? Default true. */
  readonly isPresent?: boolean | undefined
  /** Are others told that it comes and goes, where the room has `joinLeave`? Default true. */
  readonly isAnnounced?: boolean | undefined
}

/** A client wants to be in a room. */
export interface SubscribeRequest {
  readonly room: string
  /** `''`: none. */
  readonly token: string
  readonly data: Data | undefined
  /** Why it is asked. `'client'`: the client's command. `'connect'`: it named the room when it connected, and `authenticate`
   * did not; refusing leaves the room out, unless the code is 3000 or above. `'server'`: `rooms.subscribe` wants it in. */
  readonly by: 'client' | 'connect' | 'server'
  /** Of `'server'`: what `rooms.subscribe` was given. */
  readonly given?: unknown
}

/** What is published in place of what the client sent. */
export interface PublishGrant {
  readonly data: Data
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** Need the data not be JSON? Default false: other data is 107. Members that speak JSON are sent it as a string. */
  readonly isAnyData?: boolean | undefined
}

/** What a refresh came to. */
export interface Refreshed {
  /** Unix seconds; absent: it does not expire any more. One that has passed: 3005 (for a room: 110). */
  readonly expiresAt?: number | undefined
  /** The new info, shown from then on; absent: it stays. One that is too large for a room that shows who is there is 107. */
  readonly info?: Data | undefined
}

/** Who may what. Names have been checked before: no room is empty, over 255 characters, or not ASCII. Of one connection
 * and one room, questions come one after the other; else a question does not wait for the answer to the one before. What
 * is absent refuses, as said with each. */
export interface Policy {
  /** Asked once for each connection. `undefined`: 3500, or 3501 when there was no token. */
  authenticate(request: ConnectRequest): Answer<Admission>
  /** Absent: 103. */
  readonly subscribe?: ((client: Client, request: SubscribeRequest) => Answer<RoomGrant>) | undefined
  /** Absent: 103. @param data as the client sent it, at most `maxDataBytes`. */
  readonly publish?: ((client: Client, room: string, data: Data) => Answer<PublishGrant>) | undefined
  /** May it see who is in a room, or how many? Absent: 108. */
  readonly presence?: ((client: Client, room: string) => Answer<true>) | undefined
  /** May it read what a room remembers? The room must have a history. Absent: 108. */
  readonly history?: ((client: Client, room: string) => Answer<true>) | undefined
  /** Absent: 108. `undefined` refuses; `{}` is a result without data. */
  readonly rpc?:
    | ((client: Client, method: string, data: Data | undefined) => Answer<{ readonly data?: Data | undefined }>)
    | undefined
  /** Takes what `send` brought; a refusal from 3000 on closes, one below is not told. Absent: 3508. */
  readonly message?: ((client: Client, data: Data) => Answer<void>) | undefined
  /** A new token for the connection. Absent: 108. */
  readonly refresh?: ((client: Client, token: string) => Answer<Refreshed>) | undefined
  /** A new token for a room that the client is in. Absent: 108. */
  readonly subRefresh?:
    | ((client: Client, request: { readonly room: string; readonly token: string }) => Answer<Refreshed>)
    | undefined
  /** Called once for each connection that `authenticate` let in, when it is gone, also if it never came to be answered. */
  readonly disconnected?:
    | ((client: Client, info: { readonly code: number; readonly reason: string }) => unknown)
    | undefined
}
