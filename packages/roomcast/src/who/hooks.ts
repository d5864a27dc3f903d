// The functions of the program that embeds the server: what they are called with, and what they may return. Data is JSON
// there, parsed; what is none is bytes.

import type { Refusal } from '@roomcast/centrifuge'
import type { Override } from './claims.ts'

/** What a hook returns: what was asked for, or a promise of it. `undefined` refuses, and so does a thrown or returned
 * `refuse(code, message)`; whatever else is thrown is an error of the server's. */
export type Answer<T> = T | Refusal | undefined | PromiseLike<T | Refusal | undefined>

/** Somebody wants to connect, or to go on when the connection expires. */
export interface AuthenticateRequest {
  /** `''`: none. Of an SDK its connection token; else `?token=` or `Authorization: Bearer`. */
  readonly token: string
  /** What an SDK sent with its connect command. */
  readonly data: unknown
  /** Of the upgrade, names in lower case; the cookies are here. Empty when a connection goes on. */
  readonly headers: Readonly<Record<string, string>>
  /** Of the upgrade. */
  readonly query: URLSearchParams
  readonly remoteAddress: string
  /** What `upgrade` was given: a session, a user. */
  readonly extra: unknown
}

/** Who somebody is. */
export interface Identity {
  /** `''`: nobody in particular. */
  readonly user: string
  /** Any JSON, or bytes: what others are shown. */
  readonly info?: unknown
  /** Unix seconds. An SDK fetches a new token before; what does not come in time ends the connection. */
  readonly expiresAt?: number | undefined
  /** Rooms that the server joins for the client: names, or names with options. */
  readonly rooms?: readonly string[] | Readonly<Record<string, Permission>> | undefined
}

/** Somebody may be in a room. */
export interface Permission {
  /** Any JSON, or bytes: what others are shown in this room alone. */
  readonly info?: unknown
  /** Any JSON, or bytes: handed to the client. */
  readonly data?: unknown
  /** Unix seconds: when the subscription ends, unless it is renewed. */
  readonly expiresAt?: number | undefined
  /** Options of the room that are others for this client. */
  readonly override?: Override | undefined
}

/** A connection, as hooks see it. */
export interface HookClient {
  /** Of this connection alone. */
  readonly id: string
  readonly user: string
  /** As `authenticate` or the token gave it. */
  readonly info: unknown
  readonly remoteAddress: string
  /** What it speaks: an SDK's JSON or Protobuf, or the words of this server. */
  readonly protocol: 'json' | 'protobuf' | 'words'
  /** Is it in that room? */
  isIn(room: string): boolean
  /** Sends it data that belongs to no room: the SDK's event `message`. Others are sent nothing. */
  send(data: unknown): void
  /** Closes it. @param code 3000–4999; default 3503. @param reason at most 123 bytes. */
  disconnect(code?: number, reason?: string): void
}

/** The hooks of `createRoomcast`. */
export interface Hooks {
  /** Who is this? Without it: a token key, or anonymous clients, or the demo. */
  authenticate?(request: AuthenticateRequest): Answer<Identity>
  /** May it join? Asked wherever neither a valid subscription token nor the room's name decides. Without it: the
   * namespace's permissions. */
  subscribe?(
    client: HookClient,
    room: string,
    request: { readonly token: string; readonly data: unknown },
  ): Answer<Permission>
  /** What is published in place of what it sent: any JSON, or bytes. Without it: the namespace's permissions. */
  publish?(client: HookClient, room: string, data: unknown): Answer<unknown>
  /** Answers a call of an SDK: any JSON, or bytes. Without it: 108. */
  rpc?(client: HookClient, method: string, data: unknown): Answer<unknown>
  /** Takes what an SDK's `send` brought. Without it: close 3508. */
  message?(client: HookClient, data: unknown): unknown
  /** Called once for each connection that was let in, when it is gone. */
  disconnected?(client: HookClient, info: { readonly code: number; readonly reason: string }): unknown
}

export const HOOK_NAMES: readonly (keyof Hooks)[] = [
  'authenticate',
  'subscribe',
  'publish',
  'rpc',
  'message',
  'disconnected',
]
