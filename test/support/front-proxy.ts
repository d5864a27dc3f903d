// A reverse proxy as people write it on node's http: requests and upgrades are passed on with X-Forwarded-* headers, and
// after the 101 bytes go both ways.

import { createServer, type IncomingMessage, type OutgoingHttpHeaders, request, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TlsOptions } from 'node:tls'

export interface ProxyOptions {
  /** The server behind it. */
  to: { port: number } | { path: string }
  /** TLS ends here. */
  tls?: TlsOptions
  /** What is written for a client's address. */
  address: string
}

export class FrontProxy {
  readonly server: Server
  readonly #options: ProxyOptions

  private constructor(options: ProxyOptions) {
    this.#options = options
    this.server = options.tls === undefined ? createServer() : createTlsServer(options.tls)
    this.server.on('upgrade', (incoming, socket) => this.#pass(incoming, socket))
  }

  static async start(options: ProxyOptions): Promise<FrontProxy> {
    const proxy = new FrontProxy(options)
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', () => resolve()))
    return proxy
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  #headers({ headers }: IncomingMessage): OutgoingHttpHeaders {
    const before = headers['x-forwarded-for']
    return {
      ...headers,
      host: 'backend.internal',
      'x-forwarded-for': before === undefined ? this.#options.address : `${before}, ${this.#options.address}`,
      'x-forwarded-proto': this.#options.tls === undefined ? 'http' : 'https',
      'x-forwarded-host': headers.host,
    }
  }

  #pass(incoming: IncomingMessage, client: Duplex): void {
    const { to } = this.#options
    const place = 'port' in to ? { port: to.port, host: '127.0.0.1' } : { socketPath: to.path }
    const outgoing = request({ ...place, path: incoming.url, headers: this.#headers(incoming), agent: false })
    const head = ({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string =>
      rawHeaders.reduce(
        (text, part, i) => text + part + (i % 2 === 0 ? ': ' : '\r\n'),
        `HTTP/1.1 ${statusCode} ${statusMessage}\r\n`,
      )
    client.on('error', () => outgoing.destroy())
    outgoing.on('error', () => client.destroy())
    outgoing.on('upgrade', (response, server, first) => {
      client.write(`${head(response)}\r\n`)
      client.write(first)
      server.pipe(client).pipe(server)
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        one.on('error', () => other.destroy()).on('close', () => other.destroy())
      }
    })
    outgoing.on('response', (response) => {
      client.write(`${head(response)}\r\n`)
      response.pipe(client)
    })
    outgoing.end()
  }
}
