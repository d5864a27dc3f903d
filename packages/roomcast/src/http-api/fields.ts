// The fields of one call: what each must be. A field of another type makes the whole request a bad one.

import { bytesOf } from '../base64.ts'
import { flawOf } from '../value.ts'
import { elementsOf, membersOf } from './raw-json.ts'

/** A field that is of another type than it must be, or a body that is no object; its message says which. */
export class WrongField extends Error {}

/** One call's fields. A field that is null counts as left out. */
export class Fields {
  readonly #raw: ReadonlyMap<string, string>

  /** @param text JSON. */
  constructor(text: string) {
    if (!/^\s*\{/.test(text)) throw new WrongField('no object')
    this.#raw = membersOf(text)
  }

  has(name: string): boolean {
    return this.value(name) !== undefined
  }

  names(): Iterable<string> {
    return this.#raw.keys()
  }

  /** The field as it is written. */
  raw(name: string): string | undefined {
    return this.#raw.get(name)
  }

  value(name: string): unknown {
    const raw = this.#raw.get(name)
    return raw === undefined ? undefined : (JSON.parse(raw) ?? undefined)
  }

  /** A string; `''` when it is left out. */
  text(name: string): string {
    const value = this.value(name) ?? ''
    if (typeof value !== 'string') throw new WrongField(`${name} is no string`)
    return value
  }

  /** A whole number; 0 when it is left out. */
  integer(name: string): number {
    const value = this.value(name) ?? 0
    if (!Number.isSafeInteger(value)) throw new WrongField(`${name} is no whole number`)
    return value as number
  }

  isOn(name: string): boolean {
    const value = this.value(name) ?? false
    if (typeof value !== 'boolean') throw new WrongField(`${name} is neither true nor false`)
    return value
  }

  texts(name: string): string[] {
    const value = this.value(name) ?? []
    if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string'))
      throw new WrongField(`${name} is no list of strings`)
    return value
  }

  /** A map of strings; undefined when it is left out or empty. */
  tags(name: string): Record<string, string> | undefined {
    const value = this.value(name) ?? {}
    const isMap = typeof value === 'object' && !Array.isArray(value)
    if (!isMap || !Object.values(value).every((tag) => typeof tag === 'string'))
      throw new WrongField(`${name} is no map of strings`)
    return Object.keys(value).length === 0 ? undefined : (value as Record<string, string>)
  }

  /** An object with fields of its own. */
  fields(name: string): Fields | undefined {
    return this.has(name) ? new Fields(this.raw(name)!) : undefined
  }

  list(name: string): Fields[] {
    const raw = this.has(name) ? this.raw(name)! : '[]'
    if (!/^\s*\[/.test(raw)) throw new WrongField(`${name} is no list`)
    return elementsOf(raw).map((text) => new Fields(text))
  }

  /** Data to publish: JSON as it is written, or bytes in base64; undefined: none, or none that may be.
   * @param from their names. */
  data(from: { json: string; base64: string }): string | Uint8Array | undefined {
    const base64 = this.text(from.base64)
    if (base64 !== '') return bytesOf(base64)
    const raw = this.raw(from.json)
    if (raw === undefined) return undefined
    return flawOf(JSON.parse(raw)) === 'too_deep' ? undefined : raw
  }
}
