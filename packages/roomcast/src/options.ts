// What `createRoomcast` takes, and the checks that a caller's mistake fails at the call, before anything is started.

import { Server as HttpServer } from 'node:http'
import { Server as HttpsServer } from 'node:https'
import type { OriginPolicy, TrustProxy } from '@roomcast/core'
import type { Store } from '@roomcast/rooms'
import { type Decided, type Decision, isDecided, whyNot } from './access.ts'
import { LIMITS, type Limits, resolveLimits } from './limits.ts'
import { checkTls } from './tls.ts'
import { isToken, randomToken } from './token.ts'
import { type Logger, SILENT, unfailing } from './watch/logger.ts'
import { HOOK_NAMES, type Hooks } from './who/hooks.ts'
import type { NamespaceOptions } from './who/namespace-options.ts'
import { createNamespaces, type Namespaces } from './who/namespaces.ts'
import { createTokens, hasTokenKey, type TokenOptions, type Tokens } from './who/tokens.ts'

/** The port unless another is given. */
export const DEFAULT_PORT = 4545

/** Options of `createRoomcast`; every one may be left out. The limits are in limits.ts, the decisions over who may
 * connect in access.ts, the hooks in who/hooks.ts. */
export interface RoomcastOptions extends Partial<Limits>, Decision, Hooks {
  /** An http or https server of the program's own, in place of `port`, `host` and `tls`. WebSockets at `/` and at
   * `/connection/websocket` are then this server's; requests stay the program's. */
  server?: HttpServer | HttpsServer | undefined
  /** TCP port; 0 takes a free one. Default 4545. */
  port?: number | undefined
  /** Address to listen on. Default: 127.0.0.1 and ::1. Any address that is no loopback address needs a decision over who
   * may connect. */
  host?: string | undefined
  /** For https and wss: certificate and key in PEM; with `ca`, clients need a certificate of it. */
  tls?: { cert: string; key: string; ca?: string | undefined } | undefined
  /** The secret of `POST /channels/<name>`, visible ASCII. Default: a new random one, see `Roomcast.token`. */
  token?: string | undefined
  /** The key of `POST /api/<method>`, visible ASCII. Without one that API answers 401 to everybody. */
  apiKey?: string | undefined
  /** Who may connect from a browser. Default `'same'`: the page this server serves. */
  origin?: OriginPolicy | undefined
  /** The proxies before the server whose X-Forwarded-For and the like are believed: how many there are on every way to it,
   * or their addresses and CIDR ranges. Default: none. */
  trustProxy?: TrustProxy | undefined
  /** The key of `GET /metrics`, visible ASCII. Without one it answers programs on this machine alone. */
  metricsKey?: string | undefined
  /** What `/readyz` depends on: `'store'`: this server and its store (503 while that is lost); `'local'`: this server alone, so
   * that a Redis that is lost does not take all servers out at once. Default `'store'`. */
  readiness?: 'store' | 'local' | undefined
  /** Hears of each refusal, rate-limited per reason: pino, or what has its `warn(fields, text)`. When it throws or rejects, the
   * process gets one warning, and the server goes on. Default: nobody. */
  logger?: Logger | undefined
  /** Where rooms are kept, and what joins several servers. Default: this one stands alone, in memory. */
  store?: KeepingStore | undefined
  /** What rooms are, by namespace; `''` is for rooms whose name has no `:`. Default: every legal name is a room that
   * remembers nothing; in the demo it remembers 100 publications for 10 min, and who is in it. */
  namespaces?: Readonly<Record<string, NamespaceOptions>> | undefined
  /** Keys of connection and subscription tokens. */
  tokens?: TokenOptions | undefined
}

/** A store; `/stats` shows what it counts. */
export interface KeepingStore extends Store {
  stats?(): object
}

/** Rooms of the demo, so that its page has something to show: while nobody decided who may connect, and there are no
 * namespaces, hooks, server or store of a program's own (what is said in a room that remembers needs the store; other rooms go on without it). Size
 * and ttl bound what a name that somebody made up keeps. */
const DEMO_ROOMS: NamespaceOptions = {
  historySize: 100,
  historyTtlMs: 600_000,
  historyMetaTtlMs: 600_000,
  presence: true,
  joinLeave: true,
}

/** The options with their defaults. */
export interface Settled {
  decision: Decided
  /** Nobody decided who may connect. */
  isDemo: boolean
  server: HttpServer | HttpsServer | undefined
  port: number
  host: string | undefined
  tls: RoomcastOptions['tls']
  token: string
  apiKey: string | undefined
  origin: OriginPolicy | undefined
  trustProxy: TrustProxy | undefined
  metricsKey: string | undefined
  readiness: 'store' | 'local'
  logger: Logger
  store: KeepingStore | undefined
  /** Were any given? */
  hasNamespaces: boolean
  namespaces: Namespaces
  tokens: Tokens | undefined
  hooks: Hooks
  limits: Limits
}

type Check = readonly [what: string, is: (value: unknown) => boolean]

const a = (type: string) => (value: unknown) => typeof value === type
/** A Map (or a list) has no properties that would be options: what it says would be missing without a word. */
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !(Symbol.iterator in value)

