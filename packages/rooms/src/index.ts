// The public surface of @roomcast/rooms; nothing else of the package may be imported from outside.

export type { Clock } from './clock.ts'
export { StoreUnavailableError, UnrecoverablePositionError } from './errors.ts'
export type { GapEvent, GapListener } from './gap.ts'
export type { RoomInfo } from './info.ts'
export { MAX_INFO_BYTES } from './info.ts'
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
export type { MemoryOptions } from './memory-database.ts'
export type { MemoryDatabase } from './memory-store.ts'
export { createMemoryDatabase, memoryStore } from './memory-store.ts'
export { isRoomName } from './name.ts'
export type { PublishOptions, RoomOptions, RoomsOptions } from './options.ts'
export type * from './port.ts'
export type {
  DisconnectOptions,
  HistoryPage,
  HistoryQuery,
  ListQuery,
  OneClient,
  RefreshOptions,
  SubscribeOptions,
  UnsubscribeOptions,
} from './queries.ts'
export type { CommandResult, RoomList } from './requests.ts'
export type { Rooms } from './rooms.ts'
export { createRooms } from './rooms.ts'
export type { RoomsStats } from './stats.ts'
