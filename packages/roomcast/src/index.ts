// The public surface, for tests and for programs that embed the server. The program itself is cli.ts.

export { Refusal, refuse } from '@roomcast/centrifuge'
export type { Status } from './api.ts'
export type { Limits } from './limits.ts'
export { DEFAULT_PORT, type KeepingStore, type RoomcastOptions } from './options.ts'
export { createRoomcast, type Roomcast, type RoomcastStats } from './roomcast.ts'
export type { Logger } from './watch/logger.ts'
export type { Override } from './who/claims.ts'
export type { Answer, AuthenticateRequest, HookClient, Hooks, Identity, Permission } from './who/hooks.ts'
export type { NamespaceOptions } from './who/namespace-options.ts'
export type { TokenOptions } from './who/tokens.ts'
