// The opening handshake (RFC 6455 §4.2), as values: a request's head in, what the client asks for or why it is refused
// out. The rules are one ordered list, and the first that is broken decides. Nothing here throws for a peer's mistake.

import { hash } from 'node:crypto'
import type { Limits } from '../limits.ts'
import { type ExtensionOffer, parseExtensions } from './extension.ts'
import { parseHost, parseTokens } from './grammar.ts'
import type { Headers } from './response.ts'

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
  readonly headers?: Headers
  readonly limit?: keyof Limits
}

/** When to come back after a 429 or 503, in seconds. */
export const RETRY_AFTER = { 'Retry-After': '2' } as const

/** What an upgrade gets while its server drains or closes. */
export const DRAINING: Refusal = { status: 503, error: 'draining', headers: RETRY_AFTER }

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
const MAX_SUBPROTOCOLS = 128

/** Judges the head of an upgrade request.
 * @returns what it asks for, or the refusal of the first rule it breaks. Never throws. */
export function readHandshake(
  request: UpgradeRequest,
  limits: { maxHeaders: number; maxHeaderBytes?: number },
): { opening: Opening } | { refusal: Refusal } {
  const { method, httpVersion, url = '', rawHeaders } = request
  const { maxHeaders, maxHeaderBytes = Number.POSITIVE_INFINITY } = limits

  // RFC 6585 §5: a server may refuse too many header fields; counted before any of them is believed.
  if (rawHeaders.length / 2 > maxHeaders) return refuse(400, 'too_many_headers', { limit: 'maxHeaders' })
  // RFC 6585 §5: nor fields that are too large; with the two characters each that separate names and values.
  const bytes = rawHeaders.reduce((sum, text) => sum + text.length + 2, url.length)
  if (bytes > maxHeaderBytes) return refuse(431, 'headers_too_large', { limit: 'maxHeaderBytes' })

  // RFC 6455 §4.2.1 item 1: a GET …
  if (method !== 'GET') return refuse(405, 'method_not_allowed', { headers: { Allow: 'GET' } })
  // … of HTTP/1.1 or higher …
  if (!/^(?:1\.[1-9]|[2-9]\.\d)$/.test(httpVersion)) return refuse(400, 'invalid_http_version')
  // … with a request target that is a path or an absolute http(s) URI; RFC 6455 §3: without a fragment.
  const target = readTarget(url)
  if (target === null) return refuse(400, 'invalid_url')

  const headers = readHeaders(rawHeaders)
  const { host = '', upgrade = '', connection = '', origin } = headers
  // RFC 6455 §4.2.1 item 2; RFC 9112 §3.2: exactly one Host, well formed; two, joined with ', ', have a space.
  if (parseHost(host) === null) return refuse(400, 'invalid_host')
  // RFC 9110 §7.8: the new protocol starts after the request's body, so a body's bytes could pass for frames: none.
  const bodyless = headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0'
  if (!bodyless) return refuse(400, 'unexpected_body')
  // RFC 6455 §4.2.1 item 3: "websocket" in Upgrade, in any case.
  if (!/(?:^|,)[ \t]*websocket[ \t]*(?:,|$)/i.test(upgrade)) return refuse(400, 'invalid_upgrade')
  // RFC 6455 §4.2.1 item 4: "upgrade" in Connection, in any case.
  if (!/(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i.test(connection)) return refuse(400, 'invalid_connection')
  // RFC 6455 §4.2.1 item 6, §4.4: version 13, once; else 426 with the version we speak (RFC 9110 §15.5.22: and Upgrade).
  if (headers['sec-websocket-version'] !== '13') {
    return refuse(426, 'unsupported_version', { headers: { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' } })
  }
  // RFC 6455 §4.2.1 item 5: a key that is 16 bytes in base64. RFC 4648 §3.5: the 22nd character has no bits to spare.
  const key = headers['sec-websocket-key'] ?? ''
  if (!/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key)) return refuse(400, 'invalid_key')
  // RFC 6455 §4.1 item 10, §11.3.4: tokens, at least one, all different.
  const subprotocols = readSubprotocols(headers['sec-websocket-protocol'])
  if (subprotocols === null) return refuse(400, 'invalid_subprotocols')
  // RFC 6455 §9.1.
  const offers = headers['sec-websocket-extensions']
  const extensions = offers === undefined ? [] : parseExtensions(offers)
  if (extensions === null) return refuse(400, 'invalid_extensions')
  // RFC 6454 §7.3: at most one Origin. Only a value with a comma and a space can be two that were joined.
  const isOrigin = (text: string, index: number) => index % 2 === 0 && /^origin$/i.test(text)
  if (origin?.includes(', ') && rawHeaders.filter(isOrigin).length > 1) return refuse(400, 'invalid_origin')

  const { path, search, authority } = target
  // RFC 9112 §3.2.2: an absolute URI's host goes before the Host header.
  const asked = { path, search, headers, host: authority ?? host, origin, subprotocols, extensions }
  return { opening: { ...asked, acceptKey: acceptKey(key) } }
}

function refuse(status: number, error: string, more?: Pick<Refusal, 'headers' | 'limit'>): { refusal: Refusal } {
  return { refusal: { status, error, ...more } }
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
function splitTarget(url: string): { authority: string | undefined; path: string; search: string } {
  const [, authority, path = '', search = ''] = /^(?:https?:\/\/([^/?#]*))?([^?#]*)(.*)$/is.exec(url) ?? []
  return { authority, path: path === '' && authority !== undefined ? '/' : path, search }
}

function readTarget(url: string): ReturnType<typeof splitTarget> | null {
  if (/[^!-~\x80-\xff]|#/.test(url)) return null
  const target = splitTarget(url)
  if (target.authority !== undefined) return parseHost(target.authority) === null ? null : target
  return target.path.startsWith('/') ? target : null
}

function readHeaders(raw: readonly string[]): Record<string, string> {
  // Without a prototype, `__proto__` and `constructor` are names like any other.
  const headers: Record<string, string> = Object.create(null)
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]!.toLowerCase()
    const before = headers[name]
    headers[name] =
      before === undefined ? raw[index + 1]! : `${before}${name === 'cookie' ? '; ' : ', '}${raw[index + 1]}`
  }
  return headers
}

function readSubprotocols(value: string | undefined): readonly string[] | null {
  const names = value === undefined ? [] : parseTokens(value)
  return names === null || names.length > MAX_SUBPROTOCOLS || new Set(names).size < names.length ? null : names
}
