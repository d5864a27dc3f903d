// Opens one place within the server's process: core's servers, and where they are attached the http server that is the
// user's, with its page and its foreign listeners.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer, type Server, type ServerOptions } from '@roomcast/core'
import type { Decisions, State } from './handler.ts'
import {
  type Address,
  type Break,
  FOREIGN,
  FOREIGN_STATUS,
  type Leaving,
  OURS,
  type Place,
  SECOND,
  TIMEOUTS,
} from './place.ts'

/** Read by the built program, test/dist/faults. */
const TLS = {
  key: readFileSync(new URL('../../support/tls/test-only-key.pem', import.meta.url), 'utf8'),
  cert: readFileSync(new URL('../../support/tls/test-only-cert.pem', import.meta.url), 'utf8'),
}
const DRAIN = { batch: 2, intervalMs: 10, deadlineMs: 3000 }
const LEAK_EVERY = 8
/** A user ends what node does not: over TLS an answer to a peer that has reset may never come to its end, when the session
 * tickets of node's before it have not either. Seen with node alone. */
const ANSWER_MS = 1000

type Common = Required<Pick<ServerOptions<undefined, State>, 'handler' | 'onError'>>
type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export interface OpenPlace {
  readonly address: Address
  readonly servers: readonly Server<State>[]
  /** @returns what `drain` said; null: it was closed. */
  leave(how: Leaving): Promise<{ closed: number; terminated: number } | null>
  shut(): Promise<void>
}

export interface PlaceOptions extends Common {
  readonly decisions: Decisions
  /** A file name for a unix socket. */
  readonly path: string
  readonly broken: Break | undefined
}

export async function openPlace(place: Place, options: PlaceOptions): Promise<OpenPlace> {
  const { handler, onError, broken } = options
  const common: ServerOptions<undefined, State> = {
    ...{ handler, onError, pathname: OURS },
    ...Object.fromEntries(Object.entries(TIMEOUTS).map(([name, ms]) => [name, broken === 'patient' ? ms * 1000 : ms])),
    // One place for each address: the next scenario of the same address tells whether it came back.
    trustProxy: 1,
    maxConnectionsPerAddress: 1,
    maxBufferedBytes: 262_144,
    compression: true,
  }
  return place.kind === 'own' ? openOwn(place, common, options.path) : openAttached(place, common, options)
}

async function openOwn({ endpoint }: Place, common: ServerOptions<undefined, State>, path: string): Promise<OpenPlace> {
  const where = endpoint === 'unix' ? { unix: path } : { port: 0, host: '127.0.0.1' }
  const server = createServer({ ...common, ...where, ...(endpoint === 'tls' && { tls: TLS }) })
  const { port } = await server.listen()
  return {
    address: endpoint === 'unix' ? { path } : { port },
    servers: [server],
    leave: (how) => leaveAll([server], how),
    shut: () => server.close(),
  }
}

