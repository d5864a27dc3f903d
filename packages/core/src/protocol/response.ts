// The two answers to an opening handshake as bytes: 101, or a refusal that ends the connection. They are written to the
// raw TCP stream, past node's own checks, so whatever came from a user is checked here: no header can be smuggled in.

import { Buffer } from 'node:buffer'
import { isToken } from './grammar.ts'

// RFC 9110 §5.5: a tab, visible ASCII and spaces, and bytes above 0x7F.
const NOT_IN_A_VALUE = /[^\t -~\x80-\xff]/

// Headers that decide where a message ends and what becomes of the connection are ours alone.
const FRAMING = ['connection', 'content-length', 'transfer-encoding']
const OPENING = [
  ...FRAMING,
  'upgrade',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'sec-websocket-version',
]

/** Checks that a header can be sent as it is. RFC 9110 §5.1, §5.5.
 * @throws TypeError for another type than string; RangeError for a name that is not a token, or a value with a control
 * character other than TAB (CR, LF and NUL among them) or a character above U+00FF. */
export function assertHeader(name: string, value: string): void {
  if (typeof name !== 'string') throw new TypeError('a header name must be a string')
  if (typeof value !== 'string') throw new TypeError(`the value of header ${JSON.stringify(name)} must be a string`)
  if (!isToken(name)) throw new RangeError(`not a header name: ${JSON.stringify(name)}`)
  if (NOT_IN_A_VALUE.test(value)) throw new RangeError(`not a value for header ${name}: ${JSON.stringify(value)}`)
}

/** The 101 response. RFC 6455 §4.2.2.
 * @param options `acceptKey`: the value of Sec-WebSocket-Accept; `subprotocol`: the chosen one, none when `''`;
 * `extensions`: the value of Sec-WebSocket-Extensions, none when `''`; `headers`: further ones. Those that belong to the
 * handshake itself (Connection, Upgrade, Sec-WebSocket-*) or announce a body are left out of `headers`.
 * @throws TypeError or RangeError for a header that HTTP does not allow, RangeError for a subprotocol that is no token. */
export function switchingProtocols(options: {
  acceptKey: string
  subprotocol?: string | undefined
  extensions?: string | undefined
  headers?: Readonly<Record<string, string>> | undefined
}): Buffer {
  const { acceptKey, subprotocol = '', extensions = '', headers = {} } = options
  if (subprotocol !== '' && !isToken(subprotocol)) {
    throw new RangeError(`not a subprotocol: ${JSON.stringify(subprotocol)}`)
  }
  const lines = [
    line('Upgrade', 'websocket'),
    line('Connection', 'Upgrade'),
    line('Sec-WebSocket-Accept', acceptKey),
    subprotocol === '' ? '' : line('Sec-WebSocket-Protocol', subprotocol),
    extensions === '' ? '' : line('Sec-WebSocket-Extensions', extensions),
    ...custom(headers, OPENING),
  ]
  return Buffer.from(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`, 'latin1')
}

/** A response that refuses the handshake; the connection ends after it (`Connection: close`). RFC 6455 §4.2.2.
 * @param refusal `status`; `error`: goes out in an `Error` header, none when `''`; `headers`: further ones, which replace
 * defaults of the same name, but not Connection, Content-Length or Transfer-Encoding; `body`: plain text, default
 * `statusText`.
 * @param statusText the status's reason phrase (RFC 9110 §15), which node's http knows for all of them.
 * @throws TypeError or RangeError for a header that HTTP does not allow. */
export function refusalResponse(
  refusal: {
    status: number
    error: string
    headers?: Readonly<Record<string, string>> | undefined
    body?: string | undefined
  },
  statusText = '',
): Buffer {
  const { status, error, headers = {} } = refusal
  const body = Buffer.from(refusal.body ?? statusText, 'utf8')
  const given = new Set(Object.keys(headers).map((name) => name.toLowerCase()))
  const lines = [
    line('Connection', 'close'),
    line('Content-Length', `${body.length}`),
    given.has('content-type') ? '' : line('Content-Type', 'text/plain; charset=utf-8'),
    given.has('error') || error === '' ? '' : line('Error', error),
    ...custom(headers, FRAMING),
  ]
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} ${statusText}\r\n${lines.join('')}\r\n`, 'latin1'), body])
}

function line(name: string, value: string): string {
  assertHeader(name, value)
  return `${name}: ${value}\r\n`
}

function custom(headers: Readonly<Record<string, string>>, ours: readonly string[]): string[] {
  return Object.entries(headers)
    .filter(([name]) => !ours.includes(name.toLowerCase()))
    .map(([name, value]) => line(name, value))
}
