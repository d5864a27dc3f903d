// All numbers of the protocol, in one table: errors in replies, reasons for being out of a room, close codes.

/** Errors of replies. */
export const ErrorCode = {
  INTERNAL: 100,
  UNAUTHORIZED: 101,
  UNKNOWN_CHANNEL: 102,
  PERMISSION_DENIED: 103,
  METHOD_NOT_FOUND: 104,
  ALREADY_SUBSCRIBED: 105,
  LIMIT_EXCEEDED: 106,
  BAD_REQUEST: 107,
  NOT_AVAILABLE: 108,
  TOKEN_EXPIRED: 109,
  EXPIRED: 110,
  TOO_MANY_REQUESTS: 111,
  UNRECOVERABLE_POSITION: 112,
  CONCURRENT_PAGINATION: 113,
} as const

/** Why a client is out of a room. From 2500 on it comes back by itself. */
export const UnsubscribeCode = {
  SERVER: 2000,
  INSUFFICIENT_STATE: 2500,
  EXPIRED: 2501,
  STATE_INVALIDATED: 2502,
} as const

/** Close codes. Below 3500 clients come back by themselves. */
export const DisconnectCode = {
  /** TCP ends, without a Close frame. */
  CONNECTION_CLOSED: 3000,
  SHUTDOWN: 3001,
  SERVER_ERROR: 3004,
  EXPIRED: 3005,
  SUBSCRIPTION_EXPIRED: 3006,
  SLOW: 3008,
  WRITE_ERROR: 3009,
  INSUFFICIENT_STATE: 3010,
  FORCE_RECONNECT: 3011,
  NO_PONG: 3012,
  TOO_MANY_REQUESTS: 3013,
  STATE_INVALIDATED: 3014,
  INVALID_TOKEN: 3500,
  BAD_REQUEST: 3501,
  STALE: 3502,
  FORCE_DISCONNECT: 3503,
  CONNECTION_LIMIT: 3504,
  CHANNEL_LIMIT: 3505,
  INAPPROPRIATE_PROTOCOL: 3506,
  PERMISSION_DENIED: 3507,
  NOT_AVAILABLE: 3508,
  TOO_MANY_ERRORS: 3509,
} as const

/** What each code says in words. Clients take a terminal close for one only when it has words. */
const TEXTS: Readonly<Record<number, string>> = {
  100: 'internal server error',
  101: 'unauthorized',
  102: 'unknown channel',
  103: 'permission denied',
  104: 'method not found',
  105: 'already subscribed',
  106: 'limit exceeded',
  107: 'bad request',
  108: 'not available',
  109: 'token expired',
  110: 'expired',
  111: 'too many requests',
  112: 'unrecoverable position',
  113: 'concurrent pagination',
  2000: 'server unsubscribe',
  2500: 'insufficient state',
  2501: 'subscription expired',
  2502: 'state invalidated',
  3000: 'connection closed',
  3001: 'shutdown',
  3004: 'internal server error',
  3005: 'connection expired',
  3006: 'subscription expired',
  3008: 'slow',
  3009: 'write error',
  3010: 'insufficient state',
  3011: 'force reconnect',
  3012: 'no pong',
  3013: 'too many requests',
  3014: 'state invalidated',
  3500: 'invalid token',
  3501: 'bad request',
  3502: 'stale',
  3503: 'force disconnect',
  3504: 'connection limit',
  3505: 'channel limit',
  3506: 'inappropriate protocol',
  3507: 'permission denied',
  3508: 'not available',
  3509: 'too many errors',
}

/** Errors after which the same may succeed: clients try again by themselves. */
const TEMPORARY: readonly number[] = [ErrorCode.INTERNAL, ErrorCode.TOO_MANY_REQUESTS, ErrorCode.CONCURRENT_PAGINATION]

const MAX_REASON_BYTES = 123

/** What a code says in words; of one that is not in the table: 'application code'. */
export function textOf(code: number): string {
  return TEXTS[code] ?? 'application code'
}

/** A refusal: an error of a reply below 3000, a close from 3000 on. Made by `refuse`, and checked like that. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: number
  /** May the same succeed later? Of errors: clients try again. */
  readonly isTemporary: boolean

  constructor(code: number, message: string) {
    if (typeof code !== 'number') throw new TypeError('code must be a number')
    if (typeof message !== 'string') throw new TypeError('message must be a string')
    const isError = code >= 100 && code < 2000
    const isClose = code >= 3000 && code < 5000
    if (!Number.isInteger(code) || !(isError || isClose)) throw new RangeError(`not a code to refuse with: ${code}`)
    if (isClose && (message === '' || Buffer.byteLength(message) > MAX_REASON_BYTES)) {
      throw new RangeError(`the message of a close must have 1 to ${MAX_REASON_BYTES} bytes`)
    }
    super(message)
    this.code = code
    this.isTemporary = TEMPORARY.includes(code)
  }
}

const REFUSAL = Symbol.for('@roomcast/centrifuge Refusal')
Object.defineProperty(Refusal.prototype, REFUSAL, { value: true })
// Another copy of this package, as a package manager may leave one, has a class of its own. Its refusals are refusals here,
// too: one that is not known as such would be taken for what was asked for, and published, or let in.
Object.defineProperty(Refusal, Symbol.hasInstance, {
  value(this: unknown, value: { [REFUSAL]?: true } | null | undefined): boolean {
    return this === Refusal ? value?.[REFUSAL] === true : Function.prototype[Symbol.hasInstance].call(this, value)
  },
})

/** Refuses what a policy was asked for: return it, or throw it.
 * @param code 100–1999: an error reply of that code (applications have 400–1999). 3000–4999: the connection is closed with
 * it (applications have 4000–4999; from 4500 on clients stay away).
 * @param message default: the code's words. A close's has 1 to 123 bytes.
 * @throws TypeError for a wrong type, RangeError for another code or a message that a Close cannot carry. */
export function refuse(code: number, message: string = textOf(code)): Refusal {
  return new Refusal(code, message)
}
