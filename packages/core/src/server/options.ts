// What `createServer` takes, and the checks that a caller's mistake fails at the call.

import type { Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { TlsOptions } from 'node:tls'
import type { Handler, Socket } from '../handler.ts'
import { isToken } from '../handshake/grammar.ts'
import { checkOrigin, type OriginPolicy } from '../handshake/origin.ts'
import { readTrust, type TrustProxy } from '../handshake/proxy.ts'
import { DEFAULT_LIMITS, type Limits } from '../limits.ts'
import { type CompressionOptions, checkCompression } from '../protocol/permessage-deflate.ts'

/** Where an error was caught: the callback's name, or the part of the server. */
export type ErrorWhere = keyof Handler<never, never> | 'onClosing' | 'pathname' | 'origin' | 'server'

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
  /** The proxies before the server whose X-Forwarded-For, -Proto, -Host and -Port are believed: how many there are on
   * every way to it, or their addresses and CIDR ranges. Default 0: anybody can send such headers. */
  trustProxy?: TrustProxy
  /** Subprotocols, the preferred first: the first that the client offered is chosen. */
  subprotocols?: readonly string[]
  /** permessage-deflate (RFC 7692). Default `false`: it costs CPU, and secrets beside an attacker's text can be guessed
   * from sizes. `true`: with its defaults. */
  compression?: boolean | CompressionOptions
  /** Hears everything that was caught. Default: `process.emitWarning`. */
  onError?: (error: unknown, context: { socket?: Socket<S>; where: ErrorWhere }) => void
}

type Check = readonly [what: string, is: (value: unknown) => boolean]

const a = (type: string) => (value: unknown) => typeof value === type
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null
const any = (): boolean => true

/** What each option that is no limit must be, in words and as a test. */
const OPTIONS: Readonly<Record<Exclude<keyof ServerOptions<unknown, unknown>, keyof Limits>, Check>> = {
  handler: ['an object', isObject],
  port: ['a number', a('number')],
  host: ['a string', a('string')],
  unix: ['a path', (value) => typeof value === 'string' && value !== ''],
  tls: ['an object', isObject],
  server: ['an http or https server', (value) => typeof (value as HttpServer | null)?.on === 'function'],
  pathname: ['a string or a function', (value) => typeof value === 'string' || typeof value === 'function'],
  subprotocols: ['a list of strings', (value) => Array.isArray(value) && value.every(a('string'))],
  onError: ['a function', a('function')],
  // These have checks of their own.
  origin: ['', any],
  trustProxy: ['', any],
  compression: ['', any],
}

/** Checks the shape of the options.
 * @throws TypeError for a missing or unknown option, or one of the wrong type; RangeError for a wrong value. */
export function checkOptions<I, S>(options: ServerOptions<I, S>): void {
  if (!isObject(options)) throw new TypeError('createServer needs an options object')
  for (const [name, value] of Object.entries(options)) {
    if (Object.hasOwn(DEFAULT_LIMITS, name)) continue
    if (!Object.hasOwn(OPTIONS, name)) throw new TypeError(`unknown option: ${name}`)
    const [what, is] = OPTIONS[name as keyof typeof OPTIONS]
    if (value !== undefined && !is(value)) throw new TypeError(`${name} must be ${what}`)
  }
  const { handler, port, host, unix, tls, server, subprotocols } = options
  if (typeof handler?.message !== 'function') throw new TypeError('handler.message must be a function')
  for (const name of ['init', 'handshake', 'opened', 'drained', 'closed'] as const) {
    if (handler[name] !== undefined && typeof handler[name] !== 'function')
      throw new TypeError(`handler.${name} must be a function`)
  }
  if ([port, unix, server].filter((place) => place !== undefined).length > 1) {
    throw new TypeError('give one of port, unix and server')
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new RangeError(`port must be 0–65535: ${port}`)
  }
  if (host !== undefined && port === undefined) throw new TypeError('host goes with port')
  if (tls !== undefined && port === undefined && unix === undefined) throw new TypeError('tls goes with port or unix')
  checkOrigin(options.origin)
  readTrust(options.trustProxy)
  checkCompression(options.compression)
  const bad = subprotocols?.find((name) => !isToken(name))
  if (bad !== undefined) throw new RangeError(`not a subprotocol: ${JSON.stringify(bad)}`)
}
