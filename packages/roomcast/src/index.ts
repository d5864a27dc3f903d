// The public surface, for tests and for programs that embed the server. The program itself is cli.ts.

export type { Status } from './api.ts'
export type { Meta } from './protocol.ts'
export {
  type CountingBroker,
  createRoomcast,
  DEFAULT_PORT,
  type Roomcast,
  type RoomcastOptions,
  type RoomcastStats,
} from './roomcast.ts'