async function openAttached(
  { kind, endpoint }: Place,
  common: ServerOptions<undefined, State>,
  { path, decisions, broken }: PlaceOptions,
): Promise<OpenPlace> {
  const timeoutMs = TIMEOUTS.handshakeTimeoutMs * (broken === 'patient' ? 1000 : 1)
  const page: RequestListener = (request, response) => {
    // With its length, or node would not keep the connection of an HTTP/1.0 client.
    request.resume().once('end', () => response.setHeader('Content-Length', 4).end('page'))
  }
  const settings = {
    headersTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    keepAliveTimeout: timeoutMs,
    connectionsCheckingInterval: timeoutMs / 4,
  }
  const http =
    endpoint === 'tls'
      ? createHttpsServer({ ...TLS, ...settings, handshakeTimeout: timeoutMs }, page)
      : createHttpServer(settings, page)
  const foreign = foreignListener(kind, decisions)
  // Who comes first must not matter.
  if (foreign && endpoint !== 'tcp') http.on('upgrade', foreign)
  const servers: Server<State>[] = []
  if (kind === 'framework') {
    const server = createServer(common)
    servers.push(server)
    http.on('upgrade', framework(server, decisions))
  } else {
    servers.push(createServer({ ...common, server: http }))
    if (kind === 'two') servers.push(createServer({ ...common, server: http, pathname: SECOND }))
  }
  if (foreign && endpoint === 'tcp') http.on('upgrade', foreign)
  if (broken === 'unheard') http.on('upgrade', stopHearing)
  if (broken === 'leaky') leak(http)
  if (endpoint === 'unix') http.listen(path)
  else http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    address: endpoint === 'unix' ? { path } : { port: (http.address() as AddressInfo).port },
    servers,
    leave(how) {
      // The http server goes on: from now on its upgrades are the user's own to refuse, beside the foreign listener.
      if (how === 'close' && foreign) http.on('upgrade', refuseRest)
      return leaveAll(servers, how)
    },
    async shut() {
      // As after `leave`: an upgrade that comes from now on is the user's own to refuse.
      if (foreign) http.on('upgrade', refuseRest)
      await Promise.all(servers.map((server) => server.close()))
      const closed = once(http, 'close')
      http.close()
      // Those that were not upgraded are the user's, and node no longer times them out.
      http.closeAllConnections()
      await closed
    },
  }
}

async function leaveAll(
  servers: readonly Server<State>[],
  how: Leaving,
): Promise<{ closed: number; terminated: number } | null> {
  if (how === 'close') {
    await Promise.all(servers.map((server) => server.close()))
    return null
  }
  const results = await Promise.all(servers.map((server) => server.drain(DRAIN)))
  const sum = (name: 'closed' | 'terminated'): number => results.reduce((total, result) => total + result[name], 0)
  return { closed: sum('closed'), terminated: sum('terminated') }
}

/** Another `upgrade` listener of the user's; null: there is none. */
function foreignListener(kind: Place['kind'], decisions: Decisions): OnUpgrade | null {
  if (kind === 'idle') return () => {}
  if (kind === 'paths') {
    return (request, socket) => {
      if (pathOf(request) === FOREIGN) answerForeign(socket)
    }
  }
  if (kind !== 'late') return null
  return async (request, socket) => {
    if (pathOf(request) === OURS) return
    await decisions.made(numberOf(request))
    if (!socket.destroyed) answerForeign(socket)
  }
}

function answerForeign(socket: Duplex): void {
  socket.on('error', () => {})
  socket.write(`HTTP/1.1 ${FOREIGN_STATUS} Foreign\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  ;(socket as TcpSocket).destroySoon()
  const timer = setTimeout(() => socket.destroy(), ANSWER_MS)
  socket.once('close', () => clearTimeout(timer))
}

const refuseRest: OnUpgrade = (request, socket) => {
  if (pathOf(request) !== FOREIGN) answerForeign(socket)
}

/** A framework that looks a session up before it hands the upgrade over. Meanwhile errors are its own to hear. */
function framework(server: Server<State>, decisions: Decisions): OnUpgrade {
  return async (request, socket, head) => {
    socket.on('error', () => {})
    await decisions.made(numberOf(request))
    server.upgrade(request, socket, head)
  }
}

/** The last to hear of an upgrade: whoever listened for errors before, and after, does not any more. */
const stopHearing: OnUpgrade = (request, socket) => {
  if (pathOf(request) === OURS) return
  socket.removeAllListeners('error')
  setImmediate(() => socket.removeAllListeners('error'))
}

function leak(http: ReturnType<typeof createHttpServer>): void {
  const emit = http.emit.bind(http)
  let upgrades = 0
  http.emit = (event: string, ...rest: unknown[]): boolean => {
    if (event !== 'upgrade' || ++upgrades % LEAK_EVERY !== 0) return emit(event, ...rest)
    ;(rest[1] as Duplex).on('error', () => {})
    return true
  }
}

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?')[0]!
}

function numberOf({ url = '' }: IncomingMessage): number {
  return Number(new URLSearchParams(url.split('?')[1]).get('n'))
}
