// The public surface, for tests and for programs that embed the server. The program itself is cli.ts.

export type { Status } from './api.ts'
export type { Limits } from './limits.ts'
export { type CountingBroker, DEFAULT_PORT, type RoomcastOptions } from './options.ts'
export type { Meta } from './protocol.ts'
export { createRoomcast, type Roomcast, type RoomcastStats } from './roomcast.ts'
