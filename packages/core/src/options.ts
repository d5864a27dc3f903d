// What `createServer` takes, and the checks that a caller's mistake fails at the call.

import type { Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { TlsOptions } from 'node:tls'
import type { Handler, Socket } from './handler.ts'
import { isLimit, type Limits } from './limits.ts'
import { checkOrigin, type OriginPolicy } from './origin.ts'
import { isToken } from './protocol/grammar.ts'
import { type CompressionOptions, checkCompression } from './protocol/permessage-deflate.ts'

/** Where an error was caught: the callback's name, or the part of the server. */
export type ErrorWhere =
  | 'init'
  | 'handshake'
  | 'opened'
  | 'message'
  | 'drained'
  | 'closed'
  | 'onClosing'
  | 'pathname'
  | 'origin'
  | 'server'

/** Options of `createServer`: where to listen (one of `port`, `unix`, `server`, or none of them for `upgrade()` alone),
 * the handler, and any of the limits. */
export interface ServerOptions<I, S> extends Partial<Limits> {
  handler: Handler<I, S>
  /** TCP port; 0 takes a free one. */
  port?: number
  /** Address to listen on. Default: all. */
  host?: string
  /** Path of a unix socket. */
  unix?: string
  /** Node's TLS options, for wss, with `port` or `unix`. */
  tls?: TlsOptions
  /** An existing node http or https server to attach to. */
  server?: HttpServer | HttpsServer
  /** The path to serve, or a predicate over paths; others get 404. Default: every path. */
  pathname?: string | ((path: string) => boolean)
  /** Who may connect from a browser. Default `'same'`. */
  origin?: OriginPolicy
  /** Subprotocols, the preferred first: the first that the client offered is chosen. */
  subprotocols?: readonly string[]
  /** permessage-deflate (RFC 7692). Default `false`: it costs CPU, and secrets beside an attacker's text can be guessed
   * from sizes. `true`: with its defaults. */
  compression?: boolean | CompressionOptions
  /** Hears everything that was caught. Default: `process.emitWarning`. */
  onError?: (error: unknown, context: { socket?: Socket<S>; where: ErrorWhere }) => void
}

const OWN = [
  'handler',
  'port',
  'host',
  'unix',
  'tls',
  'server',
  'pathname',
  'origin',
  'subprotocols',
  'compression',
  'onError',
]

/** Checks the shape of the options.
 * @throws TypeError for a missing or unknown option, or one of the wrong type; RangeError for a wrong value. */
export function checkOptions<I, S>(options: ServerOptions<I, S>): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('createServer needs an options object')
  for (const name of Object.keys(options)) {
    if (!OWN.includes(name) && !isLimit(name)) throw new TypeError(`unknown option: ${name}`)
  }
  const { handler, port, host, unix, tls, server, pathname, subprotocols, onError } = options
  if (typeof handler !== 'object' || handler === null) throw new TypeError('handler must be an object')
  if (typeof handler.message !== 'function') throw new TypeError('handler.message must be a function')
  for (const name of ['init', 'handshake', 'opened', 'drained', 'closed'] as const) {
    if (handler[name] !== undefined && typeof handler[name] !== 'function') {
      throw new TypeError(`handler.${name} must be a function`)
    }
  }
  if ([port, unix, server].filter((place) => place !== undefined).length > 1) {
    throw new TypeError('give one of port, unix and server')
  }
  if (port !== undefined && typeof port !== 'number') throw new TypeError('port must be a number')
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new RangeError(`port must be 0–65535: ${port}`)
  }
  if (host !== undefined && typeof host !== 'string') throw new TypeError('host must be a string')
  if (host !== undefined && port === undefined) throw new TypeError('host goes with port')
  if (unix !== undefined && (typeof unix !== 'string' || unix === '')) throw new TypeError('unix must be a path')
  if (tls !== undefined && (typeof tls !== 'object' || tls === null)) throw new TypeError('tls must be an object')
  if (tls !== undefined && port === undefined && unix === undefined) throw new TypeError('tls goes with port or unix')
  if (server !== undefined && typeof server?.on !== 'function')
    throw new TypeError('server must be an http or https server')
  checkOrigin(options.origin)
  checkCompression(options.compression)
  if (pathname !== undefined && typeof pathname !== 'string' && typeof pathname !== 'function') {
    throw new TypeError('pathname must be a string or a function')
  }
  if (
    subprotocols !== undefined &&
    !(Array.isArray(subprotocols) && subprotocols.every((name) => typeof name === 'string'))
  ) {
    throw new TypeError('subprotocols must be a list of strings')
  }
  const bad = subprotocols?.find((name) => !isToken(name))
  if (bad !== undefined) throw new RangeError(`not a subprotocol: ${JSON.stringify(bad)}`)
  if (onError !== undefined && typeof onError !== 'function') throw new TypeError('onError must be a function')
}
