// Which pages may connect, as text: in a flag, a variable, or the configuration file.

import { wrong } from './wrong.ts'

/** What core takes for it. */
export type Origins = 'same' | 'any' | string[] | ((origin: string) => boolean)

/** Reads origins, a list with commas: `same`, `any`, or `null`, `https://chat.example` and so on.
 * @throws WrongSetting for an entry that is none. */
export function readOrigins(text: string, source: string): 'same' | 'any' | string[] {
  const list = text.split(',').map((entry) => entry.trim())
  if (list.every((entry) => entry === 'any')) return 'any'
  if (list.every((entry) => entry === 'same')) return 'same'
  return list.map((entry) => originOf(entry) ?? refuse(source, entry))
}

/** Reads them as Centrifugo's files have them: a list, in which `*` is every origin, and `*.` at the beginning of a host
 * stands for every name below it.
 * @returns undefined for an empty list.
 * @throws WrongSetting for an entry that is none. */
export function readAllowedOrigins(value: unknown, source: string): Origins | undefined {
  const entries = typeof value === 'string' ? value.split(',') : value
  const isList = Array.isArray(entries) && entries.every((entry) => typeof entry === 'string')
  if (!isList) throw wrong(source, 'a list of origins', value)
  const list = entries.map((entry: string) => entry.trim())
  if (list.length === 0) return undefined
  if (list.includes('*')) return 'any'
  const below = list.filter((entry) => entry.includes('://*.'))
  const exact = list.filter((entry) => !below.includes(entry)).map((entry) => originOf(entry) ?? refuse(source, entry))
  if (below.length === 0) return exact
  const patterns = below.map((entry) => patternOf(entry) ?? refuse(source, entry))
  const known = new Set(exact)
  return (origin) => known.has(origin) || patterns.some((pattern) => pattern.test(origin))
}

function refuse(source: string, entry: string): never {
  throw wrong(source, 'same, any, null, or origins such as https://chat.example', entry)
}

/** `https://*.chat.example`: every name below it, of any depth, with the same scheme and port. */
function patternOf(entry: string): RegExp | undefined {
  const origin = originOf(entry.replace('://*.', '://'))
  if (origin === undefined || entry.includes('*', entry.indexOf('*') + 1)) return undefined
  const [scheme, authority = ''] = origin.split('://')
  return new RegExp(`^${quoted(scheme!)}://[a-z\\d.-]+\\.${quoted(authority)}$`, 'i')
}

function quoted(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

// A scheme, a host without wildcards, perhaps a port. RFC 6454 §6.2.
const ORIGIN = /^([a-z][a-z\d+.-]*):\/\/((?:[-\w.~\u{80}-\u{10ffff}]+|\[[\da-f:.]+\])(?::\d{1,5})?)\/?$/iu

/** An origin as browsers send it: of a site, of an app (`capacitor://localhost`), or `null` (sandboxed frames, files). */
function originOf(entry: string): string | undefined {
  if (entry === 'null') return entry
  const [, scheme = '', authority = ''] = ORIGIN.exec(entry) ?? []
  // A page whose socket is at wss:// has an origin with https://.
  if (authority === '' || /^wss?$/i.test(scheme) || !URL.canParse(entry)) return undefined
  const { protocol, origin } = new URL(entry)
  return /^https?:$/.test(protocol) ? origin : `${protocol}//${authority.toLowerCase()}`
}
