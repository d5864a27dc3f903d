// The public surface of @roomcast/rooms; nothing else of the package may be imported from outside.

export type { Clock } from './clock.ts'
export { StoreUnavailableError, UnrecoverablePositionError } from './errors.ts'
export type {
  Codec,
  Entered,
  EnterOptions,
  EnterResult,
  Member,
  MemberCommand,
  Place,
  ReplyToAll,
  Since,
} from './member.ts'
export type { MemoryDatabase, MemoryOptions } from './memory-database.ts'
export { createMemoryDatabase, memoryStore } from './memory-database.ts'
export type { PublishOptions, RoomOptions, RoomsOptions } from './options.ts'
export type * from './port.ts'
export type { DisconnectOptions, HistoryPage, HistoryQuery, Rooms, UnsubscribeOptions } from './rooms.ts'
export { createRooms } from './rooms.ts'
