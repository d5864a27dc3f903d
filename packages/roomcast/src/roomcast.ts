// The server as a whole: one node http server, core attached to it, channels on top, the API and the page beside. It
// owns their lifetimes; it handles no signals and writes nothing to the terminal (cli.ts does).

import { setMaxListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type Broker, type BrokerStatus, type Channels, createChannels } from '@roomcast/channels'
import { createServer, type Stats } from '@roomcast/core'
import { createApi, type Status } from './api.ts'
import { createHttpServer } from './http-server.ts'
import { type RoomcastOptions, settle } from './options.ts'
import { createPage } from './page.ts'
import { type Meta, respond } from './protocol.ts'
import { sendJson } from './reply.ts'
import { takeRequests } from './requests.ts'

/** What GET /stats answers: core's figures, and those of the rooms. */
export interface RoomcastStats extends Stats {
  status: Status
  uptimeSeconds: number
  /** Channels that have a member here. */
  channels: number
  /** With a broker: its status and what it counts. */
  bridge?: { status: BrokerStatus }
}

/** A running (or not yet listening) server. */
export interface Roomcast {
  /** The secret of the HTTP API. */
  readonly token: string
  /** The rooms, for a program that embeds the server. */
  readonly channels: Channels<Meta>
  /** Starts listening. Rejects with the system's error, such as EADDRINUSE. */
  listen(): Promise<{ port: number }>
  /** Refuses new sockets with 503 and closes the open ones with 1012, what was said first. HTTP goes on, but nothing can
   * be said by it any more; requests under way are answered. */
  drain(): Promise<{ closed: number; terminated: number }>
  /** Closes everything: sockets with 1001, then the http server. Again: the same promise. */
  close(): Promise<void>
  stats(): RoomcastStats
  [Symbol.asyncDispose](): Promise<void>
}

/** An answer to a join waits so long for the bus: longer than a healthy one ever takes. */
const CONFIRM_MS = 1000

/** `close` waits so long for clients that take their answers slowly. */
const LAST_ANSWERS_MS = 1000

/** Makes a server; `listen()` starts it.
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a wrong value. */
export function createRoomcast(options: RoomcastOptions = {}): Roomcast {
  const { port, host, token, origin, broker, limits } = settle(options)
  const { maxMessageBytes, maxConnections, drainMs: deadlineMs } = limits

  const page = createPage()
  const http = createHttpServer({
    // Heads are awaited as long as core awaits its own; a body may take as long as a message.
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    connectionsCheckingInterval: 1000,
  })
  const core = createServer({
    server: http,
    maxMessageBytes,
    maxConnections,
    ...(origin === undefined ? {} : { origin }),
    handler: { message: (socket, data, opcode) => respond(channels, socket, data, opcode, heard) },
  })
  // Last of all that can throw: it starts the broker.
  const channels = createChannels<Meta>(broker === undefined ? {} : { broker })
  const heard = broker && confirmation(broker, channels)

  const started = performance.now()
  /** Aborted at the beginning of the end. */
  const ending = new AbortController()
  setMaxListeners(0, ending.signal)
  let closing: Promise<void> | undefined

  const status = (): Status => {
    if (ending.signal.aborted) return 'draining'
    if (broker === undefined) return 'ready'
    return broker.status === 'closed' ? 'degraded' : broker.status
  }
  const stats = (): RoomcastStats => ({
    status: status(),
    uptimeSeconds: Math.floor((performance.now() - started) / 1000),
    channels: channels.channelCount,
    ...core.stats(),
    ...(broker && { bridge: { status: broker.status, ...broker.stats?.() } }),
  })
  // A program that embeds the server may close the channels itself.
  let isClosed = false
  const closeChannels = channels.close.bind(channels)
  channels.close = () => {
    isClosed = true
    return closeChannels()
  }
  const api = createApi({
    channels,
    token,
    status,
    stats,
    maxDataBytes: limits.maxDataBytes,
    ending: ending.signal,
    isClosed: () => isClosed,
  })
  const requests = takeRequests(http, (req, res, { path }) => {
    if (![api, page].some((route) => route(req, res, path))) sendJson(res, 404, { error: 'not_found' })
  })

  async function shut(): Promise<void> {
    ending.abort()
    const gone = new Promise<void>((resolve) => http.close(() => resolve()))
    await Promise.all([core.close(), requests.answered(LAST_ANSWERS_MS)])
    await requests.end()
    await Promise.all([gone, channels.close()])
  }

  const roomcast: Roomcast = {
    token,
    channels,
    listen: () =>
      new Promise((resolve, reject) => {
        http.once('error', reject)
        http.listen({ port, host }, () => {
          http.off('error', reject)
          // Such as no file descriptor left for one more connection: no reason to end the process.
          http.on('error', (error) => process.emitWarning(error))
          resolve({ port: (http.address() as AddressInfo).port })
        })
      }),
    async drain() {
      ending.abort()
      const [drained] = await Promise.all([core.drain({ deadlineMs }), requests.answered(deadlineMs)])
      return drained
    },
    close: () => (closing ??= shut()),
    stats,
    [Symbol.asyncDispose]: () => roomcast.close(),
  }
  return roomcast
}

/** Waits until what is said on another server will be heard in a channel, unless the bus is away or slow: rooms work
 * without it. */
function confirmation(broker: Broker, channels: Channels<Meta>): (channel: string) => Promise<void> | undefined {
  return (channel) => {
    if (broker.status !== 'ready') return undefined
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CONFIRM_MS)
      channels.ready(channel).then(() => {
        clearTimeout(timer)
        resolve()
      }, resolve)
    })
  }
}
