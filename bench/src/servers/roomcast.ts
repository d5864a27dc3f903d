// Roomcast: a channel for each room, as a user would write it.

import { createChannels } from '@roomcast/channels'
import { createServer, type Socket } from '@roomcast/core'
import { churn } from './churn.ts'
import { ECHO_PATH, redisOfProcess, scenarioOfProcess, serve, TLS } from './serve.ts'

const { compression = false, tls } = scenarioOfProcess()
const redis = redisOfProcess()
/** Loaded only when wanted: a server without it does not hold it either. */
const broker = redis && (await import('@roomcast/redis-bridge')).createRedisBridge({ url: redis, prefix: 'bench' })
const channels = createChannels(broker ? { broker } : {})
const server = createServer({
  port: 0,
  host: '127.0.0.1',
  compression,
  ...(tls && { tls: TLS() }),
  handler: {
    opened(socket: Socket) {
      if (socket.path !== ECHO_PATH) channels.join(socket.path, socket)
    },
    message(socket, data, opcode) {
      if (socket.path === ECHO_PATH) socket.write(data, opcode)
      else channels.broadcast(socket.path, data, { opcode })
    },
  },
})
const address = await server.listen()
serve(address.port, {
  churn: () =>
    churn(
      [...server.sockets].map((socket) => ({
        join: (channel) => void channels.join(channel, socket),
        leave: (channel) => void channels.leave(channel, socket),
      })),
    ),
  closeCosts,
})

const OWN_CHANNELS = 100
const CLOSED_AT_A_TIME = 100

/** What closing a socket costs, in µs of this process: in no channel, and in 100 of its own while there are 1,000 others
 * and 100,000 others. The other sockets are the members of those. */
function closeCosts(): { none: number; few: number; many: number } {
  const sockets = [...server.sockets]
  const rest = sockets.slice(CLOSED_AT_A_TIME * 4)
  const others = (from: number, to: number): void => {
    for (let i = from; i < to; i++) channels.join(`other-${i}`, rest[i % rest.length]!)
  }
  const close = (own: number): number => {
    const some = sockets.splice(0, CLOSED_AT_A_TIME)
    for (const [i, socket] of some.entries()) {
      for (let k = 0; k < own; k++) channels.join(`own-${i}-${k}`, socket)
    }
    // Garbage of all that joining is no part of closing.
    globalThis.gc?.()
    const began = process.cpuUsage()
    for (const socket of some) socket.terminate()
    const { user, system } = process.cpuUsage(began)
    if (some.some((socket) => channels.channelsOf(socket).length > 0))
      throw new Error('a closed socket is still a member')
    return (user + system) / CLOSED_AT_A_TIME
  }
  // What runs first is not compiled yet.
  close(OWN_CHANNELS)
  const none = close(0)
  others(0, 1000)
  const few = close(OWN_CHANNELS)
  others(1000, 101_000)
  return { none, few, many: close(OWN_CHANNELS) }
}
