// Edge: one upgrade, from the HTTP request to the 101 or a refusal. What is asked is judged by handshake.ts, who asks by
// proxy.ts and origin.ts, and then the user's `handshake` decides, perhaps later: until then bytes are kept
// (bounded, and counted), and a peer that leaves gives its place back.

import { AsyncResource } from 'node:async_hooks'
import { Buffer } from 'node:buffer'
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket as TcpSocket } from 'node:net'
import { isThenable } from '../connection/call-safely.ts'
import { Connection } from '../connection/connection.ts'
import { hasLeft, readOn, type Sink, wire } from '../connection/wire.ts'
import { Acceptance, accept, type Handler, type HandshakeRequest, Rejection, reject } from '../handler.ts'
import type { Limits } from '../limits.ts'
import { EMPTY } from '../protocol/parser.ts'
import type { Pending, ServerContext } from '../server/context.ts'
import { LINGER_MS } from '../server/heartbeat.ts'
import type { ErrorWhere } from '../server/options.ts'
import { negotiateDeflate } from './deflate-negotiation.ts'
import { chooseSubprotocol, DRAINING, type Opening, RETRY_AFTER, type Refusal, readHandshake } from './handshake.ts'
import { mustWait } from './in-turn.ts'
import { originAllowed } from './origin.ts'
import { type Client, readClient } from './proxy.ts'
import { refusalResponse, switchingProtocols } from './response.ts'

/** Bytes kept of a peer that sends before it was answered, which no client should; more waits in the kernel. */
const MAX_EARLY_BYTES = 65_536

/** Which handler a request is for, or why there is none. */
export type Route<S> = { readonly handler: Handler<unknown, S> } | { readonly refusal: Refusal }

export class Upgrade<S> implements Sink, Pending {
  readonly resting = false
  readonly #context: ServerContext<S>
  readonly #stream: TcpSocket
  readonly #client: Client
  readonly #asked: IncomingMessage
  readonly #extra: unknown
  /** The asynchronous context of the upgrade, in which the user's callbacks are called. */
  readonly #scope = new AsyncResource('RoomcastSocket')
  #early: Buffer
  #deadline: number
  /** `'behind'`: an earlier request has no answer yet; `'asked'`: `handshake` has been asked and has not answered;
   * `'left'`: refused, or the peer is gone. */
  #state: 'behind' | 'judged' | 'asked' | 'accepted' | 'left' = 'behind'
  /** It counts as one of its address's connections. */
  #counted = false
  #abort: AbortController | null = null
  #destroyed = false // it was told to go, and need not tell that it is gone

  constructor(context: ServerContext<S>, request: IncomingMessage, stream: TcpSocket, head: Buffer, extra: unknown) {
    this.#context = context
    this.#stream = stream
    this.#extra = extra
    this.#client = readClient(context.trusted, stream, request.rawHeaders)
    this.#asked = request
    // A copy: these bytes are unmasked in place, and others may have them.
    this.#early = Buffer.from(head)
    context.pressure.input(head.length)
    this.#deadline = context.heartbeat.now + context.limits.handshakeTimeoutMs
    wire(stream, this)
    context.upgrades.add(this)
    context.heartbeat.start()
  }

  get heldBytes(): number {
    return this.#early.length
  }

  shed(): void {
    this.#refuseFull('maxTotalBytes')
  }

  /** Begins when what waits in the stream has been read: behind it the peer may have left, which nobody was told. */
  beginLater(route: Route<S>): void {
    const { turn } = this.#context
    let turns = 2
    const onTurnEnd = (): void => {
      if (--turns > 0) turn.afterEnd({ onTurnEnd })
      else this.#scope.runInAsyncScope(this.begin, this, route)
    }
    turn.afterEnd({ onTurnEnd })
  }

