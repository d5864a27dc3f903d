// What `new WebSocketServer` takes: the options of `createServer`, in their own names, and `noServer`. A name that only ws
// has is refused with the one that says the same here: an option that is passed over could be the one that shuts a door.

import type { IncomingMessage } from 'node:http'
import type { HandshakeRequest, HandshakeResult } from '../handler.ts'
import type { ServerOptions } from '../server/options.ts'

/** One of `port`, `unix`, `server` and `noServer` must be given; all else is as in `createServer`. */
export interface WebSocketServerOptions
  extends Omit<ServerOptions<undefined, unknown>, 'handler' | 'routes' | 'text' | 'pathname'> {
  /** Upgrades come through `handleUpgrade` alone. */
  noServer?: boolean
  /** As in `createServer`, for `port`, `unix` and `server`, and for `handleUpgrade`. */
  pathname?: string | ((path: string) => boolean)
  /** Decides over a connection, as a handler's `handshake`; what it returns is `ws.socket.state`. */
  handshake?: (request: HandshakeRequest) => HandshakeResult<unknown>
  /** Chooses the subprotocol of a client that offers some, in the place of `subprotocols`; `handshake` goes before it. What
   * is no name of those is none. The one option that may be set later too, in `wss.options`, as libraries do. */
  handleProtocols?: HandleProtocols | undefined
}

/** @param protocols what the client offered, in its order. */
export type HandleProtocols = (protocols: Set<string>, request: IncomingMessage) => string | false

/** Options of ws, and what says the same here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  path: 'pathname',
  maxPayload: 'maxMessageBytes',
  perMessageDeflate: 'compression',
  verifyClient: 'handshake',
  closeTimeout: 'closeTimeoutMs',
  // Of createServer's, what the facade has other words for.
  handler: 'listeners',
  routes: 'a server for each pathname',
  text: 'isBinary, which tells',
}

/** Checks what `createServer` does not know.
 * @throws TypeError for a name of ws's, a wrong type, or not one place. */
export function checkPlace(options: WebSocketServerOptions): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('WebSocketServer needs an options object')
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(ELSEWHERE, name)) throw new TypeError(`unknown option: ${name}; here it is ${ELSEWHERE[name]}`)
  }
  const { port, unix, server, noServer = false, handshake, handleProtocols } = options
  if (typeof noServer !== 'boolean') throw new TypeError('noServer must be a boolean')
  if (handshake !== undefined && typeof handshake !== 'function') throw new TypeError('handshake must be a function')
  checkHandleProtocols(handleProtocols)
  const places = [port, unix, server, noServer || undefined].filter((place) => place !== undefined)
  if (places.length !== 1) throw new TypeError('give one of port, unix, server and noServer')
}

function checkHandleProtocols(value: unknown): void {
  if (value != null && typeof value !== 'function') throw new TypeError('handleProtocols must be a function')
}

/** The options as `wss.options` has them. What a framework would set there later has no effect, so it shall not go
 * unnoticed; but for `handleProtocols`, which opens no door. */
export function frozen(options: WebSocketServerOptions): WebSocketServerOptions {
  let { handleProtocols } = options
  return Object.freeze({
    ...options,
    get handleProtocols() {
      return handleProtocols
    },
    set handleProtocols(value: HandleProtocols | undefined) {
      checkHandleProtocols(value)
      handleProtocols = value
    },
  })
}
