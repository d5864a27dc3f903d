// The connections of an http or https server, for its end: which of them bring half a request, and that none is left. Under
// TLS there are two things for each: TCP, and what is written through TLS. Only the second may be answered on, and node's
// http does not know the first before TLS is up.

import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'

/** The connections of one server. */
export interface HttpConnections {
  /** Those that can be answered on, and on which something has come, but for those that node knows to be between two
   * requests: these are ended by this. */
  unanswered(): Socket[]
  /** Ends all of them at once, TLS handshakes that are under way as well, and those that come later. */
  end(): void
}

/** Hears of each connection from now on. */
export function watchConnections(http: Server): HttpConnections {
  const tcp = new Set<Socket>()
  /** What requests are read from. */
  const open = http instanceof TlsServer ? new Set<Socket>() : tcp
  let isOver = false

  const keep = (set: Set<Socket>, socket: Socket): void => {
    set.add(socket)
    socket.once('close', () => set.delete(socket))
  }
  http.on('connection', (socket: Socket) => {
    if (isOver) socket.destroy()
    else keep(tcp, socket)
  })
  if (open !== tcp) http.on('secureConnection', (socket: Socket) => keep(open, socket))

  return {
    unanswered() {
      // Node's parser alone knows whether the bytes behind a request are the beginning of the next one: both may have come
      // in one piece.
      http.closeIdleConnections()
      return [...open].filter((socket) => !socket.destroyed && socket.writable && socket.bytesRead > 0)
    },
    end() {
      isOver = true
      http.closeAllConnections()
      for (const socket of tcp) socket.destroy()
    },
  }
}
