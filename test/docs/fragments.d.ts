// What the fragments in Markdown take for granted: things of the reader's own. Whole programs are compiled without this.

import type { Server } from 'node:http'
import type { Broker } from '@roomcast/channels'
import type { Handler, Socket } from '@roomcast/core'
import type { Codec } from '@roomcast/rooms'
import type { Roomcast } from 'roomcast'

declare global {
  const handler: Handler
  const http: Server
  const socket: Socket
  const codec: Codec
  const roomcast: Roomcast
  /** A login of the reader's. */
  function userOf(token: string): Promise<{ id: string; name: string } | undefined>
  /** The suite that tests any broker, in this repository. */
  function describeBroker(name: string, make: () => Promise<{ a: Broker; b: Broker }>): void
  function createMyBroker(): Broker
}
