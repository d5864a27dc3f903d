// The port between the bus and what carries it. A transport opens links; one link is one attempt at one place, with every
// connection it needs, and when any part of it fails it is over as a whole. One part may be made anew alone: the way out,
// as a message that the other side does not take can end it, and what comes in must not be lost for that. The folder
// redis/ makes a transport of ioredis; the simulation makes one of nothing; another carrier would be another file.

import type { Buffer } from 'node:buffer'

/** Bytes for a route. A route is what is published and subscribed to: on Redis, the name of a Redis channel. */
export interface RoutedMessage {
  readonly route: string
  readonly bytes: Uint8Array
  /** Where it is not published: what the carrier is to do instead, in one step. */
  readonly call?: Call | undefined
}

/** A program that the carrier runs, and what it is given. */
export interface Call {
  readonly script: Script
  readonly keys: readonly string[]
  readonly args: readonly (string | Uint8Array | number)[]
  /** What it takes on the way, about. */
  readonly costBytes: number
}

/** On Redis, a script in Lua. */
export interface Script {
  /** What it is called where it goes wrong. */
  readonly name: string
  readonly source: string
  /** SHA-1 of the source, in hex. */
  readonly sha: string
}

/** What became of one message. */
export type PublishReply = Carried | Answered | Refusal

/** The carrier has it, and gave it to so many subscribers. */
interface Carried {
  receivers: number
}

/** What a call came to. Strings are Buffers. */
interface Answered {
  answer: unknown
}

/** The carrier does not take it, now or later. */
interface Refusal {
  refused: Error
  /** Whether a part of the bytes might be taken: the size is wrong, not the route. */
  divisible: boolean
}

/** What a link tells. */
export interface LinkEvents {
  /** Every connection is there. Once at most. */
  up(): void
  /** Opening goes on: the time for it begins anew. */
  progress(): void
  /** The way out was ended by the other side, and everything else lives: what was published and is not answered never
   * will be. Until `mended` nothing may be published. */
  cut(): void
  /** After `mend`: there is a way out again. */
  mended(): void
  /** It is over, ended by the other side or never there. Once at most, and nothing after it.
   * @param isExplained the other side said why, as one whose slots have moved does: no message is suspected of it. */
  down(error: Error, isExplained?: boolean): void
  /** A message came in. The bytes may be a view of a larger buffer. */
  message(route: string, bytes: Buffer): void
}

/** One attempt. No method calls an event or a callback before it has returned. */
export interface Link {
  /** Writes messages, in order, in one go. `replied` hears of each when its own answer is there, in the same order, or
   * never when the link is over before. */
  publish(messages: readonly RoutedMessage[], replied: (index: number, reply: PublishReply) => void): void
  /** Subscribes to routes of one partition. `done` hears when all of them are confirmed, or what went wrong. */
  subscribe(routes: readonly string[], done: (error?: Error) => void): void
  unsubscribe(routes: readonly string[], done: (error?: Error) => void): void
  /** After `cut`: makes the way out anew, at the same place. */
  mend(): void
  /** Ends it: no event comes any more, nothing is held. What was answered is out; the rest may be lost. */
  close(): void
}

/** Where links come from. */
export interface Transport {
  readonly routes: Routes
  /** Finds the place that carries a partition; asked anew for every attempt. `found` hears once, maybe within the call,
   * in bounded time. The function returned calls it off: nothing is held any more. */
  locate(partition: number, found: (place: string | Error) => void): () => void
  /** Begins an attempt at a place. Never throws. */
  open(place: string, events: LinkEvents): Link
}

/** The routes of one bus. Each partition has its own; a carrier that does not divide channels has one partition. */
export interface Routes {
  readonly partitions: number
  partitionOf(channel: string): number
  /** Of a channel, in its partition. */
  of(channel: string, partition: number): string
  /** Where every node listens. */
  shared(partition: number): string
  /** Where one node listens. @param node in hex. */
  direct(partition: number, node: string): string
  /** Whose route it is: the channel (empty for `shared` and `direct`) and its partition. */
  parse(route: string): { channel: string; partition: number }
}