const STORE_METHODS = ['start', 'publish', 'join', 'leave', 'ready', 'carry', 'close'] as const

/** What each option that is no limit must be, in words and as a test. */
const OPTIONS: Readonly<Record<Exclude<keyof RoomcastOptions, keyof Limits>, Check>> = {
  server: ['an http or https server', (value) => value instanceof HttpServer || value instanceof HttpsServer],
  port: ['a number', a('number')],
  host: ['a string', a('string')],
  tls: ['an object with cert and key', isTls],
  token: ['a string', a('string')],
  apiKey: ['a string', a('string')],
  insecure: ['true or false', a('boolean')],
  allowAnonymousConnectWithoutToken: ['true or false', a('boolean')],
  // Its entries are core's to judge.
  origin: [
    `'same', 'any', a list or a function`,
    (value) => ['string', 'function'].includes(typeof value) || Array.isArray(value),
  ],
  // Core's to judge, too.
  trustProxy: ['a number or a list', (value) => typeof value === 'number' || Array.isArray(value)],
  metricsKey: ['a string', a('string')],
  readiness: ["'store' or 'local'", a('string')],
  logger: ['a logger with warn', (value) => isObject(value) && typeof (value as Logger).warn === 'function'],
  store: [
    'a store',
    (value) => isObject(value) && STORE_METHODS.every((method) => typeof (value as Store)[method] === 'function'),
  ],
  namespaces: ['an object', isObject],
  tokens: ['an object', isObject],
  ...(Object.fromEntries(HOOK_NAMES.map((name) => [name, ['a function', a('function')]])) as unknown as Record<
    keyof Hooks,
    Check
  >),
}

function isTls(value: unknown): boolean {
  if (!isObject(value)) return false
  const { cert, key, ca = '', ...others } = value as Record<string, unknown>
  return [cert, key, ca].every((pem) => typeof pem === 'string') && Object.keys(others).length === 0
}

/** Checks the options and adds the defaults.
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a wrong value. */
export function settle(options: RoomcastOptions): Settled {
  if (!isObject(options)) throw new TypeError('createRoomcast needs an options object')
  for (const [name, value] of Object.entries(options)) {
    if (Object.hasOwn(LIMITS, name)) continue
    if (name === 'broker') throw new TypeError('broker: what joins servers is their store; give `store`')
    if (!Object.hasOwn(OPTIONS, name)) throw new TypeError(`unknown option: ${name}`)
    const [what, is] = OPTIONS[name as keyof typeof OPTIONS]
    if (value !== undefined && !is(value)) throw new TypeError(`${name} must be ${what}`)
  }
  const { server, port = DEFAULT_PORT, host, tls, token = randomToken(), apiKey, metricsKey, origin, store } = options
  const { trustProxy, readiness = 'store', logger = SILENT } = options
  const { insecure, allowAnonymousConnectWithoutToken, authenticate } = options
  const decision = {
    insecure,
    allowAnonymousConnectWithoutToken,
    hasAuthenticate: authenticate !== undefined,
    hasTokenKey: hasTokenKey(options.tokens),
  }
  for (const name of ['port', 'host', 'tls'] as const) {
    if (server !== undefined && options[name] !== undefined) throw new TypeError(`either server or ${name}`)
  }
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) throw new RangeError(`port must be 0–65535: ${port}`)
  if (host !== undefined && !/^[\w.:%-]+$/.test(host)) throw new RangeError('host must be a name or an IP address')
  const why = whyNot(host, decision, {
    anonymous: 'allowAnonymousConnectWithoutToken (allow_anonymous_connect_without_token)',
    insecure: 'insecure (--insecure)',
  })
  if (why !== undefined) throw new RangeError(why)
  if (tls !== undefined) checkTls(tls)
  for (const [name, secret] of Object.entries({ token, apiKey, metricsKey })) {
    if (secret !== undefined && !isToken(secret)) throw new RangeError(`${name} must be visible ASCII without spaces`)
  }
  if (readiness !== 'store' && readiness !== 'local') throw new RangeError("readiness must be 'store' or 'local'")
  const isDemo = !isDecided(decision)
  const isUntouched =
    isDemo && server === undefined && store === undefined && HOOK_NAMES.every((name) => options[name] === undefined)
  return {
    decision,
    isDemo,
    server,
    port,
    host,
    tls,
    token,
    apiKey,
    origin,
    trustProxy,
    metricsKey,
    readiness,
    logger: unfailing(logger),
    store,
    hasNamespaces: options.namespaces !== undefined,
    namespaces: createNamespaces(options.namespaces, isUntouched ? DEMO_ROOMS : {}),
    tokens: decision.hasTokenKey ? createTokens(options.tokens ?? {}) : emptyTokens(options.tokens),
    hooks: Object.fromEntries(HOOK_NAMES.map((name) => [name, options[name]])) as Hooks,
    limits: resolveLimits(options),
  }
}

/** Types are checked all the same. */
function emptyTokens(options: TokenOptions | undefined): undefined {
  if (options !== undefined) createTokens(options)
}
