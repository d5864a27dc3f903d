// Edge: the http or https server of our own, when we are not attached to the user's. It takes upgrades and nothing else:
// other requests are answered 426, heads that node cannot read, or does not get in time, with what is wrong.

import { createServer, type Server as HttpServer, type IncomingMessage, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TlsOptions } from 'node:tls'
import type { Limits } from './limits.ts'
import { refusalResponse } from './protocol/response.ts'
import type { Counters } from './stats.ts'

/** What it needs of the WebSocket server. */
export interface OwnServerContext {
  readonly limits: Limits
  readonly counters: Counters
  /** Sockets that were answered, or are about to be. */
  readonly taken: WeakSet<Duplex>
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  onError(error: Error): void
}

export class OwnServer {
  readonly http: HttpServer
  readonly #context: OwnServerContext
  /** TCP connections under TLS: nobody else knows those whose TLS handshake is not done. */
  readonly #raw = new Set<TcpSocket>()

  constructor(tls: TlsOptions | undefined, context: OwnServerContext) {
    this.#context = context
    const { maxHeaderBytes } = context.limits
    // Node's own timeouts are whole numbers of 32 bits.
    const handshakeTimeoutMs = Math.min(Math.ceil(context.limits.handshakeTimeoutMs), 2 ** 31 - 1)
    const options = {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: handshakeTimeoutMs,
      requestTimeout: handshakeTimeoutMs,
      connectionsCheckingInterval: Math.min(1000, Math.ceil(handshakeTimeoutMs / 4)),
      // Judged by our own rules, with an answer that says which one was broken.
      requireHostHeader: false,
    }
    this.http =
      tls === undefined
        ? createServer(options)
        : createTlsServer({ handshakeTimeout: handshakeTimeoutMs, ...tls, ...options })
    // Header lines are counted by our own rules; node would silently leave out those over its bound.
    this.http.maxHeadersCount = 0
    this.http.on('request', (request, response) => {
      context.taken.add(request.socket)
      context.counters.rejected(426)
      response.writeHead(426, { Connection: 'close, Upgrade', Upgrade: 'websocket', Error: 'upgrade_required' }).end()
    })
    this.http.on('upgrade', (request, socket, head) => {
      // Behind a request that was answered 426, and with it the last of its connection.
      if (context.taken.has(socket)) (socket as TcpSocket).destroySoon()
      else context.onUpgrade(request, socket, head)
    })
    this.http.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#onClientError(error, socket))
    this.http.on('error', (error) => {
      if (this.http.listening) context.onError(error)
    })
    if (tls === undefined) return
    this.http.on('connection', (socket: TcpSocket) => {
      this.#raw.add(socket)
      socket.once('close', () => this.#raw.delete(socket))
    })
  }

  /** Stops listening and ends the connections that were not upgraded; resolves when all of them are gone. */
  close(): Promise<void> {
    if (!this.http.listening) return Promise.resolve()
    const released = new Promise<void>((resolve) => this.http.close(() => resolve()))
    this.http.closeAllConnections()
    return released
  }

  /** Ends what is left when every WebSocket is closed: TLS handshakes that are under way. */
  destroyRest(): void {
    for (const socket of this.#raw) socket.destroy()
  }

  /** A request head that node could not read, or did not get in time. */
  #onClientError(cause: NodeJS.ErrnoException, socket: Duplex): void {
    const late = cause.code === 'ERR_HTTP_REQUEST_TIMEOUT'
    // TLS that was never up, or TCP that is gone, has nobody to answer.
    if (!socket.writable || !(late || cause.code?.startsWith('HPE_'))) return void socket.destroy()
    const large = cause.code === 'HPE_HEADER_OVERFLOW'
    const status = late ? 408 : large ? 431 : 400
    const { counters } = this.#context
    if (late) counters.limitHit('handshakeTimeoutMs')
    if (large) counters.limitHit('maxHeaderBytes')
    counters.rejected(status)
    const error = late ? 'request_timeout' : large ? 'headers_too_large' : 'bad_request'
    socket.end(refusalResponse({ status, error }, STATUS_CODES[status]))
    socket.once('finish', () => socket.destroy())
  }
}
