// What the protocol is served with, and every limit with its default and its reason.

import type { Clock, Rooms } from '@roomcast/rooms'
import type { Policy } from './policy.ts'

/** A clock that also knows the date: tokens expire by dates. */
export interface DateClock extends Clock {
  /** Milliseconds since 1970. */
  date(): number
}

/** What something went wrong in. */
export type PolicyCall = Exclude<keyof Policy, 'policy'> | 'rooms'

/** Options of `centrifugeHandler`. */
export interface CentrifugeOptions extends Partial<Limits> {
  readonly rooms: Rooms
  readonly policy: Policy
  /** Hears what a policy or the store threw that was no refusal. Default: `process.emitWarning`. */
  readonly onError?: ((error: unknown, info: { readonly where: PolicyCall }) => void) | undefined
  /** What the connect result says as the server's version. Default: this package's name. */
  readonly version?: string | undefined
  /** Default: the process's own. */
  readonly clock?: DateClock | undefined
  /** Makes a client's id. Default: a random UUID. */
  readonly newId?: (() => string) | undefined
  /** 0 to 1: spreads first pings. Default `Math.random`. */
  readonly random?: (() => number) | undefined
}

/** Every limit. */
export interface Limits {
  /** Between two pings of the server; the first comes after a half to one, so that clients that came together do not
   * answer together. Centrifugo's 25,000. */
  readonly pingIntervalMs: number
  /** So long a pong may take, then 3012. Centrifugo's 8,000. */
  readonly pongTimeoutMs: number
  /** So long a connection may be without a client, then 3502: a socket that says nothing costs the same. 10,000. */
  readonly staleCloseDelayMs: number
  /** A connection outlives its token by so long, as a new one takes a request to the application. 25,000. */
  readonly expiredCloseDelayMs: number
  /** A subscription outlives its token by so long. 25,000. */
  readonly expiredSubCloseDelayMs: number
  /** The most that one publication may have: it is sent to every member. Over it: 107. 64 KiB. */
  readonly maxDataBytes: number
  /** Levels of objects and arrays in JSON that others will parse: the parsers of some stop at 64. Over it: 107. 32. */
  readonly maxDataDepth: number
  /** Commands per second and connection; what is over it waits its turn. 200. */
  readonly commandsPerSecond: number
  /** So many commands may come at once: a client subscribes to all its rooms in one message. 1,000. */
  readonly commandBurst: number
  /** Commands of one connection that wait for a policy or the store at once. 64. */
  readonly maxCommandsUnderWay: number
  /** Bytes of commands that wait their turn; above it the socket is not read. 256 KiB. */
  readonly maxWaitingBytes: number
}
