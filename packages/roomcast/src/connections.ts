// WebSockets as they come: whom this server serves at all, how many of one address, and which protocol a path speaks.

import { centrifugeHandler, type CentrifugeOptions } from '@roomcast/centrifuge'
import { type Handler, reject, type Socket } from '@roomcast/core'
import { isLoopbackName } from './access.ts'
import { type WordsOptions, wordsHandler } from './words.ts'

/** Where SDKs connect. */
export const SDK_PATH = '/connection/websocket'

/** What connections are served with. */
export interface ConnectionOptions {
  readonly words: WordsOptions
  readonly sdk: CentrifugeOptions
  /** Only who asks for a loopback name is served. */
  readonly isDemo: boolean
  readonly maxPerAddress: number
}

type Both = Handler<undefined, unknown>
type AnySocket = Socket<never>

/** Makes the handler of core for all paths. */
export function connectionHandler(options: ConnectionOptions): Both {
  const { isDemo, maxPerAddress } = options
  const words = wordsHandler(options.words) as Handler<unknown, unknown>
  const sdk = centrifugeHandler(options.sdk)
  const counts = new Map<string, number>()
  const by = (path: string): Handler<unknown, unknown> => (path === SDK_PATH ? sdk : words)
  const of = (socket: Socket): Handler<unknown, unknown> => by(socket.path)

  return {
    init: () => undefined,
    handshake(request) {
      if (isDemo && !isLoopbackName(request.headers['host'])) return reject(403, 'host_not_allowed')
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
    message: (socket, data, opcode) => of(socket).message(socket as AnySocket, data, opcode),
    pong: (socket, payload) => of(socket).pong?.(socket as AnySocket, payload),
    drained: (socket) => of(socket).drained?.(socket as AnySocket),
    closed(socket, info) {
      const count = counts.get(socket.remoteAddress) ?? 0
      if (count > 1) counts.set(socket.remoteAddress, count - 1)
      else counts.delete(socket.remoteAddress)
      return of(socket).closed?.(socket as AnySocket, info)
    },
  }
}

/** As for one user's connections. */
const TOO_MANY = 3504
