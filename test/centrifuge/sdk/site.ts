// A server for clients that others wrote. What it is to do to them they ask for by rpc, so that each program is one story
// from beginning to end, and all of them tell the same.

import { type Client, centrifugeHandler, type Policy, refuse } from '@roomcast/centrifuge'
import { createServer, type Server } from '@roomcast/core'
import { createRooms, memoryStore, type Rooms } from '@roomcast/rooms'

export interface Site {
  url: string
  close(): Promise<void>
}

interface Told {
  code?: number
  room?: string
}

const now = (): number => Date.now() / 1000
/** `name/2`: it ends in 2 seconds. */
const endOf = (token: string): { expiresAt?: number } => {
  const [, ttl] = token.split('/')
  return ttl === undefined ? {} : { expiresAt: now() + Number(ttl) }
}

export async function openSite(): Promise<Site> {
  /** How often each user sent a new token, for the connection and for rooms. */
  const refreshes = new Map<string, number>()
  const count = (user: string): void => void refreshes.set(user, (refreshes.get(user) ?? 0) + 1)
  const rooms: Rooms = createRooms({
    store: memoryStore(),
    options: () => ({ history: { size: 100, ttlMs: 60_000 }, presence: true, joinLeave: true }),
  })

  const verbs: Record<string, (client: Client, told: Told) => unknown> = {
    echo: (_client, told) => told,
    refreshes: ({ user }) => refreshes.get(user) ?? 0,
    disconnect: ({ user }, { code }) => later(() => rooms.disconnect(user, { code, reason: 'as told' })),
    unsubscribe: ({ user }, { room, code }) => later(() => rooms.unsubscribe(user, room!, { code, reason: 'as told' })),
    subscribe: ({ user }, { room }) => later(() => rooms.subscribe(user, room!)),
    /** Its TCP connection breaks, and something is said before it is back. */
    kill: (_client, { room }) =>
      later(() => {
        for (const socket of server.sockets) socket.terminate()
        for (const n of [2, 3, 4]) void rooms.publish(room!, `{"n":${n}}`)
      }),
  }
  const policy: Policy = {
    authenticate({ token }) {
      if (token === 'invalid') return undefined
      if (token === 'expired') return refuse(109)
      const rooms = token === 'chosen' ? { given: { recoverable: 'always' as const } } : {}
      return { user: token.split('/')[0]!, info: '{"name":"x"}', rooms, ...endOf(token) }
    },
    subscribe(_client, { room, token }) {
      if (room.startsWith('$') && !token.startsWith('ok')) return undefined
      return { positioned: 'asked', recoverable: 'asked', joinLeave: 'asked', ...endOf(token) }
    },
    publish: (_client, _room, data) => ({ data }),
    presence: () => true,
    history: () => true,
    rpc(client, method, data) {
      const told = data === undefined ? {} : (JSON.parse(Buffer.from(data as Uint8Array).toString()) as Told)
      return { data: JSON.stringify(verbs[method]!(client, told) ?? {}) }
    },
    message: (client, data) => client.send(data),
    refresh(client, token) {
      count(client.user)
      return endOf(token)
    },
    subRefresh(client, { token }) {
      count(client.user)
      return endOf(token)
    },
  }
  const server: Server = createServer({
    host: '127.0.0.1',
    port: 0,
    routes: { '/connection/websocket': centrifugeHandler({ rooms, policy, expiredCloseDelayMs: 5_000 }) },
  })
  const { port } = (await server.listen()) as { port: number }
  return {
    url: `ws://127.0.0.1:${port}/connection/websocket`,
    async close() {
      await server.close()
      await rooms.close()
    },
  }
}

/** After the answer to the rpc has gone out. */
function later(run: () => unknown): void {
  setTimeout(run, 20)
}
