// Beside Express: one port for both. Roomcast takes the upgrades of one path, Express everything else.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from '@roomcast/core'
import express from 'express'

const app = express()
app.get('/', (_request, response) => {
  response.send('hello over HTTP')
})

const http = app.listen(Number(process.env.PORT ?? 4545))
await once(http, 'listening')

// An attached server listens with the one it is attached to: no `port`, no `listen()`.
createServer({
  server: http,
  pathname: '/ws',
  handler: {
    message(socket, data, opcode) {
      socket.write(data, opcode)
    },
  },
})

const { port } = http.address() as AddressInfo
console.log(`ws://localhost:${port}/ws`)
