// The port between the bridge and its connections: one link is one attempt at Redis, with everything it needs, and when
// any part of it fails it is over as a whole. The next attempt is another link. redis-link.ts and cluster-link.ts make
// them of ioredis; the simulation makes them of nothing.

/** One PUBLISH. */
export interface Outgoing {
  redisChannel: string
  bytes: Uint8Array
}

/** What a link tells. */
export interface LinkEvents {
  /** Every connection is there. Once at most. */
  up(): void
  /** It is over, for the reason given. Once at most, and nothing after it. */
  down(error: Error): void
  /** A message came in. The bytes may be a view of a larger buffer. */
  message(redisChannel: string, bytes: Buffer): void
}

/** One attempt at Redis. No method calls an event or a callback before it has returned. */
export interface Link {
  /** Writes PUBLISH commands, in order, in one go. `done` hears once: all of them are acknowledged, or what went wrong.
   * When the link is over it may hear nothing. */
  publish(commands: readonly Outgoing[], done: (error?: Error) => void): void
  /** Subscribes. `done` hears when all of them are confirmed, or what went wrong with one. */
  subscribe(redisChannels: readonly string[], done: (error?: Error) => void): void
  unsubscribe(redisChannels: readonly string[], done: (error?: Error) => void): void
  /** Ends it: no event comes any more. What was acknowledged is out; the rest may be lost. */
  close(): void
}

/** Begins a new attempt. Never throws. */
export type OpenLink = (events: LinkEvents) => Link
