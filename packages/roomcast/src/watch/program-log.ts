// The program's log: one line on stderr for each thing, as text for people or as JSON for machines. pino makes the lines;
// output.ts writes them, as it keeps the process alive and unblocked whoever reads them. (A destination of pino's own either
// waits in the call while a pipe is full, or keeps what nobody reads.)

import { type Logger as Pino, pino } from 'pino'
import type { LogSettings } from './log-settings.ts'

/** The program's log. */
export type ProgramLog = Pick<Pino, 'info' | 'warn' | 'error'>

/** Makes the log. @param write writes lines as they are. */
export function createLog({ level, format }: LogSettings, write: (text: string) => void): ProgramLog {
  const pretty = (line: string): void => {
    const { msg } = JSON.parse(line) as { msg: string }
    // What a text has in more lines (the stack of an error) does not look like a line of its own.
    write(`roomcast: ${msg.replaceAll('\n', '\n    ')}\n`)
  }
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (name) => ({ level: name }) },
    },
    { write: format === 'json' ? write : pretty },
  )
}
