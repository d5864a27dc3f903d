// Edge: one upgrade, from the HTTP request to the 101 or a refusal. What is asked is judged by protocol/handshake.ts, who
// asks by origin.ts, and then the user's `handshake` decides, perhaps later: until then bytes are kept (bounded), and a
// peer that leaves gives its place back.

import { Buffer } from 'node:buffer'
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket as TcpSocket } from 'node:net'
import { Connection, type ConnectionContext } from './connection.ts'
import { Acceptance, type HandshakeRequest, type HandshakeResult, Rejection } from './handler.ts'
import { type Beating, LINGER_MS } from './heartbeat.ts'
import type { ErrorWhere } from './options.ts'
import { type OriginPolicy, originAllowed } from './origin.ts'
import { chooseSubprotocol, type Opening, type Refusal, readHandshake } from './protocol/handshake.ts'
import { type Deflater, negotiateDeflate, type WindowBits } from './protocol/permessage-deflate.ts'
import { refusalResponse, switchingProtocols } from './protocol/response.ts'
import { isThenable } from './reader.ts'
import { type Sink, wire } from './wire.ts'

/** Bytes kept of a peer that sends before it was answered, which no client should; more waits in the kernel. */
const MAX_EARLY_BYTES = 65_536

/** When to come back after a 503, in seconds. */
const RETRY_AFTER = { 'Retry-After': '2' }

/** What an upgrade gets while its server drains or closes. */
export const DRAINING: Refusal = { status: 503, error: 'draining', headers: RETRY_AFTER }

/** What an upgrade needs of its server. */
export interface UpgradeContext<I, S> extends Omit<ConnectionContext<S>, 'handler'> {
  readonly handler: ConnectionContext<S>['handler'] & {
    init?(): I
    handshake?(request: HandshakeRequest, state: I): HandshakeResult<S>
  }
  readonly origin: OriginPolicy
  /** One for each window size; null: compression is off. */
  readonly deflaters: Readonly<Record<WindowBits, Deflater>> | null
  readonly subprotocols: readonly string[]
  /** The server drains or closes. */
  readonly leaving: boolean
  /** All connections and all upgrades that are not done. */
  readonly connections: Set<Connection<S>>
  readonly upgrades: Set<Upgrade<I, S>>
  /** An upgrade is done: nothing of it is left. */
  forgetUpgrade(upgrade: Upgrade<I, S>): void
}

/** The request as the user's `handshake` sees it; what few handshakes ask for is made when they do. */
function handshakeRequest(opening: Opening, remoteAddress: string, signal: () => AbortSignal): HandshakeRequest {
  const { path, search, headers, subprotocols } = opening
  let query: URLSearchParams | undefined
  return {
    path,
    headers,
    remoteAddress,
    subprotocols,
    get query() {
      query ??= new URLSearchParams(search)
      return query
    },
    get signal() {
      return signal()
    },
  }
}

export class Upgrade<I, S> implements Sink, Beating {
  readonly #context: UpgradeContext<I, S>
  readonly #stream: TcpSocket
  readonly #remoteAddress: string
  #early: Buffer
  #deadline: number
  /** `handshake` has been asked and has not answered. */
  #pending = false
  /** Accepted or refused, or the peer is gone. */
  #done = false
  #abort: AbortController | null = null
  /** Refused, or the peer is gone. */
  #left = false

  constructor(context: UpgradeContext<I, S>, stream: TcpSocket, head: Buffer) {
    this.#context = context
    this.#stream = stream
    this.#early = head
    this.#remoteAddress = stream.remoteAddress ?? ''
    this.#deadline = context.heartbeat.now + context.limits.handshakeTimeoutMs
    wire(stream, this)
    context.upgrades.add(this)
    context.heartbeat.start()
    // A framework may hand over a stream that is no TCP socket and has neither.
    const tcp: Partial<TcpSocket> = stream
    tcp.setTimeout?.(0)
    tcp.setNoDelay?.(true)
  }

  /** Judges the request, then asks the user. */
  begin(request: IncomingMessage): void {
    const { limits, counters, pressure, connections, leaving } = this.#context
    // Nothing is allocated for an upgrade that there is no place for.
    if (leaving) return this.refuse(DRAINING)
    if (connections.size + counters.pendingHandshakes >= limits.maxConnections)
      return this.#refuseFull('maxConnections')
    if (counters.pendingHandshakes >= limits.maxPendingHandshakes) return this.#refuseFull('maxPendingHandshakes')
    if (pressure.over) return this.#refuseFull('maxTotalBytes')
    const read = readHandshake(request, limits)
    if ('refusal' in read) return this.refuse(read.refusal)
    const { opening } = read
    try {
      const { origin } = this.#context
      if (!originAllowed(origin, opening.origin, opening.host, opening.headers)) {
        return this.refuse({ status: 403, error: 'origin_not_allowed' })
      }
    } catch (error) {
      return this.#failed(error, 'origin')
    }
    this.#ask(opening)
  }

