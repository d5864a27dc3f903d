// `roomcast top`, `tail` and `publish` against a server that runs: with its key, without, and when nobody is there.

import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { readSettings } from '../../../packages/roomcast/src/settings.ts'
import { eventually } from '../../support/log.ts'
import { connect } from '../client.ts'
import { build, killAll, type Run, run, start } from '../program.ts'

const folder = mkdtempSync(join(tmpdir(), 'roomcast-'))
beforeAll(build)
afterEach(killAll)
afterAll(() => rmSync(folder, { recursive: true }))

const KEY = ['--http_api.key', 'key']
const urlOf = ({ port }: { port: number }): string[] => ['--url', `http://127.0.0.1:${port}`]

async function outcome(started: Run): Promise<[code: number | null, stdout: string, stderr: string]> {
  return [await started.exit, await started.stdout, await started.stderr]
}

/** What a run has written so far. */
function output(started: Run): () => string {
  let text = ''
  started.child.stdout!.on('data', (chunk) => {
    text += chunk
  })
  return () => text
}

test('publish and tail: what is said is a line each, digits and all', async () => {
  const server = await start([...KEY, '--token', 'secret'])
  const tailing = run(['tail', 'a room', ...urlOf(server)])
  const heard = output(tailing)
  const stats = async (): Promise<{ channels: number }> =>
    (await fetch(`http://127.0.0.1:${server.port}/stats`)).json() as Promise<{ channels: number }>
  for (let isIn = false; !isIn; ) isIn = (await stats()).channels === 1
  const big = '{"n":12345678901234567890}'
  // The demo's rooms number what is said.
  const position = expect.stringMatching(/^\{"offset":1,"epoch":"[^"]+"\}\n$/)
  expect(await outcome(run(['publish', 'a room', big, ...KEY, ...urlOf(server)]))).toEqual([0, position, ''])
  const simple = run(['publish', 'a room', '"two"', '--token', 'secret', ...urlOf(server)])
  expect(await outcome(simple)).toEqual([0, '{"delivered":1}\n', ''])
  await eventually(() => heard().split('\n').length === 3)
  expect(heard()).toBe(`{"said":${big},"in":"a room"}\n{"said":"two","in":"a room"}\n`)
  tailing.child.kill('SIGTERM')
  expect(await tailing.exit).toBe(0)
  expect(await tailing.stderr).toBe('')
})

test('tail of a server that asks for tokens: with its configuration it signs one itself', async () => {
  const file = join(folder, 'config.json')
  const hmac_secret_key = 'a secret that is long enough for HS256'
  writeFileSync(
    file,
    JSON.stringify({
      client: { token: { hmac_secret_key } },
      channel: { namespaces: [{ name: 'news' }] },
      http_api: { key: 'key' },
    }),
  )
  const server = await start(['--config', file])
  const tailing = run(['tail', 'news:today', '--config', file, ...urlOf(server)])
  const heard = output(tailing)
  const say = (): Promise<unknown> => outcome(run(['publish', 'news:today', '1', '--config', file, ...urlOf(server)]))
  while (heard() === '') await say()
  expect(heard()).toMatch(/^\{"said":1,"in":"news:today"\}\n/)
  tailing.child.kill('SIGINT')
  expect(await tailing.exit).toBe(0)
  const without = await outcome(run(['tail', 'news:today', ...urlOf(server)]))
  expect(without).toEqual([1, '', expect.stringMatching(/401 unauthorized; without a token: give --jwt, or --config/)])
})

test('top: rates, closes, refusals, and with the key the largest rooms', async () => {
  const server = await start(KEY)
  const clients = [await connect(server.port), await connect(server.port)]
  for (const client of clients) await client.ask({ join: 'large' })
  await clients[0]!.ask({ join: 'small' })
  const [code, screen] = await outcome(run(['top', '--once', '--interval', '0.1', ...KEY, ...urlOf(server)]))
  expect(code).toBe(0)
  expect(screen).toMatch(/^http:\/\/127\.0\.0\.1:\d+ {2}ready, up \d+ s\nsockets 2, handshakes 0, rooms 2\n/)
  expect(screen).toMatch(/messages\/s {2}in 0, out 0\n/)
  expect(screen).toMatch(/ 2 {2}"large"\n +1 {2}"small"\n$/)
  const [, keyless] = await outcome(run(['top', '--once', '--interval', '0.1', ...urlOf(server)]))
  expect(keyless).toMatch(/rooms: give --http_api\.key to see them\n$/)
  const going = run(['top', '--interval', '0.1', ...urlOf(server)])
  const screens = output(going)
  await eventually(() => screens().split('sockets 2').length > 2, 'two screens')
  going.child.kill('SIGINT')
  expect(await going.exit).toBe(0)
  for (const client of clients) client.socket.terminate()
})

test('top: what was refused, by reason, also after the handshake; and the rest while the rooms cannot be had', async () => {
  const server = await start([...KEY, '--redis-url', 'redis://127.0.0.1:1', '--max-data-bytes', '100'])
  const client = await connect(server.port)
  await client.ask({ join: 'lobby' })
  await client.ask({ say: 'x'.repeat(200), to: 'lobby' })
  const [code, screen] = await outcome(run(['top', '--once', '--interval', '0.1', ...KEY, ...urlOf(server)]))
  client.socket.terminate()
  expect(code).toBe(0)
  expect(screen).toMatch(/connecting, up \d+ s, bus connecting\n/)
  expect(screen).toMatch(/\nrefused {5}data_too_large: 1\n/)
  expect(screen).toMatch(/\nrooms: the server refuses: internal server error \(100\)\n$/)
})

test.each([
  [
    { status: 'ready', uptimeSeconds: 5, sockets: 3, channels: 1, pendingHandshakes: 0, closes: { 1006: 2 } },
    /1006: 2/,
  ],
  [{ status: 'ready', sockets: 0 }, /^http:\S+ {2}ready, up \? s\nsockets 0, handshakes \?, rooms \?\n/],
])('top: a server of another version, whose /stats has only %j', async (stats, shown) => {
  const http = createServer((_, response) => response.end(JSON.stringify(stats))).listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  const [code, screen, complaint] = await outcome(run(['top', '--once', '--interval', '0.1', ...urlOf({ port })]))
  expect([code, complaint]).toEqual([0, ''])
  expect(screen).toMatch(shown)
  for (const line of ['messages/s  in ?, out ?', 'refused     ?', 'limits hit  ?'])
    expect(screen).toContain(`${line}\n`)
  http.close()
})

test('a refusal, and nobody there, is one line and exit code 1', async () => {
  const server = await start(KEY)
  const failures: [args: string[], line: RegExp][] = [
    [
      ['publish', 'a', '1', '--http_api.key', 'other', ...urlOf(server)],
      /answers 401 .*give its --http_api\.key, or --token$/,
    ],
    [['publish', 'a', '1', ...urlOf(server)], /publish needs the key of the server: --http_api\.key, or --token$/],
    [['publish', '', '1', ...KEY, ...urlOf(server)], /the server refuses: bad request \(107\)$/],
    [['publish', 'a', '1', ...KEY, '--url', 'http://127.0.0.1:1'], /no answer of http:\/\/127\.0\.0\.1:1: /],
    [['top', '--once', '--url', 'http://127.0.0.1:1'], /no answer of/],
    [['top', '--once', '--interval', '0.1', '--http_api.key', 'other', ...urlOf(server)], /answers 401 /],
    [['tail', '', ...urlOf(server)], /"" cannot be joined: bad_name/],
    [['tail', 'a', '--url', 'http://127.0.0.1:1'], /no connection to/],
  ]
  for (const [args, line] of failures) {
    const [code, stdout, stderr] = await outcome(run(args))
    expect([code, stdout, stderr.trimEnd()], args.join(' ')).toEqual([1, '', expect.stringMatching(line)])
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  }
})

test.each([
  [['tail'], /tail takes the name of one room/],
  [['tail', 'a', 'b'], /tail takes the name of one room/],
  [['publish', 'a'], /publish takes a room and JSON/],
  [['publish', 'a', 'text'], /publish needs JSON, not "text"; a text needs its quotes/],
  [['top', 'a'], /top takes no room/],
  [['top', '--interval', '0'], /--interval must be seconds/],
  [['top', '--url', 'ftp://x'], /--url must be a URL/],
  [['top', '--port', '1'], /Unknown option '--port'/],
])('%j is a mistake', (args, message) => {
  const settings = readSettings(args, {}, () => '')
  expect(settings).toEqual({ kind: 'wrong', message: expect.stringMatching(message) })
})

test('which server: the one that is configured here', () => {
  const read = (args: string[], env: Record<string, string>): unknown => readSettings(args, env, () => '')
  expect(read(['top'], { ROOMCAST_PORT: '8080', ROOMCAST_HTTP_API_KEY: 'k' })).toMatchObject({
    remote: { url: 'http://127.0.0.1:8080', apiKey: 'k' },
  })
  expect(read(['top'], { ROOMCAST_HOST: '::1' })).toMatchObject({ remote: { url: 'http://[::1]:4545' } })
  expect(read(['top', '--url', 'https://chat.example/'], {})).toMatchObject({ remote: { url: 'https://chat.example' } })
})
