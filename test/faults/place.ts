// Where the server is met: what kind of server, and what a connection to it runs over. And what both processes of the
// campaign must agree on: paths, time-outs, and the messages between them.

import type { DrainResult } from '@roomcast/core'

/** How core comes to its upgrades. Where a foreign `upgrade` listener stands beside it, that one takes nothing (`idle`),
 * takes foreign paths after a lookup (`late`), or takes one foreign path at once and leaves the others (`paths`). */
const KINDS = ['own', 'attached', 'two', 'idle', 'late', 'paths', 'framework'] as const
const ENDPOINTS = ['tcp', 'unix', 'tls'] as const

export interface Place {
  readonly kind: (typeof KINDS)[number]
  readonly endpoint: (typeof ENDPOINTS)[number]
}

export const PLACES: readonly Place[] = KINDS.flatMap((kind) => ENDPOINTS.map((endpoint) => ({ kind, endpoint })))

export function nameOf({ kind, endpoint }: Place): string {
  return `${kind}-${endpoint}`
}

/** Where to connect. */
export type Address = { readonly port: number } | { readonly path: string }

/** The server's path, that of the second server of `two`, the one that a foreign listener takes, and one nobody knows. */
export const OURS = '/ours'
export const SECOND = '/second'
export const FOREIGN = '/foreign'
export const NOBODYS = '/nobodys'

/** The status with which foreign listeners answer. */
export const FOREIGN_STATUS = 299

/** All time-outs of the servers are so short that silence ends within seconds, and so long that a peer which was held up
 * by a busy machine is not taken for a silent one. */
export const TIMEOUTS = {
  handshakeTimeoutMs: 2000,
  idleTimeoutMs: 500,
  pongTimeoutMs: 1000,
  messageTimeoutMs: 1000,
  closeTimeoutMs: 600,
} as const

export type Leaving = 'drain' | 'close'

/** What the parent asks of the server's process; each is answered once. */
export type Question =
  /** Opens a place under this id. */
  | { readonly open: number; readonly place: Place }
  /** Drains or closes its servers; answered when that is done. */
  | { readonly leave: number; readonly how: Leaving }
  /** Closes its servers, then the http server that is the user's. */
  | { readonly shut: number }
  | { readonly sample: true }
  /** Forgets the scenarios that are done. */
  | { readonly forget: true }
  /** Nobody asks any more: the process must end by itself. */
  | { readonly finish: true }

/** Lookups and late handshakes of this scenario may decide now. */
export interface Decide {
  readonly decide: number
}

/** A server's process tells of what should not have happened, as soon as it does. */
export interface Trouble {
  readonly trouble: string
}

/** How a server left: what `drain` said, and whose `closed` callback was still pending. */
export interface Left {
  readonly drained: DrainResult | null
  readonly pendingClosed: readonly number[]
}

/** What is in the server's process. */
export interface Sample {
  /** Of all servers by their `stats()`. */
  readonly sockets: number
  readonly pendingHandshakes: number
  /** Scenarios with a socket that was opened and not closed, and with one that was closed twice or never opened. */
  readonly open: readonly number[]
  readonly closedWrongly: readonly number[]
  /** Scenarios that ever had an open socket. */
  readonly opened: readonly number[]
  /** The longest that the process could not attend to its sockets, since the last one was forgotten, in ms. */
  readonly heldUpMs: number
  /** TCP and unix connections, listeners, timers: what keeps the event loop alive, by kind. */
  readonly resources: Readonly<Record<string, number>>
}

/** Servers that are broken on purpose, to see that the campaign notices: connections that nobody takes lose their `error`
 * listener; some upgrades are taken and never answered; nothing ever times out. */
export const BREAKS = ['unheard', 'leaky', 'patient'] as const

export type Break = (typeof BREAKS)[number]
