// What a server counts, and tells who listens (diagnostics.ts) in the same place, so that both always agree. Plain fields:
// counting costs an increment, reading a copy of a few numbers.

import type { IncomingMessage } from 'node:http'
import type { CloseInfo, Socket } from '../handler.ts'
import { requestPath } from '../handshake/handshake.ts'
import { type Client, valuesOf } from '../handshake/proxy.ts'
import type { Limits } from '../limits.ts'
import { channels } from './diagnostics.ts'
import { queueMicrotask } from './real-time.ts'

/** What `server.stats()` gives: counts since the server was made, but for `sockets` and `pendingHandshakes`, which are
 * of this moment. */
export type Stats = Omit<Counters, 'opened' | 'closed' | 'rejected' | 'limitHit' | 'snapshot'>

type Asked = Partial<Pick<IncomingMessage, 'url' | 'rawHeaders'>>

/** The counters of one server. */
export class Counters {
  readonly #server: object
  /** Open sockets. */
  sockets = 0
  pendingHandshakes = 0
  /** Bytes of frames read and handed to the kernel. */
  bytesIn = 0
  bytesOut = 0
  /** Data messages delivered to `message`, and accepted by `write`. */
  messagesIn = 0
  messagesOut = 0
  /** Frames not accepted under `slowConsumer: 'drop'`. */
  dropped = 0
  /** Ended sockets by close code. */
  closes: Record<number, number> = {}
  /** Refused upgrades by HTTP status. */
  rejections: Record<number, number> = {}
  /** Limits that were hit, by option. */
  limits: Record<string, number> = {}

  constructor(server: object) {
    this.#server = server
  }

  opened(socket: Socket): void {
    if (channels.open.hasSubscribers) channels.open.publish({ server: this.#server, socket })
  }

  closed(socket: Socket, info: CloseInfo): void {
    this.closes[info.code] = (this.closes[info.code] ?? 0) + 1
    if (channels.close.hasSubscribers) channels.close.publish({ server: this.#server, socket, ...info })
  }

  /** @param asked as far as it was read; its query is nobody's business. */
  rejected(status: number, error: string, { address, host }: Client, { url = '', rawHeaders = [] }: Asked = {}): void {
    this.rejections[status] = (this.rejections[status] ?? 0) + 1
    if (!channels.reject.hasSubscribers) return
    const said = (name: string): string => valuesOf(rawHeaders, name).join()
    const asked = { remoteAddress: address, path: requestPath(url), host: host(said('host')), origin: said('origin') }
    channels.reject.publish({ server: this.#server, status, error, ...asked })
  }

  limitHit(limit: keyof Limits, socket?: Socket): void {
    this.limits[limit] = (this.limits[limit] ?? 0) + 1
    if (!channels.limit.hasSubscribers) return
    queueMicrotask(() => channels.limit.publish({ server: this.#server, limit, socket }))
  }

  snapshot(): Stats {
    return { ...this, closes: { ...this.closes }, rejections: { ...this.rejections }, limits: { ...this.limits } }
  }
}
