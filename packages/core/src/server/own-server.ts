// Edge: the http or https server of our own, when we are not attached to the user's. It takes upgrades and nothing else:
// other requests are answered 426, heads that node cannot read, or does not get in time, with what is wrong.

import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TlsOptions } from 'node:tls'
import { hear, isTaken, take } from '../connection/wire.ts'
import { readClient } from '../handshake/proxy.ts'
import { refusalResponse } from '../handshake/response.ts'
import { offersHttp, offersWebSocket, passOverOffers } from '../handshake/upgrade-offers.ts'
import type { ServerContext } from './context.ts'
import { LINGER_MS } from './heartbeat.ts'
import { clearTimeout, setTimeout } from './real-time.ts'

type OwnContext = Pick<ServerContext<unknown>, 'limits' | 'counters' | 'trusted' | 'report'>
type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export class OwnServer {
  readonly http: HttpServer
  readonly #context: OwnContext
  /** TCP connections under TLS: nobody else knows those whose TLS handshake is not done. */
  readonly #raw = new Set<TcpSocket>()

  constructor(tls: TlsOptions | undefined, context: OwnContext, onUpgrade: OnUpgrade) {
    this.#context = context
    // Node's own timeouts are whole numbers of 32 bits.
    const timeout = Math.min(Math.ceil(context.limits.handshakeTimeoutMs), 2 ** 31 - 1)
    const options = {
      maxHeaderSize: Math.min(Math.ceil(context.limits.maxHeaderBytes), 2 ** 31 - 1),
      headersTimeout: timeout,
      requestTimeout: timeout,
      connectionsCheckingInterval: Math.min(1000, Math.ceil(timeout / 4)),
      // Judged by our own rules, with an answer that says which one was broken.
      requireHostHeader: false,
    }
    this.http =
      tls === undefined ? createServer(options) : createTlsServer({ handshakeTimeout: timeout, ...tls, ...options })
    // Header lines are counted by our own rules; node would silently leave out those over its bound.
    this.http.maxHeadersCount = 0
    const required = (request: IncomingMessage, response: ServerResponse): void => {
      const { socket } = request
      // What stands behind a request that was answered is read past.
      if (isTaken(socket)) return
      take(socket)
      // Node would end TCP with the answer.
      socket.destroySoon = () => linger(socket)
      const client = readClient(context.trusted, socket, request.rawHeaders)
      context.counters.rejected(426, 'upgrade_required', client, request)
      response.writeHead(426, { Connection: 'close, Upgrade', Upgrade: 'websocket', Error: 'upgrade_required' }).end()
    }
    // The same for a request that asks first, which node would tell to go on.
    for (const event of ['request', 'checkContinue', 'checkExpectation']) this.http.on(event, required)
    passOverOffers(this.http, (request) => offersWebSocket(request) || !offersHttp(request))
    this.http.on('upgrade', (request, socket, head) => {
      // From this tick on node does not hear its errors any more.
      hear(socket)
      if (isTaken(socket)) socket.resume()
      else onUpgrade(request, socket, head)
    })
    this.http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      hear(socket)
      if (!isTaken(socket)) this.#onClientError(error, socket as TcpSocket)
    })
    this.http.on('error', (error) => {
      if (this.http.listening) context.report(error, 'server')
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
  #onClientError({ code = '' }: NodeJS.ErrnoException, socket: TcpSocket): void {
    const { counters, trusted } = this.#context
    const late = code === 'ERR_HTTP_REQUEST_TIMEOUT'
    const large = code === 'HPE_HEADER_OVERFLOW'
    if (late || code === 'ERR_TLS_HANDSHAKE_TIMEOUT') counters.limitHit('handshakeTimeoutMs')
    if (large) counters.limitHit('maxHeaderBytes')
    // TLS that was never up, or TCP that is gone, has nobody to answer.
    if (!socket.writable || !(late || code.startsWith('HPE_'))) return void socket.destroy()
    const status = late ? 408 : large ? 431 : 400
    const error = late ? 'request_timeout' : large ? 'headers_too_large' : 'bad_request'
    counters.rejected(status, error, readClient(trusted, socket, []))
    take(socket)
    socket.write(refusalResponse({ status, error }, STATUS_CODES[status]))
    linger(socket)
  }
}

/** Ends our side when everything is written, and TCP a little later: what the peer still sends is read past, so that it
 * can read the answer before it meets a reset. */
function linger(socket: TcpSocket): void {
  socket.end()
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(timer))
}
