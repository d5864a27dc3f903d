// docs/errors.md knows every code, error and reason that the sources have, and no others: a new one without a line there is
// red. Codes are taken from their tables, names from the lines that answer with them.

import { readdirSync, readFileSync } from 'node:fs'
import { DisconnectCode, ErrorCode, UnsubscribeCode } from '@roomcast/centrifuge'
import { CloseCode, DEFAULT_LIMITS } from '@roomcast/core'
import * as roomsPackage from '@roomcast/rooms'
import { describe, expect, test } from 'vitest'
import { GAP_CLOSE_CODE } from '../../packages/channels/src/gap.ts'
import { LIMITS } from '../../packages/roomcast/src/limits.ts'
import { REASONS } from '../../packages/roomcast/src/watch/refusals.ts'
import { overLimit } from '../../packages/roomcast/src/watch/socket-refusals.ts'
import { ROOT, readPage } from './markdown.ts'

const sections = readPage('docs/errors.md').text.split(/^## /m)

/** Rows of the table below a heading: its first cell's names, and the whole row. */
function rowsOf(heading: string): Map<string, string> {
  const section = sections.find((text) => text.startsWith(`${heading}\n`)) ?? ''
  const rows = [...section.matchAll(/^\| (`[^|]*?) +\|.*$/gm)].map(([row, cell]) => [row, cell] as const)
  const entries = rows.flatMap(([row, cell]) =>
    [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => [name!, row] as const),
  )
  expect(entries.length, heading).toBe(new Set(entries.map(([name]) => name)).size)
  return new Map(entries)
}

const source = (path: string): string => readFileSync(`${ROOT}packages/${path}`, 'utf8')

/** What the first group of each pattern finds in a source. */
function found(path: string, ...patterns: RegExp[]): string[] {
  const names = patterns.flatMap((pattern) => [...source(path).matchAll(pattern)].map(([, name]) => name!))
  expect(names.length, path).toBeGreaterThan(0)
  return names
}

const sorted = (names: Iterable<string | number>): string[] => [...new Set([...names].map(String))].sort()

describe('every code has a line', () => {
  const tables = {
    'Close codes of every WebSocket': [...Object.values(CloseCode), GAP_CLOSE_CODE, 3000],
    "Close codes of the SDKs' protocol": Object.values(DisconnectCode),
    'Errors in replies': Object.values(ErrorCode),
    Unsubscribed: Object.values(UnsubscribeCode),
  }
  test.each(Object.entries(tables))('%s', (heading, codes) => {
    expect(sorted(rowsOf(heading).keys())).toEqual(sorted(codes))
  })

  test('what is never sent is told so, and nothing else', () => {
    const files = ['commands', 'connect', 'inbox', 'pulse', 'session', 'subscriptions']
    const others = ['roomcast/src/who/policy.ts', 'roomcast/src/http-api/methods.ts', 'roomcast/src/http-api/route.ts']
    const used = [...files.map((name) => `centrifuge/src/${name}.ts`), ...others].map(source).join('\n')
    const unused = Object.entries({ DisconnectCode, ErrorCode, UnsubscribeCode }).flatMap(([table, codes]) =>
      Object.entries(codes)
        .filter(([name]) => !used.includes(`${table}.${name}`) && `${table}.${name}` !== 'UnsubscribeCode.SERVER')
        .map(([, code]) => code),
    )
    const told = ["Close codes of the SDKs' protocol", 'Errors in replies', 'Unsubscribed'].flatMap((heading) =>
      [...rowsOf(heading)].filter(([, row]) => row.includes('never sent')).map(([code]) => code),
    )
    expect(sorted(told)).toEqual(sorted(unused))
  })
})

describe('every name has a line', () => {
  test('of a handshake', () => {
    const names = [
      ...found('core/src/handshake/handshake.ts', /refuse\(\d+, '([a-z_]+)'/g, /error: '([a-z_]+)'/g),
      ...found('core/src/handshake/upgrade.ts', /error: '([a-z_]+)'/g),
      ...found('core/src/server/routes.ts', /error: '([a-z_]+)'/g),
      ...found('core/src/server/own-server.ts', /Error: '([a-z_]+)'/g, /[?:] '([a-z_]+)'/g).filter(
        (name) => name !== 'websocket',
      ),
      ...found('roomcast/src/connections.ts', /reject\(\d+, '([a-z_]+)'/g),
      ...found('roomcast/src/words.ts', /\[\d+, '([a-z_]+)'\]/g),
    ]
    expect(sorted(rowsOf('A WebSocket that is not opened').keys())).toEqual(sorted(names))
  })

  test('of the words', () => {
    const results = ['full', 'bad_name', 'too_large', 'unavailable']
    expect(source('roomcast/src/words.ts')).toContain(`EnterResult[] = ['${results.join("', '")}']`)
    const words = found(
      'roomcast/src/words.ts',
      /error: '([a-z_]+)'/g,
      /error \?\? '([a-z_]+)'/g,
      /^ {2}\d+: '([a-z_]+)'/gm,
    )
    const others = found('roomcast/src/words.ts', /isAway \? '([a-z_]+)'/g, /isAway \? '\w+' : '([a-z_]+)'/g)
    expect(sorted(rowsOf('Errors of the JSON words').keys())).toEqual(sorted([...results, ...words, ...others]))
  })

  test('of HTTP requests', () => {
    const answered = /(?:error: |fail\(\d+, |unavailable\()'([a-z_]+)'/g
    const files = ['api', 'body', 'requests', 'reply', 'roomcast', 'http-api/route', 'watch/metrics-route']
    const names = files.flatMap((name) => found(`roomcast/src/${name}.ts`, answered))
    const silence = found(
      'roomcast/src/api.ts',
      /isClosed\(\) \? '([a-z_]+)'/g,
      /'lost' \? '([a-z_]+)'/g,
      /outcome === '([a-z_]+)'\) return outcome/g,
    )
    const flaws = found('roomcast/src/value.ts', /^export type Flaw = '(\w+)'/gm, /^export type Flaw = .* '(\w+)'$/gm)
    const faults = found('roomcast/src/who/namespaces.ts', /^type NameFault = '(\w+)'/gm)
    expect(sorted(rowsOf('Errors of HTTP requests').keys())).toEqual(
      sorted([...names, ...silence, ...flaws, ...faults]),
    )
  })

  test('of the log, and each is told somewhere', () => {
    expect(sorted(rowsOf('Reasons in the log').keys())).toEqual(sorted(REASONS))
    const watching = readdirSync(`${ROOT}packages/roomcast/src/watch`).filter((file) => file.endsWith('-refusals.ts'))
    const words = watching.map((file) => source(`roomcast/src/watch/${file}`)).join('\n')
    expect(REASONS.filter((reason) => !words.includes(`'${reason}'`))).toEqual([])
  })

  test('of a limit without words, which has its own name', () => {
    const around = { limits: Object.fromEntries(Object.entries(LIMITS).map(([name, limit]) => [name, limit.default])) }
    const say = (limit: string) => overLimit(around as never, limit, {})?.reason
    expect(say('messageTimeoutMs')).toBe('message_timeout_ms')
    const others = Object.keys(DEFAULT_LIMITS).map(say)
    expect(others.filter((reason) => reason !== undefined && !/^[a-z_]+$/.test(reason))).toEqual([])
  })

  test('of errors that are thrown', () => {
    const classes = Object.keys(roomsPackage).filter((name) => name.endsWith('Error'))
    const names = ['TypeError', 'RangeError', 'Refusal', ...classes]
    expect(sorted(rowsOf('Errors in your program').keys()).filter((name) => /^[A-Z]\w+$/.test(name))).toEqual(
      sorted(names),
    )
  })

  test('of how the program ends', () => {
    const codes = [...found('roomcast/src/cli.ts', /exitCode = (\d)/g, /process\.exit\((\d)\)/g, /SIG\w+: (\d+)/g)]
    expect(sorted(rowsOf('Exit codes').keys())).toEqual(sorted(codes))
  })
})
