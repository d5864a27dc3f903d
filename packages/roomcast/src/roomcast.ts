// The server as a whole: one node http server, core attached to it, rooms on top, the API and the page beside. It owns
// their lifetimes; it handles no signals and writes nothing to the terminal (cli.ts does).

import { setMaxListeners } from 'node:events'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { centrifugeHandler } from '@roomcast/centrifuge'
import { createServer, type Stats } from '@roomcast/core'
import { createRooms, memoryStore, type Rooms, type Store } from '@roomcast/rooms'
import { isLoopbackName } from './access.ts'
import { createApi, isForAnyHost, type Status } from './api.ts'
import { answerBadHeads } from './bad-heads.ts'
import { connectionHandler, SDK_PATH } from './connections.ts'
import { Gate } from './gate.ts'
import { gatedStore } from './gated-store.ts'
import { createHttpApi, isHttpApi } from './http-api/route.ts'
import { createHttp } from './http-server.ts'
import { createListener } from './listen.ts'
import { type RoomcastOptions, settle } from './options.ts'
import { createPage } from './page.ts'
import { createPublish } from './publish.ts'
import { sendJson } from './reply.ts'
import { type Answer, type Requests, takeRequests } from './requests.ts'
import { createSpeakers } from './speakers.ts'
import { VERSION } from './version.ts'
import { warn } from './warn.ts'
import { readsOf } from './watch/circumstances.ts'
import { createMetricsRoute, METRICS_PATH } from './watch/metrics-route.ts'
import { Watch } from './watch/watch.ts'
import type { Passage } from './watch/watched-gate.ts'
import { hookClientOf } from './who/hook-client.ts'
import { createPolicy } from './who/policy.ts'
import { Revocations } from './who/revocations.ts'
import { wordsHandler } from './words.ts'

/** What GET /stats answers: core's figures, and those of the rooms. */
export interface RoomcastStats extends Stats {
  status: Status
  uptimeSeconds: number
  /** Rooms that have a member here. */
  channels: number
  /** What was refused, by the reason that the log and `roomcast_refusals_total` have. */
  refusals: Record<string, number>
  /** With a store that can be away: its status and what it counts. */
  bridge?: { status: NonNullable<Store['status']> }
}

/** A running (or not yet listening) server. */
export interface Roomcast {
  /** The secret of `POST /channels/<name>`. */
  readonly token: string
  /** The rooms, for a program that embeds the server: what it publishes is JSON text, or bytes. */
  readonly rooms: Rooms
  /** Starts listening. Rejects with the system's error, such as EADDRINUSE, and where a `server` was given. */
  listen(): Promise<{ port: number }>
  /** Goes on for `drainDelayMs`, while `/readyz` says that it is about to end. Then it refuses new sockets with 503 and closes
   * the open ones with 1012, what was said first. HTTP goes on, but nothing can
   * be said by it any more; requests under way are answered. */
  drain(): Promise<{ closed: number; terminated: number }>
  /** Closes everything: sockets with 1001, then the http server, unless it was given. Again: the same promise. */
  close(): Promise<void>
  stats(): RoomcastStats
  /** What `GET /metrics` answers, for a program that embeds the server: text for Prometheus. */
  metrics(): Promise<{ contentType: string; text: string }>
  [Symbol.asyncDispose](): Promise<void>
}

/** `close` waits so long for clients that take their answers slowly. */
const LAST_ANSWERS_MS = 1000

/** Makes a server; `listen()` starts it, unless it is attached to a `server`.
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a wrong value, and for an address that needs
 * a decision over who may connect. */
