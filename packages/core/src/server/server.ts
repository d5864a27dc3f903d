// Edge: the server. It listens or is attached, receives upgrades, owns the set of connections, and ends them all.

import type { IncomingMessage } from 'node:http'
import type { Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { inspect } from 'node:util'
import { Outbox } from '../connection/outbox.ts'
import { isTaken, take } from '../connection/wire.ts'
import type { Socket } from '../handler.ts'
import { type Refusal, requestPath } from '../handshake/handshake.ts'
import { readTrust } from '../handshake/proxy.ts'
import { DRAINING, Upgrade } from '../handshake/upgrade.ts'
import { resolveLimits } from '../limits.ts'
import { CloseCode } from '../protocol/close.ts'
import { createDeflaters } from '../protocol/permessage-deflate.ts'
import { ProtocolPool } from '../protocol/protocol.ts'
import { AddressCounts } from './addresses.ts'
import type { Member, Pending, ServerContext } from './context.ts'
import { channels } from './diagnostics.ts'
import { type DrainOptions, type DrainResult, drainAll, drainPlan } from './drain.ts'
import { Heartbeat } from './heartbeat.ts'
import { type Address, listenOn } from './listen.ts'
import { checkOptions, type ErrorWhere, type ServerOptions } from './options.ts'
import { OwnServer } from './own-server.ts'
import { Pressure } from './pressure.ts'
import { Counters, type Stats } from './stats.ts'

/** A WebSocket server, made by `createServer`. */
export interface Server<S = unknown> {
  /** Begins to listen; resolves with the address (`port` is the real one after `port: 0`; a unix socket has `path`).
   * Rejects with the system's error (EADDRINUSE …), for an attached server, and after `close`. A unix socket file that
   * nobody listens on is replaced.
   * @param options `signal`: aborts the attempt; once it listens, an abort closes the server. */
  listen(options?: { signal?: AbortSignal }): Promise<Address>
  /** Takes an upgrade that a framework routed itself. A path that is not ours is answered 404.
   * @throws Error for a socket that was given before. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** The open sockets. */
  readonly sockets: Iterable<Socket<S>>
  /** What the server counts; costs the same whatever the number of sockets. */
  stats(): Stats
  /** Refuses new upgrades with 503 at once, closes the sockets in batches, queued data first, and terminates what is left
   * at the deadline. The server goes on refusing until `close`. */
  drain(options?: DrainOptions): Promise<DrainResult>
  /** Closes every socket with 1001; resolves when each `closed` has been called and nothing is left that keeps the
   * process alive. An attached http server goes on. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Makes a server; it accepts nobody before `listen` (attached: at once).
 * @throws TypeError for a missing, unknown or wrongly typed option, RangeError for a wrong value. */
export function createServer<I = undefined, S = I>(options: ServerOptions<I, S>): Server<S> {
  checkOptions(options)
  return new SocketServer(options)
}

const NOT_FOUND: Refusal = { status: 404, error: 'not_found' }

class SocketServer<I, S> implements Server<S> {
  readonly #options: ServerOptions<I, S>
  readonly #context: ServerContext<S>
  readonly #connections = new Set<Member<S>>()
  readonly #upgrades = new Set<Pending>()
  readonly #own: OwnServer | null
  #signal: AbortSignal | undefined
  #listening: Promise<Address> | null = null
  #closing: Promise<void> | null = null
  #draining: Promise<DrainResult> | null = null
  #waiting: (() => void)[] = []

  constructor(options: ServerOptions<I, S>) {
    this.#options = options
    const { handler, origin = 'same', subprotocols = [], port, unix } = options
    const [connections, upgrades] = [this.#connections, this.#upgrades]
    const limits = resolveLimits(options)
    const pressure = new Pressure(limits.maxTotalBytes, () => [...connections, ...upgrades])
    const heartbeat = new Heartbeat(limits, [connections, upgrades], () => {
      pressure.relieve()
      if (connections.size + upgrades.size === 0) heartbeat.stop()
    })
    const protocols = (deflate: boolean): ProtocolPool => new ProtocolPool(limits.maxMessageBytes, deflate)
    const addresses = new AddressCounts(limits.maxConnectionsPerAddress)
    this.#context = {
      handler,
      limits,
      pressure,
      heartbeat,
      addresses,
      connections,
      upgrades,
      origin,
      subprotocols,
      counters: new Counters(this),
      outbox: new Outbox(limits.sliceMs),
      trusted: readTrust(options.trustProxy),
      deflaters: createDeflaters(options.compression),
      protocols: { plain: protocols(false), deflate: protocols(true) },
      leaving: false,
      report: (error, where, socket) => this.#report(error, where, socket),
      forget: (connection) => {
        connections.delete(connection)
        addresses.give(connection.remoteAddress)
        this.#checkEmpty()
      },
      forgetUpgrade: (upgrade) => {
        upgrades.delete(upgrade)
        this.#checkEmpty()
      },
    }
    const own = port !== undefined || unix !== undefined
    this.#own = own ? new OwnServer(options.tls, this.#context, this.upgrade.bind(this)) : null
    options.server?.on('upgrade', this.#onAttachedUpgrade)
  }

  async listen({ signal }: { signal?: AbortSignal } = {}): Promise<Address> {
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

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (isTaken(socket)) throw new Error('this socket has been given to upgrade() before')
    this.#receive(request, socket, head, this.#refusalOf(request))
  }

  get sockets(): Iterable<Socket<S>> {
    const all = this.#connections
    return {
      *[Symbol.iterator]() {
        for (const socket of all) if (socket.readyState === 'open') yield socket
      },
    }
  }

  stats(): Stats {
    return this.#context.counters.snapshot()
  }

  drain(options: DrainOptions = {}): Promise<DrainResult> {
    if (this.#draining !== null) return this.#draining
    const plan = drainPlan(options)
    if (options.signal?.aborted) return Promise.reject(options.signal.reason)
    this.#leave()
    this.#draining = drainAll(this.#connections, () => this.#empty(), plan, options.signal).catch((error: unknown) => {
      // Given up: back to work, unless the server has been closed meanwhile.
      this.#draining = null
      this.#context.leaving = this.#closing !== null
      throw error
    })
    return this.#draining
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#leave()
    this.#options.server?.off('upgrade', this.#onAttachedUpgrade)
    // An attempt to listen that is under way must come to its end first.
    await this.#listening?.catch(() => {})
    this.#signal?.removeEventListener('abort', this.#onAbort)
    const released = this.#own?.close()
    for (const connection of this.#connections) connection.close(CloseCode.GOING_AWAY, 'server is closing')
    await this.#empty()
    this.#own?.destroyRest()
    await released
    this.#context.heartbeat.stop()
  }

  readonly #onAbort = (): void => void this.close()

  /** From now on nobody new is accepted. */
  #leave(): void {
    this.#context.leaving = true
    for (const upgrade of this.#upgrades) upgrade.refuse(DRAINING)
  }

  readonly #onAttachedUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const refusal = this.#refusalOf(request)
    // Another listener may know the path; when ours is the only one, the peer would wait for ever.
    const alone = (this.#options.server?.listenerCount('upgrade') ?? 0) <= 1
    if (!isTaken(socket) && (refusal !== NOT_FOUND || alone)) this.#receive(request, socket, head, refusal)
  }

  #receive(request: IncomingMessage, socket: Duplex, head: Buffer, refusal: Refusal | null): void {
    take(socket)
    // The peer left before a framework decided: nothing more would be heard of it.
    if (!socket.destroyed) new Upgrade(this.#context, request, socket as TcpSocket, head).begin(request, refusal)
  }

  /** Why the request's path is refused; null: it is ours. */
  #refusalOf(request: IncomingMessage): Refusal | null {
    const { pathname } = this.#options
    if (pathname === undefined) return null
    const path = requestPath(request.url ?? '')
    try {
      return (typeof pathname === 'string' ? pathname === path : pathname(path)) ? null : NOT_FOUND
    } catch (error) {
      this.#report(error, 'pathname')
      return { status: 500, error: 'internal_error' }
    }
  }

  #report(error: unknown, where: ErrorWhere, socket?: Socket<S>): void {
    if (channels.error.hasSubscribers) channels.error.publish({ server: this, error, where, socket })
    const { onError } = this.#options
    if (onError === undefined) return warn(error)
    try {
      const result: unknown = onError(error, socket === undefined ? { where } : { where, socket })
      if (result instanceof Promise) result.catch(warn)
    } catch (thrown) {
      warn(thrown)
    }
  }

  /** Resolves when no connection and no upgrade is left. */
  #empty(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#checkEmpty()
    })
  }

  #checkEmpty(): void {
    // Refused upgrades linger for a moment: a drain that waited for them would never end while clients come back.
    const left = this.#connections.size + (this.#closing === null ? 0 : this.#upgrades.size)
    if (left === 0) for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

function warn(error: unknown): void {
  try {
    process.emitWarning(error instanceof Error ? error : inspect(error))
  } catch {
    process.emitWarning('an error was caught that cannot be shown')
  }
}
