// A core server on loopback with everything that happens to it written down, and the clients that go with it. Call
// `cleanUp` after each test.

import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CloseInfo,
  createServer,
  type ErrorWhere,
  type Handler,
  type Opcode,
  type Server,
  type ServerOptions,
  type Socket,
} from '@roomcast/core'
import { inTime, Log, nextTurn } from './log.ts'
import { endClients, type HandshakeText, RawClient, type RawOptions, type Response, type Target } from './raw-client.ts'

/** Key and certificate of `localhost`, for tests only. */
export const TLS: { key: string; cert: string } = {
  key: readFileSync(new URL('./tls/test-only-key.pem', import.meta.url), 'utf8'),
  cert: readFileSync(new URL('./tls/test-only-cert.pem', import.meta.url), 'utf8'),
}

/** Options of `createServer`; of the handler any part. Without a place the server listens on a free port. */
export type TestOptions<I, S> = Omit<ServerOptions<I, S>, 'handler'> & { handler?: Partial<Handler<I, S>> }

/** What happened to a server. */
class Records<I, S> {
  readonly opened: Log<Socket<S>> = new Log('opened')
  readonly messages: Log<{ socket: Socket<S>; data: Buffer; opcode: Opcode }> = new Log('messages')
  readonly drained: Log<Socket<S>> = new Log('drained')
  readonly closed: Log<CloseInfo & { socket: Socket<S> }> = new Log('closed')
  readonly errors: Log<{ error: unknown; where: ErrorWhere; socket?: Socket<S> }> = new Log('errors')

  /** The options, with everything written down before the test's own callback is called. */
  recording(options: TestOptions<I, S>): ServerOptions<I, S> {
    const { handler = {}, onError } = options
    return {
      ...options,
      handler: {
        ...handler,
        opened: (socket) => {
          this.opened.push(socket)
          return handler.opened?.(socket)
        },
        message: (socket, data, opcode) => {
          this.messages.push({ socket, data, opcode })
          return handler.message?.(socket, data, opcode)
        },
        drained: (socket) => {
          this.drained.push(socket)
          return handler.drained?.(socket)
        },
        closed: (socket, info) => {
          this.closed.push({ ...info, socket })
          return handler.closed?.(socket, info)
        },
      },
      onError: (error, context) => {
        this.errors.push({ error, ...context })
        return onError?.(error, context)
      },
    }
  }

  /** The texts of all messages. */
  get texts(): string[] {
    return this.messages.all.map(({ data }) => data.toString())
  }

  /** How the sockets ended. */
  get infos(): HowClosed[] {
    return this.closed.all.map(({ code, reason, by }) => ({ code, reason, by }))
  }

  /** How the socket at `index` ended, as soon as it did. */
  async info(index = 0): Promise<HowClosed> {
    const { code, reason, by } = await this.closed.at(index)
    return { code, reason, by }
  }
}

/** The part of `CloseInfo` that most tests are about. */
export type HowClosed = Pick<CloseInfo, 'code' | 'reason' | 'by'>

/** A client and the socket it is to the server. */
export interface Pair<S> {
  client: RawClient
  socket: Socket<S>
}

export class TestServer<I = undefined, S = I> extends Records<I, S> {
  readonly server: Server<S>
  target: Target = { port: 0 }
  #connecting: Promise<unknown> = Promise.resolve()

  constructor(options: TestOptions<I, S>) {
    super()
    const place = options.unix === undefined && options.server === undefined ? { port: 0, host: '127.0.0.1' } : {}
    this.server = createServer(this.recording({ ...place, ...options }))
    servers.add(this.server)
  }

  /** A TCP connection, nothing sent. */
  tcp(options?: RawOptions): Promise<RawClient> {
    return RawClient.connect(this.target, options)
  }

  /** A client and the socket it is to the server. */
  connect(handshake: HandshakeText = {}, options: RawOptions = {}): Promise<Pair<S>> {
    // One after the other, so that the last socket opened is this client's.
    const pair = this.#connecting.then(() => this.#connect(handshake, options))
    this.#connecting = pair.catch(() => {})
    return pair
  }

  async #connect(handshake: HandshakeText, options: RawOptions): Promise<Pair<S>> {
    const index = this.opened.length
    const client = await this.tcp(options)
    const { status, headers } = await client.upgrade(handshake)
    if (status !== 101) throw new Error(`the handshake came to ${status} ${headers.error}`)
    return { client, socket: await this.opened.at(index) }
  }

  /** The answer to a handshake. */
  async answer(handshake: HandshakeText = {}): Promise<Response> {
    const client = await this.tcp()
    return client.upgrade(handshake)
  }
}

const servers = new Set<{ close(): Promise<void> }>()
const folders = new Set<string>()

/** A server that listens. */
export async function serve<I = undefined, S = I>(options: TestOptions<I, S> = {}): Promise<TestServer<I, S>> {
  const test = new TestServer(options)
  const { port, path } = await test.server.listen()
  test.target = path !== undefined ? { path } : { port, tls: options.tls !== undefined }
  return test
}

/** Closes `server` after the test. */
export function track<T extends { close(): Promise<void> }>(server: T): T {
  servers.add(server)
  return server
}

/** A new folder, removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'roomcast-'))
  folders.add(folder)
  return folder
}

// Nothing that a peer or a callback does may reach the process.
const escaped: unknown[] = []
for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, (error) => escaped.push(error))

/** Ends all clients and servers; fails when a server does not come to its end, or an error reached the process. */
export async function cleanUp(): Promise<void> {
  endClients()
  const all = [...servers]
  servers.clear()
  await inTime(Promise.all(all.map((server) => server.close())), 'server.close()')
  await Promise.all([...folders].map((folder) => rm(folder, { recursive: true, force: true })))
  folders.clear()
  await nextTurn()
  if (escaped.length > 0) throw new Error('an error reached the process', { cause: escaped.splice(0) })
}
