// A backend whose calls fail is answered a code; the log says why, and metrics count calls by method and code.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { apiCodeLabel } from '../../../packages/roomcast/src/watch/labels.ts'
import { build, killAll, start } from '../program.ts'
import { lineOf, linesOf } from './log-lines.ts'
import { scrape } from './scrape.ts'

const folder = mkdtempSync(join(tmpdir(), 'roomcast-'))
const file = join(folder, 'config.json')
beforeAll(() => {
  build()
  const namespaces = [
    { name: 'chat', history_size: 5, history_ttl: '60s' },
    { name: 'form', publication_data_format: 'json_object', channel_regex: '^[a-z]+$' },
  ]
  writeFileSync(file, JSON.stringify({ channel: { namespaces } }))
})
afterEach(killAll)
afterAll(() => rmSync(folder, { recursive: true }))

const KEY = ['--http_api.key', 'k', '--token', 't', '--log-format', 'json']

interface Asked {
  method?: string
  headers?: Record<string, string>
  body?: string
}

const ask = async (port: number, path: string, { method = 'POST', headers = KEYED, body = '{}' }: Asked = {}) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers,
    ...(method === 'POST' && { body }),
  })
  return response.status
}
const KEYED = { 'x-api-key': 'k' }

/** Counts of calls, as `method code`. */
async function calls(port: number): Promise<Record<string, number>> {
  const samples = [...(await scrape(port))].filter(([name]) => name.startsWith('roomcast_api_calls_total'))
  return Object.fromEntries(
    samples.map(([name, count]) => [/code="(\w+)",method="(\w+)"/.exec(name)!.slice(1).reverse().join(' '), count]),
  )
}

const bad = (path: string, body: object, reason: string, came: RegExp, setting = /./, status = 200) =>
  [path, { body: JSON.stringify(body) }, status, reason, came, setting] as const

const cases: (readonly [path: string, asked: Asked, status: number, reason: string, came: RegExp, setting: RegExp])[] =
  [
    ['/api/publish', { headers: {} }, 401, 'wrong_key', /"\/api\/publish" without a key$/, /^--http_api\.key/],
    ['/api/publish', { headers: { 'x-api-key': 'x' } }, 401, 'wrong_key', /with another key$/, /^--http_api\.key/],
    [
      '/api/publish',
      { headers: { authorization: 'Bearer k' } },
      401,
      'wrong_key',
      /without a key, but with Authorization: "bearer"/,
      /^--http_api\.key/,
    ],
    ['/api/pubish', {}, 404, 'api_unknown_method', /"\/api\/pubish", answered 404/, /what calls it/],
    ['/api/info', { method: 'GET' }, 405, 'method_not_allowed', /^"GET" for "\/api\/info"/, /what calls it/],
    ['/api/publish', { body: '{nonsense' }, 400, 'api_bad_request', /400 bad_request: no JSON$/, /what calls it/],
    bad('/api/publish', { channel: 1 }, 'api_bad_request', /: channel is no string$/, /what calls it/, 400),
    bad(
      '/api/publish',
      { channel: 'news:a', data: 1 },
      'api_unknown_namespace',
      /in "news:a" .* 102 /,
      /channel\.namesp/,
    ),
    bad('/api/publish', { channel: 'chat:a' }, 'api_bad_request', /107 bad request: no data/),
    bad('/api/publish', { channel: 'chat:a', data: 'x'.repeat(70_000) }, 'api_bad_request', /: data of 70002 bytes$/),
    bad(
      '/api/publish',
      { channel: 'form:a', data: 1 },
      'api_bad_request',
      /no JSON object$/,
      /publication_data_format/,
    ),
    bad('/api/publish', { channel: 'form:A', data: {} }, 'api_bad_request', /channel_regex/),
    bad(
      '/api/presence',
      { channel: 'chat:a' },
      'api_not_available',
      /presence in "chat:a" .* 108 /,
      /name=chat\]: presence/,
    ),
    bad('/api/publish', { channel: 'chat:a', data: 1, version: 2 }, 'api_not_available', /not available: version$/),
    bad('/api/disconnect', { user: 'leto', disconnect: { code: 1 } }, 'api_bad_request', /from 3000 to 4999$/),
    bad('/api/subscribe', { user: 'l', channel: 'chat:a', expire_at: 1 }, 'api_expired', /110 expired/, /clock/),
    bad(
      '/api/history',
      { channel: 'chat:a', since: { offset: 9, epoch: 'x' } },
      'api_unrecoverable_position',
      /112 /,
      /history_size/,
    ),
    [
      '/channels/news%3Aa',
      { headers: { authorization: 'Bearer t', 'content-type': 'application/json' }, body: '1' },
      404,
      'api_unknown_namespace',
      /answered 404 unknown_room/,
      /channel\.namespaces/,
    ],
    [
      '/channels/chat%3Aa',
      { headers: { authorization: 'Bearer t', 'content-type': 'application/json' }, body: 'x' },
      400,
      'api_bad_request',
      /answered 400 invalid_json/,
      /what calls it/,
    ],
  ]

test.each(cases)('%s %j is a line that says why', async (path, asked, status, reason, came, setting) => {
  const server = await start([...KEY, '--config', file])
  expect(await ask(server.port, path, asked)).toBe(status)
  expect(await lineOf(server, reason)).toMatchObject({
    came: expect.stringMatching(came),
    setting: expect.stringMatching(setting),
    address: '127.0.0.1',
  })
  expect((await scrape(server.port)).get(`roomcast_refusals_total{reason="${reason}"}`)).toBe(1)
  expect(linesOf(server)).toHaveLength(1)
})

test('calls are counted by method and code: those of a batch and the rooms of a broadcast, too', async () => {
  const server = await start([...KEY, '--config', file])
  const post = (method: string, body: object): Promise<number> =>
    ask(server.port, `/api/${method}`, { body: JSON.stringify(body) })
  await post('publish', { channel: 'chat:a', data: 1 })
  await post('broadcast', { channels: ['chat:a', 'news:a', 'chat:b'], data: 1 })
  await post('batch', { commands: [{ publish: { channel: 'news:b', data: 1 } }, { nothing: {} }, { info: {} }] })
  await ask(server.port, '/api/invented', { headers: {} })
  expect(await calls(server.port)).toEqual({
    'publish ok': 1,
    'broadcast ok': 2,
    'broadcast 102': 1,
    'publish 102': 1,
    'info ok': 1,
    'other 104': 1,
    'other 401': 1,
  })
  const rooms = linesOf(server).map(({ room }) => room)
  expect(rooms).toEqual(['news:a', 'news:b', undefined, undefined])
})

test('a server without a key says so', async () => {
  const server = await start(['--log-format', 'json'])
  expect(await ask(server.port, '/api/publish')).toBe(401)
  expect(await lineOf(server, 'wrong_key')).toMatchObject({ expected: 'none, as no key is configured here' })
})

test('labels are few, whatever is asked', async () => {
  const server = await start(KEY)
  for (let i = 0; i < 20; i++) await ask(server.port, `/api/x${i}`)
  expect(await calls(server.port)).toEqual({ 'other 404': 20 })
  expect(linesOf(server)).toHaveLength(5)
  expect([0, 102, 401, 4711].map(apiCodeLabel)).toEqual(['ok', '102', '401', 'other'])
})
