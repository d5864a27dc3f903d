// Roomcast: a channel for each room, as a user would write it.

import { createChannels } from '@roomcast/channels'
import { createServer, type Socket } from '@roomcast/core'
import { ECHO_PATH, scenarioOfProcess, serve, TLS } from './serve.ts'

const { compression = false, tls } = scenarioOfProcess()
const channels = createChannels()
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
serve(address.port)
