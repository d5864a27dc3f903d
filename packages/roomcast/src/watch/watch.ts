// Watching one server: what is counted, what is logged, and what it is fed from. It decides nothing and refuses nobody.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client } from '@roomcast/centrifuge'
import type { Server, Socket } from '@roomcast/core'
import type { Rooms } from '@roomcast/rooms'
import type { Status } from '../api.ts'
import type { KeepingStore } from '../options.ts'
import { errorOf } from '../reply.ts'
import { readTarget } from '../target.ts'
import { VERSION } from '../version.ts'
import { namespaceOf } from '../who/namespaces.ts'
import type { ServerPolicy } from '../who/policy.ts'
import { beginAtZero } from './beginnings.ts'
import { hearCore } from './core-events.ts'
import { closeLabel, oneOf, routeLabel, storeReadings } from './labels.ts'
import type { Logger } from './logger.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { refusalLog } from './refusal-log.ts'
import * as say from './refusals.ts'
import { Sampler } from './sampler.ts'
import { Waiting } from './waiting.ts'
import { type Passage, watchGate } from './watched-gate.ts'
import { watchPolicy } from './watched-policy.ts'
import { watchStore } from './watched-store.ts'
import { dataTooLarge, notPermitted } from './who-refusals.ts'

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
  readonly #around: say.Circumstances
  readonly #log: ReturnType<typeof refusalLog>
  readonly #namespaces: ReadonlySet<string>
  readonly #waiting = new Waiting()
  readonly #pending = new Waiting()
  /** By reason: there are few. */
  readonly #refusals = new Map<string, number>()
  #end: () => void = () => {}

  constructor(around: say.Circumstances, logger: Logger) {
    this.#around = around
    this.#log = refusalLog(logger)
    this.#namespaces = new Set(around.namespaces)
    beginAtZero(this.metrics, this.#namespaces)
  }

  /** Something was refused. */
  readonly refused = (refused: say.Refused): void => {
    const { reason } = refused
    this.metrics.count('roomcast_refusals_total', { reason })
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1)
    this.#log.tell(refused)
  }

  /** How many, by reason. */
  refusals(): Record<string, number> {
    return Object.fromEntries(this.#refusals)
  }

  policy(policy: ServerPolicy): ServerPolicy {
    return watchPolicy(policy, this.#around, this.refused)
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

  /** A protocol refused something of a client that no policy was asked about. `limit`: what it was over, if any. */
  readonly refusedByProtocol = (client: Client, code: number, room: string, limit?: string): void => {
    const asked = { address: client.remoteAddress, user: client.user, room: room.slice(0, MAX_NAME) }
    if (limit === 'maxDataBytes') this.refused(dataTooLarge(this.#around, asked))
    else this.refused(notPermitted(this.#around, 'subscribe', code, asked))
  }

  /** A message of the words asked for nothing. */
  readonly senseless = ({ remoteAddress: address, user }: Client, path: string): void =>
    this.refused(say.senseless(path, { address, user }))

  /** An HTTP request was answered. */
  readonly answered = (req: IncomingMessage, res: ServerResponse): void => {
    const { path, host = '' } = readTarget(req)
    const { statusCode } = res
    this.metrics.count('roomcast_http_requests_total', { route: routeLabel(path), status: `${statusCode}` })
    const error = errorOf(res)
    if (error === undefined) return
    const address = req.socket.remoteAddress
    const refused = say.refusedRequest(this.#around, statusCode, error, { address, path, host })
    if (refused !== undefined) this.refused(refused)
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
        this.#tell(say.overLimit(this.#around, limit, askedBy(socket)))
      },
      'roomcast:close': ({ code, by, socket }) => {
        metrics.count('roomcast_closes_total', { code: closeLabel(code), by })
        if (by === 'server') this.#tell(say.closedBy(this.#around, code, askedBy(socket)))
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

  #tell(refused: say.Refused | undefined): void {
    if (refused !== undefined) this.refused(refused)
  }

  #rejected(event: { status: number; error: string; remoteAddress: string; host: string; origin: string }): void {
    const { status, error, remoteAddress: address, host, origin } = event
    const around = this.#around
    if (BY_POLICY.includes(error)) return
    if (error === 'origin_not_allowed') this.refused(say.foreignOrigin(around, origin, host, { address }))
    else if (error === 'host_not_allowed') this.refused(say.foreignHost(host, { address }))
    else if (status === 429) this.refused(say.manyOfAddress(around, { address }))
    else if (error === 'draining') this.refused(say.draining(around, { address }))
    // Others of 503 were told with their limit.
    else if (error !== 'busy') this.refused(say.badHandshake(status, error, { address }))
  }

  #namespaceOf(room: string): string {
    const namespace = namespaceOf(room)
    // Where none are configured, clients invent them.
    return this.#namespaces.has(namespace) ? namespace : ''
  }
}

const STATUSES: readonly Status[] = ['ready', 'draining', 'connecting', 'degraded']

/** Of a name that is none there may be a megabyte; so much of it is told. */
const MAX_NAME = 200

/** What the policy refused, and has told. */
const BY_POLICY = ['unavailable', 'token_expired', 'invalid_token', 'unauthorized', 'refused']

function askedBy(socket: Socket | undefined): say.Asked {
  return { address: socket?.remoteAddress }
}
