// Keys and certificates, as Centrifugo's files give them: the PEM itself, the same in base64, or the path of a file.

import { readFileSync } from 'node:fs'
import { WrongSetting } from './wrong.ts'

/** Reads PEM. What it holds is never shown.
 * @returns undefined for `''`.
 * @throws WrongSetting for what is no PEM by any of the three ways. */
export function readPem(value: unknown, source: string): string | undefined {
  if (typeof value !== 'string') throw new WrongSetting(`${source} must be a string`)
  if (value === '' || isPem(value)) return value || undefined
  const decoded = Buffer.from(value, 'base64').toString()
  if (isPem(decoded)) return decoded
  const [file, why] = readFile(value)
  // Tools write what is in it before it (RFC 7468 §2).
  if (file !== undefined && /^-----BEGIN /m.test(file)) return file
  const reason = why === undefined ? 'the file has none' : `as a path: ${why}`
  throw new WrongSetting(`${source} must be PEM, PEM in base64, or the path of a PEM file (${reason})`)
}

function isPem(text: string): boolean {
  return text.trimStart().startsWith('-----BEGIN ')
}

/** What is in a file, or why it cannot be read: by its code alone, as the path may be a key by mistake. */
function readFile(path: string): [text: string] | [text: undefined, why: string] {
  try {
    return [readFileSync(path, 'utf8')]
  } catch (error) {
    return [undefined, (error as NodeJS.ErrnoException).code ?? 'no path']
  }
}
