// One reply, framed once: however many sockets get it, nothing is encoded or copied again.

import { createServer, txt } from '@roomcast/core'

const reply = txt(JSON.stringify({ ok: true }))

const server = createServer({
  port: Number(process.env.PORT ?? 4545),
  handler: {
    message(socket) {
      socket.write(reply)
    },
  },
})

const { port } = await server.listen()
console.log(`ws://localhost:${port}`)
