// The process's own timers and clock, as they were when this module was loaded: a test framework that fakes them later
// stops its own tests' time, not the server's.

/** Milliseconds of a clock that never goes back. */
export const now: () => number = performance.now.bind(performance)

export const setImmediate: typeof globalThis.setImmediate = globalThis.setImmediate
export const setInterval: typeof globalThis.setInterval = globalThis.setInterval
export const clearInterval: typeof globalThis.clearInterval = globalThis.clearInterval
export const setTimeout: typeof globalThis.setTimeout = globalThis.setTimeout
export const clearTimeout: typeof globalThis.clearTimeout = globalThis.clearTimeout
export const queueMicrotask: typeof globalThis.queueMicrotask = globalThis.queueMicrotask
