// The contract with the user: what a handler may define, what each callback is given, and what each return value makes
// the server do. Types and the two handshake outcomes; the machinery that calls them is connection.ts and upgrade.ts.

import { isStray } from './connection/call-safely.ts'
import { assertHeaders, type Headers } from './handshake/response.ts'
import { shareWithCopies } from './protocol/copies.ts'
import { checkFields } from './protocol/fields.ts'
import type { Framed, Opcode, Payload } from './protocol/framed.ts'

/** What a write came to. `'ok'`: accepted. `'backpressure'`: accepted, but the kernel refused bytes at the last flush.
 * `'dropped'`: over `maxBufferedBytes` under `slowConsumer: 'drop'`. `'closed'`: the socket is not open, or this write
 * made it close as a slow consumer. */
export type WriteResult = 'ok' | 'backpressure' | 'dropped' | 'closed'

/** `'closing'` from the moment either side began to close; `'closed'` when the TCP connection is gone. */
export type ReadyState = 'open' | 'closing' | 'closed'

/** How a socket ended. The first thing that ended it decides over `code` (1005: the peer's Close had none; 1006: there
 * was none), `reason` and `by`, also when the other side never answered. */
export interface CloseInfo {
  code: number
  reason: string
  by: 'peer' | 'server' | 'network'
  /** Were both Closes exchanged? Ours goes out behind what was accepted, so `false` also tells that not all of that may
   * have left. */
  clean: boolean
  /** The system's error, where the TCP connection was lost to one. */
  cause?: Error
}

/** One WebSocket connection, as a handler receives it and a registry keeps it. It may be used from anywhere, any time,
 * closed or not: a method throws for a caller's mistake only, never for the condition of the socket. */
export interface Socket<S = unknown> {
  /** The state that `handshake` (or `init`) returned: yours to read, mutate or replace. */
  state: S
  readonly readyState: ReadyState
  /** Bytes accepted that the kernel has not taken yet. */
  readonly bufferedBytes: number
  /** The request's path, without its query. */
  readonly path: string
  /** As in `HandshakeRequest`. */
  readonly remoteAddress: string
  /** The subprotocol chosen in the handshake, or `''`. */
  readonly subprotocol: string

  /** Sends one message. A string is text, bytes are binary, unless `opcode` says else; an array of both is one message;
   * a `Framed` goes as it is. The bytes are copied at the call and leave when the event-loop turn ends.
   * @throws TypeError for another type, RangeError for another opcode. */
  write(data: Payload | Framed, opcode?: Opcode): WriteResult
  /** Sends a ping with up to 125 bytes of payload (default none); `pong` of the handler hears the answer. `'dropped'`:
   * 16 wait already behind bytes that the kernel refused. RFC 6455 §5.5.2.
   * @throws RangeError for a longer payload, TypeError for another type. */
  ping(payload?: string | ArrayBufferView): WriteResult
  /** Starts the closing handshake; what was accepted before goes out first. Again, or on a closed socket: a no-op.
   * RFC 6455 §7.1.2.
   * @param code default 1000; one that may be sent (§7.4) or 3000–4999.
   * @param reason default ''; at most 123 bytes of UTF-8.
   * @throws RangeError for another code or a longer reason, TypeError for another type. */
  close(code?: number, reason?: string): void
  /** Ends the TCP connection now. What was not sent is discarded; `closed` reports 1006, unless the socket was closing
   * for another reason already. */
  terminate(): void
  /** Stops reading: no `message` until `resume()`. The idle and message clocks stand still meanwhile. */
  pause(): void
  /** Reads again after `pause()`. */
  resume(): void
  /** Calls `listener` once, synchronously, the moment this socket leaves the open state, before `closed`: made for
   * registries, which must forget a socket before anybody can find it closed. At once when it is not open any more; once
   * it is closed, in the asynchronous context that the server was made in.
   * @returns a function that takes the listener back. */
  onClosing(listener: () => void): () => void
}

/** The opening handshake's request, as `handshake` sees it. */
export interface HandshakeRequest {
  /** The path, without its query. */
  readonly path: string
  readonly query: URLSearchParams
  /** All headers, names in lower case; a repeated header's values are joined with ', ' (cookies with '; '). */
  readonly headers: Readonly<Record<string, string>>
  /** The client's IP address, as `trustProxy` finds it; `''` over a unix socket. IPv4 within IPv6 is written as IPv4. */
  readonly remoteAddress: string
  /** Does the client speak TLS: to us, or to the proxy that `trustProxy` believes? */
  readonly secure: boolean
  /** What the client offered in Sec-WebSocket-Protocol, in its order. */
  readonly subprotocols: readonly string[]
  /** Aborts when the peer goes away, or the handshake runs out of time. */
  readonly signal: AbortSignal
  /** What `server.upgrade` was given as its fourth argument (a session, a user), else node's `IncomingMessage`: its socket
   * knows a client's certificate. */
  readonly extra: unknown
}

/** What `handshake` may return: the new state, or one of the two outcomes as values, or a promise of these. */
export type HandshakeResult<S> = S | Rejection | Acceptance<S> | Promise<S | Rejection | Acceptance<S>>

