// The settings of operating: what flags, variables and the file may say, and that README and --help name all of them.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { FLAG_KEYS } from '../../../packages/roomcast/src/config/flags.ts'
import { KEYS } from '../../../packages/roomcast/src/config/keys.ts'
import { HELP } from '../../../packages/roomcast/src/help.ts'
import { readSettings, type Settings } from '../../../packages/roomcast/src/settings.ts'

const read = (args: string[], env: Record<string, string> = {}, file = '{}'): Settings =>
  readSettings(args, env, () => file)

const cases: [args: string[], env: Record<string, string>, file: object, expected: object][] = [
  [['--trust-proxy', '2'], {}, {}, { options: { trustProxy: 2 } }],
  [['--trust-proxy', '10.0.0.0/8, ::1'], {}, {}, { options: { trustProxy: ['10.0.0.0/8', '::1'] } }],
  [[], {}, { roomcast: { trust_proxy: ['192.0.2.1'] } }, { options: { trustProxy: ['192.0.2.1'] } }],
  [[], { ROOMCAST_TRUST_PROXY: '1' }, {}, { options: { trustProxy: 1 } }],
  [['--metrics-key', 'k'], { ROOMCAST_METRICS_KEY: 'x' }, {}, { options: { metricsKey: 'k' } }],
  [['--readiness', 'local'], {}, { roomcast: { readiness: 'store' } }, { options: { readiness: 'local' } }],
  [['--drain-delay-ms', '0'], {}, { roomcast: { drain_delay_ms: 9 } }, { options: { drainDelayMs: 0 } }],
  [
    ['--log-level', 'error'],
    { ROOMCAST_LOG_FORMAT: 'json' },
    {},
    { program: { requireRedis: false, log: { level: 'error', format: 'json' } } },
  ],
  [
    ['--require-redis', '--redis-url', 'redis://a'],
    {},
    {},
    { program: { requireRedis: true, log: { level: 'info', format: 'pretty' } } },
  ],
]
test.each(cases)('%j %j %j', (args, env, file, expected) => {
  const settings = read([...args, '--config', 'f'], env, JSON.stringify(file))
  expect(settings).toMatchObject({ kind: 'run', warnings: [], ...expected })
})

test.each([
  [['--trust-proxy', 'nginx'], /--trust-proxy must be how many proxies there are, or their/],
  [['--trust-proxy', '10.0.0.0/33'], /--trust-proxy must be/],
  [['--trust-proxy', '-1'], /argument is ambiguous|--trust-proxy must be/],
  [['--readiness', 'redis'], /--readiness must be "store" or "local"/],
  [['--log-level', 'loud'], /--log-level must be "error" or "warn" or "info"/],
  [['--log-format', 'xml'], /--log-format must be "pretty" or "json"/],
  [['--metrics-key', 'a b'], /--metrics-key must be visible ASCII/],
  [['--require-redis'], /--require-redis needs a Redis/],
])('%j is one line', (args, message) => {
  expect(read(args)).toEqual({ kind: 'wrong', message: expect.stringMatching(message) })
})

describe('told', () => {
  const README = readFileSync(new URL('../../../packages/roomcast/README.md', import.meta.url), 'utf8')
  const section = README.slice(README.indexOf('### Flags for who operates it'), README.indexOf('## In a program'))
  const rows = [...section.matchAll(/^\| (`--[^|]*) \| ([^|]*) \| ([^|]*) \|/gm)].map((row) => row.slice(1))
  const ticked = (cell: string): string[] => [...cell.matchAll(/`([^`]*)`/g)].map(([, text]) => text!)

  test('every flag and key of the table is there, and is one option', () => {
    expect(rows).toHaveLength(8)
    for (const [flags = '', keys = ''] of rows) {
      for (const [index, flag] of ticked(flags).entries()) {
        const name = flag.slice(2)
        expect(FLAG_KEYS.has(name), flag).toBe(true)
        expect(HELP, flag).toContain(flag)
        const key = ticked(keys)[index]!
        const whole = key.startsWith('.') ? `http_server.tls${key}` : key
        expect(KEYS.has(whole), whole).toBe(true)
        if (!name.startsWith('tls')) expect(KEYS.get(whole)!.option).toBe(FLAG_KEYS.get(name)!.option)
      }
    }
  })
})
