// The opening handshake (RFC 6455 §4.2), as values: a request's head in, what the client asks for or why it is refused
// out. The rules are one ordered list, and the first that is broken decides. Nothing here throws for a peer's mistake.

import { hash } from 'node:crypto'
import type { Limits } from '../limits.ts'
import { type ExtensionOffer, parseExtensions } from './extension.ts'
import { parseHost, parseTokens } from './grammar.ts'

/** The head of an HTTP request; node's `IncomingMessage` is one. `rawHeaders` is name, value, name, value … */
export interface UpgradeRequest {
  readonly method?: string | undefined
  readonly httpVersion: string
  readonly url?: string | undefined
  readonly rawHeaders: readonly string[]
}

/** A refused handshake: the HTTP status, a short name for what was wrong, headers that must go with the status, and the
 * limit when one was hit. */
export interface Refusal {
  readonly status: number
  readonly error: string
  readonly headers?: Readonly<Record<string, string>>
  readonly limit?: keyof Limits
}

/** What a client asks for in a handshake that keeps all rules. */
export interface Opening {
  /** The path, without its query, as it was sent. */
  readonly path: string
  /** The query with its `?`, or `''`. */
  readonly search: string
  /** All headers, in an object without prototype: lower-case names, repeated ones joined with ', ' (cookie: '; '). */
  readonly headers: Readonly<Record<string, string>>
  /** Host and perhaps port the request is for. */
  readonly host: string
  readonly origin: string | undefined
  /** The value to answer in Sec-WebSocket-Accept. */
  readonly acceptKey: string
  /** The offered subprotocols, in the client's order. */
  readonly subprotocols: readonly string[]
  /** The offered extensions, in the client's order. */
  readonly extensions: readonly ExtensionOffer[]
}

// Browsers send a handful of names; the RFC sets no bound.
const MAX_SUBPROTOCOLS_LENGTH = 4096
const MAX_SUBPROTOCOLS = 128

/** A request taken apart, as the rules judge it; null stands for a syntax error. */
interface Head {
  readonly request: UpgradeRequest
  readonly maxHeaders: number
  readonly maxHeaderBytes: number
  readonly headers: Readonly<Record<string, string>>
  /** Names of the headers that came more than once. */
  readonly repeated: ReadonlySet<string>
  readonly target: Target | null
  readonly subprotocols: readonly string[] | null
  readonly extensions: readonly ExtensionOffer[] | null
}

interface Rule {
  readonly keeps: (head: Head) => boolean
  readonly refusal: Refusal
}