  /** Answers with a status and ends the TCP connection, within a second. */
  refuse(refusal: Refusal & { body?: string | undefined }): void {
    if (this.#done) return
    const response = refusalResponse(refusal, STATUS_CODES[refusal.status])
    this.#gone()
    this.#context.counters.rejected(refusal.status)
    if (refusal.limit !== undefined) this.#context.counters.limitHit(refusal.limit)
    this.#deadline = this.#context.heartbeat.now + LINGER_MS
    this.#stream.end(response)
    // What the peer still sends is read past, so that it can read the answer before it meets a reset.
    this.#stream.resume()
  }

  onBytes(chunk: Buffer): void {
    if (this.#done) return
    this.#early = this.#early.length === 0 ? chunk : Buffer.concat([this.#early, chunk])
    if (this.#early.length >= MAX_EARLY_BYTES) this.#stream.pause()
  }

  onStreamEnd(): void {
    this.#gone()
    this.#stream.end()
  }

  onStreamClose(): void {
    this.#gone()
    this.#context.forgetUpgrade(this)
  }

  tick(now: number): void {
    if (now < this.#deadline) return
    if (this.#done) this.#stream.destroy()
    else this.refuse({ status: 503, error: 'handshake_timeout', headers: RETRY_AFTER, limit: 'handshakeTimeoutMs' })
  }

  #ask(opening: Opening): void {
    const { handler, counters } = this.#context
    let where: ErrorWhere = 'init'
    try {
      const first = handler.init?.() as I
      where = 'handshake'
      if (handler.handshake === undefined)
        return this.#accept(opening, new Acceptance(first as unknown as S, undefined, {}))
      const request = handshakeRequest(opening, this.#remoteAddress, () => this.#signal())
      const result = handler.handshake(request, first)
      if (!isThenable(result)) return this.#decide(opening, result as Exclude<HandshakeResult<S>, Promise<unknown>>)
      this.#pending = true
      counters.pendingHandshakes++
      Promise.resolve(result)
        .then((decision) => this.#decide(opening, decision))
        .catch((error: unknown) => this.#failed(error, 'handshake'))
    } catch (error) {
      this.#failed(error, where)
    }
  }

  #decide(opening: Opening, decision: S | Rejection | Acceptance<S>): void {
    if (this.#done) return
    if (decision instanceof Rejection) this.refuse(decision)
    else if (this.#context.leaving) this.refuse(DRAINING)
    else if (decision instanceof Acceptance) this.#accept(opening, decision)
    else this.#accept(opening, new Acceptance(decision, undefined, {}))
  }

  #accept(opening: Opening, acceptance: Acceptance<S>): void {
    // The peer may have left within this very turn, or while the user decided: then nobody was ever here.
    if (this.#stream.destroyed) return this.#gone()
    const subprotocol = this.#chooseSubprotocol(opening, acceptance.subprotocol)
    const { connections, upgrades, deflaters } = this.#context
    const deflate = deflaters && negotiateDeflate(opening.extensions)
    const response = switchingProtocols({
      acceptKey: opening.acceptKey,
      subprotocol,
      extensions: deflate?.answer,
      headers: acceptance.headers,
    })
    this.#settle()
    const connection = new Connection(this.#context, this.#stream, {
      state: acceptance.state,
      path: opening.path,
      remoteAddress: this.#remoteAddress,
      subprotocol,
      deflater: deflate && deflaters[deflate.windowBits],
    })
    upgrades.delete(this)
    connections.add(connection)
    wire(this.#stream, connection)
    connection.open(response, this.#early)
  }

  #chooseSubprotocol(opening: Opening, wanted: string | undefined): string {
    if (wanted === undefined) return chooseSubprotocol(this.#context.subprotocols, opening.subprotocols)
    if (wanted === '' || opening.subprotocols.includes(wanted)) return wanted
    this.#context.report(new RangeError(`subprotocol was not offered: ${wanted}`), 'handshake')
    return ''
  }

  #refuseFull(limit: 'maxConnections' | 'maxPendingHandshakes' | 'maxTotalBytes'): void {
    this.refuse({ status: 503, error: 'busy', headers: RETRY_AFTER, limit })
  }

  #failed(error: unknown, where: ErrorWhere): void {
    // A lookup that gave up because the peer did is no error of anybody.
    if (this.#left && error === this.#abort?.signal.reason) return
    this.#context.report(error, where)
    this.refuse({ status: 500, error: 'internal_error' })
  }

  #signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#left) this.#abort.abort()
    return this.#abort.signal
  }

  #gone(): void {
    if (this.#done) return
    this.#settle()
    this.#left = true
    this.#abort?.abort()
  }

  #settle(): void {
    this.#done = true
    if (this.#pending) this.#context.counters.pendingHandshakes--
    this.#pending = false
  }
}
