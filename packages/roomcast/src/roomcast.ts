// The server as a whole: one node http server, core attached to it, channels on top, the API and the page beside. It
// owns their lifetimes; it handles no signals and writes nothing to the terminal (cli.ts does).

import { setMaxListeners } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type Broker, type BrokerStatus, type Channels, createChannels } from '@roomcast/channels'
import { createServer, DEFAULT_LIMITS, reject, type Stats } from '@roomcast/core'
import { isDecided, isLoopbackName } from './access.ts'
import { createApi, isForAnyHost, type Status } from './api.ts'
import { paced } from './commands.ts'
import { Gate } from './gate.ts'
import { gatedBroker } from './gated-broker.ts'
import { createListener } from './listen.ts'
import { type RoomcastOptions, settle } from './options.ts'
import { Pace } from './pace.ts'
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
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a wrong value, and for an address that needs
 * a decision over who may connect. */
export function createRoomcast(options: RoomcastOptions = {}): Roomcast {
  const { decision, port, host, token, origin, broker, limits } = settle(options)
  const isDemo = !isDecided(decision)
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
    handler: {
      init: () => new Pace(),
      handshake: ({ headers: { host: name } }, pace) =>
        isDemo && !isLoopbackName(name) ? reject(403, 'host_not_allowed') : pace,
      message: paced(
        { perSecond: limits.maxCommandsPerSecond, burst: limits.maxCommandBurst },
        (socket, data, opcode) => respond(around, socket, data, opcode),
      ),
    },
  })
  // Last of all that can throw: it starts the broker.
  const gated = broker && gatedBroker(broker, () => gate)
  const channels = createChannels<Meta>(gated === undefined ? {} : { broker: gated })
  const { maxBufferedBytes } = DEFAULT_LIMITS
  const gate: Gate = new Gate({
    channels,
    maxBufferedBytes,
    memberPatienceMs: limits.memberPatienceMs,
    maxWaitingBytes: limits.maxWaitingBytes,
    rate: { perSecond: limits.maxChannelBytesPerSecond, burst: maxBufferedBytes / 2 },
  })
  const { maxDataBytes } = limits
  const around = { channels, gate, maxDataBytes, confirm: broker && confirmation(broker, channels) }

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
    gate,
    maxDataBytes,
    ending: ending.signal,
    isClosed: () => isClosed,
    tookLast: () => gated?.tookLast ?? true,
  })
  const requests = takeRequests(http, (req, res, { path, host: name }) => {
    if (isDemo && !isForAnyHost(path) && !isLoopbackName(name)) return sendJson(res, 403, { error: 'host_not_allowed' })
    if (![api, page].some((route) => route(req, res, path))) sendJson(res, 404, { error: 'not_found' })
  })

  const listener = createListener(http, { port, host })

  async function shut(): Promise<void> {
    ending.abort()
    gate.close()
    const gone = listener.close()
    await Promise.all([core.close(), requests.answered(LAST_ANSWERS_MS)])
    await requests.end()
    await Promise.all([gone, channels.close()])
  }

  const roomcast: Roomcast = {
    token,
    channels,
    listen: listener.listen,
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
