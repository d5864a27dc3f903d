// Edge: a port or a unix socket, with what `listen` leaves to its caller: a promise, an abort, a stale socket file.

import { once } from 'node:events'
import { lstat, unlink } from 'node:fs/promises'
import { connect, type Server as TcpServer } from 'node:net'

/** Where a server listens. A unix socket has a `path`, and port 0. */
export interface Address {
  port: number
  /** The IP address, or `''`. */
  host: string
  path?: string
}

type Place = { port?: number; host?: string; unix?: string }

/** Listens; rejects with the system's error. A unix socket file that nobody listens on is replaced, a live one is not. */
export async function listenOn(server: TcpServer, place: Place, signal: AbortSignal | undefined): Promise<Address> {
  const { port, host, unix } = place
  signal?.throwIfAborted()
  try {
    await attempt(server, place)
  } catch (error) {
    if (unix === undefined || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || !(await isStale(unix)))
      throw error
    await unlink(unix)
    await attempt(server, place)
  }
  if (signal?.aborted) {
    await new Promise((resolve) => server.close(resolve))
    signal.throwIfAborted()
  }
  if (unix !== undefined) return { port: 0, host: '', path: unix }
  const address = server.address()
  if (address === null || typeof address === 'string') return { port: port ?? 0, host: host ?? '' }
  return { port: address.port, host: address.address }
}

async function attempt(server: TcpServer, { port, host, unix }: Place): Promise<void> {
  // Rejects with an 'error' that comes first.
  const listening = once(server, 'listening')
  server.listen(unix === undefined ? { port: port!, ...(host !== undefined && { host }) } : { path: unix })
  await listening
}

/** Is this a socket file whose server is gone? */
async function isStale(path: string): Promise<boolean> {
  if (!(await lstat(path)).isSocket()) return false
  const probe = connect(path)
  const refused = (error: NodeJS.ErrnoException): boolean => error.code === 'ECONNREFUSED'
  return once(probe, 'connect')
    .then(() => false, refused)
    .finally(() => probe.destroy())
}
