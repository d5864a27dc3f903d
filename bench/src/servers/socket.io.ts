// Socket.IO, over Redis with its adapter for publish and subscribe.

import { load } from '../peers.ts'
import { type RedisClient, serveSocketIo } from './io.ts'

interface AdapterModule {
  createAdapter(pub: RedisClient, sub: RedisClient): unknown
}

serveSocketIo('socket.io', (client) =>
  load<AdapterModule>('socket.io', '@socket.io/redis-adapter').createAdapter(client, client.duplicate()),
)
