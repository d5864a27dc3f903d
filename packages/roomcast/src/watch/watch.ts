// Watching one server: what is counted, what is logged, and what it is fed from. It decides nothing and refuses nobody.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client, Denied } from '@roomcast/centrifuge'
import type { Diagnostics, HandshakeRequest, Server, Socket } from '@roomcast/core'
import type { Rooms } from '@roomcast/rooms'
import type { Status } from '../api.ts'
import type { Call } from '../http-api/calls.ts'
import type { KeepingStore } from '../options.ts'
import { errorOf } from '../reply.ts'
import { readTarget } from '../target.ts'
import { VERSION } from '../version.ts'
import { namespaceOf } from '../who/namespaces.ts'
import type { ServerPolicy } from '../who/policy.ts'
import type { Revocations } from '../who/revocations.ts'
import { failedCall } from './api-refusals.ts'
import { beginAtZero } from './beginnings.ts'
import { hearCore } from './core-events.ts'
import * as handshakes from './handshake-refusals.ts'
import { type HeadError, refusedHead } from './head-refusals.ts'
import { apiCodeLabel, closeLabel, oneOf, routeLabel, storeReadings } from './labels.ts'
import type { Logger } from './logger.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { refusalLog } from './refusal-log.ts'
import { type Asked, type Circumstances, cut, type Refused } from './refusals.ts'
import { refusedRequest } from './request-refusals.ts'
import { Sampler } from './sampler.ts'
import * as sockets from './socket-refusals.ts'
import { Waiting } from './waiting.ts'
import { type Passage, watchGate } from './watched-gate.ts'
import { askedBy, watchPolicy } from './watched-policy.ts'
import { watchStore } from './watched-store.ts'

/** What is watched. */
export interface Watched {
  readonly core: Pick<Server, 'sockets' | 'stats'>
  readonly rooms: Pick<Rooms, 'on' | 'stats'>
  readonly store: KeepingStore
  readonly status: () => Status
  readonly uptimeSeconds: () => number
}

/** Watches one server. What it wraps is the same as before but for being watched. */
export class Watch {
  readonly metrics: Metrics = createMetrics()
  readonly #around: Circumstances
  readonly #log: ReturnType<typeof refusalLog>
  readonly #namespaces: ReadonlySet<string>
  readonly #waiting = new Waiting()
  readonly #pending = new Waiting()
  /** By reason: there are few. */
  readonly #refusals = new Map<string, number>()
  /** Whose upgrades there was no place for: core tells the limit a microtask later, without them, in the same order. */
  readonly #busy: string[] = []
  #end: () => void = () => {}

  constructor(around: Circumstances, logger: Logger) {
    this.#around = around
    this.#log = refusalLog(logger)
    this.#namespaces = new Set(around.namespaces)
    beginAtZero(this.metrics, this.#namespaces)
  }

  /** Something was refused. */
  readonly refused = (refused: Refused): void => {
    const { reason } = refused
    this.metrics.count('roomcast_refusals_total', { reason })
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1)
    this.#log.tell(cut(refused))
  }

