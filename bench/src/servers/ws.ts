// npm's ws: a Set for the room, as its own documentation does it.

import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { scenarioOfProcess, serve } from './serve.ts'

const { kind, compression } = scenarioOfProcess()
const isRoom = kind === 'room'
/** Without context takeover: with it ws takes longer, holds memory for each socket, and ignores its threshold. */
const STATELESS = { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 1024 }
const room = new Set<WebSocket>()
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: compression ? STATELESS : false })

server.on('connection', (socket) => {
  room.add(socket)
  socket.on('close', () => room.delete(socket))
  socket.on('message', (data, isBinary) => {
    if (!isRoom) return socket.send(data, { binary: isBinary })
    for (const client of room) client.send(data, { binary: isBinary })
  })
})
server.on('listening', () => serve((server.address() as AddressInfo).port))
