// The public surface of @roomcast/centrifuge; nothing else of the package may be imported from outside.

export { DisconnectCode, ErrorCode, Refusal, refuse, textOf, UnsubscribeCode } from './codes.ts'
export { type CentrifugeState, centrifugeHandler } from './handler.ts'
export type { CentrifugeOptions, DateClock, Denied, Limits, PolicyCall } from './options.ts'
export type * from './policy.ts'
