// What a protocol brings along: members, and a codec that makes frames. The engine knows no word of any protocol.

import type { Framed, Payload, Socket } from '@roomcast/core'
import type { ClientInfo, Data, Position, Publication } from './port.ts'

/** How one protocol puts what happens in rooms. One object for all members of a protocol: what it makes is shared. Its
 * methods are pure, and must not throw for any data that was let in. */
export interface Codec<Body = unknown> {
  /** The publication in this protocol's words, without the room: made once for all members and for every replay. */
  body(publication: Publication): Body
  /** The frame that pushes a publication to members; made once of its body. */
  push(room: string, body: Body): Framed
  /** The frame that tells members of somebody who came. */
  join(room: string, info: ClientInfo): Framed
  /** The frame that tells members of somebody who went. */
  leave(room: string, info: ClientInfo): Framed
  /** The frame that tells a member that it is out, and why. */
  unsubscribed(room: string, code: number, reason: string): Framed
}

/** A client that may be in rooms: a socket, who it is, and what it speaks. */
export interface Member<Body = unknown> extends Omit<ClientInfo, 'roomInfo'> {
  readonly socket: Socket
  readonly codec: Codec<Body>
  /** Closes its connection, as `Rooms.disconnect` wants it: protocols may have their own ways. Without this its socket is
   * closed. */
  readonly close?: (code: number, reason: string) => void
  /** Hears of `subscribe` and `refresh` from `Rooms`: what follows from them is the protocol's business. */
  readonly commanded?: (command: MemberCommand) => void
  /** Called when it is put out of a room, or its way in ends, by a command or because something that was missing cannot be
   * had. What it is told is then its protocol's business; without this it is sent the codec's `unsubscribed`. A command calls
   * it also where it is not in the room: its protocol may be asking whether it may come in. */
  readonly expelled?: (room: string, code: number, reason: string) => void
}

/** What a member is told to do. */
export type MemberCommand =
  | { readonly do: 'subscribe'; readonly room: string; readonly given?: unknown }
  | { readonly do: 'refresh'; readonly expiresAt: number | undefined; readonly info?: string | undefined }

/** What a member is told when it comes in. Live publications follow from `offset + 1`. Without history: `''` and 0. */
export interface Entered<Body = unknown> extends Position {
  /** Is everything that was published after the `since` it came with among `publications`? If not, there are none. */
  readonly recovered: boolean
  /** What it missed, as bodies of its codec. */
  readonly publications: readonly Body[]
}

/** Where a client was. Without an epoch only offset 0 says anything: everything there is. */
export interface Since {
  readonly epoch?: string | undefined
  readonly offset: number
}

/** How a client wants to be in one room. */
export interface Place {
  /** What it has seen; absent: it wants nothing of what was before. */
  readonly since?: Since | undefined
  /** What others are shown beside it in this room alone. */
  readonly roomInfo?: Data | undefined
  /** Is it told who comes and goes, where members are? Default true. */
  readonly hearsJoinLeave?: boolean | undefined
  /** Is it shown among those who are there, where the room has presence? Default true. */
  readonly presence?: boolean | undefined
  /** Are members told that it comes and goes, where they are told of others? Default true. */
  readonly joinLeave?: boolean | undefined
}

/** Options of `enter`. */
export interface EnterOptions<Body = unknown> extends Place {
  /** Makes the message that answers it. Written in the same step, before the first live frame. `undefined`: it does not
   * come in, after all. */
  readonly reply: (entered: Entered<Body>) => Payload | Framed | undefined
}

/** Makes one message that answers who comes into several rooms, by room. */
export type ReplyToAll<Body = unknown> = (entered: ReadonlyMap<string, Entered<Body>>) => Payload | Framed | undefined

/** What an `enter` came to. `'member'`: it is in, or on its way in, already. `'closed'`: its socket is not open, or it
 * left meanwhile. `'refused'`: by `reply`. `'full'`: it is in as many rooms as it may be. `'too_large'`: its info, for a room
 * whose members are shown. `'blocked'`: its user is. `'unavailable'`: the store could not be asked. */
export type EnterResult =
  | 'entered'
  | 'member'
  | 'closed'
  | 'refused'
  | 'full'
  | 'bad_name'
  | 'too_large'
  | 'blocked'
  | 'unavailable'
