// The whole public surface of @roomcast/core.

export * from './handler.ts'
export type { OriginPolicy } from './handshake/origin.ts'
export type { TrustProxy } from './handshake/proxy.ts'
export { DEFAULT_LIMITS, type Limits } from './limits.ts'
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
export type { Diagnostics } from './server/diagnostics.ts'
export type { DrainOptions, DrainResult } from './server/drain.ts'
export type { Address } from './server/listen.ts'
export type { ErrorWhere, ServerOptions } from './server/options.ts'
export { createServer, type Server } from './server/server.ts'
export type { Stats } from './server/stats.ts'
