// The whole public surface of @roomcast/redis-bridge.

export { createRedisBridge, type RedisBridge } from './bridge.ts'
export type { BridgeOptions, RedisTarget } from './options.ts'
export type { BridgeStats, StoreStats } from './stats.ts'
export { createRedisStore, type RedisStore } from './store.ts'
