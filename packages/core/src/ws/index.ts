// The whole public surface of @roomcast/core/ws: what npm's ws is to frameworks, over a server of ours.

export type { EventListener, EventOf, WebSocketEvents } from './event-target.ts'
export type { HandleProtocols, WebSocketServerOptions } from './options.ts'
export { createWebSocketStream } from './stream.ts'
export { type SendOptions, WebSocket, type WebSocketData } from './web-socket.ts'
export { WebSocketServer, type WebSocketServerEvents } from './web-socket-server.ts'
