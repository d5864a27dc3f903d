// Code that is not ours, or words of another node: what goes wrong in it must harm nobody.

import { inspect } from 'node:util'

/** Runs something; what it throws, or its promise rejects with, becomes a process warning. */
export function guarded(what: string, run: () => unknown): void {
  const warn = (error: unknown): void => process.emitWarning(`${what} failed: ${inspect(error)}`, 'RoomcastWarning')
  try {
    const result = run()
    if (result instanceof Promise) result.catch(warn)
  } catch (error) {
    warn(error)
  }
}
