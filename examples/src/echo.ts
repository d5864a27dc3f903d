// The smallest server: every message goes back to its sender, as it came.

import { createServer } from '@roomcast/core'

const server = createServer({
  port: Number(process.env.PORT ?? 4545),
  handler: {
    message(socket, data, opcode) {
      socket.write(data, opcode)
    },
  },
})

const { port } = await server.listen()
console.log(`ws://localhost:${port}`)
