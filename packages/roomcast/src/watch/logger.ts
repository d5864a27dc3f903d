// What a log has to be for this server: some of what pino has, so that a program's own pino can be given. A log may fail, as
// pino does when the thread that writes its lines has ended: then its lines are lost, and nothing else.

import { callSafely, inWords, warn } from '../warn.ts'

/** A log. `fields` is for machines, `text` for people: it tells all of it. What it throws, or what a promise that it returns
 * rejects with, harms nobody. */
export interface Logger {
  warn(fields: object, text: string): void
}

/** A log that nobody reads. */
export const SILENT: Logger = { warn() {} }

/** The same log, which never throws. That it has failed is told once, as a warning of the process: every line may fail from
 * then on, and what they tell is counted all the same. */
export function unfailing(logger: Logger): Logger {
  let isTold = false
  const failed = (error: unknown): void => {
    if (isTold) return
    isTold = true
    warn(`logger failed, and is not told again: ${inWords(error)}`)
  }
  return { warn: (fields, text) => callSafely(() => logger.warn(fields, text), failed) }
}
