// The two answers to an opening handshake as bytes: 101, or a refusal that ends the connection. They are written to the
// raw TCP stream, past node's own checks, so whatever came from a user is checked here: no header can be smuggled in.

import { Buffer } from 'node:buffer'
import { isToken } from './grammar.ts'

// RFC 9110 §5.5: a tab, visible ASCII and spaces, and bytes above 0x7F.
const NOT_IN_A_VALUE = /[^\t -~\x80-\xff]/

// Headers that decide where a message ends and what becomes of the connection are ours alone.
const FRAMING = /^(?:connection|content-length|transfer-encoding)$/i
const OPENING =
  /^(?:connection|content-length|transfer-encoding|upgrade|sec-websocket-(?:accept|extensions|protocol|version))$/i

/** Checks that a header can be sent as it is. RFC 9110 §5.1, §5.5.
 * @throws TypeError for another type than string; RangeError for a name that is not a token, or a value with a control
 * character other than TAB (CR, LF and NUL among them) or a character above U+00FF. */
export function assertHeader(name: string, value: string): void {
  if (typeof name !== 'string') throw new TypeError('a header name must be a string')
  if (typeof value !== 'string') throw new TypeError(`the value of header ${JSON.stringify(name)} must be a string`)
  if (!isToken(name)) throw new RangeError(`not a header name: ${JSON.stringify(name)}`)
  if (NOT_IN_A_VALUE.test(value)) throw new RangeError(`not a value for header ${name}: ${JSON.stringify(value)}`)
}

/** Header lines by name; an array is so many lines of one name. */
export type Headers = Readonly<Record<string, string | readonly string[]>>

/** Checks every line of `headers`, as `assertHeader` does. */
export function assertHeaders(headers: Headers): void {
  const prototype: unknown =
    typeof headers === 'object' && headers !== null ? Object.getPrototypeOf(headers) : undefined
  // A Headers or a Map has its entries elsewhere: they would be lost. A plain object of another realm is one, too.
  if (prototype !== null && !Object.hasOwn(Object(prototype), 'hasOwnProperty')) {
    throw new TypeError('headers must be a plain object of names and values')
  }
  for (const [name, value] of linesOf(headers)) assertHeader(name, value)
}

function linesOf(headers: Readonly<Record<string, string | readonly string[] | undefined>>): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : value === undefined ? [] : [value]).map((one): [string, string] => [name, one]),
  )
}

/** The 101 response. RFC 6455 §4.2.2.
 * @param options `subprotocol` and `extensions`: none when `''`; `headers`: further ones, but for those that belong to the
 * handshake itself (Connection, Upgrade, Sec-WebSocket-*) or announce a body.
 * @throws TypeError or RangeError for a header that HTTP does not allow, RangeError for a subprotocol that is no token. */
export function switchingProtocols(options: {
  acceptKey: string
  subprotocol?: string | undefined
  extensions?: string | undefined
  headers?: Headers | undefined
}): Buffer {
  const { acceptKey, subprotocol = '', extensions = '', headers = {} } = options
  if (subprotocol !== '' && !isToken(subprotocol)) {
    throw new RangeError(`not a subprotocol: ${JSON.stringify(subprotocol)}`)
  }
  const ours = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': acceptKey,
    'Sec-WebSocket-Protocol': subprotocol || undefined,
    'Sec-WebSocket-Extensions': extensions || undefined,
  }
  return head('101 Switching Protocols', ours, headers, OPENING)
}

/** A response that refuses the handshake; the connection ends after it (`Connection: close`). RFC 6455 §4.2.2.
 * RFC 9110 §9.3.2, §15.4.5: it has no body when the request's `method` was HEAD, or the status is 304.
 * @param refusal `error`: goes out in an `Error` header, none when `''`; `headers`: further ones, which replace defaults of
 * the same name, but not Connection, Content-Length or Transfer-Encoding; `body`: plain text, default `statusText`.
 * @param statusText the status's reason phrase (RFC 9110 §15), which node's http knows for all of them.
 * @throws TypeError or RangeError for a header that HTTP does not allow. */
export function refusalResponse(
  refusal: { status: number; error: string; headers?: Headers | undefined; body?: string | undefined },
  statusText = '',
  method: string | undefined = 'GET',
): Buffer {
  const { status, error, headers = {} } = refusal
  const body = Buffer.from(refusal.body ?? statusText, 'utf8')
  const described = status !== 304
  const ours = {
    Connection: 'close',
    'Content-Length': described ? `${body.length}` : undefined,
    'Content-Type': described ? 'text/plain; charset=utf-8' : undefined,
    Error: error || undefined,
  }
  const bytes = head(`${status} ${statusText}`, ours, headers, FRAMING)
  return described && method !== 'HEAD' ? Buffer.concat([bytes, body]) : bytes
}

/** The head of a response: ours, and those given, which replace ours where they are not `reserved`. */
function head(status: string, ours: Record<string, string | undefined>, given: Headers, reserved: RegExp): Buffer {
  const further = linesOf(given).filter(([name]) => !reserved.test(name))
  const replaced = new Set(further.map(([name]) => name.toLowerCase()))
  const own = linesOf(ours).filter(([name]) => !replaced.has(name.toLowerCase()))
  const lines = [...own, ...further].map(([name, value]) => {
    assertHeader(name, value)
    return `${name}: ${value}\r\n`
  })
  return Buffer.from(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n`, 'latin1')
}
