// What a transcript is, and what most of them begin with.

import type { StageOptions } from '../stage.ts'

export interface Transcript {
  about: string
  /** Each is one WebSocket message: commands, joined. */
  say: (string | string[])[]
  /** Replies and pushes, in order. */
  hear: string[]
  end?: string
  with?: StageOptions
  /** Somebody else is in the room already. */
  other?: boolean
}

export const CONNECT = '{"id":1,"connect":{"token":"u"}}'
export const CONNECTED = '{"id":1,"connect":{"client":"client1","version":"v","ping":25,"pong":true}}'
export const SUBSCRIBE = '{"id":2,"subscribe":{"channel":"plain"}}'
export const SUBSCRIBED = '{"id":2,"subscribe":{}}'
export const INFO = '{"user":"u","client":"client1"}'
