// Time and chance, as everything here sees them: given from outside, so that a simulation can drive both.

/** What the bus knows of time. */
export interface Clock {
  /** Milliseconds that never go back. */
  now(): number
  /** Calls `run` once, `ms` from now or later, never earlier; the function returned calls it off. */
  after(ms: number, run: () => void): () => void
  /** Calls `run` when this turn of the event loop ends, after what was there to be read in it. */
  soon(run: () => void): void
  /** At least 0, less than 1. */
  random(): number
}

/** Full jitter: anything up to the doubled step, so that nodes that lost the bus together do not come back together. */
export function backOff(attempt: number, stepMs: number, maxMs: number, random: number): number {
  return random * Math.min(maxMs, stepMs * 2 ** Math.min(attempt - 1, 16))
}
