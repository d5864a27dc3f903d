// What `createServer` takes, and the checks that a caller's mistake fails at the call.

import type { Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { TlsOptions } from 'node:tls'
import type { Handler, Received, Socket } from '../handler.ts'
import { isToken } from '../handshake/grammar.ts'
import { checkOrigin, type OriginPolicy } from '../handshake/origin.ts'
import { readTrust, type TrustProxy } from '../handshake/proxy.ts'
import { DEFAULT_LIMITS, type Limits } from '../limits.ts'
import { type CompressionOptions, checkCompression } from '../protocol/permessage-deflate.ts'

/** Where an error was caught: the callback's name, or the part of the server. */
export type ErrorWhere = keyof Handler<never, never> | 'onClosing' | 'pathname' | 'origin' | 'server'

/** Options of every server: where to listen (one of `port`, `unix`, `server`, or none of them for `upgrade()` alone), who
 * may connect, and any of the limits. */
interface CommonOptions<S> extends Partial<Limits> {
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

/** Options of `createServer` with one handler. */
export interface ServerOptions<I, S, T extends keyof Received = 'buffer'> extends CommonOptions<S> {
  handler: Handler<I, S, T>
  /** What `message` is given a text message as: `'buffer'` (default), its bytes, or `'string'`. Binary ones are bytes. */
  text?: T
  /** The path to serve, with its leading slash, or a predicate over paths; others get 404. Default: every path. */
  pathname?: string | ((path: string) => boolean)
  routes?: undefined
}

/** Options of `createServer` with a handler for each path, each with a state type of its own; other paths get 404.
 * `States` has the state of each path. */
export interface RoutesOptions<States extends object> extends CommonOptions<States[keyof States]> {
  /** By path, with its leading slash. Write each handler within `route(…)`, which finds out the type of its state. */
  routes: { readonly [Path in keyof States]: Handler<unknown, States[Path]> }
  handler?: undefined
  pathname?: undefined
}

/** The options as the checks see them. */
export type AnyOptions<S> = CommonOptions<S> & {
  handler?: Handler<unknown, S> | undefined
  text?: keyof Received | undefined
  pathname?: ServerOptions<unknown, S>['pathname'] | undefined
  routes?: Readonly<Record<string, Handler<unknown, S>>> | undefined
}

type Check = readonly [what: string, is: (value: unknown) => boolean]

const a = (type: string) => (value: unknown) => typeof value === type
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null
/** What has checks of its own. */
const ANY: Check = ['', () => true]

/** What each option that is no limit must be, in words and as a test. */
const OPTIONS: Readonly<Record<Exclude<keyof AnyOptions<unknown>, keyof Limits>, Check>> = {
  handler: ['an object', isObject],
  port: ['a number', a('number')],
  // With none in it node would listen on every address.
  host: ['an address', (value) => typeof value === 'string' && value !== ''],
  unix: ['a path', (value) => typeof value === 'string' && value !== ''],
  tls: ['an object', isObject],
  // Only servers that speak HTTP/1 have this number: node's http and https, http2 with `allowHTTP1`, whatever class or realm
  // they come from. An application that is a function, net and tls servers, and other emitters never emit 'upgrade'.
  server: ['an http or https server', (value) => typeof (value as HttpServer | null)?.headersTimeout === 'number'],
  routes: ['an object', isObject],
  pathname: ['a string or a function', (value) => typeof value === 'string' || typeof value === 'function'],
  subprotocols: ['a list of strings', (value) => Array.isArray(value) && value.every(a('string'))],
  onError: ['a function', a('function')],
  text: [`'buffer' or 'string'`, (value) => value === 'buffer' || value === 'string'],
  origin: ANY,
  trustProxy: ANY,
  compression: ANY,
}

/** The callbacks of a handler. */
const CALLBACKS = ['init', 'handshake', 'opened', 'message', 'ping', 'pong', 'drained', 'closed'] as const

/** What a callback is called elsewhere: in a class of handlers, whose methods may have other names, these are mistakes. */
const FOREIGN_CALLBACK = /^on[A-Z]|^(?:open|close|error|connect|connection|disconnect|drain|upgrade)$/

/** Reads each option once, wherever `given` has it (its class, what it inherits from, a getter), and checks them.
 * @returns what they are from here on.
 * @throws TypeError for a missing or unknown option, or one of the wrong type; RangeError for a wrong value. */
export function readOptions<S>(given: AnyOptions<S>): AnyOptions<S> {
  if (!isObject(given)) throw new TypeError('createServer needs an options object')
  const names = [...Object.keys(DEFAULT_LIMITS), ...Object.keys(OPTIONS)]
  for (const name in given) if (!names.includes(name)) throw new TypeError(`unknown option: ${name}`)
  const options = Object.fromEntries(names.map((name) => [name, given[name as keyof typeof given]])) as AnyOptions<S>
  for (const [name, value] of Object.entries(options)) {
    const [what, is] = (OPTIONS as Readonly<Record<string, Check>>)[name] ?? ANY
    if (value !== undefined && !is(value)) throw new TypeError(`${name} must be ${what}`)
  }
  const { handler, routes, pathname, port, host, unix, tls, server, subprotocols } = options
  if (routes === undefined) checkHandler(handler, 'handler')
  else checkRoutes(options)
  if (typeof pathname === 'string') checkPath(pathname, 'pathname')
  if (isAsync(pathname)) throw new TypeError('pathname must not be async')
  if (isAsync(options.origin)) throw new TypeError('origin must not be async')
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
  return options
}

function checkRoutes<S>({ handler, routes = {}, pathname, text }: AnyOptions<S>): void {
  if ((handler ?? pathname ?? text) !== undefined) throw new TypeError('give routes, or handler, pathname and text')
  const entries = Object.entries(routes)
  if (entries.length === 0) throw new TypeError('routes must have a path')
  for (const [path, one] of entries) {
    checkPath(path, 'a path of routes')
    checkHandler(one, `routes[${JSON.stringify(path)}]`)
  }
}

function checkPath(path: string, name: string): void {
  if (!path.startsWith('/')) throw new TypeError(`${name} must begin with a slash: ${JSON.stringify(path)}`)
}

function checkHandler(handler: unknown, name: string): void {
  const callbacks = handler as (Record<string, unknown> & { message?: unknown; init?: unknown }) | null | undefined
  if (typeof callbacks?.message !== 'function') throw new TypeError(`${name}.message must be a function`)
  for (const known of CALLBACKS) {
    const callback = callbacks[known]
    if (callback !== undefined && typeof callback !== 'function') {
      throw new TypeError(`${name}.${known} must be a function`)
    }
  }
  if (isAsync(callbacks.init)) throw new TypeError(`${name}.init must not be async: its result is the first state`)
  const isKnown = (key: string): boolean => (CALLBACKS as readonly string[]).includes(key)
  const own = Object.keys(callbacks).find((key) => typeof callbacks[key] === 'function' && !isKnown(key))
  const unknown = own ?? inheritedNames(callbacks).find((key) => FOREIGN_CALLBACK.test(key))
  if (unknown === undefined) return
  throw new TypeError(`there is no callback ${name}.${unknown}; there are ${CALLBACKS.join(', ')}`)
}

/** Of its class, and of those that it extends. */
function inheritedNames(object: object): string[] {
  const prototype: object | null = Object.getPrototypeOf(object)
  if (prototype === null || Object.hasOwn(prototype, 'hasOwnProperty')) return []
  return [...Object.getOwnPropertyNames(prototype), ...inheritedNames(prototype)]
}

/** Was it written as `async`? One that returns a promise otherwise is noticed when it is called. */
function isAsync(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object AsyncFunction]'
}
