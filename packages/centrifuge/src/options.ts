// What the protocol is served with, and every limit with its default and its reason.

import { inspect } from 'node:util'
import type { Clock, Rooms } from '@roomcast/rooms'
import type { Client, Policy } from './policy.ts'
import type { Method } from './wire/schema.ts'

/** A clock that also knows the date: tokens expire by dates. */
export interface DateClock extends Clock {
  /** Milliseconds since 1970. */
  date(): number
}

/** What something went wrong in: a question to the policy, or the rooms. */
export type PolicyCall = keyof Policy | 'rooms'

/** Options of `centrifugeHandler`. */
export interface CentrifugeOptions extends Partial<Limits> {
  readonly rooms: Rooms
  readonly policy: Policy
  /** Hears what a policy or the store threw that was no refusal. Default: `process.emitWarning`. */
  readonly onError?: ((error: unknown, info: { readonly where: PolicyCall }) => void) | undefined
  /** Hears what the protocol itself refused, no policy having been asked. */
  readonly onRefused?: ((client: Client, denied: Denied) => void) | undefined
  /** What the connect result says as the server's version. Default 'roomcast'. */
  readonly version?: string | undefined
  /** Default: the process's own. */
  readonly clock?: DateClock | undefined
  /** Makes a client's id. Default: a random UUID. */
  readonly newId?: (() => string) | undefined
  /** 0 to 1: spreads first pings. Default `Math.random`. */
  readonly random?: (() => number) | undefined
}

/** What the protocol itself refused: data over a limit, too many rooms, a name that is none, a ping without an answer. */
export interface Denied {
  /** Below 2000: the error of the reply. Below 3000: the client is put out of the room with it. From 3000 on: the connection is
   * closed with it. */
  readonly code: number
  /** The command that was refused, where it was one. */
  readonly method?: Method | undefined
  readonly room?: string | undefined
  /** What it was over. Of `commandsPerSecond` (111): nothing is refused, what is over it waits its turn, which is told once
   * of a connection. */
  readonly limit?: keyof Limits | undefined
}

/** Every limit. */
export interface Limits {
  /** Between two pings of the server; the first comes after a half to one, so that clients that came together do not
   * answer together. Centrifugo's 25,000. */
  readonly pingIntervalMs: number
  /** So long a pong may take, then 3012. Centrifugo's 8,000. */
  readonly pongTimeoutMs: number
  /** So long a connection may be without a client, then 3502: a socket that says nothing costs the same. 10,000. */
  readonly staleCloseDelayMs: number
  /** A connection outlives its token by so long, as a new one takes a request to the application. 25,000. */
  readonly expiredCloseDelayMs: number
  /** A subscription outlives its token by so long. 25,000. */
  readonly expiredSubCloseDelayMs: number
  /** The most that one publication may have: it is sent to every member. Over it: 107. 64 KiB. */
  readonly maxDataBytes: number
  /** Levels of objects and arrays in JSON that others will parse: the parsers of some stop at 64. Over it: 107. 32. */
  readonly maxDataDepth: number
  /** Commands per second and connection; what is over it waits its turn. 200. */
  readonly commandsPerSecond: number
  /** So many commands may come at once: a client subscribes to all its rooms in one message. 1,000. */
  readonly commandBurst: number
  /** Commands of one connection that wait for a policy or the store at once. 64. */
  readonly maxCommandsUnderWay: number
  /** Bytes of commands that wait their turn; above it the socket is not read. 256 KiB. */
  readonly maxWaitingBytes: number
}

/** The defaults. */
const DEFAULT_LIMITS: Limits = {
  pingIntervalMs: 25_000,
  pongTimeoutMs: 8_000,
  staleCloseDelayMs: 10_000,
  expiredCloseDelayMs: 25_000,
  expiredSubCloseDelayMs: 25_000,
  maxDataBytes: 64 * 1024,
  maxDataDepth: 32,
  commandsPerSecond: 200,
  commandBurst: 1000,
  maxCommandsUnderWay: 64,
  maxWaitingBytes: 256 * 1024,
}

/** What all sessions of a handler share. */
export interface Environment {
  readonly rooms: Rooms
  readonly policy: Policy
  readonly limits: Limits
  readonly version: string
  readonly clock: DateClock
  readonly newId: () => string
  readonly random: () => number
  readonly onError: (error: unknown, where: PolicyCall) => void
  readonly onRefused: NonNullable<CentrifugeOptions['onRefused']>
  /** Runs a function when everything has run that waits for nothing but promises. */
  readonly defer: (run: () => void) => void
}

/** The process's own clock. Its timers keep no process alive. */
const processClock: DateClock = {
  now: () => performance.now(),
  date: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms).unref()
    return () => clearTimeout(timer)
  },
}

const QUESTIONS: readonly (keyof Policy)[] = [
  'authenticate',
  'subscribe',
  'publish',
  'presence',
  'history',
  'rpc',
  'message',
  'refresh',
  'subRefresh',
  'disconnected',
]

/** Checks options, and fills in what they leave out.
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a wrong value. */
export function settle(options: CentrifugeOptions): Environment {
  const {
    rooms,
    policy,
    onError = warn,
    version = 'roomcast',
    clock = processClock,
    newId,
    random,
    ...others
  } = options
  const { onRefused = () => {}, ...rest } = others
  if (typeof rooms?.enterAll !== 'function') throw new TypeError('rooms must be made by createRooms')
  if (typeof policy?.authenticate !== 'function') throw new TypeError('policy must be an object with authenticate')
  for (const question of QUESTIONS) {
    if (policy[question] !== undefined && typeof policy[question] !== 'function') {
      throw new TypeError(`policy.${question} must be a function`)
    }
  }
  checkFunctions({ onError, onRefused, newId, random })
  if (typeof version !== 'string') throw new TypeError('version must be a string')
  if (version === '') throw new RangeError('version must not be empty: clients read it as absent')
  if (typeof clock.after !== 'function' || typeof clock.date !== 'function')
    throw new TypeError('clock must be a clock')
  return {
    rooms,
    policy,
    limits: limitsOf(rest),
    version,
    clock,
    newId: newId ?? (() => crypto.randomUUID()),
    random: random ?? Math.random,
    onError: (error, where) => onError(error, { where }),
    onRefused,
    defer: (run) => process.nextTick(run),
  }
}

function limitsOf(given: Partial<Limits>): Limits {
  const limits: { -readonly [K in keyof Limits]: number } = { ...DEFAULT_LIMITS }
  for (const [name, value] of Object.entries(given)) {
    if (!(name in DEFAULT_LIMITS)) throw new TypeError(`unknown option: ${name}`)
    if (value === undefined) continue
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number`)
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${name} must be a positive integer: ${value}`)
    limits[name as keyof Limits] = value
  }
  if (limits.pongTimeoutMs >= limits.pingIntervalMs) {
    throw new RangeError('pongTimeoutMs must be less than pingIntervalMs')
  }
  return limits
}

function checkFunctions(functions: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(functions)) {
    if (value !== undefined && typeof value !== 'function') throw new TypeError(`${name} must be a function`)
  }
}

function warn(error: unknown, { where }: { where: PolicyCall }): void {
  process.emitWarning(`${where} failed: ${inspect(error)}`, 'RoomcastWarning')
}
