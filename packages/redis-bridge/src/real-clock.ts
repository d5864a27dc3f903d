// The machine's time and chance, for the bus.

import type { Clock } from './bus/clock.ts'

/** The clock of the machine. Its timers hold the process: whoever sets one calls it off when he closes. */
export const realClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const due = performance.now() + ms
    // Node counts whole milliseconds of a clock that it looked at before: its timers can be early by one of them. Who was
    // called then would find that nothing is due yet, and nobody would call again.
    const fire = (): void => {
      if (performance.now() < due) timer = setTimeout(fire, 1)
      else run()
    }
    let timer = setTimeout(fire, Math.max(1, Math.ceil(ms)))
    return () => clearTimeout(timer)
  },
  soon: (run) => void setImmediate(run),
  random: () => Math.random(),
}

/** Resolves when what was ended in this turn is gone: sockets close when the loop comes around. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
