// What a log has to be for this server: some of what pino has, so that a program's own pino can be given.

/** A log. `fields` is for machines, `text` for people: it tells all of it. */
export interface Logger {
  warn(fields: object, text: string): void
}

/** A log that nobody reads. */
export const SILENT: Logger = { warn() {} }
