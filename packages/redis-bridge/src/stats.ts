// What a bridge counts.

/** Counted since the bridge was made, except `queued`. Messages, unless it says else. */
export interface BridgeStats {
  /** Accepted for Redis. */
  published: number
  /** Came from Redis, our own included. */
  received: number
  /** Passed on to local members. */
  delivered: number
  /** Our own that came back. */
  echoes: number
  /** Gaps that were reported. */
  gaps: number
  /** Lost here: the queue was full, or the bridge was closed before Redis had them. */
  dropped: number
  /** Redis messages that were no envelope. */
  invalid: number
  /** Times that Redis was lost and came back. */
  reconnects: number
  /** Not acknowledged by Redis yet. */
  queued: number
}
