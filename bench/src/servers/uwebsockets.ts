// uWebSockets.js: its own topics, published from the app so that the sender gets its message, too.

import { load } from '../peers.ts'
import { churn } from './churn.ts'
import { ECHO_PATH, scenarioOfProcess, serve, TLS_FILES } from './serve.ts'

interface UwsSocket {
  getUserData(): { room: string }
  subscribe(topic: string): boolean
  unsubscribe(topic: string): boolean
  send(message: ArrayBuffer, isBinary: boolean, compress: boolean): number
}
interface UwsBehavior {
  compression: number
  maxPayloadLength: number
  maxBackpressure: number
  upgrade?: (response: UwsResponse, request: UwsRequest, context: unknown) => void
  open?: (socket: UwsSocket) => void
  message: (socket: UwsSocket, message: ArrayBuffer, isBinary: boolean) => void
}
interface UwsRequest {
  getUrl(): string
  getHeader(name: string): string
}
interface UwsResponse {
  upgrade(data: { room: string }, key: string, protocol: string, extensions: string, context: unknown): void
}
interface UwsApp {
  ws(pattern: string, behavior: UwsBehavior): UwsApp
  publish(topic: string, message: ArrayBuffer, isBinary: boolean, compress: boolean): boolean
  listen(host: string, port: number, listening: (token: unknown) => void): UwsApp
}
interface Uws {
  App(): UwsApp
  SSLApp(options: { key_file_name: string; cert_file_name: string }): UwsApp
  us_socket_local_port(token: unknown): number
  DISABLED: number
  SHARED_COMPRESSOR: number
}

const uws = load<Uws>('uwebsockets', 'uwebsockets')
const { compression = false, tls, publishers } = scenarioOfProcess()
const app = tls ? uws.SSLApp({ key_file_name: TLS_FILES.key, cert_file_name: TLS_FILES.cert }) : uws.App()
const options = {
  compression: compression ? uws.SHARED_COMPRESSOR : uws.DISABLED,
  // Its own defaults, 16 KiB and 64 KiB, drop what the others keep: these are Roomcast's.
  maxPayloadLength: 1024 * 1024,
  maxBackpressure: 1024 * 1024,
}

/** Those that say nothing, for `churn`; they are not kept when there is traffic. */
const idle: UwsSocket[] = []

app.ws(ECHO_PATH, {
  ...options,
  open: (socket) => void (publishers === 0 && idle.push(socket)),
  message: (socket, message, isBinary) => void socket.send(message, isBinary, compression),
})
app.ws('/*', {
  ...options,
  upgrade: (response, request, context) =>
    response.upgrade(
      { room: request.getUrl() },
      request.getHeader('sec-websocket-key'),
      request.getHeader('sec-websocket-protocol'),
      request.getHeader('sec-websocket-extensions'),
      context,
    ),
  open: (socket) => void socket.subscribe(socket.getUserData().room),
  message: (socket, message, isBinary) => void app.publish(socket.getUserData().room, message, isBinary, compression),
})
app.listen('127.0.0.1', 0, (token) => {
  const churners = () =>
    idle.map((socket) => ({
      join: (name: string) => void socket.subscribe(name),
      leave: (name: string) => void socket.unsubscribe(name),
    }))
  serve(uws.us_socket_local_port(token), { churn: () => churn(churners()) })
})
