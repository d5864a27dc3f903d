// SECURITY.md says what the limits are: every one of them, with the default it has.

import { readFileSync } from 'node:fs'
import { DEFAULT_LIMITS } from '@roomcast/core'
import { expect, test } from 'vitest'

const text = readFileSync(new URL('../../SECURITY.md', import.meta.url), 'utf8')

/** A default as the table writes it. */
function written(name: string, value: number | string): string {
  if (typeof value === 'string') return `\`'${value}'\``
  if (value === Number.POSITIVE_INFINITY) return 'none'
  if (name.endsWith('Ms')) return value < 1000 ? `${value} ms` : `${value / 1000} s`
  if (!name.endsWith('Bytes')) return value.toLocaleString('en')
  return value < 1024 * 1024 ? `${value / 1024} KiB` : `${value / 1024 / 1024} MiB`
}

test('the table of limits is that of the code', () => {
  const rows = [...text.matchAll(/^\| `(\w+)` +\| (.+?) +\| (.+?) +\|$/gm)].map(([, name, value]) => [name, value])
  const limits = Object.entries(DEFAULT_LIMITS).map(([name, value]) => [name, written(name, value)])
  expect(rows).toEqual(limits)
})

test('each default is justified in limits.ts', () => {
  const source = readFileSync(new URL('../../packages/core/src/limits.ts', import.meta.url), 'utf8')
  const declarations = /\/\*\*((?:(?!\*\/)[\s\S])+)\*\/\n {2}(\w+):/g
  const comments = new Map(Array.from(source.matchAll(declarations), ([, comment = '', name = '']) => [name, comment]))
  for (const name of Object.keys(DEFAULT_LIMITS)) {
    // "Default 10 s: slow networks pass": the value, then the reason.
    expect(comments.get(name)?.replaceAll(/\n *\*/g, ''), name).toMatch(/default[^.:]*: \S+/i)
  }
})

test('it says how to report, and in which time an answer comes', () => {
  expect(text).toMatch(/## Reporting[\s\S]+privately[\s\S]+within three working days/)
})
