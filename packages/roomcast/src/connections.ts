// WebSockets as they come: whom this server serves at all, how many of one address, and which protocol a path speaks.

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
  readonly maxPerAddress: number
  /** The handler of a path. Asked when there is a connection. */
  readonly by: (path: string) => AnyHandler
}

/** Makes the handler of core for all paths. */
export function connectionHandler({ isDemo, maxPerAddress, by }: ConnectionOptions): Handler<undefined, unknown> {
  const counts = new Map<string, number>()
  const of = (socket: Socket): AnyHandler => by(socket.path)

  return {
    init: () => undefined,
    handshake(request) {
      const { host } = request.headers
      // Of a server that was given nobody knows here where it listens.
      const isLocal = isLoopbackName(host) && isLoopback(request.remoteAddress)
      if (isDemo && !isLocal) return reject(403, 'host_not_allowed')
      if ((counts.get(request.remoteAddress) ?? 0) >= maxPerAddress) return reject(429, 'too_many_connections')
      const handler = by(request.path)
      const state = handler.init?.()
      return handler.handshake === undefined ? state : handler.handshake(request, state)
    },
    opened(socket) {
      const { remoteAddress } = socket
      const count = (counts.get(remoteAddress) ?? 0) + 1
      counts.set(remoteAddress, count)
      // Several may have asked before the first was open.
      if (count > maxPerAddress) return socket.close(TOO_MANY, 'connection limit')
      return of(socket).opened?.(socket)
    },
    message: (socket, data, opcode) => of(socket).message(socket, data, opcode),
    pong: (socket, payload) => of(socket).pong?.(socket, payload),
    drained: (socket) => of(socket).drained?.(socket),
    closed(socket, info) {
      const count = counts.get(socket.remoteAddress) ?? 0
      if (count > 1) counts.set(socket.remoteAddress, count - 1)
      else counts.delete(socket.remoteAddress)
      return of(socket).closed?.(socket, info)
    },
  }
}

/** As for one user's connections. */
const TOO_MANY = 3504
