// What happens on a server, told to whoever subscribed through node:diagnostics_channel. Free when nobody did: a flag is
// read, nothing is made. What a subscriber throws node raises in the next tick as uncaught; the server's work goes on.

import { channel } from 'node:diagnostics_channel'
import type { CloseInfo, Socket } from '../handler.ts'
import type { Limits } from '../limits.ts'
import type { ErrorWhere } from './options.ts'

type Told = 'remoteAddress' | 'path' | 'host' | 'origin'

/** What is published, by channel. `server` is what `createServer` gave. */
export interface Diagnostics {
  /** The 101 is about to go out and `opened` to be called. */
  'roomcast:open': { server: object; socket: Socket }
  /** The TCP connection is gone and `closed` is about to be told the same. */
  'roomcast:close': CloseInfo & { server: object; socket: Socket }
  /** A request was refused. `path`: without its query; `host`, `origin`: the host that it was sent to, as `trustProxy` finds
   * it, and the Origin header. `''`: there was none, or the request was not read so far. */
  'roomcast:reject': { server: object; status: number; error: string } & Record<Told, string>
  /** A limit was hit. In a microtask: never within the `write` that hit it. `socket`: when there was one. */
  'roomcast:limit': { server: object; limit: keyof Limits; socket: Socket | undefined }
  /** An error was caught; `onError` hears it too. */
  'roomcast:error': { server: object; error: unknown; where: ErrorWhere; socket: Socket | undefined }
}

type Channels = {
  readonly [K in keyof Diagnostics as K extends `roomcast:${infer Name}` ? Name : never]: {
    readonly hasSubscribers: boolean
    publish(message: Diagnostics[K]): void
  }
}

/** The channels; look at `hasSubscribers` before a message is made. */
export const channels: Channels = {
  open: channel('roomcast:open'),
  close: channel('roomcast:close'),
  reject: channel('roomcast:reject'),
  limit: channel('roomcast:limit'),
  error: channel('roomcast:error'),
}
