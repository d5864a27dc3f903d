// Edge: the server. It listens or is attached, receives upgrades, owns the set of connections, and ends them all.

import { AsyncResource } from 'node:async_hooks'
import type { IncomingMessage } from 'node:http'
import type { Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { callSafely } from '../connection/call-safely.ts'
import { Outbox } from '../connection/outbox.ts'
import { hear, isTaken, take } from '../connection/wire.ts'
import type { Received, Socket } from '../handler.ts'
import { DRAINING, type Refusal, requestPath } from '../handshake/handshake.ts'
import { readTrust } from '../handshake/proxy.ts'
import { type Route, Upgrade } from '../handshake/upgrade.ts'
import { resolveLimits } from '../limits.ts'
import { CloseCode } from '../protocol/close.ts'
import { checkFields, checkNone } from '../protocol/fields.ts'
import { createDeflaters } from '../protocol/permessage-deflate.ts'
import { AddressCounts } from './addresses.ts'
import { type Attached, attach, detach } from './attachment.ts'
import type { Member, Pending, ServerContext } from './context.ts'
import { channels } from './diagnostics.ts'
import { type DrainOptions, type DrainResult, drainAll, drainPlan, MAX_TIMER_MS, reasonOf, timeOut } from './drain.ts'
import { Heartbeat } from './heartbeat.ts'
import { type Address, listenOn } from './listen.ts'
import { type AnyOptions, type ErrorWhere, type RoutesOptions, readOptions, type ServerOptions } from './options.ts'
import { OwnServer } from './own-server.ts'
import { Pressure } from './pressure.ts'
import { clearTimeout, setTimeout } from './real-time.ts'
import { checkUpgrade, NOT_FOUND, routeOf } from './routes.ts'
import { Counters, type Stats } from './stats.ts'
import { Turn } from './turn.ts'
import { warn } from './warn.ts'

/** A WebSocket server, made by `createServer`. `listen`, `drain` and `close` throw a TypeError for what they do not take. */
export interface Server<S = unknown> {
  /** Begins to listen; resolves with the address (`port` is the real one after `port: 0`; a unix socket has `path`).
   * Rejects with the system's error (EADDRINUSE …), for an attached server, and after `close`. A unix socket file that
   * nobody listens on is replaced.
   * @param options `signal`: aborts the attempt; once it listens, an abort closes the server.
   * @throws TypeError for another option or value: where to listen, `createServer` is told. */
  listen(options?: { signal?: AbortSignal }): Promise<Address>
  /** Takes an upgrade that a framework routed itself. A path that is not ours is answered 404; a peer that has left
   * meanwhile is neither opened nor closed.
   * @param head what came behind the request, as node's 'upgrade' gives it; perhaps no byte.
   * @param extra what `handshake` finds in `request.extra`: a session, a user (default: `request`).
   * @throws TypeError for what is no request, stream or bytes, Error for a socket that was given before. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array, extra?: unknown): void
  /** The open sockets. */
  readonly sockets: Iterable<Socket<S>>
  /** What the server counts; costs the same whatever the number of sockets. */
  stats(): Stats
  /** Refuses new upgrades with 503 at once, closes the sockets in batches, queued data first, and terminates what is left
   * at the deadline. The server goes on refusing until `close`.
   * @throws TypeError for an unknown option or one of another type, RangeError for a wrong value; nothing is closed then. */
  drain(options?: DrainOptions): Promise<DrainResult>
  /** Closes every socket with 1001; resolves when each `closed` has been called, what it returned has settled (for
   * `closeTimeoutMs` at most) and nothing is left that keeps the process alive. An attached http server goes on. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Makes a server; it accepts nobody before `listen` (attached: at once).
 * @throws TypeError for a missing, unknown or wrongly typed option, RangeError for a wrong value. */
export function createServer<States extends object>(options: RoutesOptions<States>): Server<States[keyof States]>
export function createServer<I = undefined, S = I, T extends keyof Received = 'buffer'>(
  options: ServerOptions<I, S, T>,
): Server<S>
export function createServer<S>(options: AnyOptions<S>): Server<S> {
  return new SocketServer(readOptions(options))
}

const NOT_TAKEN: Refusal = { ...NOT_FOUND, limit: 'handshakeTimeoutMs' }

class SocketServer<S> implements Server<S> {
  readonly #options: AnyOptions<S>
  readonly #context: ServerContext<S>
  readonly #scope: AsyncResource
  readonly #connections = new Set<Member<S>>()
  readonly #upgrades = new Set<Pending>()
  readonly #own: OwnServer | null
  #signal: AbortSignal | undefined
  #listening: Promise<Address> | null = null
  #closing: Promise<void> | null = null
  #draining: Promise<DrainResult> | null = null
  /** Promises of `closed` that have not settled. */
  #telling = 0
  #waiting: { state: 'gone' | 'told'; resolve: () => void }[] = []

  constructor(options: AnyOptions<S>) {
    this.#options = options
    const { origin = 'same', subprotocols = [], port, unix } = options
    const [connections, upgrades] = [this.#connections, this.#upgrades]
    const limits = resolveLimits(options)
    const scope = new AsyncResource('RoomcastServer')
    const turn = new Turn(scope, (error) => this.#report(error, 'server'))
    const pressure = new Pressure(limits.maxTotalBytes, turn, () => [...connections, ...upgrades])
    const heartbeat = new Heartbeat(limits, [connections, upgrades], scope, () => {
      pressure.relieve()
      if (connections.size + upgrades.size === 0) heartbeat.stop()
    })
    const addresses = new AddressCounts(limits.maxConnectionsPerAddress)
    this.#scope = scope
    this.#context = {
      limits,
      scope,
      pressure,
      heartbeat,
      addresses,
      connections,
      upgrades,
      origin,
      subprotocols,
      counters: new Counters(this),
      turn,
      outbox: new Outbox(turn, limits.sliceMs),
      trusted: readTrust(options.trustProxy),
      deflaters: createDeflaters(options.compression),
      textAsString: options.text === 'string',
      leaving: false,
      report: (error, where, socket) => this.#report(error, where, socket),
      forget: (connection, told) => {
        connections.delete(connection)
        addresses.give(connection.address)
        if (told !== undefined) this.#waitFor(told)
        this.#checkEmpty()
      },
      forgetUpgrade: (upgrade) => {
        upgrades.delete(upgrade)
        this.#checkEmpty()
      },
    }
    const own = port !== undefined || unix !== undefined
    this.#own = own ? new OwnServer(options.tls, this.#context, this.upgrade.bind(this)) : null
    if (options.server !== undefined) attach(options.server, this.#attached)
  }

  listen(options: { signal?: AbortSignal } = {}, ...none: unknown[]): Promise<Address> {
    checkFields('listen', options, { signal: 'AbortSignal' })
    checkNone('listen', none)
    return this.#listen(options.signal)
  }

  async #listen(signal: AbortSignal | undefined): Promise<Address> {
    if (this.#own === null) throw new Error('this server has no port or unix socket of its own to listen on')
    if (this.#closing !== null) throw new Error('this server is closed')
    if (this.#listening !== null) throw new Error('this server listens already')
    try {
      this.#listening = listenOn(this.#own.http, this.#options, signal)
      const address = await this.#listening
      this.#signal = signal
      signal?.addEventListener('abort', this.#onAbort)
      return address
    } catch (error) {
      this.#listening = null
      throw error
    }
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array, extra?: unknown): void {
    checkUpgrade(request, socket, head)
    if (isTaken(socket)) throw new Error('this socket has been given to upgrade() before')
    this.#receive(request, socket, head as Buffer, this.#routeOf(request), extra)
  }

  get sockets(): Iterable<Socket<S>> {
    const all = this.#connections
    return {
      *[Symbol.iterator]() {
        for (const { readyState, socket } of all) if (readyState === 'open') yield socket
      },
    }
  }

  stats(): Stats {
    return this.#context.counters.snapshot()
  }

  drain(options: DrainOptions = {}, ...none: unknown[]): Promise<DrainResult> {
    const plan = drainPlan(options)
    checkNone('drain', none)
    if (this.#draining !== null) return this.#draining
    if (options.signal?.aborted) return Promise.reject(reasonOf(options.signal))
    this.#leave()
    this.#draining = drainAll(this.#connections, (state) => this.#empty(state), plan, options.signal).catch(
      (error: unknown) => {
        // Given up: back to work, unless the server has been closed meanwhile.
        this.#draining = null
        this.#context.leaving = this.#closing !== null
        throw error
      },
    )
    return this.#draining
  }

  close(...none: unknown[]): Promise<void> {
    checkNone('close', none)
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#leave()
    this.#context.heartbeat.hold()
    if (this.#options.server !== undefined) detach(this.#options.server, this.#attached)
    // An attempt to listen that is under way must come to its end first.
    await this.#listening?.catch(() => {})
    this.#signal?.removeEventListener?.('abort', this.#onAbort)
    const released = this.#own?.close()
    for (const one of this.#connections) one.close(CloseCode.GOING_AWAY, 'server is closing')
    await this.#empty('gone')
    const told = new AbortController()
    await Promise.race([this.#empty('told'), timeOut(this.#context.limits.closeTimeoutMs, told.signal)])
    told.abort()
    this.#own?.destroyRest()
    await released
    // A framework may have handed over an upgrade meanwhile, which is refused and has a moment to read that.
    if (this.#upgrades.size === 0) this.#context.heartbeat.stop()
  }

  readonly #onAbort = (): void => void this.close()

  /** From now on nobody new is accepted. */
  #leave(): void {
    this.#context.leaving = true
    for (const upgrade of this.#upgrades) upgrade.refuse(DRAINING)
  }

  #receive(request: IncomingMessage, socket: Duplex, head: Buffer, route: Route<S>, extra: unknown = request): void {
    take(socket)
    hear(socket)
    // The peer left before a framework decided: nothing more would be heard of it.
    if (socket.destroyed) return
    const upgrade = new Upgrade(this.#context, request, socket as TcpSocket, head, extra)
    if (socket.readableLength > 0) upgrade.beginLater(route)
    else upgrade.begin(route)
  }

  /** What an http server that this one is attached to knows of it. */
  readonly #attached: Attached = {
    offer: (request, socket, head) => {
      const route = this.#routeOf(request)
      if ('refusal' in route && route.refusal === NOT_FOUND) return false
      this.#receive(request, socket, head, route)
      return true
    },
    refuseUnknown: (request, socket, head, { late }) => {
      this.#receive(request, socket, head, { refusal: late ? NOT_TAKEN : NOT_FOUND })
    },
    afterHandshakeTimeout: (work) => {
      const ms = Math.min(this.#context.limits.handshakeTimeoutMs, MAX_TIMER_MS)
      const timer = this.#scope.runInAsyncScope(setTimeout, undefined, work, ms) as NodeJS.Timeout
      timer.unref()
      return () => clearTimeout(timer)
    },
  }

  #routeOf(request: IncomingMessage): Route<S> {
    return routeOf(this.#options, requestPath(request.url ?? ''), (error) => this.#report(error, 'pathname'))
  }

  #report(error: unknown, where: ErrorWhere, socket?: Socket<S>): void {
    if (channels.error.hasSubscribers) channels.error.publish({ server: this, error, where, socket })
    const { onError } = this.#options
    if (onError === undefined) return warn(error, where)
    const failed = (thrown: unknown): void => warn(thrown, 'onError')
    void callSafely(() => onError(error, socket === undefined ? { where } : { where, socket }), failed)
  }

  #waitFor(told: Promise<void>): void {
    this.#telling++
    void told.then(() => {
      this.#telling--
      this.#checkEmpty()
    })
  }

  /** Resolves when no connection and no upgrade is left; `'told'`: and what `closed` returned has settled. */
  #empty(state: 'gone' | 'told'): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ state, resolve })
      this.#checkEmpty()
    })
  }

  #checkEmpty(): void {
    // Refused upgrades linger for a moment: a drain that waited for them would never end while clients come back.
    if (this.#connections.size + (this.#closing === null ? 0 : this.#upgrades.size) > 0) return
    const waiting = this.#waiting
    this.#waiting = waiting.filter(({ state }) => state === 'told' && this.#telling > 0)
    for (const one of waiting) if (!this.#waiting.includes(one)) one.resolve()
  }
}
