// The whole public surface of @roomcast/redis-bridge.

export {}
