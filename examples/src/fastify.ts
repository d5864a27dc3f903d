// Beside Fastify: one port for both. Roomcast takes the upgrades of one path, Fastify everything else.

import type { AddressInfo } from 'node:net'
import { createServer } from '@roomcast/core'
import { fastify } from 'fastify'

const app = fastify()
app.get('/', async () => 'hello over HTTP')

// An attached server listens with the one it is attached to: no `port`, no `listen()`.
const sockets = createServer({
  server: app.server,
  pathname: '/ws',
  handler: {
    message(socket, data, opcode) {
      socket.write(data, opcode)
    },
  },
})

// Fastify waits for every connection before it closes, so the sockets are closed first.
app.addHook('preClose', () => sockets.close())
process.once('SIGTERM', () => void app.close())

await app.listen({ port: Number(process.env.PORT ?? 4545), host: '0.0.0.0' })
const { port } = app.server.address() as AddressInfo
console.log(`ws://localhost:${port}/ws`)
