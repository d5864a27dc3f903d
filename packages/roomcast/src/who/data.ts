// Data between the engine, which has text or bytes as they came, and hooks, which have values.

import type { Data } from '@roomcast/rooms'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text of bytes; undefined: they are none. */
export function textOf(data: Data): string | undefined {
  if (typeof data === 'string') return data
  try {
    return UTF8.decode(data)
  } catch {
    return undefined
  }
}

/** JSON as a value; what is none as bytes; nothing as undefined. */
export function parsedOf(data: Data | undefined): unknown {
  if (data === undefined) return undefined
  const text = textOf(data)
  try {
    if (text !== undefined) return JSON.parse(text)
  } catch {
    // Bytes, then.
  }
  return typeof data === 'string' ? Buffer.from(data) : data
}

/** A value as it is published: bytes as they are, everything else as JSON; undefined: nothing.
 * @throws TypeError for a value that JSON cannot hold. */
export function dataOf(value: unknown, what: string): Data | undefined {
  if (value === undefined || value instanceof Uint8Array) return value
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) throw new TypeError(`${what} must be JSON or bytes`)
  return text
}
