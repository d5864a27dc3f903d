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
