// The node http server that everything is attached to. A client may offer to go on in another protocol, as those that
// know HTTP/2 do with `Upgrade: h2c`; a server that does not take the offer answers as if there had been none (RFC 9110
// §7.8). Node takes every offer for an upgrade as soon as WebSockets are served, so the request says that it has none.
// (Node loses what came in one piece with such a request, behind it. No client that makes offers sends so.)

import { createServer, IncomingMessage, type Server, type ServerOptions } from 'node:http'

/** A request whose `upgrade` is true for WebSocket (and for CONNECT) only. */
class WebSocketOrNone extends IncomingMessage {
  /** What node's parser says. It writes this within the constructor, before a private field would be there. */
  declare offersUpgrade: boolean | null

  get upgrade(): boolean | null {
    const { upgrade: protocols = '' } = this.headers
    return this.offersUpgrade && (this.method === 'CONNECT' || /(?:^|[\s,])websocket(?:$|[\s,/])/i.test(protocols))
  }

  set upgrade(offered: boolean | null) {
    this.offersUpgrade = offered
  }
}

/** Makes an http server that emits 'upgrade' for WebSockets only; other offers are ordinary requests. */
export function createHttpServer(options: ServerOptions): Server {
  return createServer({ ...options, IncomingMessage: WebSocketOrNone })
}
