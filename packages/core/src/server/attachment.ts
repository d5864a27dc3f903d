// Edge: our servers on one http server of the application's. They share one 'upgrade' listener, so that several of ours
// count as one beside listeners that are not ours.

import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { hear, isTaken, isUsed, listenersOf, unhear } from '../connection/wire.ts'
import { offersHttp, offersWebSocket, passOverOffers } from '../handshake/upgrade-offers.ts'
import { queueMicrotask } from './real-time.ts'

type Host = HttpServer | HttpsServer

/** A server of ours that is attached. */
export interface Attached {
  /** Takes an upgrade to a path of its own; false: the path is another's. */
  offer(request: IncomingMessage, socket: Duplex, head: Buffer): boolean
  /** Answers 404 to an upgrade that is nobody's: at once, or when nobody took it in time. */
  refuseUnknown(request: IncomingMessage, socket: Duplex, head: Buffer, options: { late: boolean }): void
  /** Calls `work` once after `handshakeTimeoutMs`; what it returns cancels that. */
  afterHandshakeTimeout(work: () => void): () => void
}

const ALL = new WeakMap<Host, Attachment>()

/** Attaches `server` to `host`. */
export function attach(host: Host, server: Attached): void {
  const attachment = ALL.get(host) ?? new Attachment(host)
  ALL.set(host, attachment)
  attachment.add(server)
}

/** Takes it back. */
export function detach(host: Host, server: Attached): void {
  ALL.get(host)?.remove(server)
}

class Attachment {
  readonly #host: Host
  #servers: Attached[] = []
  /** Who listened to an upgrade's stream while it was node's, as one does who counts the bytes of every connection, and
   * how much was written: that takes nothing. */
  readonly #before = new WeakMap<IncomingMessage, { listeners: readonly unknown[]; written: number }>()

  constructor(host: Host) {
    this.#host = host
    passOverOffers(host, (request) => {
      this.#note(request, request.socket)
      if (this.#servers.length === 0 || offersWebSocket(request)) return true
      // Another protocol may be the business of a listener that is not ours.
      return this.#hasForeign() && !offersHttp(request)
    })
  }

  add(server: Attached): void {
    if (this.#servers.length === 0) this.#host.prependListener('upgrade', this.#onFirst).on('upgrade', this.#onUpgrade)
    this.#servers = [...this.#servers, server]
  }

  remove(server: Attached): void {
    this.#servers = this.#servers.filter((one) => one !== server)
    if (this.#servers.length === 0) this.#host.off('upgrade', this.#onFirst).off('upgrade', this.#onUpgrade)
  }

  #hasForeign(): boolean {
    const ours: unknown[] = [this.#onFirst, this.#onUpgrade]
    return this.#host.listeners('upgrade').some((listener) => !ours.includes(listener))
  }

  /** Before all others: from this tick on node does not hear the socket's errors any more. */
  readonly #onFirst = (request: IncomingMessage, socket: Duplex): void => {
    hear(socket)
    this.#note(request, socket)
  }

  /** As node asks whether a request is an upgrade; where it does not ask, before most others hear of it. */
  #note(request: IncomingMessage, socket: Duplex): void {
    if (this.#before.has(request)) return
    const { bytesWritten = 0, _httpMessage } = socket as { bytesWritten?: number; _httpMessage?: unknown }
    // While node's http still answers an earlier request, it is not theirs what is written.
    const written = _httpMessage ? Number.POSITIVE_INFINITY : bytesWritten
    this.#before.set(request, { listeners: listenersOf(socket), written })
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (isTaken(socket)) return
    if (offersWebSocket(request)) {
      for (const server of this.#servers) if (server.offer(request, socket, head)) return
    }
    const last = this.#servers.at(-1)
    if (last === undefined) return
    if (this.#hasForeign()) this.#waitForTaker(last, request, socket, head)
    else last.refuseUnknown(request, socket, head, { late: false })
  }

  /** A listener that is not ours may take it, now or later; when none does, the peer would wait for ever. */
  #waitForTaker(last: Attached, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const before = this.#before.get(request)!
    const isTheirs = (): boolean => {
      // Only TCP sockets count what is written.
      const { bytesWritten = 0 } = socket as { bytesWritten?: number }
      return isUsed(socket, before.listeners) || bytesWritten > before.written
    }
    const cancel = last.afterHandshakeTimeout(() => {
      if (isTheirs()) unhear(socket)
      else last.refuseUnknown(request, socket, head, { late: true })
    })
    socket.once('close', cancel)
    // Once every listener has been called.
    queueMicrotask(() => {
      if (!isTheirs()) return
      unhear(socket)
      socket.off('close', cancel)
      cancel()
    })
  }
}
