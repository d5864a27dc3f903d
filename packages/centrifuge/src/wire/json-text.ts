// JSON that passes through as it is, and never through a parser's values: numbers of twenty digits and 1e400 survive.

import { isUtf8 } from 'node:buffer'
import type { Data } from '@roomcast/rooms'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Is it JSON? */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The text of data; undefined: it is no text. */
export function textOfData(data: Data): string | undefined {
  if (typeof data === 'string') return data
  return isUtf8(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString() : undefined
}

/** Data as JSON of one line: as it is, but for line breaks between its tokens. What is no JSON becomes a string: text as it
 * is, bytes in base64. */
export function jsonOf(data: Data): string {
  const text = textOfData(data)
  if (text === undefined) return JSON.stringify(Buffer.from(data as Uint8Array).toString('base64'))
  // JSON has no line break within a token.
  return isJson(text) ? oneLine(text) : JSON.stringify(text)
}

/** JSON without line breaks. */
function oneLine(json: string): string {
  return json.includes('\n') ? json.replaceAll('\n', '') : json
}

/** The text of a member of an object within JSON that is known to be valid; of several of that name the last, as JSON.parse
 * does it. @param at where the object begins. */
export function memberAt(json: string, at: number, name: string): number | undefined {
  let found: number | undefined
  let i = skipSpace(json, skipSpace(json, at) + 1)
  while (json.charCodeAt(i) === QUOTE) {
    const end = skipString(json, i)
    const key = json.slice(i + 1, end - 1)
    i = skipSpace(json, skipSpace(json, end) + 1)
    if (key === name || (key.includes('\\') && JSON.parse(`"${key}"`) === name)) found = i
    i = skipSpace(json, skipValue(json, i))
    // After the comma, or on the closing brace.
    if (json.charCodeAt(i) === 0x2c) i = skipSpace(json, i + 1)
  }
  return found
}

/** Where a value of valid JSON ends. @param at where it begins. */
export function skipValue(json: string, at: number): number {
  const first = json.charCodeAt(at)
  if (first === QUOTE) return skipString(json, at)
  if (first === 0x7b || first === 0x5b) return skipNested(json, at)
  let i = at
  while (i < json.length && !endsScalar(json.charCodeAt(i))) i++
  return i
}

/** How many levels of objects and arrays valid JSON has. */
export function depthOf(json: string): number {
  let depth = 0
  let deepest = 0
  for (let i = 0; i < json.length; i++) {
    const unit = json.charCodeAt(i)
    if (unit === QUOTE) i = skipString(json, i) - 1
    else if (unit === 0x7b || unit === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (unit === 0x7d || unit === 0x5d) depth--
  }
  return deepest
}

function skipNested(json: string, at: number): number {
  let depth = 0
  for (let i = at; i < json.length; i++) {
    const unit = json.charCodeAt(i)
    if (unit === QUOTE) i = skipString(json, i) - 1
    else if (unit === 0x7b || unit === 0x5b) depth++
    else if ((unit === 0x7d || unit === 0x5d) && --depth === 0) return i + 1
  }
  return json.length
}

function skipString(json: string, at: number): number {
  let end = json.indexOf('"', at + 1)
  while (end > 0 && isEscaped(json, end)) end = json.indexOf('"', end + 1)
  return end < 0 ? json.length : end + 1
}

function isEscaped(json: string, at: number): boolean {
  let backslashes = 0
  while (json.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++
  return backslashes % 2 === 1
}

function skipSpace(json: string, at: number): number {
  let i = at
  while (isSpace(json.charCodeAt(i))) i++
  return i
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09
}

function endsScalar(unit: number): boolean {
  return unit === 0x2c || unit === 0x7d || unit === 0x5d || isSpace(unit)
}
