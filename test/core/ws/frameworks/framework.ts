// What a framework must be, to have a row in core's README: it serves the same small application, and what the row claims
// is tested on it.

import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Log } from '../../../support/log.ts'

/** The application, on one port: a page at `/` that says `page`, and WebSockets at `/ws` that give back what they are
 * sent, and close with 4002 `enough` when they are sent `enough`. */
export interface Running {
  port: number
  /** How sockets ended, as the framework told the application: code and reason. */
  closed: Log<string>
  /** Ends it as its users would. */
  stop(): Promise<void>
}

export interface Framework {
  /** The first cell of its row: the packages, with their major versions. */
  name: string
  /** How the facade comes in. */
  how: string
  start(): Promise<Running>
  /** What its sockets carry, where that is not what the application was given. */
  words?: { encode(text: string): string; decode(text: string): string }
  /** A WebSocket of its own beside ours: its path, subprotocol, and the beginning of the first message. */
  own?: { path: string; protocol?: string; first: RegExp }
  /** It answers nothing, itself, to upgrades that are neither its own nor ours. */
  leavesOthers?: true
  /** What it lacks, to test it here. */
  missing?: string | undefined
}

export async function listening(web: Server): Promise<number> {
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  return (web.address() as AddressInfo).port
}
