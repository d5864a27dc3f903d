// Hono: its node server takes a WebSocketServer as it is.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { serve, upgradeWebSocket } from '@hono/node-server'
import { WebSocketServer } from '@roomcast/core/ws'
import { Hono } from 'hono'
import { Log } from '../../../support/log.ts'
import type { Framework } from './framework.ts'

export const hono: Framework = {
  name: 'hono 4, @hono/node-server 2',
  how: '`serve({ fetch, websocket: { server: wss } })`, and its `upgradeWebSocket`',
  async start() {
    const closed = new Log<string>('closed')
    const app = new Hono()
    app.get('/', (context) => context.text('page'))
    app.get(
      '/ws',
      upgradeWebSocket(() => ({
        onMessage({ data }, ws) {
          if (data === 'enough') ws.close(4002, 'enough')
          else ws.send(data as string | ArrayBuffer)
        },
        onClose: ({ code, reason }) => closed.push(`${code} ${reason}`),
      })),
    )
    const wss = new WebSocketServer({ noServer: true })
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1', websocket: { server: wss } })
    await once(server, 'listening')
    return {
      port: (server.address() as AddressInfo).port,
      closed,
      async stop() {
        // The http server waits for its connections, and these are sockets now.
        await wss.close()
        server.close()
        await once(server, 'close')
      },
    }
  },
}
