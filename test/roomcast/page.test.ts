import { readdirSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createRoomcast, type Roomcast } from 'roomcast'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const FOLDER = new URL('../../packages/roomcast/page/', import.meta.url)
let roomcast: Roomcast
let base: string

beforeAll(async () => {
  roomcast = createRoomcast({ port: 0, host: '127.0.0.1' })
  base = `http://127.0.0.1:${(await roomcast.listen()).port}`
})
afterAll(() => roomcast.close())

const FILES: [path: string, type: string, file: string][] = [
  ['/', 'text/html; charset=utf-8', 'index.html'],
  ['/style.css', 'text/css; charset=utf-8', 'style.css'],
  ['/app.js', 'text/javascript; charset=utf-8', 'app.js'],
  ['/icon.svg', 'image/svg+xml; charset=utf-8', 'icon.svg'],
]

/** npm's SDK as its package brings it for browsers. */
const SDK = join(createRequire(import.meta.url).resolve('centrifuge'), '../../dist/centrifuge.js')

test.each(FILES)('%s is served with its type and a strict policy', async (path, type, file) => {
  const response = await fetch(base + path)
  expect(response.status).toBe(200)
  expect(await response.text()).toBe(readFileSync(new URL(file, FOLDER), 'utf8'))
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': type,
    'cache-control': 'no-cache',
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  })
})

test('the SDK is served as it was published, under the same policy', async () => {
  const response = await fetch(`${base}/centrifuge.js`)
  expect(await response.text()).toBe(readFileSync(SDK, 'utf8'))
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'content-security-policy': (await fetch(base)).headers.get('content-security-policy'),
  })
})

test('every file that the page asks for is there', async () => {
  const asked = readdirSync(FOLDER).flatMap((name) => {
    const source = readFileSync(new URL(name, FOLDER), 'utf8')
    const references = name.endsWith('.js') ? /from '\.\/([^']+)'/g : /(?:src|href)="([\w.]+)"/g
    return [...source.matchAll(references)].map(([, file]) => `/${file}`)
  })
  expect(asked).toContain('/centrifuge.js')
  for (const path of new Set(asked)) expect((await fetch(base + path)).status, path).toBe(200)
})

test('every file of the page is served, with a query too', async () => {
  for (const name of readdirSync(FOLDER)) {
    const path = name === 'index.html' ? '/' : `/${name}`
    expect((await fetch(`${base + path}?v=1`)).status, path).toBe(200)
  }
})

test('HEAD has the headers and no body', async () => {
  const response = await fetch(base, { method: 'HEAD' })
  expect([response.status, await response.text()]).toEqual([200, ''])
  expect(Number(response.headers.get('content-length'))).toBeGreaterThan(1000)
})

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is answered with 405', async (method) => {
  const response = await fetch(base, { method })
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
})

describe('etag', () => {
  const etagOf = async (path: string): Promise<string> => (await fetch(base + path)).headers.get('etag') ?? ''

  test('differs from file to file', async () => {
    const etags = await Promise.all(FILES.map(([path]) => etagOf(path)))
    expect(new Set(etags).size).toBe(FILES.length)
  })

  test.each([
    ['the same', (etag: string) => etag, 304],
    ['weak', (etag: string) => `W/${etag}`, 304],
    ['in a list', (etag: string) => `"x", ${etag}`, 304],
    ['any', () => '*', 304],
    ['another', () => '"x"', 200],
    ['a part of it', (etag: string) => etag.slice(0, -2), 200],
  ])('If-None-Match: %s', async (_, header, status) => {
    const response = await fetch(`${base}/app.js`, { headers: { 'If-None-Match': header(await etagOf('/app.js')) } })
    expect(response.status).toBe(status)
    if (status === 304) expect(await response.text()).toBe('')
    expect(response.headers.get('etag')).toBe(await etagOf('/app.js'))
  })
})

// As they are on the wire: fetch would tidy the paths up before it asks.
test.each([
  '/nothing',
  '/index.html/',
  '/..',
  '/../package.json',
  '/page/../../package.json',
  '//app.js',
  '/./app.js',
  '/app.js/',
  '/app.js%00',
  '/APP.JS',
  '/%61pp.js',
  '/%2e%2e/package.json',
  '/..%2fpackage.json',
  '/..\\package.json',
  '/page/app.js',
  '/centrifuge.js.map',
  '/centrifuge.protobuf.js',
  '/src/cli.ts',
  '/package.json',
  '/__proto__',
  '/constructor',
  'ftp://x/app.js',
  '*',
])('%s is not found', async (path) => {
  const response = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    get(base, { path }, (res) => {
      let body = ''
      res.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      })
      res.on('end', () => resolve({ status: res.statusCode, body }))
    }).on('error', reject)
  })
  expect(response).toEqual({ status: 404, body: '{"error":"not_found"}\n' })
})

test('the page loads nothing from anywhere else', () => {
  for (const name of readdirSync(FOLDER)) {
    const source = readFileSync(new URL(name, FOLDER), 'utf8').replaceAll('http://www.w3.org/2000/svg', '')
    expect(source, name).not.toMatch(/https?:\/\/|@import|innerHTML|insertAdjacentHTML|document\.write|eval\(/)
  }
})
