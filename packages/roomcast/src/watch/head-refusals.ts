// Refusals of what is no request at all, in words: bytes that node's http or TLS could not read. What they are instead is
// mostly known by their beginning.

import { quote } from '../config/wrong.ts'
import type { Asked, Reason, Refused } from './refusals.ts'

/** What node says of such bytes. */
export interface HeadError {
  readonly code?: string | undefined
  readonly message: string
  /** Those that it read last. */
  readonly rawPacket?: Buffer | undefined
}

type Words = readonly [reason: Reason, came: string, expected: string, setting: string]

const TLS_SETTINGS = '--tls-cert and --tls-key (http_server.tls.*), where this server is to speak TLS itself'

/** What begins so is no HTTP/1.1. */
const BEGINNINGS: readonly (readonly [beginnings: readonly string[], Words])[] = [
  [
    ['\x16\x03'],
    [
      'tls_to_plain_port',
      'TLS, to a port without it',
      'http:// and ws://',
      `the address, or the proxy that is to end TLS before this server; ${TLS_SETTINGS}`,
    ],
  ],
  [
    ['PROXY TCP', 'PROXY UNKNOWN', '\r\n\r\n\0\r\nQUIT\n'],
    [
      'malformed_request',
      'the PROXY protocol of a load balancer',
      'HTTP/1.1 from its first byte on',
      'the load balancer: no proxy protocol; it can pass on addresses in X-Forwarded-For (--trust-proxy)',
    ],
  ],
  [
    ['PRI * HTTP/2'],
    ['malformed_request', 'HTTP/2 without TLS', 'HTTP/1.1', 'the proxy before this server: HTTP/1.1 to here'],
  ],
]

/** What node calls them, where that says enough. */
const CODES: Readonly<Record<string, Words>> = {
  HPE_HEADER_OVERFLOW: [
    'headers_too_large',
    'a request whose head is answered 431',
    'at most 16 KiB of headers',
    'the client: mostly cookies, of which a host name of its own for this server gets none; or a proxy that takes them away',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    'request_timeout',
    'a request that did not come in full, and is answered 408',
    'its head within 10 s, all of it within 30 s',
    'the client, or its line',
  ],
  ERR_TLS_HANDSHAKE_TIMEOUT: [
    'tls_failed',
    'a TLS handshake that did not come in full',
    'all of it within 10 s',
    'the client, or its line',
  ],
  ERR_SSL_WRONG_VERSION_NUMBER: [
    'tls_failed',
    'bytes that are no TLS, to a port with it',
    'TLS from the first byte on',
    'the client, or the load balancer: no proxy protocol; it can pass on addresses in X-Forwarded-For (--trust-proxy)',
  ],
  ERR_SSL_HTTP_REQUEST: [
    'plain_to_tls_port',
    'HTTP without TLS, to a port with it',
    'https:// and wss://',
    `the address, or the proxy before this server: TLS to here; ${TLS_SETTINGS}`,
  ],
}

/** Somebody left: nothing was refused. */
const GONE = ['HPE_INVALID_EOF_STATE', 'ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ETIMEDOUT']

/** What could not be read; undefined: nothing was refused. */
export function refusedHead({ code = '', message, rawPacket }: HeadError, asked: Asked): Refused | undefined {
  if (GONE.includes(code)) return undefined
  const words = wordsOf(code, message, rawPacket?.toString('latin1', 0, 32) ?? '')
  const [reason, came, expected, setting] = words
  return { ...asked, reason, came, expected, setting }
}

function wordsOf(code: string, message: string, beginning: string): Words {
  const [, found = CODES[code]] =
    BEGINNINGS.find(([starts]) => starts.some((start) => beginning.startsWith(start))) ?? []
  if (found !== undefined) return found
  if (/^HPE_/.test(code)) {
    const came = `a request that is answered 400: ${code}, at ${quote(beginning)}`
    return ['malformed_request', came, 'HTTP/1.1', 'the client, or what is between it and here']
  }
  if (/ALERT/.test(code)) {
    const came = `a client that ends the TLS handshake: ${quote(code)}`
    const setting = '--tls-cert (http_server.tls.*): the certificate, with all between it and a known issuer'
    return ['tls_failed', came, 'one that takes the certificate of this server', setting]
  }
  const came = `a TLS handshake that failed: ${quote(code || message)}`
  return ['tls_failed', came, 'TLS 1.2 or later, with a common cipher', `the client; ${TLS_SETTINGS}`]
}
