// The rooms of the configuration file: `channel.without_namespace` and `channel.namespaces`, as options of the server.

import {
  FORMATS,
  NAMESPACE_NAME,
  NAMESPACE_OPTIONS,
  type NamespaceOptions,
  type OptionKind,
  ruleOf,
} from '../who/namespace-options.ts'
import { isForeignInNamespace } from './foreign-keys.ts'
import { type Reader, readCount, readMs, readSwitch, readWord } from './keys.ts'
import { WrongSetting, wrong } from './wrong.ts'

const READERS: Readonly<Record<OptionKind, Reader>> = {
  switch: readSwitch,
  count: readCount(0, 10 ** 9),
  duration: readMs(0),
  format: readWord(...(FORMATS as readonly string[])),
  regex: readRegex,
}

/** The keys of a namespace: `history_ttl` is `historyTtlMs`. */
const KEYS: ReadonlyMap<string, keyof NamespaceOptions> = new Map(
  (Object.keys(NAMESPACE_OPTIONS) as (keyof NamespaceOptions)[]).map((option) => [
    option.replace(/Ms$/, '').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    option,
  ]),
)

/** What the file says of rooms. */
export interface NamespacesFile {
  readonly without: unknown
  readonly named: unknown
  /** What holds for those that say nothing of it. */
  readonly common: NamespaceOptions
}

/** Reads the namespaces; undefined: there are none.
 * @param lack told of each key that this server does not have.
 * @throws WrongSetting for the first that is wrong. */
export function readNamespaces(
  { without, named, common }: NamespacesFile,
  source: string,
  lack: (key: string) => void,
): Record<string, NamespaceOptions> | undefined {
  if (without === undefined && named === undefined) return undefined
  const read = (given: object, where: string): NamespaceOptions => {
    const options = { ...common, ...readOptions(given, where, lack) }
    try {
      ruleOf(options, where)
    } catch (error) {
      throw new WrongSetting((error as Error).message)
    }
    return options
  }
  const result: Record<string, NamespaceOptions> = {
    '': read(objectOf(without ?? {}, `${source}channel.without_namespace`), `${source}channel.without_namespace`),
  }
  if (named !== undefined && !Array.isArray(named)) throw wrong(`${source}channel.namespaces`, 'a list', named)
  for (const [index, entry] of (named ?? []).entries()) {
    const { name, ...given } = objectOf(entry, `${source}channel.namespaces[${index}]`)
    if (typeof name !== 'string' || !NAMESPACE_NAME.test(name)) {
      throw wrong(`${source}channel.namespaces[${index}].name`, 'at least two of A-Z a-z 0-9 _ . -', name)
    }
    if (Object.hasOwn(result, name)) throw new WrongSetting(`${source}channel.namespaces: ${name} is there twice`)
    result[name] = read(given, `${source}channel.namespaces[${index}]`)
  }
  return result
}

function readOptions(given: object, where: string, lack: (key: string) => void): NamespaceOptions {
  const options: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    const option = KEYS.get(key)
    if (option !== undefined) options[option] = READERS[NAMESPACE_OPTIONS[option]](value, `${where}.${key}`)
    else if (isForeignInNamespace(key)) lack(`${where}.${key}`)
    else throw new WrongSetting(`${where}.${key} is no key of this server, nor of Centrifugo`)
  }
  return options
}

function readRegex(value: unknown, source: string): RegExp | undefined {
  if (value === '') return undefined
  if (typeof value !== 'string') throw wrong(source, 'a regular expression', value)
  try {
    return new RegExp(value, 'u')
  } catch {
    throw wrong(source, 'a regular expression', value)
  }
}

function objectOf(value: unknown, source: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(source, 'an object', value)
  return value as Record<string, unknown>
}
