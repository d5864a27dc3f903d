// What a server lends to all that happens on it: one object for its upgrades, connections and queues.

import type { AsyncResource } from 'node:async_hooks'
import type { Outbox } from '../connection/outbox.ts'
import type { SocketOwner } from '../connection/socket.ts'
import type { Handler, Socket } from '../handler.ts'
import type { Refusal } from '../handshake/handshake.ts'
import type { OriginPolicy } from '../handshake/origin.ts'
import type { Trust } from '../handshake/proxy.ts'
import type { Limits } from '../limits.ts'
import type { Deflater, Deflaters } from '../protocol/permessage-deflate.ts'
import type { AddressCounts } from './addresses.ts'
import type { Beating, Heartbeat } from './heartbeat.ts'
import type { ErrorWhere } from './options.ts'
import type { Holder, Pressure } from './pressure.ts'
import type { Counters } from './stats.ts'
import type { Turn } from './turn.ts'

/** A connection, as its server keeps it. */
export interface Member<S> extends Beating, Holder, Pick<SocketOwner, 'readyState' | 'close' | 'terminate'> {
  /** The user's, who may have changed it: what the server needs to know stands beside it. */
  readonly socket: Socket<S>
  /** Whose place it has. */
  readonly address: string
}

/** An upgrade that is not done. */
export interface Pending extends Beating, Holder {
  refuse(refusal: Refusal): void
}

/** What the opening handshake settled. */
export interface Accepted<S> {
  readonly handler: Handler<unknown, S>
  /** The asynchronous context of the upgrade. */
  readonly scope: AsyncResource
  readonly state: S
  readonly path: string
  readonly remoteAddress: string
  readonly subprotocol: string
  /** Compresses what goes out; null: permessage-deflate was not negotiated. */
  readonly deflater: Deflater | null
  /** How much of the client's context is kept, in bytes; null: permessage-deflate was not negotiated. */
  readonly clientWindowBytes: number | null
}

export interface ServerContext<S> {
  readonly limits: Limits
  /** The asynchronous context that the server was made in, no connection's. */
  readonly scope: AsyncResource
  readonly counters: Counters
  readonly heartbeat: Heartbeat
  readonly turn: Turn
  readonly outbox: Outbox
  readonly pressure: Pressure
  readonly addresses: AddressCounts
  readonly trusted: Trust
  readonly origin: OriginPolicy
  /** null: compression is off. */
  readonly deflaters: Deflaters | null
  readonly subprotocols: readonly string[]
  readonly textAsString: boolean
  readonly connections: Set<Member<S>>
  readonly upgrades: Set<Pending>
  /** The server drains or closes. */
  leaving: boolean
  report(error: unknown, where: ErrorWhere, socket?: Socket<S>): void
  /** Nothing is left of it, and `closed` has been called.
   * @param told settles when what `closed` returned has; never rejects. */
  forget(gone: Member<S>, told: Promise<void> | undefined): void
  forgetUpgrade(gone: Pending): void
}