export function createRoomcast(options: RoomcastOptions = {}): Roomcast {
  const settled = settle(options)
  const { decision, isDemo, port, host, token, apiKey, origin, trustProxy, namespaces, limits } = settled
  const { maxMessageBytes, maxConnections, maxBufferedBytes, maxDataBytes, drainMs: deadlineMs } = limits
  const isAttached = settled.server !== undefined
  const watch = new Watch(readsOf(settled, options), settled.logger)
  const http = settled.server ?? createHttp(settled.tls)

  const core = createServer({
    server: http,
    maxMessageBytes,
    maxConnections,
    maxConnectionsPerAddress: limits.maxConnectionsPerAddress,
    maxBufferedBytes,
    ...(origin === undefined ? {} : { origin }),
    ...(trustProxy === undefined ? {} : { trustProxy }),
    ...(isAttached && { pathname: (path: string) => path === '/' || path === SDK_PATH }),
    handler: connectionHandler({
      isDemo,
      onUnknownSubprotocol: watch.unknownSubprotocol,
      by: (path) => (path === SDK_PATH ? sdk : words),
    }),
  })
  const revocations = new Revocations()
  const speakers = createSpeakers()
  // After all that can throw: it starts the store.
  const store = watch.store(settled.store ?? memoryStore())
  const gated = gatedStore(store, () => gate, revocations)
  const rooms = createRooms({
    store: gated,
    options: namespaces.roomOptions,
    maxRoomsPerClient: limits.maxRoomsPerClient,
    about: { name: hostname(), version: VERSION },
    onDelivered: watch.delivered,
  })
  const realGate = new Gate({
    members: {
      find: (room, test) => rooms.findMember(room, test),
      has: (room, socket) => rooms.isMember(room, socket),
    },
    maxBufferedBytes,
    memberPatienceMs: limits.memberPatienceMs,
    maxWaitingBytes: limits.maxWaitingBytes,
    rate: { perSecond: limits.maxChannelBytesPerSecond, burst: maxBufferedBytes / 2 },
  })
  const gate: Passage = watch.gate(realGate)
  const isInsecure = decision.insecure === true
  const policy = watch.policy(
    createPolicy({
      hooks: settled.hooks,
      tokens: settled.tokens,
      namespaces,
      isOpen: isInsecure || (isDemo && !settled.hasNamespaces),
      isAnonymousLet: isInsecure || isDemo || decision.allowAnonymousConnectWithoutToken === true,
      maxDataBytes,
      maxConnectionsPerUser: limits.maxConnectionsPerUser,
      hookClientOf,
      revocations,
      turn: (client, room, bytes) => gate.turn(room, bytes, speakers.of(client)),
      gone: speakers.gone,
    }),
    revocations,
  )
  const publish = createPublish(rooms, gate, () => gated.tookLast)
  const words = wordsHandler({
    rooms,
    policy,
    publish,
    onRefused: watch.refusedByProtocol,
    onSenseless: watch.senseless,
    readsTokens: decision.hasAuthenticate === true || decision.hasTokenKey === true,
    rate: { perSecond: limits.maxCommandsPerSecond, burst: limits.maxCommandBurst },
    maxDataBytes,
    expiredCloseDelayMs: limits.expiredCloseDelayMs,
    expiredSubCloseDelayMs: limits.expiredSubCloseDelayMs,
  })
  const sdk = centrifugeHandler({
    rooms,
    policy,
    maxDataBytes,
    version: `roomcast ${VERSION}`,
    commandsPerSecond: limits.maxCommandsPerSecond,
    commandBurst: limits.maxCommandBurst,
    pingIntervalMs: limits.pingIntervalMs,
    pongTimeoutMs: limits.pongTimeoutMs,
    staleCloseDelayMs: limits.staleCloseDelayMs,
    expiredCloseDelayMs: limits.expiredCloseDelayMs,
    expiredSubCloseDelayMs: limits.expiredSubCloseDelayMs,
    onError: (error) => warn(error),
    onRefused: watch.refusedByProtocol,
  })

  const started = performance.now()
  /** Aborted at the beginning of the end. */
  const ending = new AbortController()
  setMaxListeners(0, ending.signal)
  let closing: Promise<void> | undefined
  /** From the beginning of a drain on: nobody new is to be sent here. */
  let isLeaving = false

  const status = (): Status => {
    if (isLeaving) return 'draining'
    const { status = 'ready' } = store
    return status === 'closed' ? 'degraded' : status
  }
  const stats = (): RoomcastStats => ({
    status: status(),
    uptimeSeconds: Math.floor((performance.now() - started) / 1000),
    channels: rooms.stats().rooms,
    ...core.stats(),
    refusals: watch.refusals(),
    ...(store.status !== undefined && { bridge: { status: store.status, ...store.stats?.() } }),
  })
  // A program that embeds the server may close the rooms itself.
  let isClosed = false
  const closeRooms = rooms.close.bind(rooms)
  rooms.close = () => {
    isClosed = true
    return closeRooms()
  }
  const faultOf = (room: string): string | undefined => {
    const rule = namespaces.find(room)
    return typeof rule === 'string' ? rule : undefined
  }
  const api = createApi({
    rooms,
    token,
    status,
    isReady: () => (settled.readiness === 'local' ? !isLeaving : status() === 'ready'),
    stats,
    publish,
    faultOf,
    maxDataBytes,
    ending: ending.signal,
    isClosed: () => isClosed,
  })
  const httpApi = createHttpApi({
    apiKey,
    rooms,
    namespaces,
    publish,
    maxDataBytes,
    maxBodyBytes: maxMessageBytes,
    ending: ending.signal,
    onCalled: watch.called,
  })
  const requests = isAttached
    ? NO_REQUESTS
    : answerRequests([api, httpApi, createMetricsRoute(watch.metrics, settled.metricsKey), createPage()])

  function answerRequests(routes: readonly ReturnType<typeof createApi>[]): Requests {
    answerBadHeads(http, watch.unreadable)
    const answer: Answer = (req, res, { path, host: name }) => {
      const isOpenToAll = isForAnyHost(path) || isHttpApi(path) || path === METRICS_PATH
      if (isDemo && !isOpenToAll && !isLoopbackName(name)) return sendJson(res, 403, { error: 'host_not_allowed' })
      // A proxy that does not pass the upgrade on makes such a request of each client; what else a client said is passed on.
      const isUpgrade = path === SDK_PATH || req.headers['sec-websocket-key'] !== undefined
      if (isUpgrade) return sendJson(res, 426, { error: 'upgrade_required' }, UPGRADE)
      if (!routes.some((route) => route(req, res, path))) sendJson(res, 404, { error: 'not_found' })
    }
    return takeRequests(http, answer, watch.answered)
  }

  function leave(): void {
    isLeaving = true
    ending.abort()
  }

  const listener = isAttached ? NO_LISTENER : createListener(http, { port, host })

  watch.start({ core, rooms, store, status, uptimeSeconds: () => (performance.now() - started) / 1000 })

  async function shut(): Promise<void> {
    leave()
    realGate.close()
    const gone = listener.close()
    await Promise.all([core.close(), requests.answered(LAST_ANSWERS_MS)])
    await requests.end()
    await Promise.all([gone, rooms.close()])
    watch.stop()
  }

  const roomcast: Roomcast = {
    token,
    rooms,
    listen: listener.listen,
    async drain() {
      isLeaving = true
      if (limits.drainDelayMs > 0)
        await sleep(limits.drainDelayMs, undefined, { signal: ending.signal }).catch(() => {})
      leave()
      const [drained] = await Promise.all([core.drain({ deadlineMs }), requests.answered(deadlineMs)])
      return drained
    },
    close: () => (closing ??= shut()),
    stats,
    metrics: async () => ({ contentType: watch.metrics.contentType, text: await watch.metrics.text() }),
    [Symbol.asyncDispose]: () => roomcast.close(),
  }
  return roomcast
}

/** RFC 9110 §15.5.22. */
const UPGRADE = { Connection: 'Upgrade', Upgrade: 'websocket', Error: 'upgrade_required' }
/** Of a server that was given, requests and listening are the program's. */
const NO_REQUESTS: Requests = { answered: async () => {}, end: async () => {} }
const NO_LISTENER: ReturnType<typeof createListener> = {
  listen: () => Promise.reject(new Error('the server that was given listens, not this one')),
  close: async () => {},
}
