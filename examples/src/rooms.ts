// Chat rooms: connect to /?room=lobby&name=leto, and everybody in the lobby reads what you write.

import { createChannels } from '@roomcast/channels'
import { createServer, reject } from '@roomcast/core'

const channels = createChannels()

const server = createServer({
  port: Number(process.env.PORT ?? 4545),
  handler: {
    handshake({ query }) {
      const [room, name] = [query.get('room'), query.get('name')]
      return room && name ? { room, name } : reject(400, 'room_and_name_wanted')
    },
    opened(socket) {
      const { room, name } = socket.state
      const joined = channels.join(room, socket)
      // What a client can get wrong is a value: here, a name that no room can have.
      if (joined !== 'joined') return socket.close(1008, joined)
      channels.broadcast(room, `${name} came`)
    },
    message({ state: { room, name } }, data) {
      channels.broadcast(room, [`${name}: `, data], { opcode: 'text' })
    },
    closed({ state: { room, name } }) {
      // The socket has left its rooms already; this reaches the others.
      channels.broadcast(room, `${name} left`)
    },
  },
})

const { port } = await server.listen()
console.log(`ws://localhost:${port}/?room=lobby&name=leto`)
