// What an HTTP request is for: its path, and the host that it was sent to.

import type { IncomingMessage } from 'node:http'

/** A request's target. */
export interface Target {
  /** Without the query; as it came, nothing is decoded. */
  readonly path: string
  /** Host and perhaps port, if the client named one. */
  readonly host: string | undefined
}

/** Reads the target of a request. In absolute form (RFC 9112 §3.2.2), as clients send it to what they take for a proxy,
 * its own host counts and not the Host header. */
export function readTarget({ url = '', headers }: Pick<IncomingMessage, 'url' | 'headers'>): Target {
  const [, authority, path = ''] = /^(?:https?:\/\/([^/?#]*))?([^?#]*)/i.exec(url) ?? []
  if (authority === undefined) return { path, host: headers.host }
  return { path: path === '' ? '/' : path, host: authority }
}

/** Whether it is clear which host a request was sent to. RFC 9112 §3.2: it has one Host header (in HTTP/1.0 perhaps none), and
 * that is a host; else a proxy that goes by the one, and a server that goes by the other, let through what neither would.
 * @param host of its target. */
export function hasClearHost(
  { rawHeaders, headers, httpVersion }: Pick<IncomingMessage, 'rawHeaders' | 'headers' | 'httpVersion'>,
  { host }: Target,
): boolean {
  // Of several node keeps the first one.
  const count = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length
  if (count > 1 || (count === 0 && httpVersion !== '1.0')) return false
  return [headers.host, host].every((value) => value === undefined || isHost(value))
}

/** A name, or an IP address (of version 6 in brackets, without a zone, which means something on its own host alone), and
 * perhaps a port: RFC 9110 §7.2, RFC 3986 §3.2.2. Those allow an empty one, too; it is refused like none, as by core. */
const HOST = /^(?:(\[[0-9a-f:.]+\])|(?:[-\w.~!$&'()*+,;=]|%[0-9a-f]{2})+)(?::(\d{0,5}))?$/i

/** A name of DNS, a colon and a port are shorter. */
const MAX_HOST_LENGTH = 261

function isHost(value: string): boolean {
  if (value.length > MAX_HOST_LENGTH) return false
  const found = HOST.exec(value)
  if (found === null) return false
  const [, address, port = ''] = found
  return (address === undefined || URL.canParse(`http://${address}`)) && Number(port) <= 65_535
}
