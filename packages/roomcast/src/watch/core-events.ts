// What happens on the sockets of one server, of all that core tells of every server in the process.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Diagnostics } from '@roomcast/core'

type Name = keyof Diagnostics

/** Who hears what. */
export type Listeners = { readonly [K in Name]?: (event: Diagnostics[K]) => void }

/** Hears what core tells of one server.
 * @returns a function that ends it. */
export function hearCore(server: object, listeners: Listeners): () => void {
  const undo = Object.entries(listeners).map(([name, listener]) => {
    const hear = (event: unknown): void => {
      if ((event as { server: object }).server === server) (listener as (event: unknown) => void)(event)
    }
    subscribe(name, hear)
    return () => void unsubscribe(name, hear)
  })
  return () => {
    for (const one of undo) one()
  }
}
