// What a node process is told, and what it writes down. Times are of the machine's monotonic clock, so that the records
// of several processes can be put side by side.

import type { BrokerStatus } from '@roomcast/channels'

/** One line of a node's history. */
export type NodeRecord =
  /** Written before the broadcast, so that a killed process leaves no message without its record. */
  | { what: 'published'; at: number; channel: string; seq: number }
  | { what: 'delivered'; at: number; channel: string; from: string; seq: number }
  /** A member was given what nobody broadcast. */
  | { what: 'stray'; at: number; channel: string; bytes: string }
  | { what: 'gap'; at: number; channel: string; node?: string; missed?: number }
  | { what: 'joined' | 'ready' | 'left'; at: number; channel: string }
  | { what: 'status'; at: number; status: BrokerStatus }
  | { what: 'warning'; at: number; text: string }

/** How a node finds its Redis, and what it is called. */
export interface NodeOptions {
  name: string
  url: string
  prefix: string
  /** Where the history goes, a line each. */
  file: string
  lingerMs?: number
}

export type Command =
  | { do: 'join' | 'leave'; channels: string[] }
  /** Resolves when all of them are ready. */
  | { do: 'ready'; channels: string[] }
  /** Broadcasts so often, to channels drawn with this seed, now and then several in one turn; until `quiet`. */
  | { do: 'traffic'; channels: string[]; perSecond: number; seed: number }
  | { do: 'quiet' }
  | { do: 'publish'; channel: string; count: number; bytes?: number }
  /** Keeps the event loop busy. */
  | { do: 'block'; ms: number }
  | { do: 'stats' }
  | { do: 'close' }

export interface NodeStats {
  bridge: Record<string, number>
  status: BrokerStatus
  cpuMs: number
  rssBytes: number
}

/** The machine's monotonic clock, in ms. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Random numbers of a seed, each in [0, 1). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
