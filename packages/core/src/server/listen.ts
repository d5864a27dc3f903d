// Edge: a port or a unix socket, with what `listen` leaves to its caller: a promise, an abort, a stale socket file.

import { once } from 'node:events'
import { lstat, open, unlink } from 'node:fs/promises'
import { connect, type Server as TcpServer } from 'node:net'
import { reasonOf, timeOut } from './drain.ts'

/** After how long the lock of a stale socket file is nobody's, in ms. It is waited for twice as long: whoever made it may have
 * been killed just now. */
const LOCK_MS = 2000
const LOCK_LOOK_MS = 10

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
  if (signal?.aborted) throw reasonOf(signal)
  try {
    await attempt(server, place)
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    // A name that begins with NUL is no file: nothing of it outlives its server.
    if (unix === undefined || !inUse || unix.startsWith('\0') || !(await replaceStale(server, unix))) throw error
  }
  if (signal?.aborted) {
    await new Promise((resolve) => server.close(resolve))
    throw reasonOf(signal)
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

/** Listens in place of a server that is gone; false: it is not. Two servers that find the same stale file at the same time
 * must not remove each other's new one: only who has the lock file beside it removes anything. */
async function replaceStale(server: TcpServer, path: string): Promise<boolean> {
  const lock = `${path}.lock`
  for (const end = Date.now() + 2 * LOCK_MS; ; await timeOut(LOCK_LOOK_MS)) {
    const mine = await open(lock, 'wx').catch(() => null)
    if (mine === null && Date.now() < end) {
      const { mtimeMs = Number.POSITIVE_INFINITY } = (await lstat(lock).catch(() => null)) ?? {}
      // Whoever made it was ended before it took it away.
      if (mtimeMs < Date.now() - LOCK_MS) await unlink(lock).catch(() => {})
      continue
    }
    try {
      if (mine === null || !(await isStale(path))) return false
      await unlink(path).catch(() => {})
      await attempt(server, { unix: path })
      return true
    } finally {
      await mine?.close()
      if (mine !== null) await unlink(lock).catch(() => {})
    }
  }
}

/** Is this a socket file whose server is gone? */
async function isStale(path: string): Promise<boolean> {
  const file = await lstat(path).catch(() => null)
  if (file !== null && !file.isSocket()) return false
  const probe = connect(path)
  const refused = ({ code }: NodeJS.ErrnoException): boolean => code === 'ECONNREFUSED' || code === 'ENOENT'
  return once(probe, 'connect')
    .then(() => false, refused)
    .finally(() => probe.destroy())
}
