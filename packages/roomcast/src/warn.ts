// A defect of the server, or of a function that it was given: it costs one request or one message, not the process.

/** Tells of it as a warning of the process. */
export function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error))
}
