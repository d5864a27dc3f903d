// npm's ws: a Set for the room, as its own documentation does it.

import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { scenarioOfProcess, serve } from './serve.ts'

const isRoom = scenarioOfProcess().kind === 'room'
const room = new Set<WebSocket>()
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })

server.on('connection', (socket) => {
  room.add(socket)
  socket.on('close', () => room.delete(socket))
  socket.on('message', (data, isBinary) => {
    if (!isRoom) return socket.send(data, { binary: isBinary })
    for (const client of room) client.send(data, { binary: isBinary })
  })
})
server.on('listening', () => serve((server.address() as AddressInfo).port))
