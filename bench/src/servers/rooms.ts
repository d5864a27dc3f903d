// The server that is measured: a channel for each room, as a user would write it.

import type * as Channels from '@roomcast/channels'
import type * as Core from '@roomcast/core'
import { churn } from './churn.ts'
import { closeCosts } from './close-costs.ts'
import { ECHO_PATH, redisOfProcess, scenarioOfProcess, serve, TLS } from './serve.ts'

type Packages = Pick<typeof Core, 'createServer'> & Pick<typeof Channels, 'createChannels'>

/** Serves with the packages of a revision. */
export async function serveRooms({ createServer, createChannels }: Packages): Promise<void> {
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
      opened(socket: Core.Socket) {
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
    closeCosts: () => closeCosts(channels, [...server.sockets]),
  })
}
