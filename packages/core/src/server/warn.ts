// What becomes of a caught error when the user has not said: a warning that tells where it was caught, and its stack.

import { inspect } from 'node:util'

/** Warns, whatever was thrown. */
export function warn(error: unknown, where: string): void {
  const message = `an error was caught in ${where}`
  try {
    const detail = error instanceof Error ? (error.stack ?? error.message) : inspect(error)
    process.emitWarning(message, { type: 'RoomcastWarning', detail })
  } catch {
    process.emitWarning(message, { type: 'RoomcastWarning', detail: 'it cannot be shown' })
  }
}
