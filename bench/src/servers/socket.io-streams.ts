// Socket.IO over a Redis stream. Without its recovery of connections, whose positions would be in each message.

import { load } from '../peers.ts'
import { type RedisClient, serveSocketIo } from './io.ts'

interface AdapterModule {
  createAdapter(client: RedisClient): unknown
}

serveSocketIo('socket.io-streams', (client) =>
  load<AdapterModule>('socket.io-streams', '@socket.io/redis-streams-adapter').createAdapter(client),
)
