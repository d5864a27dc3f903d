// The public surface of @roomcast/channels; nothing else of the package may be imported from outside.

export type { Broker, BrokerSink, BrokerStatus, GapInfo } from './broker.ts'
export type { Channels, JoinResult, MetaArguments } from './channels.ts'
export { createChannels } from './channels.ts'
export type { GapEvent, GapListener, OnGap } from './gap.ts'
export type { MemoryBus } from './memory-bus.ts'
export { createMemoryBus } from './memory-bus.ts'
export { isChannelName } from './name.ts'
export type { BroadcastOptions, ChannelsOptions } from './options.ts'
