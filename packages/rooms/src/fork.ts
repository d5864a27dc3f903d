// Asking for another epoch of a room until the store has heard it, also when nobody is left in the room here: who returns
// elsewhere must not go on in an epoch whose numbers were given twice.

import type { Clock } from './clock.ts'
import type { Store } from './port.ts'

const RETRY_MS = 2000
const MAX_ATTEMPTS = 30

/** Resolves when the store has it, or after a minute of vain attempts. */
export async function forkUntilHeard(store: Store, clock: Clock, room: string, epoch: string): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    try {
      return await store.fork(room, epoch)
    } catch {
      await new Promise<void>((resolve) => void clock.after(RETRY_MS, resolve))
    }
  }
}
