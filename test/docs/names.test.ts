// What the guides name is there: flags, variables, keys of the configuration, options, metrics, commands of the HTTP API. A
// name that was changed in the sources and not in the guides is red.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FLAG_KEYS } from '../../packages/roomcast/src/config/flags.ts'
import { KEYS } from '../../packages/roomcast/src/config/keys.ts'
import { HELP } from '../../packages/roomcast/src/help.ts'
import { METRICS } from '../../packages/roomcast/src/watch/metric-table.ts'
import { NAMESPACE_OPTIONS } from '../../packages/roomcast/src/who/namespace-options.ts'
import { markdownFiles, ROOT, readPage } from './markdown.ts'

const files = markdownFiles().filter((file) => /^(?:docs\/|packages\/roomcast\/README)/.test(file))

/** What a pattern finds in the guides and is not `known`, with its place. */
function unknown(pattern: RegExp, known: (name: string) => boolean, among = files): string[] {
  const found = among.flatMap((file) =>
    readPage(file)
      .text.split('\n')
      .flatMap((line, index) =>
        [...line.matchAll(pattern)].map(([, name]) => ({ name: name!, at: `${file}:${index + 1}` })),
      ),
  )
  expect(found.length, `what ${pattern} finds`).toBeGreaterThan(5)
  return found.filter(({ name }) => !known(name)).map(({ name, at }) => `${at}: ${name}`)
}

/** Flags of npx, of npm, of pnpm and of docker. */
const OTHERS = ['yes', 'template', 'filter', 'pack-destination', 'read-only', 'cap-drop']
const hasFlag = (name: string): boolean => FLAG_KEYS.has(name) || new RegExp(`--${name}(?![\\w.-])`).test(HELP)

test('flags', () => {
  expect(unknown(/(?<![\w-])--([a-z][\w.-]*\w)/g, (name) => hasFlag(name) || OTHERS.includes(name))).toEqual([])
  expect(hasFlag('max-data')).toBe(false)
})

test('variables', () => {
  const variables = ['config', ...FLAG_KEYS.keys()].map(
    (flag) => `ROOMCAST_${flag.toUpperCase().replaceAll(/[.-]/g, '_')}`,
  )
  expect(unknown(/\b(ROOMCAST_[A-Z_]+\b)(?!…)/g, (name) => variables.includes(name) || name.endsWith('_'))).toEqual([])
})

/** `maxDataBytes` as `max_data_bytes`, `historyTtlMs` as `history_ttl`. */
const snake = (name: string): string =>
  name.replace(/Ms$/, '').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
const namespaceKeys = ['name', ...Object.keys(NAMESPACE_OPTIONS).map(snake)]

test('keys of the configuration', () => {
  const keys = [...KEYS.keys(), 'channel.namespaces', 'channel.without_namespace']
  // These are things in programs, and a file.
  const others = ['roomcast.rooms', 'roomcast.channels', 'roomcast.json', 'client.send']
  const isKey = (name: string): boolean =>
    keys.includes(name) || keys.some((key) => key.startsWith(`${name}.`)) || others.includes(name)
  const sections = 'client|channel|http_server|http_api|engine|roomcast|websocket|shutdown'
  expect(unknown(new RegExp(`\`((?:${sections})\\.[a-z_.]*[a-z_])\``, 'g'), isKey)).toEqual([])
})

test('options of namespaces', () => {
  const methods = ['history_remove', 'history_meta_ttl']
  const pattern = /`((?:allow|force|history|publication|join)_[a-z_]+)`/g
  expect(unknown(pattern, (name) => [...namespaceKeys, ...methods].includes(name))).toEqual([])
})

test('metrics', () => {
  const base = (name: string): string => name.replace(/_(?:bucket|sum|count)$/, '')
  expect(unknown(/\b(roomcast_[a-z_]+)/g, (name) => Object.hasOwn(METRICS, base(name)))).toEqual([])
})

test('options and functions of programs', () => {
  const sdk = ['types', 'centrifuge', 'subscription'].map((name) => `node_modules/centrifuge/build/${name}.d.ts`)
  const sources = [...sourcesOf('packages'), ...sdk.map((path) => readFileSync(join(ROOT, path), 'utf8'))]
  const words = new Set(sources.flatMap((text) => text.match(/\b[a-z]+[A-Z]\w*/g) ?? []))
  // The tables of what others call things are not about our names.
  const guides = files.filter((file) => !file.endsWith('coming-from.md'))
  expect(unknown(/`([a-z]+[A-Z][A-Za-z]*)[`(:]/g, (name) => words.has(name), guides)).toEqual([])
})

function sourcesOf(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return /^(?:node_modules|dist|page|grafana)$/.test(entry.name) ? [] : sourcesOf(path)
    return /\/src\/.*\.ts$/.test(path) ? [readFileSync(join(ROOT, path), 'utf8')] : []
  })
}
