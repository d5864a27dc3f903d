// Edge: a port or a unix socket, with what `listen` leaves to its caller: a promise, an abort, a stale socket file.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { link, lstat, rename, unlink } from 'node:fs/promises'
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
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    // A name that begins with NUL is no file: nothing of it outlives its server.
    if (unix === undefined || !inUse || unix.startsWith('\0') || !(await removeStale(unix))) throw error
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

/** Removes a socket file whose server is gone; false: its server lives. Two servers that find the same one at the same
 * time must not remove each other's new one: the file is moved aside first, which only one of them can do, and put back
 * if it is not the file that was found stale. */
async function removeStale(path: string): Promise<boolean> {
  const found = await identity(path)
  if (found === null) return true
  if (!(await isStale(path))) return false
  const aside = `${path}.${randomBytes(4).toString('hex')}`
  try {
    await rename(path, aside)
  } catch {
    // The other was quicker.
    return true
  }
  const stale = (await identity(aside)) === found
  if (!stale) await link(aside, path).catch(() => {})
  await unlink(aside)
  return stale
}

/** What tells a file from another that has its name later; moving it does not change that. null: there is none. */
async function identity(path: string): Promise<string | null> {
  try {
    const { dev, ino, mtimeNs, birthtimeNs } = await lstat(path, { bigint: true })
    return [dev, ino, mtimeNs, birthtimeNs].join()
  } catch {
    return null
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
