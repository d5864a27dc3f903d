// What happens when the bus lost messages: the listeners of 'gap', and the policy `onGap`. Both may run user code, from
// a broker's callback, so nothing they throw goes further than a warning.

import { inspect } from 'node:util'
import type { Framed, Payload } from '@roomcast/core'
import type { GapInfo } from './broker.ts'

/** What a 'gap' listener is given. */
export interface GapEvent extends GapInfo {
  /** The channel whose messages were lost. */
  channel: string
}

/** Listens to 'gap'. */
export type GapListener = (gap: GapEvent) => void

/** What is done about lost messages, after the event. `'event'`: nothing more. `'close'`: the local members are closed
 * with 4002, so that they come back and load anew. A function: they are sent what it returns, unless undefined. */
export type OnGap = 'event' | 'close' | ((channel: string, info: GapInfo) => Payload | Framed | undefined)

/** The close code of `onGap: 'close'`. */
export const GAP_CLOSE_CODE = 4002

/** Runs user code that must harm nobody: what it throws, or its promise rejects with, becomes a process warning.
 * @returns what it returned, or undefined when it threw. */
export function guarded<T>(what: string, run: () => T): T | undefined {
  const warn = (error: unknown): void => process.emitWarning(`${what} failed: ${inspect(error)}`, 'RoomcastWarning')
  try {
    const result = run()
    if (result instanceof Promise) result.catch(warn)
    return result
  } catch (error) {
    warn(error)
    return undefined
  }
}
