// crossws, on which h3 and Nitro stand: its adapter for node takes a WebSocketServer of npm's ws, or ours.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from '@roomcast/core/ws'
import nodeAdapter from 'crossws/adapters/node'

const sockets = nodeAdapter({
  // Its type has all that ws has, of which crossws uses what ours has too.
  wss: new WebSocketServer({ noServer: true }) as never,
  hooks: {
    message: (peer, message) => void peer.send(message.rawData),
  },
})

const http = createServer((_request, response) => response.end('hello over HTTP'))
http.on('upgrade', (request, socket, head) => void sockets.handleUpgrade(request, socket, head))
http.listen(Number(process.env.PORT ?? 4545), () => {
  console.log(`ws://localhost:${(http.address() as AddressInfo).port}/ws`)
})