  /** How many, by reason. */
  refusals(): Record<string, number> {
    return Object.fromEntries(this.#refusals)
  }

  policy(policy: ServerPolicy, revocations: Pick<Revocations, 'wasRevoked'>): ServerPolicy {
    return watchPolicy(policy, this.#around, revocations, this.refused)
  }

  gate(gate: Passage): Passage {
    return watchGate(gate, this.#waiting)
  }

  store(store: KeepingStore): KeepingStore {
    return watchStore(store, this.#pending, (call, ms, isFailed) => {
      if (isFailed) this.metrics.count('roomcast_store_errors_total', { call })
      else this.metrics.observe('roomcast_store_call_seconds', ms / 1000, { call })
    })
  }

  /** A publication was delivered to so many members. */
  readonly delivered = (room: string, members: number): void =>
    this.metrics.observe('roomcast_fanout_members', members, { namespace: this.#namespaceOf(room) })

  /** A protocol refused something of a client that no policy was asked about. */
  readonly refusedByProtocol = (client: Client, denied: Denied): void =>
    this.#tell(sockets.denied(this.#around, denied, askedBy(client)))

  /** A message of the words asked for nothing. */
  readonly senseless = (client: Client, path: string): void => this.refused(sockets.senseless(path, askedBy(client)))

  /** Subprotocols were offered, none of them known at that path. */
  readonly unknownSubprotocol = (request: HandshakeRequest, known: readonly string[]): void => {
    const { subprotocols, path, remoteAddress: address } = request
    this.refused(handshakes.unknownSubprotocol(subprotocols, known, path, { address }))
  }

  /** What came could not be read, as HTTP or as TLS. */
  readonly unreadable = (error: HeadError, address: string | undefined): void =>
    this.#tell(refusedHead(error, { address: plain(address) }))

  /** A call of the HTTP API came to this. */
  readonly called = (req: IncomingMessage, call: Call): void => {
    const { method, code, why } = call
    this.metrics.count('roomcast_api_calls_total', { method, code: apiCodeLabel(code) })
    // Other statuses are told with their answers.
    const isFailure = (code > 0 && code < 400) || (code === 400 && why !== undefined)
    if (isFailure) this.refused(failedCall(this.#around, call, { address: plain(req.socket.remoteAddress) }))
  }

  /** An HTTP request was answered. */
  readonly answered = (req: IncomingMessage, res: ServerResponse): void => {
    const { path, host = '' } = readTarget(req)
    const { statusCode: status } = res
    this.metrics.count('roomcast_http_requests_total', { route: routeLabel(path), status: `${status}` })
    const error = errorOf(res)
    if (error === undefined) return
    const { method = '' } = req
    const answer = { status, error, method, path, host, ...keyOf(path, req) }
    this.#tell(refusedRequest(this.#around, answer, { address: plain(req.socket.remoteAddress) }))
  }

  /** Hears and reads from now on. */
  start({ core, rooms, store, status, uptimeSeconds }: Watched): void {
    const { metrics } = this
    const sampler = new Sampler(
      () => core.sockets,
      (seconds) => metrics.observe('roomcast_event_loop_delay_seconds', seconds),
    )
    const deaf = hearCore(core, {
      'roomcast:open': () => metrics.count('roomcast_handshakes_total', { outcome: 'accepted' }),
      'roomcast:reject': (event) => {
        metrics.count('roomcast_handshakes_total', { outcome: 'refused' })
        this.#rejected(event)
      },
      'roomcast:limit': ({ limit, socket }) => {
        metrics.count('roomcast_limits_hit_total', { limit })
        const asked = BUSY_LIMITS.includes(limit) && socket === undefined ? { address: this.#busy.shift() } : undefined
        this.#tell(sockets.overLimit(this.#around, limit, asked ?? askedThrough(socket)))
      },
      'roomcast:close': ({ code, reason, by, socket }) => {
        metrics.count('roomcast_closes_total', { code: closeLabel(code), by })
        if (by === 'server') this.#tell(sockets.brokenOff(code, reason, askedThrough(socket)))
      },
    })
    rooms.on('gap', ({ room }) => metrics.count('roomcast_gaps_total', { namespace: this.#namespaceOf(room) }))
    metrics.read((set) => {
      const { sockets, pendingHandshakes, messagesIn, messagesOut, bytesIn, bytesOut } = core.stats()
      const { rooms: count, clients, members } = rooms.stats()
      set('roomcast_info', 1, { version: VERSION })
      for (const [name, value] of oneOf(STATUSES, status())) set('roomcast_status', value, { status: name })
      set('roomcast_uptime_seconds', uptimeSeconds())
      set('roomcast_sockets', sockets)
      set('roomcast_clients', clients)
      set('roomcast_rooms', count)
      set('roomcast_members', members)
      set('roomcast_handshakes_pending', pendingHandshakes)
      set('roomcast_messages_received_total', messagesIn)
      set('roomcast_messages_sent_total', messagesOut)
      set('roomcast_received_bytes_total', bytesIn)
      set('roomcast_sent_bytes_total', bytesOut)
      const queued = sampler.ask()
      set('roomcast_queued_bytes', queued.bytes)
      set('roomcast_queued_sockets', queued.sockets)
      set('roomcast_queued_oldest_seconds', queued.oldestMs / 1000)
      set('roomcast_waiting_publications', this.#waiting.count)
      set('roomcast_waiting_bytes', this.#waiting.bytes)
      set('roomcast_waiting_oldest_seconds', this.#waiting.oldestMs / 1000)
      set('roomcast_store_pending_calls', this.#pending.count)
      set('roomcast_store_lag_seconds', this.#pending.oldestMs / 1000)
    })
    metrics.read(storeReadings(store))
    this.#end = () => {
      deaf()
      sampler.end()
      this.#log.flush()
    }
  }

  /** Nothing is heard any more; what was left out is told. */
  stop(): void {
    this.#end()
    this.#end = () => {}
  }

  #tell(refused: Refused | undefined): void {
    if (refused !== undefined) this.refused(refused)
  }

  #rejected(event: Diagnostics['roomcast:reject']): void {
    const { status, error, remoteAddress: address, host, origin, path } = event
    const around = this.#around
    if (error === 'busy') this.#busy.push(address)
    if (BY_POLICY.includes(error)) return
    if (error === 'origin_not_allowed') this.refused(handshakes.foreignOrigin(around, origin, host, { address }))
    else if (error === 'host_not_allowed') this.refused(handshakes.foreignHost(host, { address }))
    else if (status === 429) this.refused(handshakes.manyOfAddress(around, { address }))
    else if (error === 'draining') this.refused(handshakes.draining(around, { address }))
    // Others of 503 were told with their limit.
    else if (error !== 'busy') this.refused(handshakes.badHandshake(status, error, path, { address }))
  }

  #namespaceOf(room: string): string {
    const namespace = namespaceOf(room)
    // Where none are configured, clients invent them.
    return this.#namespaces.has(namespace) ? namespace : ''
  }
}

const STATUSES: readonly Status[] = ['ready', 'draining', 'connecting', 'degraded']

/** Limits for which an upgrade is refused as `busy`. */
const BUSY_LIMITS: readonly string[] = [
  'maxConnections',
  'maxPendingHandshakes',
  'maxTotalBytes',
  'maxConnectionsPerAddress',
]

/** What the policy refused, and has told. */
const BY_POLICY = ['unavailable', 'token_expired', 'invalid_token', 'unauthorized', 'refused']

/** What is known of the client of a socket: its protocol keeps it as the socket's state. */
function askedThrough(socket: Socket | undefined): Asked {
  if (socket === undefined) return {}
  const state = socket.state as (Partial<Client> & { session?: Client }) | undefined
  const { id, user } = state?.session ?? state ?? {}
  return { address: socket.remoteAddress, user, client: id }
}

/** An address that came by IPv4 to a socket that takes both. */
function plain(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/, '')
}

/** Whether a request brought a key where one belongs, and what else it has in its place. */
function keyOf(path: string, { headers, url = '' }: IncomingMessage): { hasKey: boolean; scheme: string } {
  const { authorization = '' } = headers
  const scheme = authorization.includes(' ') ? authorization.split(' ', 1)[0]!.toLowerCase() : ''
  if (!path.startsWith('/api/')) return { hasKey: scheme === 'bearer', scheme }
  return { hasKey: headers['x-api-key'] !== undefined || scheme === 'apikey' || /[?&]api_key=/.test(url), scheme }
}