const RULES: readonly Rule[] = [
  // RFC 6585 §5: a server may refuse too many header fields; counted before any of them is believed.
  {
    keeps: ({ request, maxHeaders }) => request.rawHeaders.length / 2 <= maxHeaders,
    refusal: { status: 400, error: 'too_many_headers', limit: 'maxHeaders' },
  },
  // RFC 6585 §5: nor fields that are too large; with the two characters each that separate names and values.
  {
    keeps: ({ request, maxHeaderBytes }) =>
      request.rawHeaders.reduce((sum, text) => sum + text.length + 2, request.url?.length ?? 0) <= maxHeaderBytes,
    refusal: { status: 431, error: 'headers_too_large', limit: 'maxHeaderBytes' },
  },
  // RFC 6455 §4.2.1 item 1: a GET …
  {
    keeps: ({ request }) => request.method === 'GET',
    refusal: { status: 405, error: 'method_not_allowed', headers: { Allow: 'GET' } },
  },
  // … of HTTP/1.1 or higher …
  {
    keeps: ({ request }) => {
      const [, major = 0, minor = 0] = /^(\d)\.(\d)$/.exec(request.httpVersion)?.map(Number) ?? []
      return major > 1 || (major === 1 && minor >= 1)
    },
    refusal: { status: 400, error: 'invalid_http_version' },
  },
  // … with a request target that is a path or an absolute http(s) URI; RFC 6455 §3: without a fragment.
  { keeps: ({ target }) => target !== null, refusal: { status: 400, error: 'invalid_url' } },
  // RFC 6455 §4.2.1 item 2; RFC 9112 §3.2: exactly one Host, well formed.
  {
    keeps: ({ headers: { host = '' }, repeated }) => !repeated.has('host') && parseHost(host) !== null,
    refusal: { status: 400, error: 'invalid_host' },
  },
  // RFC 9110 §7.8: the new protocol starts after the request's body, so a body's bytes could pass for frames: none.
  {
    keeps: ({ headers, repeated }) =>
      headers['transfer-encoding'] === undefined &&
      !repeated.has('content-length') &&
      (headers['content-length'] ?? '0') === '0',
    refusal: { status: 400, error: 'unexpected_body' },
  },
  // RFC 6455 §4.2.1 item 3: "websocket" in Upgrade, in any case.
  {
    keeps: ({ headers: { upgrade = '' } }) => /(?:^|,)[ \t]*websocket[ \t]*(?:,|$)/i.test(upgrade),
    refusal: { status: 400, error: 'invalid_upgrade' },
  },
  // RFC 6455 §4.2.1 item 4: "upgrade" in Connection, in any case.
  {
    keeps: ({ headers: { connection = '' } }) => /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i.test(connection),
    refusal: { status: 400, error: 'invalid_connection' },
  },
  // RFC 6455 §4.2.1 item 6, §4.4: version 13, once; else 426 with the version we speak (RFC 9110 §15.5.22: and Upgrade).
  {
    keeps: ({ headers }) => headers['sec-websocket-version'] === '13',
    refusal: {
      status: 426,
      error: 'unsupported_version',
      headers: { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' },
    },
  },
  // RFC 6455 §4.2.1 item 5: a key that is 16 bytes in base64. RFC 4648 §3.5: the 22nd character has no bits to spare.
  {
    keeps: ({ headers }) => /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(headers['sec-websocket-key'] ?? ''),
    refusal: { status: 400, error: 'invalid_key' },
  },
  // RFC 6455 §4.1 item 10, §11.3.4: tokens, at least one, all different.
  { keeps: ({ subprotocols }) => subprotocols !== null, refusal: { status: 400, error: 'invalid_subprotocols' } },
  // RFC 6455 §9.1.
  { keeps: ({ extensions }) => extensions !== null, refusal: { status: 400, error: 'invalid_extensions' } },
  // RFC 6454 §7.3: at most one Origin.
  { keeps: ({ repeated }) => !repeated.has('origin'), refusal: { status: 400, error: 'invalid_origin' } },
]

/** Judges the head of an upgrade request.
 * @returns what it asks for, or the refusal of the first rule it breaks. Never throws. */
export function readHandshake(
  request: UpgradeRequest,
  limits: { maxHeaders: number; maxHeaderBytes?: number },
): { opening: Opening } | { refusal: Refusal } {
  const { headers, repeated } = readHeaders(request.rawHeaders)
  const target = readTarget(request.url ?? '')
  const subprotocols = readSubprotocols(headers['sec-websocket-protocol'])
  const extensionsValue = headers['sec-websocket-extensions']
  const extensions = extensionsValue === undefined ? [] : parseExtensions(extensionsValue)

  const { maxHeaders, maxHeaderBytes = Number.POSITIVE_INFINITY } = limits
  const head: Head = { request, maxHeaders, maxHeaderBytes, headers, repeated, target, subprotocols, extensions }
  for (const { keeps, refusal } of RULES) if (!keeps(head)) return { refusal }

  const { host, origin } = headers
  return {
    opening: {
      path: target!.path,
      search: target!.search,
      headers,
      // RFC 9112 §3.2.2: an absolute URI's host goes before the Host header.
      host: target!.authority ?? host!,
      origin,
      acceptKey: acceptKey(headers['sec-websocket-key']!),
      subprotocols: subprotocols!,
      extensions: extensions!,
    },
  }
}

/** The Sec-WebSocket-Accept value for a Sec-WebSocket-Key. RFC 6455 §4.2.2 item 5.4. */
export function acceptKey(key: string): string {
  return hash('sha1', `${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`, 'base64')
}

/** The first of our subprotocols that was offered, else `''`. RFC 6455 §4.2.2 item 5.5. */
export function chooseSubprotocol(ours: readonly string[], offered: readonly string[]): string {
  return ours.find((name) => offered.includes(name)) ?? ''
}

/** The path of a request's url, without query: cheap, for deciding whose request it is. Never throws; a url that no rule
 * allows has some path too. */
export function requestPath(url: string): string {
  return splitTarget(url).path
}

/** A request target: RFC 9112 §3.2.1, or §3.2.2 when it has an `authority` (host and perhaps port). */
interface Target {
  readonly authority: string | undefined
  readonly path: string
  readonly search: string
}

function splitTarget(url: string): Target {
  const absolute = /^https?:\/\/([^/?#]*)/i.exec(url)
  const rest = absolute === null ? url : url.slice(absolute[0].length)
  const end = rest.search(/[?#]/)
  const path = end === -1 ? rest : rest.slice(0, end)
  return {
    authority: absolute?.[1],
    path: path === '' && absolute !== null ? '/' : path,
    search: end === -1 ? '' : rest.slice(end),
  }
}

function readTarget(url: string): Target | null {
  if (/[^!-~\x80-\xff]|#/.test(url)) return null
  const target = splitTarget(url)
  if (target.authority !== undefined) return parseHost(target.authority) === null ? null : target
  return target.path.startsWith('/') ? target : null
}

function readHeaders(raw: readonly string[]): { headers: Record<string, string>; repeated: Set<string> } {
  // Without a prototype, `__proto__` and `constructor` are names like any other.
  const headers: Record<string, string> = Object.create(null)
  const repeated = new Set<string>()
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]!.toLowerCase()
    const value = raw[index + 1]!
    const before = headers[name]
    if (before === undefined) {
      headers[name] = value
    } else {
      headers[name] = `${before}${name === 'cookie' ? '; ' : ', '}${value}`
      repeated.add(name)
    }
  }
  return { headers, repeated }
}

function readSubprotocols(value: string | undefined): readonly string[] | null {
  if (value === undefined) return []
  if (value.length > MAX_SUBPROTOCOLS_LENGTH) return null
  const names = parseTokens(value)
  if (names === null || names.length > MAX_SUBPROTOCOLS || new Set(names).size < names.length) return null
  return names
}
