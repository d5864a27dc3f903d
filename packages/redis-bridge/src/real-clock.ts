// The machine's time and chance, for the bus.

import type { Clock } from './bus/clock.ts'

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

/** Resolves when what was ended in this turn is gone: sockets close when the loop comes around. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