/** What `message` is given, by the option `text` of the server. */
export type Received = { buffer: Buffer; string: string | Buffer }

/** The callbacks of one server, or of one of its routes; only `message` must be given. A socket's callbacks never
 * overlap: when one returns a promise, the next waits for it (`closed` alone does not). What they return is otherwise
 * ignored; a throw or a rejection closes that socket with 1011 and goes to `onError`, never to the process. Each is called
 * in the `AsyncLocalStorage` context of its own upgrade. */
export interface Handler<I, S, T extends keyof Received = 'buffer'> {
  /** Makes the first state of a connection, before `handshake`, at once. A throw, or a promise, answers 500. */
  init?(): I
  /** Decides over a connection; without it everybody is accepted with the state of `init`. A `reject` that is thrown
   * counts as returned; another throw, or nothing returned (a forgotten `return` must not open the door), answers 500. */
  handshake?(request: HandshakeRequest, state: I): HandshakeResult<S>
  /** Called once after the 101, before the first message. */
  opened?(socket: Socket<S>): unknown
  /** One whole message. `data` is yours, to keep, change or transfer; text has been checked to be UTF-8, and is a string
   * with the option `text: 'string'`. */
  message: (socket: Socket<S>, data: Received[T], opcode: Opcode) => unknown
  /** A ping; its pong is on its way already. In its place among the messages. */
  ping?(socket: Socket<S>, payload: Buffer): unknown
  /** A pong, which answers the newest ping (RFC 6455 §5.5.3), or was sent unasked. In its place among the messages. */
  pong?(socket: Socket<S>, payload: Buffer): unknown
  /** Nothing is unsent any more after a write said `'backpressure'`: once per crossing. As callbacks never overlap, a
   * `message` that awaits this waits for ever: return, and go on from here. */
  drained?(socket: Socket<S>): unknown
  /** Exactly once for every socket that was opened, whatever ended it. It does not wait for a pending callback; `drain`
   * and `close` of the server wait for the promise that it returns. */
  closed?(socket: Socket<S>, info: CloseInfo): unknown
}

/** One of `routes`: the same handler, with the type of its state found out, as TypeScript does not look that far into an
 * object of handlers. */
export function route<I = undefined, S = I>(handler: Handler<I, S>): Handler<unknown, S> {
  return handler
}

/** A refused handshake: made by `reject`. One that cannot be sent, made or changed by hand, is a 500. */
export class Rejection {
  declare readonly status: number
  declare readonly error: string
  declare readonly headers: Headers
  declare readonly body: string | undefined

  constructor(fields: Rejection) {
    Object.assign(this, fields)
  }
}

/** An accepted handshake with more to say than its state: made by `accept`. */
export class Acceptance<S> {
  declare readonly state: S
  declare readonly subprotocol: string | undefined
  declare readonly headers: Headers

  constructor(fields: Acceptance<S>) {
    Object.assign(this, fields)
  }
}

shareWithCopies('Rejection', Rejection)
shareWithCopies('Acceptance', Acceptance)

/** Refuses a handshake: return it from `handshake`. The TCP connection ends after the response.
 * @param status an HTTP status, 300–599.
 * @param error goes out in an `Error` header (default: none).
 * @param options further `headers` (an array is so many lines of one name, such as Set-Cookie); `body`, plain text (default: the status's name).
 * @throws TypeError for another type or an unknown option, RangeError for another status, or a header name or value that
 * HTTP does not allow. */
export function reject(status: number, error = '', options: { headers?: Headers; body?: string } = {}): Rejection {
  checkFields('reject', { status, error }, { status: 'number', error: 'string' })
  checkFields('reject', options, { headers: 'object', body: 'string' })
  if (!Number.isInteger(status) || status < 300 || status > 599) throw new RangeError(`a refusal is 300–599: ${status}`)
  const { headers = {}, body } = options
  assertHeaders(headers)
  assertHeaders({ ...headers, Error: error })
  return new Rejection({ status, error, headers: { ...headers }, body })
}

/** Accepts a handshake, with a subprotocol or headers of your choice: return it from `handshake`.
 * @param options `subprotocol`: one that the client offered (another is not sent, and `onError` hears of it; default:
 * the first of the server's list that was offered); further `headers` of the 101 (arrays as for `reject`).
 * @throws TypeError for a state that is a promise (a forgotten `await`), or what `reject` or `accept` returned; for an
 * unknown option or one of another type; RangeError for a header name or value that HTTP does not allow. */
export function accept<S>(state: S, options: { subprotocol?: string; headers?: Headers } = {}): Acceptance<S> {
  if (isStray(state) || state instanceof Rejection || state instanceof Acceptance) {
    throw new TypeError('a state must not be a promise (await it), nor what reject or accept returned')
  }
  checkFields('accept', options, { subprotocol: 'string', headers: 'object' })
  const { subprotocol, headers = {} } = options
  assertHeaders(headers)
  return new Acceptance({ state, subprotocol, headers: { ...headers } })
}
