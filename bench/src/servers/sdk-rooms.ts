// Roomcast as the SDKs of Centrifugo see it: rooms in memory, the client protocol, tokens signed with HMAC.

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { centrifugeHandler } from '@roomcast/centrifuge'
import type { createServer } from '@roomcast/core'
import type { createRooms, memoryStore } from '@roomcast/rooms'
import { LONG_PING_SECONDS, RECOVERED_ROOM, SECRET } from '../sdk-scenarios.ts'
import { serve } from './serve.ts'

const HISTORY = { history: { size: 100, ttlMs: 300_000 } }
const PLAIN = {}

/** What it is made of: of this revision, or of another. */
export interface SdkParts {
  createServer: typeof createServer
  createRooms: typeof createRooms
  memoryStore: typeof memoryStore
  centrifugeHandler: typeof centrifugeHandler
}

export async function serveSdk({ createServer, createRooms, memoryStore, centrifugeHandler }: SdkParts): Promise<void> {
  const rooms = createRooms({
    store: memoryStore(),
    options: (room) => (room === RECOVERED_ROOM ? HISTORY : PLAIN),
  })
  const handler = centrifugeHandler({
    rooms,
    policy: {
      authenticate({ token }) {
        const user = userOf(token)
        return user === undefined ? undefined : { user }
      },
      subscribe: () => ({ recoverable: 'always' }),
      publish: (client, room, data) => (client.isIn(room) ? { data } : undefined),
    },
    pingIntervalMs: LONG_PING_SECONDS * 1000,
    // Centrifugo has no such limit, and one publisher says more.
    commandsPerSecond: 1_000_000,
  })
  const server = createServer({ port: 0, host: '127.0.0.1', routes: { '/connection/websocket': handler } })
  const { port } = (await server.listen()) as { port: number }
  serve(port)
}

/** What `sub` of a token says, when it was signed by us and has not expired. */
function userOf(token: string): string | undefined {
  const end = token.lastIndexOf('.')
  const signature = Buffer.from(token.slice(end + 1), 'base64url')
  const expected = createHmac('sha256', SECRET).update(token.slice(0, end)).digest()
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return undefined
  const [head = '', claims = ''] = token.split('.')
  const { alg } = JSON.parse(Buffer.from(head, 'base64url').toString())
  const { sub, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString())
  return alg === 'HS256' && exp > Date.now() / 1000 ? sub : undefined
}
