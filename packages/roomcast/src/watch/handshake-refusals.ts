// Refusals of handshakes, in words: what core and the way to this server have to say.

import { quote } from '../config/wrong.ts'
import { type Asked, type Circumstances, type Reason, type Refused, SDKS, settingOf } from './refusals.ts'

const OPENING = 'a token key (client.token), --allow-anonymous-connect-without-token, or --insecure'

/** A page of another origin. */
export function foreignOrigin({ origins }: Circumstances, origin: string, host: string, asked: Asked): Refused {
  const isLegible = /^[\x21-\x7e]{1,100}$/.test(origin)
  return {
    ...asked,
    reason: 'origin_not_allowed',
    came: `a page of origin ${quote(origin)}, to host ${quote(host)}`,
    expected: origins,
    setting: `--origin ${isLegible ? origin : '<origin>'} (client.allowed_origins); behind a proxy also --trust-proxy`,
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

/** @param came what it was. */
export function draining({ limits }: Circumstances, asked: Asked, came: string = 'a new connection'): Refused {
  return {
    ...asked,
    reason: 'draining',
    came,
    expected: 'none, as this server is about to end',
    setting: `whoever sends clients here has to look at /readyz; ${settingOf('drainDelayMs', limits)}, gives it time for that`,
  }
}

const UPGRADE = 'the client, or the proxy before this server: it must pass Upgrade and Connection on'
const COOKIES =
  'the client: mostly cookies, of which a host name of its own for this server gets none; or a proxy that takes them away'

/** Handshakes that have more to say than that they are none. */
const HANDSHAKES: Readonly<Record<string, readonly [reason: Reason, expected: string, setting: string]>> = {
  headers_too_large: ['headers_too_large', 'at most 16 KiB of headers', COOKIES],
  too_many_headers: ['headers_too_large', 'at most 100 headers', COOKIES],
  handshake_timeout: ['handshake_timeout', 'a decision within 10 s', 'your authenticate function: it took longer'],
  internal_error: [
    'internal_error',
    'authenticate to return, or to refuse',
    'that function: the process warnings say what it threw',
  ],
  invalid_http_version: ['bad_handshake', 'HTTP/1.1', 'the proxy before this server; nginx: proxy_http_version 1.1'],
}

/** A handshake that is none, or that was too slow. */
export function badHandshake(status: number, error: string, path: string, asked: Asked): Refused {
  const [reason, expected, setting] = HANDSHAKES[error] ?? ['bad_handshake', 'an upgrade of RFC 6455, in time', UPGRADE]
  const at = path === '' ? '' : `, at ${quote(path)}`
  return { ...asked, reason, came: `a handshake that was answered ${status} ${error}${at}`, expected, setting }
}

/** Names of subprotocols look like this. Other things are sent in their place, too: tokens, which are no log's business. */
const NAME = /^[a-z][\w.+-]{0,23}$/i
const MAX_NAMES = 3

/** Subprotocols were offered, and there is none of them here: the connection goes on with none, as RFC 6455 §4.2.2 has it, and
 * most clients then end it themselves.
 * @param known those that there are at that path. */
export function unknownSubprotocol(
  offered: readonly string[],
  known: readonly string[],
  path: string,
  asked: Asked,
): Refused {
  const names = offered
    .slice(0, MAX_NAMES)
    .map((name) => (NAME.test(name) ? quote(name) : `one of ${name.length} bytes`))
  const more = offered.length > MAX_NAMES ? ` and ${offered.length - MAX_NAMES} more` : ''
  const some = known.map((name) => quote(name)).join(' or ')
  return {
    ...asked,
    reason: 'unknown_subprotocol',
    came: `an offer of the subprotocols ${names.join(', ')}${more} alone, at ${quote(path)}`,
    expected: some === '' ? 'none' : `none, or ${some}`,
    setting: `the client, which ends the connection itself when none is chosen; ${SDKS}`,
  }
}
