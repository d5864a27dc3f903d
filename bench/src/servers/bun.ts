// Bun: its own topics, published from the server so that the sender gets its message, too. Runs on Bun itself.

import { churn } from './churn.ts'
import { ECHO_PATH, scenarioOfProcess, serve, TLS } from './serve.ts'

interface BunSocket {
  data: { room: string }
  subscribe(topic: string): void
  unsubscribe(topic: string): void
  send(message: string | Buffer, compress: boolean): number
}
interface BunServer {
  port: number
  upgrade(request: Request, options: { data: { room: string } }): boolean
  publish(topic: string, message: string | Buffer, compress: boolean): number
}
interface BunRuntime {
  serve(options: {
    port: number
    hostname: string
    tls?: { key: string; cert: string }
    fetch(request: Request, server: BunServer): Response | undefined
    websocket: {
      perMessageDeflate: boolean | { compress: 'shared'; decompress: 'shared' }
      maxPayloadLength: number
      backpressureLimit: number
      open(socket: BunSocket): void
      message(socket: BunSocket, message: string | Buffer): void
    }
  }): BunServer
}

const bun = (globalThis as unknown as { Bun: BunRuntime }).Bun
const { compression = false, tls, publishers } = scenarioOfProcess()
/** Those that say nothing, for `churn`; they are not kept when there is traffic. */
const idle: BunSocket[] = []
const server = bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  ...(tls && { tls: TLS() }),
  fetch(request, self) {
    if (self.upgrade(request, { data: { room: new URL(request.url).pathname } })) return
    return new Response('a WebSocket is wanted', { status: 426 })
  },
  websocket: {
    perMessageDeflate: compression && { compress: 'shared', decompress: 'shared' },
    // Roomcast's limits.
    maxPayloadLength: 1024 * 1024,
    backpressureLimit: 1024 * 1024,
    open(socket) {
      if (publishers === 0) idle.push(socket)
      if (socket.data.room !== ECHO_PATH) socket.subscribe(socket.data.room)
    },
    message(socket, message) {
      if (socket.data.room === ECHO_PATH) socket.send(message, compression)
      else server.publish(socket.data.room, message, compression)
    },
  },
})
serve(server.port, {
  churn: () =>
    churn(
      idle.map((socket) => ({ join: (name) => socket.subscribe(name), leave: (name) => socket.unsubscribe(name) })),
    ),
})
