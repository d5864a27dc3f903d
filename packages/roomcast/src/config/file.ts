// The configuration file: JSON, its keys as in keys.ts. The first thing that is wrong is told in one line; what Centrifugo
// has and this server lacks is a warning for each key, and no more.

import type { NamespaceOptions } from '../who/namespace-options.ts'
import { isForeign } from './foreign-keys.ts'
import { readJson } from './json.ts'
import { KEYS } from './keys.ts'
import { readNamespaces } from './namespaces.ts'
import { quote, WrongSetting, wrong } from './wrong.ts'

/** What a file says. */
export interface ConfigFile {
  /** By key, as in keys.ts: options with their values. */
  readonly values: ReadonlyMap<string, unknown>
  /** Undefined: it says nothing of rooms. */
  readonly namespaces: Record<string, NamespaceOptions> | undefined
  readonly warnings: readonly string[]
}

const ROOMS = ['channel.without_namespace', 'channel.namespaces']

/** Reads the text of a configuration file.
 * @param name of the file, for messages.
 * @throws WrongSetting for the first thing that is wrong. */
export function readConfig(text: string, name: string): ConfigFile {
  const source = `${name}: `
  const keys = flatten(parse(text, name), source)
  const values = new Map<string, unknown>()
  const warnings: string[] = []
  const lack = (key: string): void => {
    warnings.push(`${key.startsWith(source) ? '' : source}${key} is a key of Centrifugo that this server does not have`)
  }
  for (const [path, value] of keys) {
    if (ROOMS.includes(path)) continue
    const key = KEYS.get(path)
    if (key !== undefined) {
      const read = key.read(value, `${source}${path}`)
      if (read !== undefined) values.set(key.option, read)
    } else if (isForeign(path)) lack(path)
    else if (isObject(value) && isSectionName(path)) continue
    else throw new WrongSetting(unknown(path, value, source))
  }
  const common = Object.fromEntries(
    [...values].filter(([option]) => option.startsWith('common.')).map(([option, value]) => [option.slice(7), value]),
  ) as NamespaceOptions
  const file = { without: keys.get(ROOMS[0]!), named: keys.get(ROOMS[1]!), common }
  return { values, namespaces: readNamespaces(file, source, lack), warnings }
}

function parse(text: string, name: string): Record<string, unknown> {
  const value = readJson(text, name)
  if (!isObject(value)) throw wrong(name, 'a JSON object', value)
  return value
}

/** Every key of the file by its path; sections have no value of their own. A path may be written in one piece, too:
 * `"http_api.key"`. */
function flatten(section: Record<string, unknown>, source: string, before = ''): Map<string, unknown> {
  const keys = new Map<string, unknown>()
  const put = (path: string, value: unknown): void => {
    if (keys.has(path)) throw new WrongSetting(`${source}${path} is there twice`)
    keys.set(path, value)
  }
  for (const [name, value] of Object.entries(section)) {
    const path = before + name
    const isSection = isObject(value) && Object.keys(value).length > 0 && !ROOMS.includes(path) && !KEYS.has(path)
    if (!isSection) put(path, value)
    else for (const [inner, below] of flatten(value, source, `${path}.`)) put(inner, below)
  }
  return keys
}

function unknown(path: string, value: unknown, source: string): string {
  if (isSectionName(path)) return `${source}${path} must be an object, not ${quote(value)}`
  return `${source}${path} is no key of this server, nor of Centrifugo`
}

function isSectionName(path: string): boolean {
  return [...KEYS.keys(), ...ROOMS].some((key) => key.startsWith(`${path}.`))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
