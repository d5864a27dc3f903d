// Hono: its node server takes a WebSocketServer of npm's ws, or ours in the place of that one. The routes, and what stands
// before them, are Hono's.

import { serve, upgradeWebSocket } from '@hono/node-server'
import { WebSocketServer } from '@roomcast/core/ws'
import { Hono } from 'hono'

const app = new Hono()
app.get('/', (context) => context.text('hello over HTTP'))
app.get(
  '/ws',
  upgradeWebSocket(() => ({
    onMessage({ data }, ws) {
      ws.send(data as string | ArrayBuffer)
    },
  })),
)

const sockets = new WebSocketServer({ noServer: true })
const server = serve(
  { fetch: app.fetch, port: Number(process.env.PORT ?? 4545), websocket: { server: sockets } },
  ({ port }) => console.log(`ws://localhost:${port}/ws`),
)

// The http server waits for every connection before it closes, so the sockets are closed first.
process.once('SIGTERM', () => void sockets.close().then(() => server.close()))
