// WebSockets as they come: whom this server serves at all, and which protocol a path speaks.

import { type Handler, reject, type Socket } from '@roomcast/core'
import { isLoopback, isLoopbackName } from './access.ts'

/** Where SDKs connect. */
export const SDK_PATH = '/connection/websocket'

/** Handlers of different states, each for its own paths. */
// biome-ignore lint/suspicious/noExplicitAny: each is given the state that it made.
type AnyHandler = Handler<any, any>

/** What connections are served with. */
export interface ConnectionOptions {
  /** Only who asks for a loopback name, from a loopback address, is served. */
  readonly isDemo: boolean
  /** The handler of a path. Asked when there is a connection. */
  readonly by: (path: string) => AnyHandler
}

/** Makes the handler of core for all paths. */
export function connectionHandler({ isDemo, by }: ConnectionOptions): Handler<undefined, unknown> {
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
      return handler.handshake === undefined ? state : handler.handshake(request, state)
    },
    opened: (socket) => of(socket).opened?.(socket),
    message: (socket, data, opcode) => of(socket).message(socket, data, opcode),
    pong: (socket, payload) => of(socket).pong?.(socket, payload),
    drained: (socket) => of(socket).drained?.(socket),
    closed: (socket, info) => of(socket).closed?.(socket, info),
  }
}
