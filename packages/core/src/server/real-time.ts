// Node's own timers and clock, from the modules and not from `globalThis`: a test framework that fakes those stops its own
// tests' time, not the server's.

import { performance } from 'node:perf_hooks'
import timers from 'node:timers'

/** Milliseconds of a clock that never goes back. */
export const now: () => number = performance.now.bind(performance)

export const setImmediate: typeof timers.setImmediate = timers.setImmediate
export const setInterval: typeof timers.setInterval = timers.setInterval
export const clearInterval: typeof timers.clearInterval = timers.clearInterval
export const setTimeout: typeof timers.setTimeout = timers.setTimeout
export const clearTimeout: typeof timers.clearTimeout = timers.clearTimeout
/** Of no module: it may be a fake already when this one is loaded. */
export const queueMicrotask = (work: () => void): void => void Promise.resolve().then(work)
