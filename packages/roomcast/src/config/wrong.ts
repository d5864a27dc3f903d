// A setting that cannot be used, told in one line.

import { printable } from '../printable.ts'

/** Thrown while settings are read; its message is the line. */
export class WrongSetting extends Error {}

/** A setting of a wrong value. */
export function wrong(source: string, expected: string, value: unknown): WrongSetting {
  return new WrongSetting(`${source} must be ${expected}, not ${quote(value)}`)
}

/** Quoted, so that a line break in it stays one line and nothing in it is a command to a terminal, and not longer than a
 * line. */
export function quote(value: unknown): string {
  const text = typeof value === 'string' ? value.slice(0, 100) : value
  return printable(JSON.stringify(text) ?? String(value)).slice(0, 120)
}
