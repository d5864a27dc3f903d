// Time and chance, as everything here sees them: given from outside, so that a simulation can drive both.

/** What the bridge knows of time. */
export interface Clock {
  /** Milliseconds that never go back. */
  now(): number
  /** Calls `run` once, `ms` from now; the function returned calls it off. */
  after(ms: number, run: () => void): () => void
  /** Calls `run` when this turn of the event loop ends. */
  soon(run: () => void): void
  /** At least 0, less than 1. */
  random(): number
}

/** The clock of the machine. Its timers hold the process: whoever sets one calls it off when he closes. */
export const realClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    // Whole milliseconds, so that it is never early; one that is due already is no mistake.
    const timer = setTimeout(run, Math.max(1, Math.ceil(ms)))
    return () => clearTimeout(timer)
  },
  soon: (run) => void setImmediate(run),
  random: () => Math.random(),
}
