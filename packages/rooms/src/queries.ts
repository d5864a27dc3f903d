// What an application may say beside the names: options of `Rooms`' methods, and what `history` resolves with.

import type { Since } from './member.ts'
import type { Position, Publication } from './port.ts'

/** Options of `history`. */
export interface HistoryQuery {
  /** What follows it; with `reverse`, what comes before it. Default: from the oldest (newest) that is kept. */
  readonly since?: Since | undefined
  /** Default 100; 0: the position alone. */
  readonly limit?: number | undefined
  /** The newest first. */
  readonly reverse?: boolean | undefined
}

/** Which of a user's clients a command is for. */
export interface OneClient {
  /** Only the one with this id. Default: all. */
  readonly client?: string | undefined
}

/** Options of `disconnect`. */
export interface DisconnectOptions extends OneClient {
  /** Not those with these ids. */
  readonly except?: readonly string[] | undefined
  /** The close code. Default 3503. */
  readonly code?: number | undefined
  /** Default 'force disconnect'. */
  readonly reason?: string | undefined
  /** The user's new connections are refused for so long, also of those in `except`. Not together with `client`. Default 0. */
  readonly blockMs?: number | undefined
}

/** Options of `unsubscribe`. */
export interface UnsubscribeOptions extends OneClient {
  /** Default 2000. From 2500 on, clients come back by themselves. */
  readonly code?: number | undefined
  /** Default 'server unsubscribe'. */
  readonly reason?: string | undefined
}

/** Options of `subscribe`. */
export interface SubscribeOptions extends OneClient {
  /** What the clients' protocol is to know: plain data, as JSON can carry it; the rooms do not look at it. A client that is
   * in the room already stays as it is. */
  readonly given?: unknown
}

/** Options of `refresh`. */
export interface RefreshOptions extends OneClient {
  /** Unix seconds; absent: they do not expire any more. */
  readonly expiresAt?: number | undefined
  /** What others are shown from now on beside these clients; absent: it stays. */
  readonly info?: string | undefined
}

/** Options of `list`. */
export interface ListQuery {
  /** `*` stands for any characters, `?` for one. Default `*`. */
  readonly pattern?: string | undefined
  /** At most so many rooms. Default 10,000. */
  readonly limit?: number | undefined
  /** `'local'`: of this node. Default `'all'`. */
  readonly scope?: 'all' | 'local' | undefined
}

/** What `history` resolves with: where the room stands, and the publications, oldest first unless it was reversed. */
export interface HistoryPage extends Position {
  readonly publications: readonly Publication[]
}
