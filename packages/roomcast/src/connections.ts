// WebSockets as they come: whom this server serves at all, and which protocol a path speaks.

import { type Handler, type HandshakeRequest, Rejection, reject, type Socket } from '@roomcast/core'
import { isLoopback, isLoopbackName } from './access.ts'

/** Where SDKs connect. */
export const SDK_PATH = '/connection/websocket'

/** What is spoken there, for who offers a choice. */
const SDK_SUBPROTOCOLS = ['centrifuge-json', 'centrifuge-protobuf']

/** Handlers of different states, each for its own paths. */
// biome-ignore lint/suspicious/noExplicitAny: each is given the state that it made.
type AnyHandler = Handler<any, any>

/** What connections are served with. */
export interface ConnectionOptions {
  /** Only who asks for a loopback name, from a loopback address, is served. */
  readonly isDemo: boolean
  /** Hears of an offer of subprotocols of which none is known at that path. */
  readonly onUnknownSubprotocol: (request: HandshakeRequest, known: readonly string[]) => void
  /** The handler of a path. Asked when there is a connection. */
  readonly by: (path: string) => AnyHandler
}

/** Makes the handler of core for all paths. */
export function connectionHandler({
  isDemo,
  onUnknownSubprotocol,
  by,
}: ConnectionOptions): Handler<undefined, unknown> {
  const of = (socket: Socket): AnyHandler => by(socket.path)

  return {
    init: () => undefined,
    handshake(request) {
      const { host } = request.headers
      // Of a server that was given nobody knows here where it listens.
      const isLocal = isLoopbackName(host) && isLoopback(request.remoteAddress)
      if (isDemo && !isLocal) return reject(403, 'host_not_allowed')
      const handler = by(request.path)
      const state = handler.init?.()
      const result = handler.handshake === undefined ? state : handler.handshake(request, state)
      const known = request.path === SDK_PATH ? SDK_SUBPROTOCOLS : []
      const { subprotocols: offered } = request
      if (offered.length === 0 || offered.some((name) => known.includes(name))) return result
      const tell = <T>(decision: T): T => {
        if (!(decision instanceof Rejection)) onUnknownSubprotocol(request, known)
        return decision
      }
      return result instanceof Promise ? result.then(tell) : tell(result)
    },
    opened: (socket) => of(socket).opened?.(socket),
    message: (socket, data, opcode) => of(socket).message(socket, data, opcode),
    pong: (socket, payload) => of(socket).pong?.(socket, payload),
    drained: (socket) => of(socket).drained?.(socket),
    closed: (socket, info) => of(socket).closed?.(socket, info),
  }
}
