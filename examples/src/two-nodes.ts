// Two nodes behind one Redis: what is written on one is read on both. One command starts both, each a process of its
// own, as they would be on two machines. REDIS_URL says which Redis; the nodes start without it, and wait for it.

import { fork } from 'node:child_process'
import { createChannels } from '@roomcast/channels'
import { createServer } from '@roomcast/core'
import { createRedisBridge } from '@roomcast/redis-bridge'

const { PORT = '4545', REDIS_URL = 'redis://localhost:6379' } = process.env

async function startNode(port: number): Promise<void> {
  const bridge = createRedisBridge({ url: REDIS_URL, prefix: 'two-nodes' })
  const channels = createChannels({ broker: bridge })
  // What the bus loses is told, never passed over: here the place to load again what may be missing.
  channels.on('gap', ({ channel, missed = 'some' }) => console.error(`${channel}: ${missed} messages lost`))

  const server = createServer({
    port,
    handler: {
      opened(socket) {
        channels.join('lobby', socket)
        // Not awaited: without Redis it takes until Redis is there, and the room works here all the same.
        channels.ready('lobby').then(() => socket.write(`node ${process.pid}: you hear both nodes now`))
      },
      message(_socket, data) {
        channels.broadcast('lobby', [`node ${process.pid}: `, data], { opcode: 'text' })
      },
    },
  })
  const address = await server.listen()
  console.log(`ws://localhost:${address.port}`)
}

if (process.send) {
  // The other process is gone: so are we.
  process.on('disconnect', () => process.exit())
  await startNode(Number(process.argv[2]))
} else {
  const first = Number(PORT)
  for (const port of [first, first && first + 1]) {
    fork(new URL(import.meta.url), [`${port}`]).on('exit', (code) => process.exit(code ?? 1))
  }
}
