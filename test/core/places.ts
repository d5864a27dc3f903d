// Every way in which a connection comes to a server of ours, as one table: what a test holds for one way it holds for all.
// Behind each of them is TCP (or a unix socket), so that the same clients can connect. Call `closePlaces` after each test,
// once the servers are closed.

import type { Buffer } from 'node:buffer'
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket as TcpSocket } from 'node:net'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { serve, type TestOptions, TestServer, TLS, temporaryFolder } from '../support/core-server.ts'

export interface Place {
  readonly name: string
  serve<I = undefined, S = I>(options?: TestOptions<I, S>): Promise<TestServer<I, S>>
}

/** Listens on a port or a unix socket of its own. */
export const OWN: readonly Place[] = [
  { name: 'own port', serve: (options = {}) => serve(options) },
  {
    name: 'unix socket',
    serve: async (options = {}) => serve({ ...options, unix: join(await temporaryFolder(), 'socket') }),
  },
  { name: 'TLS', serve: (options = {}) => serve({ ...options, tls: TLS }) },
]

/** Attached to a server of the application's. */
export const ATTACHED: readonly Place[] = [
  { name: 'attached http', serve: async (options = {}) => attachTo(await host(), options) },
  { name: 'attached https', serve: async (options = {}) => attachTo(await host({ tls: true }), options, true) },
]

/** Routed by a framework, at once, after a look-up, or as a stream that is no TCP socket. */
const ROUTED: readonly Place[] = [
  { name: 'upgrade()', serve: async (options = {}) => routed(await host(), options, (go) => go()) },
  {
    name: 'late upgrade()',
    serve: async (options = {}) => routed(await host(), options, (go) => void setTimeout(go, 5)),
  },
  { name: 'Duplex', serve: async (options = {}) => routed(await duplexHost(), options, (go) => go()) },
]

export const PLACES: readonly Place[] = [...OWN, ...ATTACHED, ...ROUTED]

/** The places whose names are given. */
export function places(...names: string[]): readonly Place[] {
  const found = PLACES.filter(({ name }) => names.includes(name))
  if (found.length !== names.length) throw new Error(`no such place: ${names}`)
  return found
}

const hosts = new Set<{ web: HttpServer; tcp: Server }>()

/** Ends the servers that are not ours. */
export function closePlaces(): void {
  for (const { web, tcp } of hosts) {
    web.closeAllConnections()
    tcp.close()
  }
  hosts.clear()
}

/** A server of the application's that listens; it answers requests with `page`. */
export async function host({ tls = false } = {}): Promise<HttpServer> {
  const web = tls ? createHttpsServer(TLS) : createHttpServer()
  web.on('request', (request, response) => {
    request.resume().on('end', () => response.end('page'))
  })
  await listen(web, web)
  return web
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

async function listen(web: HttpServer, tcp: Server): Promise<void> {
  hosts.add({ web, tcp })
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', () => resolve()))
}

/** An http server whose connections are streams that are no TCP sockets; it listens through another. */
async function duplexHost(): Promise<HttpServer> {
  const web = createHttpServer()
  const tcp = createTcpServer({ allowHalfOpen: true }, (socket) => void web.emit('connection', new Relay(socket)))
  await listen(web, tcp)
  web.address = () => tcp.address()
  return web
}

/** A stream in front of a TCP socket. */
class Relay extends Duplex {
  readonly #tcp: TcpSocket

  constructor(tcp: TcpSocket) {
    super({ allowHalfOpen: true })
    this.#tcp = tcp
    tcp.on('data', (chunk: Buffer) => void (this.push(chunk) || tcp.pause()))
    tcp.on('end', () => this.push(null))
    tcp.on('error', (error) => this.destroy(error))
    tcp.on('close', () => this.destroy())
  }

  override _read(): void {
    this.#tcp.resume()
  }

  override _write(chunk: Buffer, _: string, done: (error?: Error | null) => void): void {
    this.#tcp.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.#tcp.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#tcp.destroy()
    done(error)
  }
}

/** Our server on `web`. */
export function attachTo<I = undefined, S = I>(
  web: HttpServer,
  options: TestOptions<I, S> = {},
  tls = false,
): TestServer<I, S> {
  const test = new TestServer<I, S>({ ...options, server: web })
  test.target = { port: portOf(web), tls }
  return test
}

/** Our server behind a framework that decides with `decide` when an upgrade is given to it. */
function routed<I, S>(web: HttpServer, options: TestOptions<I, S>, decide: (go: () => void) => void): TestServer<I, S> {
  const test = new TestServer<I, S>(options)
  web.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {})
    decide(() => test.server.upgrade(request, socket, head))
  })
  test.target = { port: portOf(web) }
  return test
}
