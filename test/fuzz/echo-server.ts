// The server that sessions are tried on, in a process of its own: built packages, an echo handler, and every error that was
// caught told to the parent. What is not caught ends the process, which the parent sees.

import { createServer } from '@roomcast/core'
import { ECHO_OPTIONS } from './sessions.ts'

const server = createServer({
  ...ECHO_OPTIONS,
  port: 0,
  host: '127.0.0.1',
  handler: {
    message(socket, data, opcode) {
      socket.write(data, opcode)
    },
  },
  onError: (error, { where }) => process.send?.({ error: `${where}: ${String(error)}` }),
})
process.on('disconnect', () => process.exit())
const { port } = await server.listen()
process.send?.({ port })
