// npm's ws: a Set for each room, as its own documentation does it.

import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type * as ws from 'ws'
import { load } from '../peers.ts'
import { churn } from './churn.ts'
import { ECHO_PATH, scenarioOfProcess, serve, TLS } from './serve.ts'

const { WebSocketServer } = load<typeof ws>('ws', 'ws')
const { compression, tls } = scenarioOfProcess()
/** Without context takeover: with it ws takes longer, holds memory for each socket, and ignores its threshold. */
const STATELESS = { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 1024 }
const rooms = new Map<string, Set<ws.WebSocket>>()
const server = tls ? https.createServer(TLS()) : http.createServer()
const sockets = new WebSocketServer({ server, perMessageDeflate: compression ? STATELESS : false })

sockets.on('connection', (socket, { url = '' }) => {
  if (url === ECHO_PATH) {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    return
  }
  const room = join(url, socket)
  socket.on('close', () => leave(url, socket))
  socket.on('message', (data, isBinary) => {
    for (const member of room) member.send(data, { binary: isBinary })
  })
})
server.listen(0, '127.0.0.1', () => {
  serve((server.address() as AddressInfo).port, {
    churn: () =>
      churn(
        [...sockets.clients].map((socket) => ({
          join: (name) => join(name, socket),
          leave: (name) => leave(name, socket),
        })),
      ),
  })
})

function join(name: string, socket: ws.WebSocket): Set<ws.WebSocket> {
  const room = rooms.get(name) ?? new Set()
  rooms.set(name, room.add(socket))
  return room
}

function leave(name: string, socket: ws.WebSocket): void {
  const room = rooms.get(name)
  room?.delete(socket)
  if (room?.size === 0) rooms.delete(name)
}
