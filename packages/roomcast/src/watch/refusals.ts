// Refusals in words: what came, what was expected, and which setting changes it, for those who are asked why a client
// cannot do something. A reason is one of few; names of rooms and users are in the words, for the log alone.

import { quote } from '../config/wrong.ts'
import { SDK_PATH } from '../connections.ts'
import { flagOf, type Limits } from '../limits.ts'
import type { TokenRules } from './token-fault.ts'

/** Something that was refused. */
export interface Refused {
  /** One of few words: it is a label of a metric, too. */
  readonly reason: string
  readonly came: string
  readonly expected: string
  /** What changes it: a flag and a key of the configuration, or what else. */
  readonly setting: string
  /** Whose it was, as far as it is known. */
  readonly address?: string | undefined
  readonly user?: string | undefined
  readonly room?: string | undefined
}

/** Who asked for what. */
export interface Asked {
  readonly address?: string | undefined
  /** `''`: nobody in particular. */
  readonly user?: string | undefined
  readonly room?: string | undefined
}

/** The line of a log. What came from outside is quoted in it. */
export function lineOf({ reason, came, expected, setting, address }: Refused): string {
  const from = address ? ` from ${address}` : ''
  return `refused (${reason})${from}: ${came}; expected ${expected}; what changes it: ${setting}`
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
  /** undefined: there is no key of tokens. */
  readonly tokenRules: TokenRules | undefined
  /** Those that are configured; undefined: every legal name is a room. */
  readonly namespaces: readonly string[] | undefined
  /** Is the room for the users that its name tells? */
  readonly isUserLimited: (room: string) => boolean
}

/** Said of what an SDK with a wrong address does, too. */
export const SDKS: string = `SDKs connect to ${SDK_PATH}`

const OPENING = 'a token key (client.token), --allow-anonymous-connect-without-token, or --insecure'

/** A page of another origin. */
export function foreignOrigin({ origins }: Circumstances, origin: string, host: string, asked: Asked): Refused {
  return {
    ...asked,
    reason: 'origin_not_allowed',
    came: `a page of origin ${quote(origin)}, to host ${quote(host)}`,
    expected: origins,
    setting: `--origin ${/^[\x21-\x7e]+$/.test(origin) ? origin : '<origin>'} (client.allowed_origins); behind a proxy also --trust-proxy`,
  }
}

export function foreignHost(host: string, asked: Asked): Refused {
  return {
    ...asked,
    reason: 'host_not_allowed',
    came: `a request to host ${quote(host)}`,
    expected: 'localhost or another loopback name, from this machine, as nobody has decided who may connect',
    setting: OPENING,
  }
}

/** Too many WebSockets of one address. */
export function manyOfAddress({ limits }: Circumstances, asked: Asked): Refused {
  return {
    ...asked,
    reason: 'too_many_connections_of_address',
    came: 'one more connection of that address',
    expected: `at most ${limits.maxConnectionsPerAddress} at a time`,
    setting: `${settingOf('maxConnectionsPerAddress', limits)}; if that is a proxy's address, --trust-proxy`,
  }
}

export function draining({ limits }: Circumstances, asked: Asked): Refused {
  return {
    ...asked,
    reason: 'draining',
    came: 'a new connection',
    expected: 'none, as this server is about to end',
    setting: `whoever sends clients here has to look at /readyz; ${settingOf('drainDelayMs', limits)}, gives it time for that`,
  }
}

/** A limit of all sockets, or of one. */
export function overLimit({ limits }: Circumstances, limit: string, asked: Asked): Refused | undefined {
  const known: Readonly<Record<string, readonly [reason: string, came: string, expected: string]>> = {
    maxMessageBytes: ['message_too_large', 'a larger WebSocket message', `at most ${limits.maxMessageBytes} bytes`],
    maxBufferedBytes: [
      'slow_consumer',
      'a client that takes what it is sent too slowly',
      `at most ${limits.maxBufferedBytes} bytes to wait for it`,
    ],
    maxConnections: ['too_many_connections', 'one more connection', `at most ${limits.maxConnections} on this server`],
  }
  // Told with the refusal itself, which knows more.
  if (limit === 'maxConnectionsPerAddress') return undefined
  const words = known[limit]
  if (words !== undefined) {
    const [reason, came, expected] = words
    return { ...asked, reason, came, expected, setting: settingOf(limit as keyof Limits, limits) }
  }
  return {
    ...asked,
    reason: limit.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    came: 'a client, or all together, beyond a limit of the WebSocket layer',
    expected: `what ${limit} allows (README of @roomcast/core)`,
    setting: 'none of this program',
  }
}

