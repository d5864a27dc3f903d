// The server that is measured: rooms of the engine, with or without a history. What members are sent has the same bytes.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createServer, type Socket, txt } from '@roomcast/core'
import { type Codec, createRooms, memoryStore, type RoomOptions, type Store } from '@roomcast/rooms'
import { ECHO_PATH, redisOfProcess, serve } from './serve.ts'

/** What came of many members that came back at once. */
export interface ComingBack {
  /** How many bodies were made, and how often the store was read. */
  bodies: number
  reads: number
  /** From the first `enter` to the last reply. */
  tookMs: number
  /** The longest time in which the event loop came to nothing else. */
  worstDelayMs: number
}

/** How many come back, and how much each missed. */
export const COMING_BACK = { members: 1000, missed: 50 } as const

/** Serves rooms of that kind. */
export async function serveEngine(options: RoomOptions): Promise<void> {
  const counts = { bodies: 0, reads: 0 }
  const redis = redisOfProcess()
  /** Loaded only when wanted: a server without it does not hold it either. */
  const store: Store = redis
    ? (await import('@roomcast/redis-bridge')).createRedisStore({ url: redis, prefix: 'bench' })
    : memoryStore()
  const read = store.read.bind(store)
  store.read = (...args) => {
    counts.reads++
    return read(...args)
  }
  const codec: Codec<string> = {
    body({ data }) {
      counts.bodies++
      return data as string
    },
    push: (_room, body) => txt(body),
    join: () => txt(''),
    leave: () => txt(''),
    unsubscribed: () => txt(''),
  }
  const rooms = createRooms({ store, options: () => options })
  let clients = 0
  /** The reply is what was missed, or `in`. */
  const enter = (room: string, socket: Socket, since?: { epoch: string; offset: number }): Promise<unknown> =>
    rooms.enter<string>(
      room,
      { socket, client: `c${clients++}`, user: '', codec },
      { since, reply: ({ publications }) => publications.join('\n') || 'in' },
    )

  const server = createServer({
    port: 0,
    host: '127.0.0.1',
    handler: {
      opened(socket: Socket) {
        if (socket.path === ECHO_PATH) socket.write('in')
        else void enter(socket.path, socket)
      },
      message: (socket, data) => void rooms.publish(socket.path, data.toString()),
    },
  })

  /** Of the idle sockets, so many come back to a room. */
  async function comeBack(): Promise<ComingBack> {
    const seen = await rooms.publish('back', 'seen')
    for (let i = 0; i < COMING_BACK.missed; i++) await rooms.publish('back', 'x'.repeat(200))
    const sockets = [...server.sockets].slice(0, COMING_BACK.members)
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    await new Promise((resolve) => setTimeout(resolve, 100))
    delay.reset()
    Object.assign(counts, { bodies: 0, reads: 0 })
    const began = performance.now()
    await Promise.all(sockets.map((socket) => enter('back', socket, seen)))
    const tookMs = performance.now() - began
    await new Promise((resolve) => setTimeout(resolve, 100))
    delay.disable()
    return { ...counts, tookMs, worstDelayMs: delay.max / 1e6 }
  }

  const { port } = await server.listen()
  serve(port, { comeBack })
}
