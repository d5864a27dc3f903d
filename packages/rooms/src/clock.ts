// Time, as the engine and the memory store are given it. A monotonic clock: wall clocks of nodes are never compared.

/** A clock that a test can replace. */
export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number
  /** Runs a function after so many milliseconds; returns what takes that back. */
  after(ms: number, run: () => void): () => void
}

/** The process's own clock. Its timers keep no process alive. */
export const processClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms).unref()
    return () => clearTimeout(timer)
  },
}