  /** Judges the request, then asks the user.
   * @param route the handler of the request's path, or why there is none. */
  begin(route: Route<S>): void {
    if (this.#done || !this.#stream.writable) return
    if (mustWait(this.#asked, this.#stream, () => this.#scope.runInAsyncScope(this.begin, this, route))) return
    this.#state = 'judged'
    // A framework may hand over a stream that is no TCP socket and has neither.
    const tcp: Partial<TcpSocket> = this.#stream
    tcp.setTimeout?.(0)
    tcp.setNoDelay?.(true)

    if ('refusal' in route) return this.refuse(route.refusal)
    const { limits, counters, pressure, connections, addresses, origin, leaving } = this.#context
    // Nothing is allocated for an upgrade that there is no place for.
    if (leaving) return this.refuse(DRAINING)
    if (connections.size + counters.pendingHandshakes >= limits.maxConnections)
      return this.#refuseFull('maxConnections')
    if (counters.pendingHandshakes >= limits.maxPendingHandshakes) return this.#refuseFull('maxPendingHandshakes')
    if (pressure.over) return this.#refuseFull('maxTotalBytes')
    if (!addresses.take(this.#client.address)) return this.#refuseFull('maxConnectionsPerAddress', 429)
    this.#counted = true

    const read = readHandshake(this.#asked, limits)
    if ('refusal' in read) return this.refuse(read.refusal)
    const { opening } = read
    const client = this.#client
    try {
      if (!originAllowed(origin, opening.origin, client.host(opening.host), opening.headers, client.scheme)) {
        return this.refuse({ status: 403, error: 'origin_not_allowed' })
      }
    } catch (error) {
      return this.#failed(error, 'origin')
    }
    if (!this.#done) this.#ask(opening, route.handler)
  }

  /** Answers with a status and ends the TCP connection, within a second. */
  refuse(refusal: Refusal & { body?: string | undefined }): void {
    if (this.#done) return
    const { status, error, limit } = refusal
    const response = refusalResponse(refusal, STATUS_CODES[status], this.#asked.method)
    this.#leave()
    if (limit !== undefined) this.#context.counters.limitHit(limit)
    this.#answer(response)
    // What the peer still sends is read past, so that it can read the answer before it meets a reset.
    readOn(this.#stream)
    this.#context.counters.rejected(status, error, this.#client, this.#asked)
  }

  onBytes(chunk: Buffer): void {
    if (this.#done) return
    this.#early = this.#early.length === 0 ? chunk : Buffer.concat([this.#early, chunk])
    this.#context.pressure.input(chunk.length)
    if (this.#early.length >= MAX_EARLY_BYTES) this.#stream.pause()
  }

  onStreamEnd(): void {
    this.#leave()
    this.#stream.end()
  }

  onStreamClose(): void {
    this.#leave()
    this.#context.forgetUpgrade(this)
  }

  tick(now: number): void {
    if (now < this.#deadline) return
    if (this.#destroyed || this.#stream.closed) this.onStreamClose()
    else if (this.#done) {
      this.#destroyed = true
      this.#deadline = now + LINGER_MS
      this.#stream.destroy()
    } else this.refuse({ status: 503, error: 'handshake_timeout', headers: RETRY_AFTER, limit: 'handshakeTimeoutMs' })
  }

  get #done(): boolean {
    return this.#state === 'accepted' || this.#state === 'left'
  }

  /** Sends a refusal in its turn, for which the server's own end does not wait. */
  #answer(response: Buffer): void {
    if (this.#stream.destroyed) return
    if (mustWait(this.#asked, this.#stream, () => this.#answer(response))) return this.#context.forgetUpgrade(this)
    this.#context.upgrades.add(this)
    this.#context.heartbeat.start()
    this.#deadline = this.#context.heartbeat.now + LINGER_MS
    if (this.#stream.writable) this.#stream.end(response)
  }

  #ask(opening: Opening, handler: Handler<unknown, S>): void {
    let where: ErrorWhere = 'init'
    try {
      const first = accept(handler.init?.() as S)
      where = 'handshake'
      if (handler.handshake === undefined) return this.#accept(opening, handler, first)
      const result = handler.handshake(this.#request(opening), first.state)
      if (!isThenable(result)) return this.#decide(opening, handler, result as Exclude<typeof result, Promise<unknown>>)
      // It may have drained or closed the server meanwhile.
      if (!this.#done) {
        this.#state = 'asked'
        this.#context.counters.pendingHandshakes++
      }
      Promise.resolve(result)
        .then((decision) => this.#decide(opening, handler, decision))
        .catch((error: unknown) => this.#failed(error, where))
    } catch (error) {
      this.#failed(error, where)
    }
  }

  /** The request as the user's `handshake` sees it. */
  #request({ path, search, headers, subprotocols }: Opening): HandshakeRequest {
    const { address: remoteAddress, scheme } = this.#client
    const secure = scheme === undefined ? 'encrypted' in this.#stream : scheme === 'https'
    const query = new URLSearchParams(search)
    const signal = (): AbortSignal => this.#signal()
    return {
      // A copy, as the user may change it: ours decides which subprotocol may be chosen.
      ...{ path, query, headers, remoteAddress, secure, subprotocols: [...subprotocols], extra: this.#extra },
      // Few handshakes look at it.
      get signal() {
        return signal()
      },
    }
  }

  #decide(opening: Opening, handler: Handler<unknown, S>, decision: S | Rejection | Acceptance<S>): void {
    if (this.#done) return
    if (decision instanceof Rejection) return this.#failed(decision, 'handshake')
    if (decision === undefined) throw new TypeError('handshake returned no state, accept(state) or reject(status)')
    // Made anew: it may have been made, or changed, by hand.
    const { state, ...said } = decision instanceof Acceptance ? decision : { state: decision }
    this.#accept(opening, handler, accept(state, said as object))
  }

  #accept(opening: Opening, handler: Handler<unknown, S>, acceptance: Acceptance<S>): void {
    // What the user was asked may have drained or closed the server.
    if (this.#done) return
    if (this.#context.leaving) return this.refuse(DRAINING)
    // The peer may have left before it was heard, or while the user decided: then nobody was ever here.
    if (hasLeft(this.#stream)) return this.onStreamEnd()
    const subprotocol = this.#chooseSubprotocol(opening, acceptance.subprotocol)
    const { connections, upgrades, deflaters } = this.#context
    const deflate = deflaters && negotiateDeflate(opening.extensions, deflaters)
    const response = switchingProtocols({
      acceptKey: opening.acceptKey,
      subprotocol,
      extensions: deflate?.answer,
      headers: acceptance.headers,
    })
    const early = this.#early
    this.#settle('accepted')
    const connection = new Connection(this.#context, this.#stream, {
      handler,
      scope: this.#scope,
      state: acceptance.state,
      path: opening.path,
      remoteAddress: this.#client.address,
      subprotocol,
      deflater: deflate && deflaters[deflate.windowBits],
      clientWindowBytes: deflate?.clientWindowBytes ?? null,
    })
    upgrades.delete(this)
    connections.add(connection)
    wire(this.#stream, connection)
    connection.open(response, early)
  }

  #chooseSubprotocol(opening: Opening, wanted: string | undefined): string {
    if (wanted === undefined) return chooseSubprotocol(this.#context.subprotocols, opening.subprotocols)
    if (wanted === '' || opening.subprotocols.includes(wanted)) return wanted
    this.#context.report(new RangeError(`subprotocol was not offered: ${wanted}`), 'handshake')
    return ''
  }

  #refuseFull(limit: keyof Limits, status = 503): void {
    this.refuse({ status, error: 'busy', headers: RETRY_AFTER, limit })
  }

  /** Never throws, whatever `error` is. */
  #failed(error: unknown, where: ErrorWhere): void {
    let cause = error
    try {
      if (where === 'handshake' && error instanceof Rejection) {
        const { status, error: text, headers, body } = error
        return this.refuse(reject(status, text, { headers, body: body! }))
      }
    } catch (malformed) {
      cause = malformed
    }
    // A lookup that gave up because the peer did is no error of anybody.
    if (this.#state === 'left' && cause === this.#abort?.signal.reason) return
    this.#context.report(cause, where)
    this.refuse({ status: 500, error: 'internal_error' })
  }

  #signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#state === 'left') this.#abort.abort()
    return this.#abort.signal
  }

  #leave(): void {
    if (this.#done) return
    this.#settle('left')
    if (this.#counted) this.#context.addresses.give(this.#client.address)
    if (this.#abort !== null) this.#scope.runInAsyncScope(this.#abort.abort, this.#abort)
  }

  #settle(state: 'accepted' | 'left'): void {
    if (this.#state === 'asked') this.#context.counters.pendingHandshakes--
    this.#state = state
    this.#context.pressure.input(-this.#early.length)
    this.#early = EMPTY
  }
}
