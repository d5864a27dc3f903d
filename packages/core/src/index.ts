// The whole public surface of @roomcast/core.

export type { Diagnostics } from './diagnostics.ts'
export type { DrainOptions, DrainResult } from './drain.ts'
export * from './handler.ts'
export { DEFAULT_LIMITS, type Limits } from './limits.ts'
export type { Address } from './listen.ts'
export type { ErrorWhere, ServerOptions } from './options.ts'
export type { OriginPolicy } from './origin.ts'
export { CloseCode } from './protocol/close.ts'
export {
  bin,
  Framed,
  type FramingOptions,
  frame,
  type Opcode,
  type Payload,
  type Piece,
  txt,
} from './protocol/framed.ts'
export type { CompressionOptions } from './protocol/permessage-deflate.ts'
export type { TrustProxy } from './proxy.ts'
export { createServer, type Server } from './server.ts'
export type { Stats } from './stats.ts'
