// What is told of everything that is refused: what came, what was expected, and which setting changes it, for those who are
// asked why a client cannot do something. A reason is one of few; names of rooms and users are in the words and fields, for
// the log alone.

import { quote } from '../config/wrong.ts'
import { SDK_PATH } from '../connections.ts'
import { flagOf, type Limits } from '../limits.ts'
import type { TokenRules } from './token-fault.ts'

/** Who asked for what. */
export interface Asked {
  readonly address?: string | undefined
  /** `''`: nobody in particular. */
  readonly user?: string | undefined
  /** The id of the connection. */
  readonly client?: string | undefined
  readonly room?: string | undefined
}

/** Every reason, of those that have words. Each is a label of a metric and has a bound of its own in the log. */
export const REASONS = [
  'origin_not_allowed',
  'host_not_allowed',
  'bad_handshake',
  'handshake_timeout',
  'headers_too_large',
  'malformed_request',
  'request_timeout',
  'tls_to_plain_port',
  'plain_to_tls_port',
  'tls_failed',
  'unknown_subprotocol',
  'unknown_transport',
  'draining',
  'no_token',
  'invalid_token',
  'token_expired',
  'token_key_unavailable',
  'user_blocked',
  'refused_by_authenticate',
  'refused_by_subscribe',
  'refused_by_publish',
  'not_allowed',
  'not_available',
  'unknown_namespace',
  'grant_expired',
  'bad_request',
  'not_json',
  'protocol_error',
  'internal_error',
  'data_too_large',
  'message_too_large',
  'too_many_commands',
  'too_many_rooms',
  'too_many_connections',
  'too_many_connections_of_user',
  'too_many_connections_of_address',
  'out_of_memory',
  'slow_consumer',
  'no_pong',
  'stale',
  'connection_expired',
  'subscription_expired',
  'insufficient_state',
  'busy',
  'wrong_key',
  'metrics_key_needed',
  'method_not_allowed',
  'api_unknown_method',
  'api_unknown_namespace',
  'api_bad_request',
  'api_not_available',
  'api_expired',
  'api_busy',
  'api_unrecoverable_position',
  'api_failed',
  'api_refused',
] as const

/** A limit of the WebSocket layer that has no words of its own gives its name, in snake case: these are few, too. */
export type Reason = (typeof REASONS)[number] | `max_${string}` | `${string}_ms`

/** Something that was refused. Whose it was is told as far as it is known. */
export interface Refused extends Asked {
  /** One of few words: it is a label of a metric, too. */
  readonly reason: Reason
  readonly came: string
  readonly expected: string
  /** What changes it: a flag and a key of the configuration, or what else. */
  readonly setting: string
}

/** The line of a log. What came from outside is quoted in it. */
export function lineOf({ reason, came, expected, setting, address }: Refused): string {
  const from = address ? ` from ${address}` : ''
  return `refused (${reason})${from}: ${came}; expected ${expected}; what changes it: ${setting}`
}

/** Of a name that is none there may be a megabyte, and a token may name a user of any length; so much of it is told. */
const MAX_FIELD = 200

/** The same, with fields that are known, and not longer than a line. */
export function cut(refused: Refused): Refused {
  const { address, user, client, room, ...others } = refused
  const fields = Object.entries({ address, user, client, room }).filter(([, value]) => value)
  return { ...others, ...Object.fromEntries(fields.map(([name, value]) => [name, value!.slice(0, MAX_FIELD)])) }
}

/** Whose it was, behind what came: ` (user "leto", client 5f…)`. */
export function whose({ user, client }: Asked): string {
  const known = [user && `user ${quote(user)}`, client && `client ${client}`].filter(Boolean)
  return known.length === 0 ? '' : ` (${known.join(', ')})`
}

/** Keys of the configuration for limits that have a name of Centrifugo's. */
const KEYS: Partial<Record<keyof Limits, string>> = {
  maxConnections: 'client.connection_limit',
  maxConnectionsPerUser: 'client.user_connection_limit',
  maxRoomsPerClient: 'client.channel_limit',
  maxMessageBytes: 'websocket.message_size_limit',
  maxBufferedBytes: 'client.queue_max_size',
  pongTimeoutMs: 'client.pong_timeout',
  staleCloseDelayMs: 'client.stale_close_delay',
  expiredCloseDelayMs: 'client.expired_close_delay',
  expiredSubCloseDelayMs: 'client.expired_sub_close_delay',
}

/** How a limit is set, and what it is now. */
export function settingOf(limit: keyof Limits, limits: Limits): string {
  const key = KEYS[limit] ?? `roomcast.${flagOf(limit).replaceAll('-', '_')}`
  return `--${flagOf(limit)} (${key}), now ${limits[limit]}`
}

/** What this server's settings are, for those who explain. */
export interface Circumstances {
  readonly limits: Limits
  /** Who may connect from a browser, in words. */
  readonly origins: string
  /** Do hooks decide? Then no setting does. */
  readonly hasAuthenticate: boolean
  readonly hasSubscribe: boolean
  readonly hasPublish: boolean
  /** Is there a key of the HTTP API? */
  readonly hasApiKey: boolean
  /** undefined: there is no key of tokens. */
  readonly tokenRules: TokenRules | undefined
  /** Why keys of tokens could not be fetched the last time that they could not. */
  readonly keyTrouble: () => string | undefined
  /** Those that are configured; undefined: every legal name is a room. */
  readonly namespaces: readonly string[] | undefined
  /** Is the room for the users that its name tells? */
  readonly isUserLimited: (room: string) => boolean
}

/** Said of what an SDK with a wrong address does, too. */
export const SDKS: string = `SDKs connect to ${SDK_PATH}`
