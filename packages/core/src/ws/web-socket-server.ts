// A server of ours behind the words of ws: `handleUpgrade` and 'connection' before, core's `createServer` behind. Who is
// connected, what is refused and how it all ends is decided there.

import { captureRejectionSymbol, EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { answerOf, callSafely, isThenable } from '../connection/call-safely.ts'
import {
  Acceptance,
  accept,
  type CloseInfo,
  type HandshakeRequest,
  Rejection,
  reject,
  type Socket,
} from '../handler.ts'
import { requestPath } from '../handshake/handshake.ts'
import { CloseCode } from '../protocol/close.ts'
import { channels } from '../server/diagnostics.ts'
import type { ErrorWhere } from '../server/options.ts'
import { setImmediate } from '../server/real-time.ts'
import { createServer, type Server } from '../server/server.ts'
import { warn } from '../server/warn.ts'
import { checkPlace, frozen, type WebSocketServerOptions } from './options.ts'
import { toldOf, WebSocket } from './web-socket.ts'

/** The events of a `WebSocketServer`, with what their listeners are called with. */
export interface WebSocketServerEvents {
  /** Somebody is connected: to the `port`, `unix` socket or `server` (`handleUpgrade` has a callback instead). */
  connection: [socket: WebSocket, request: IncomingMessage]
  /** The 101 is about to be made: lines pushed to `headers` (`'name: value'`) go into it. */
  headers: [headers: string[], request: IncomingMessage]
  listening: []
  close: []
  error: [error: Error]
}

/** What sockets are closed with when the application closes or drains the server. */
const LEAVING: readonly number[] = [CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART]

type OnOpen = (socket: WebSocket, request: IncomingMessage) => void

/** An upgrade on its way. */
class Asked {
  readonly request: IncomingMessage
  /** Header lines of listeners to 'headers'; null: one of them threw. */
  lines: string[] | null = null
  readonly onOpen: OnOpen | undefined
  state: unknown

  constructor(request: IncomingMessage, onOpen?: OnOpen) {
    this.request = request
    this.onOpen = onOpen
  }

  tell(server: WebSocketServer): void {
    const headers = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade']
    const ours = headers.length
    server.emit('headers', headers, this.request)
    this.lines = headers.slice(ours)
  }
}

/** A WebSocket server with the words of npm's ws. */
export class WebSocketServer extends EventEmitter<WebSocketServerEvents> {
  declare readonly options: Readonly<Omit<WebSocketServerOptions, 'handleProtocols'>> &
    Pick<WebSocketServerOptions, 'handleProtocols'>
  /** The open sockets, and those that are closing. */
  readonly clients: Set<WebSocket> = new Set()
  /** The same server in core's words: for `stats` and `drain`. */
  readonly server: Server
  readonly #sockets = new Map<Socket, WebSocket>()
  #address: ReturnType<WebSocketServer['address']> = null
  #closing: Promise<void> | null = null
  #closed = false

  /** @param onListening called on 'listening'.
   * @throws TypeError for a missing, unknown or wrongly typed option, RangeError for a wrong value. */
  constructor(options: WebSocketServerOptions, onListening?: () => void) {
    super({ captureRejections: true })
    checkPlace(options)
    // One that is passed over could be the one that shuts a door.
    if (!options.noServer && this.handleUpgrade !== WebSocketServer.prototype.handleUpgrade) {
      throw new TypeError('only with noServer is handleUpgrade called; here it is handshake')
    }
    // Not to be replaced either.
    Object.defineProperty(this, 'options', { value: frozen(options), enumerable: true })
    Object.defineProperty(this, captureRejectionSymbol, { value: this.#onRejection })
    const { noServer, handshake, handleProtocols, ...ours } = options
    this.server = createServer<undefined, unknown>({
      ...ours,
      handler: {
        handshake: (request) => this.#decide(request),
        opened: (socket) => this.#opened(socket),
        message: (socket, data, opcode) => toldOf(this.#sockets.get(socket)!).message(data, opcode),
        ping: (socket, payload) => void this.#sockets.get(socket)!.emit('ping', payload),
        pong: (socket, payload) => void this.#sockets.get(socket)!.emit('pong', payload),
        drained: (socket) => toldOf(this.#sockets.get(socket)!).drained(),
        closed: (socket, info) => this.#onClosed(socket, info),
      },
    })
    if (onListening !== undefined) this.once('listening', onListening)
    if (options.port !== undefined || options.unix !== undefined) void this.#listen()
  }

  /** Where the server listens: as node says it, a path for a unix socket, null before 'listening'.
   * @throws Error with `noServer`. */
  address(): { address: string; family: string; port: number } | string | null {
    if (this.options.noServer) throw new Error('a server with noServer has no address')
    return this.options.server?.address() ?? this.#address
  }

  /** Is a request this server's, by its path? One who overrides it decides over upgrades: `false` is a 400. */
  shouldHandle(request: IncomingMessage): boolean {
    const { pathname } = this.options
    const path = requestPath(request.url ?? '')
    return typeof pathname === 'function' ? pathname(path) : pathname === undefined || pathname === path
  }

  /** Takes an upgrade. It is judged by the server's rules, and refused by them; `onOpen` is called when it is open, in
   * this call where nothing must be waited for.
   * @throws Error for a socket that was given before. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, onOpen: OnOpen): void {
    this.server.upgrade(request, socket, head, this.#ask(request, onOpen))
  }

  /** Closes every socket with 1001, and the port; an http server of the application's goes on. When all are gone, 'close'
   * is emitted, `callback` called, and the promise resolved.
   * @param callback called with an error when the server was closed before. */
  close(callback?: (error?: Error) => void): Promise<void> {
    if (this.#closed) {
      if (callback !== undefined) process.nextTick(callback, new Error('the server is closed already'))
      return Promise.resolve()
    }
    if (callback !== undefined) this.once('close', callback)
    this.#closing ??= this.server.close().then(() => {
      this.#closed = true
      this.#call(() => this.emit('close'), 'server')
    })
    return this.#closing
  }

  async #listen(): Promise<void> {
    try {
      const { host, port, path } = await this.server.listen()
      this.#address = path ?? { address: host, family: `IPv${isIP(host)}`, port }
    } catch (error) {
      // Without a listener it is thrown, and ends the process, as a port that cannot be had does in node.
      return process.nextTick(() => this.emit('error', error as Error))
    }
    // It may have been closed meanwhile.
    if (this.#closing === null) this.#call(() => this.emit('listening'), 'server')
  }

  /** Somebody asks; what listeners to 'headers' throw is heard now, and answered when the upgrade is judged. */
  #ask(request: IncomingMessage, onOpen?: OnOpen): Asked {
    const asked = new Asked(request, onOpen)
    this.#call(() => asked.tell(this), 'handshake')
    return asked
  }

  #decide(request: HandshakeRequest): unknown {
    const { extra } = request
    const asked = extra instanceof Asked ? extra : this.#ask(extra as IncomingMessage)
    if (asked.lines === null) return reject(500, 'internal_error')
    // Core has judged the path already.
    const isOwn = this.shouldHandle !== WebSocketServer.prototype.shouldHandle
    if (isOwn && !answerOf(this.shouldHandle(asked.request))) return reject(400)
    const { handshake } = this.options
    const complete = (result: unknown): unknown => this.#complete(asked, request.subprotocols, result)
    if (handshake === undefined) return complete(accept(undefined))
    // `signal` is made when somebody looks at it.
    const result: unknown = handshake(Object.create(request, { extra: { value: asked.request } }))
    return isThenable(result) ? Promise.resolve(result).then(complete) : complete(result)
  }

  /** What a `handshake` came to, with the header lines that listeners added. */
  #complete(asked: Asked, offered: readonly string[], result: unknown): unknown {
    // Core answers 500 to nothing, as to a forgotten return.
    if (result === undefined || result instanceof Rejection) return result
    const { state, subprotocol, headers } = result instanceof Acceptance ? result : accept(result)
    asked.state = state
    const merged: Record<string, string[]> = {}
    for (const [name, value] of Object.entries(headers)) merged[name.toLowerCase()] = [value].flat() as string[]
    for (const line of asked.lines ?? []) {
      const [, name = '', value = ''] = /^([^:]*):[ \t]*(.*)$/s.exec(line) ?? []
      ;(merged[name.toLowerCase()] ??= []).push(value)
    }
    // ws's way to choose a subprotocol late.
    const [chosen = subprotocol ?? this.#handleProtocols(asked, offered)] = merged['sec-websocket-protocol'] ?? []
    return accept(asked, { ...(chosen !== undefined && { subprotocol: chosen }), headers: merged })
  }

  #handleProtocols({ request }: Asked, offered: readonly string[]): string | undefined {
    const { handleProtocols } = this.options
    if (!handleProtocols || offered.length === 0) return undefined
    const chosen: unknown = handleProtocols(new Set(offered), request)
    return answerOf(chosen) ? (chosen as string) : ''
  }

  #opened(socket: Socket): Promise<void> {
    const { request, onOpen, state } = socket.state as Asked
    socket.state = state
    const one = new WebSocket(socket, (callback, error) => this.#call(() => callback(error), 'message'))
    this.#sockets.set(socket, one)
    this.clients.add(one)
    const told: unknown = onOpen === undefined ? this.emit('connection', one, request) : onOpen(one, request)
    this.#call(() => told, 'opened', one)
    // Frameworks listen a little later, behind a promise: what came with the handshake waits for them.
    return new Promise((resolve) => setImmediate(resolve))
  }

  #onClosed(socket: Socket, info: CloseInfo): void {
    const one = this.#sockets.get(socket)
    if (one === undefined) return
    this.#sockets.delete(socket)
    this.clients.delete(one)
    toldOf(one).closed(info, info.by === 'server' && !LEAVING.includes(info.code))
  }

  /** Calls what a user wrote, where a throw or a rejection would be nobody's.
   * @param one is closed then. */
  #call(work: () => unknown, where: ErrorWhere, one?: WebSocket): void {
    void callSafely(work, (error) => {
      const { onError = () => warn(error, where) } = this.options
      const context = one === undefined ? { where } : { where, socket: one.socket }
      if (channels.error.hasSubscribers)
        channels.error.publish({ server: this.server, error, socket: undefined, ...context })
      void callSafely(
        () => onError(error, context),
        (thrown) => warn(thrown, 'onError'),
      )
      one?.socket.close(CloseCode.INTERNAL_ERROR)
    })
  }

  /** A listener rejected, which counts as one that throws. */
  #onRejection(error: unknown, _: string, one: unknown): void {
    if (one instanceof WebSocket) this.#call(() => Promise.reject(error), 'opened', one)
    else this.#call(() => Promise.reject(error), 'server')
  }
}
