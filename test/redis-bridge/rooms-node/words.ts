// What clients, nodes and their parent say to each other.

import type { Since } from '@roomcast/rooms'

export interface NodeOptions {
  url: string
  prefix: string
}

/** From a client, over its WebSocket. What it hears are the frames of the codec of the tests, and what came of these. */
export type ClientWord =
  | { enter: string; since?: Since | undefined }
  | { say: string; to: string; key?: string | undefined }

/** What came of it. */
export type Came =
  | { is: 'came'; of: 'enter'; room: string; result: string }
  | { is: 'came'; of: 'say'; data: string; epoch?: string; offset?: number; failed?: string }

/** From the parent. */
export type NodeCommand =
  | { do: 'port' }
  | { do: 'stats' }
  | { do: 'presence'; room: string }
  | { do: 'history'; room: string }
  | { do: 'block'; ms: number }
  /** The wall clock of this process jumps. */
  | { do: 'jump'; ms: number }
  | { do: 'disconnect'; user: string; blockMs: number }

export interface NodeState {
  status: string
  calls: number
  gaps: number
  invalid: number
  cpuMs: number
  rssBytes: number
  clients: number
}
