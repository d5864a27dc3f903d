// Who waits to speak, and hears that it is too late: a client that goes away while it waits has not said anything.

import type { Client } from '@roomcast/centrifuge'
import type { Speaker } from './gate.ts'

/** The speakers of a server. */
export interface Speakers {
  of(client: Client): Speaker
  /** The client is gone. */
  gone(client: Client): void
}

/** Makes the speakers of a server: of an SDK's connection only its end is known. */
export function createSpeakers(): Speakers {
  const waiting = new Map<Client, Set<() => void>>()
  return {
    of(client) {
      return {
        onClosing(listener) {
          const listeners = waiting.get(client) ?? new Set()
          waiting.set(client, listeners.add(listener))
          return () => {
            listeners.delete(listener)
            if (listeners.size === 0) waiting.delete(client)
          }
        },
      }
    },
    gone(client) {
      for (const listener of [...(waiting.get(client) ?? [])]) listener()
      waiting.delete(client)
    },
  }
}
