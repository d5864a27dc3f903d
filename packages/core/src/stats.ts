// What a server counts. Plain fields, so that counting costs an increment and reading costs a copy of a few numbers.

/** What `server.stats()` gives: counts since the server was made, but for `sockets` and `pendingHandshakes`, which are
 * of this moment. */
export interface Stats {
  /** Open sockets. */
  sockets: number
  pendingHandshakes: number
  /** Bytes of frames read and handed to the kernel. */
  bytesIn: number
  bytesOut: number
  /** Data messages delivered to `message`, and accepted by `write`. */
  messagesIn: number
  messagesOut: number
  /** Frames not accepted under `slowConsumer: 'drop'`. */
  dropped: number
  /** Ended sockets by close code. */
  closes: Record<number, number>
  /** Refused upgrades by HTTP status. */
  rejections: Record<number, number>
  /** Limits that were hit, by option. */
  limits: Record<string, number>
}

/** The counters of one server. */
export class Counters implements Stats {
  sockets = 0
  pendingHandshakes = 0
  bytesIn = 0
  bytesOut = 0
  messagesIn = 0
  messagesOut = 0
  dropped = 0
  readonly closes: Record<number, number> = {}
  readonly rejections: Record<number, number> = {}
  readonly limits: Record<string, number> = {}

  closed(code: number): void {
    this.closes[code] = (this.closes[code] ?? 0) + 1
  }

  rejected(status: number): void {
    this.rejections[status] = (this.rejections[status] ?? 0) + 1
  }

  limitHit(option: string): void {
    this.limits[option] = (this.limits[option] ?? 0) + 1
  }

  snapshot(): Stats {
    return { ...this, closes: { ...this.closes }, rejections: { ...this.rejections }, limits: { ...this.limits } }
  }
}
