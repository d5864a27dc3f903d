// A defect of the server, or of a function that it was given: it costs one request or one message, not the process.

import { inspect } from 'node:util'

/** Tells of it as a warning of the process. Never throws, whatever was thrown. */
export function warn(error: unknown): void {
  process.emitWarning(isLegible(error) ? error : inWords(error))
}

/** Does work that is not ours; what it throws, or what a promise that it returns rejects with, goes to `failed`. */
export function callSafely(work: () => unknown, failed: (error: unknown) => void): void {
  void new Promise((resolve) => resolve(work())).catch(failed)
}

/** What was thrown, in words. */
export function inWords(error: unknown): string {
  try {
    if (typeof error === 'string') return error
    return error instanceof Error ? `${error.message}` : inspect(error)
  } catch {
    return 'what was thrown cannot be shown'
  }
}

/** Whether it is an error whose text can be had: code of its own may make it, and throw. Node asks for it a tick after the warning,
 * where nobody would catch that. */
function isLegible(error: unknown): error is Error {
  try {
    return error instanceof Error && `${error}${error.stack}` !== ''
  } catch {
    return false
  }
}
