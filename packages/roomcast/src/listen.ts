// Where the server listens. Without an address: on both loopback addresses of this machine, with the same port, as
// `localhost` is now the one and now the other.

import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'

const BOTH = ['127.0.0.1', '::1'] as const

/** The system has no such address: a machine without IPv6, or without IPv4. */
const NO_SUCH_ADDRESS = ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL']

/** How often a free port of the one address is looked for that is free on the other, too. */
const ATTEMPTS = 10

/** What an http server listens with. */
export interface Listener {
  /** Rejects with the system's error, such as EADDRINUSE; then nothing listens. */
  listen(): Promise<{ port: number }>
  /** Takes no connections any more; resolves when those taken are gone. */
  close(): Promise<void>
}

/** Makes a listener for `http`.
 * @param where.host undefined, or `localhost`: 127.0.0.1 and ::1, those of them that exist. */
export function createListener(http: HttpServer, where: { port: number; host: string | undefined }): Listener {
  const { port, host } = where
  const hosts = host === undefined || host.toLowerCase() === 'localhost' ? BOTH : [host]
  let open: readonly Server[] = []
  let begun: Promise<{ port: number }> | undefined

  async function begin(): Promise<{ port: number }> {
    for (let attempt = 1; ; attempt++) {
      try {
        open = await listenOnAll(http, port, hosts)
        break
      } catch (error) {
        const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
        if (port !== 0 || !isTaken || attempt === ATTEMPTS) throw error
      }
    }
    // Such as no file descriptor left for one more connection: no reason to end the process.
    for (const server of open) server.on('error', (error) => process.emitWarning(error))
    return { port: portOf(open[0]!) }
  }

  return {
    listen() {
      if (begun !== undefined) return Promise.reject(new Error('this server listens already, or is closed'))
      begun = begin()
      begun.catch(() => {
        begun = undefined
      })
      return begun
    },
    async close() {
      begun ??= Promise.resolve({ port })
      // An attempt that is under way must come to its end first.
      await begun.catch(() => {})
      await Promise.all(open.map(shut))
    },
  }
}

/** Listens on all of the hosts that the system has, on the same port; on none if one of them fails. */
async function listenOnAll(http: HttpServer, port: number, hosts: readonly string[]): Promise<readonly Server[]> {
  const servers: Server[] = []
  let missing: unknown
  try {
    for (const host of hosts) {
      const [first] = servers
      try {
        servers.push(await listenOn(first === undefined ? http : besides(http), first ? portOf(first) : port, host))
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException
        if (hosts.length === 1 || !NO_SUCH_ADDRESS.includes(code)) throw error
        missing = error
      }
    }
    if (servers.length === 0) throw missing
    return servers
  } catch (error) {
    await Promise.all(servers.map(shut))
    throw error
  }
}

/** A server whose connections the http server takes. */
function besides(http: HttpServer): Server {
  return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void http.emit('connection', socket))
}

async function listenOn(server: Server, port: number, host: string): Promise<Server> {
  server.listen({ port, host })
  await once(server, 'listening')
  return server
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

function shut(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