/** A handshake that is none, or that was too slow. */
export function badHandshake(status: number, error: string, asked: Asked): Refused {
  return {
    ...asked,
    reason: 'bad_handshake',
    came: `a handshake that was answered ${status} ${error}`,
    expected: 'an upgrade of RFC 6455, in time',
    setting: 'the client, or the proxy before this server: it must pass Upgrade and Connection on',
  }
}

/** A message of the words that asks for nothing. */
export function senseless(path: string, asked: Asked): Refused {
  return {
    ...asked,
    reason: 'bad_request',
    came: `JSON that asks for nothing, at ${quote(path)}`,
    expected: '{"join":…}, {"say":…,"to":…} or {"leave":…}',
    setting: `the client; ${SDKS}`,
  }
}

/** A close by the server that no other refusal explains; undefined: it is no refusal. */
export function closedBy({ limits }: Circumstances, code: number, asked: Asked): Refused | undefined {
  const words: Readonly<Record<number, readonly [reason: string, came: string, expected: string, setting: string]>> = {
    3000: ['not_json', 'a message that is no JSON', 'JSON in text messages', `the client; ${SDKS}`],
    3005: [
      'connection_expired',
      'a connection whose token has run out, and no new one',
      'the client to refresh its token',
      `the app (getToken of the SDK); ${settingOf('expiredCloseDelayMs', limits)}`,
    ],
    3012: [
      'no_pong',
      'no answer to a ping',
      `one within ${limits.pongTimeoutMs} ms`,
      settingOf('pongTimeoutMs', limits),
    ],
    3501: [
      'bad_request',
      `a command that makes no sense, at ${SDK_PATH}`,
      "the protocol of Centrifugo's SDKs",
      'the client; plain JSON ({"join":…}) belongs to any other path, such as /',
    ],
    3502: [
      'stale',
      'a connection without a first command',
      `one within ${limits.staleCloseDelayMs} ms`,
      settingOf('staleCloseDelayMs', limits),
    ],
  }
  const found = words[code]
  if (found === undefined) return undefined
  const [reason, came, expected, setting] = found
  return { ...asked, reason, came, expected, setting }
}

/** An HTTP request that was refused; undefined: it is no matter of settings. */
export function refusedRequest(
  { limits }: Circumstances,
  status: number,
  error: string,
  { path, host, ...asked }: Asked & { path: string; host: string },
): Refused | undefined {
  const came = `a request for ${quote(path)}`
  if (error === 'host_not_allowed') return foreignHost(host, asked)
  if (error === 'metrics_key_needed') {
    return {
      ...asked,
      reason: error,
      came: `${came} from another machine, or through a proxy`,
      expected: 'a request from this machine, as there is no key',
      setting: '--metrics-key (roomcast.metrics_key)',
    }
  }
  if (error === 'upgrade_required') {
    return { ...badHandshake(status, error, asked), came: `${came} that is no upgrade to a WebSocket` }
  }
  if (status === 401) {
    const keys = { '/metrics': '--metrics-key (roomcast.metrics_key)', '/api/': '--http_api.key (http_api.key)' }
    const [, setting = '--token (ROOMCAST_TOKEN)'] =
      Object.entries(keys).find(([start]) => path.startsWith(start)) ?? []
    return { ...asked, reason: 'wrong_key', came: `${came} without the right key`, expected: 'its key', setting }
  }
  if (status === 413) {
    const expected = `at most ${limits.maxDataBytes} bytes (in /api: ${limits.maxMessageBytes})`
    const setting = settingOf('maxDataBytes', limits)
    return { ...asked, reason: 'data_too_large', came: `${came} with a larger body`, expected, setting }
  }
  if (status !== 503) return undefined
  if (error === 'draining') return draining({ limits } as Circumstances, asked)
  if (error !== 'busy') return undefined
  return busy({ limits } as Circumstances, asked)
}

export function busy({ limits }: Circumstances, asked: Asked): Refused {
  return {
    ...asked,
    reason: 'busy',
    came: 'something to be said while too much waits for slow members',
    expected: `at most ${limits.maxWaitingBytes} bytes to wait`,
    setting: settingOf('maxWaitingBytes', limits),
  }
}
