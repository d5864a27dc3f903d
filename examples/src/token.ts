// Who may connect is decided in the handshake, before there is a socket. A refusal is an HTTP response: its status, and
// an `Error` header that says why.

import { createServer, reject } from '@roomcast/core'

// Stands for your sessions or your database; `handshake` may be async.
const users = new Map([['spice-must-flow', 'leto']])

const server = createServer({
  port: Number(process.env.PORT ?? 4545),
  handler: {
    handshake({ headers, query }) {
      // A browser cannot set a header on a WebSocket: it puts the token in the address, or uses a cookie.
      const token = headers.token ?? query.get('token')
      if (!token) return reject(401, 'token_missing')
      const user = users.get(token)
      return user ? { user } : reject(403, 'token_unknown')
    },
    opened(socket) {
      // What `handshake` returned is the state, with its type.
      socket.write(`welcome, ${socket.state.user}`)
    },
    message(socket, data) {
      socket.write([`${socket.state.user}: `, data], 'text')
    },
  },
})

const { port } = await server.listen()
console.log(`ws://localhost:${port}`)
