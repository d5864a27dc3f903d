// A server of Socket.IO: its own rooms, WebSocket only.

import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { load, type SubjectName } from '../peers.ts'
import { churn } from './churn.ts'
import { ECHO_ROOM, redisOfProcess, scenarioOfProcess, serve, TLS } from './serve.ts'

interface IoSocket {
  handshake: { query: { room?: string } }
  join(room: string): void
  leave(room: string): void
  on(event: string, listener: (data: unknown) => void): void
  emit(event: string, data: unknown): void
}
/** A client of Redis. */
export interface RedisClient {
  duplicate(): RedisClient
}
interface Io {
  adapter(adapter: unknown): void
  on(event: 'connection', listener: (socket: IoSocket) => void): void
  sockets: { sockets: Map<string, IoSocket> }
  to(room: string): { emit(event: string, data: unknown): void }
}
interface IoModule {
  Server: new (
    server: http.Server,
    options: { transports: ['websocket']; serveClient: boolean; perMessageDeflate: false | object },
  ) => Io
}

const STATELESS = { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 1024 }

/** Serves with the packages of a subject.
 * @param adapterOf what connects nodes over Redis. */
export function serveSocketIo(subject: SubjectName, adapterOf: (client: RedisClient) => unknown): void {
  const { Server } = load<IoModule>(subject, 'socket.io')
  const { compression, tls } = scenarioOfProcess()
  const server = tls ? https.createServer(TLS()) : http.createServer()
  const io = new Server(server, {
    transports: ['websocket'],
    serveClient: false,
    perMessageDeflate: compression ? STATELESS : false,
  })

  const redis = redisOfProcess()
  if (redis) {
    const { Redis } = load<{ Redis: new (url: string) => RedisClient }>(subject, 'ioredis')
    io.adapter(adapterOf(new Redis(redis)))
  }

  io.on('connection', (socket) => {
    const room = socket.handshake.query.room ?? ''
    if (room === ECHO_ROOM) {
      socket.on('message', (data) => socket.emit('message', data))
      return
    }
    socket.join(room)
    socket.on('message', (data) => io.to(room).emit('message', data))
  })
  server.listen(0, '127.0.0.1', () => {
    serve((server.address() as AddressInfo).port, { churn: () => churn([...io.sockets.sockets.values()]) })
  })
}
