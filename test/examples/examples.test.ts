// Every example is started as its README says and talked to by a client that is not ours: what people copy works.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Centrifuge, type Subscription } from 'centrifuge'
import type { Page } from 'playwright-core'
import { createRoomcast } from 'roomcast'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import { findChromium, launchChromium } from '../support/chromium.ts'
import { missing } from '../support/missing.ts'
import { anyRedis, describeRedis } from '../support/redis.ts'

const examples = fileURLToPath(new URL('../../examples/', import.meta.url))
const started: ChildProcess[] = []
const clients: WebSocket[] = []

afterEach(async () => {
  for (const client of sdks.splice(0)) client.disconnect()
  for (const client of clients.splice(0)) client.terminate()
  await Promise.all(started.splice(0).map(end))
})

/** Starts an example on free ports and returns the addresses it prints, so many as it has servers. */
async function start(name: string, servers = 1, env: Record<string, string> = {}): Promise<string[]> {
  const file = `${examples}dist/${name}.js`
  if (!existsSync(file)) throw new Error(`${file} is missing: run \`npx --yes pnpm@12 build\` first`)
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, ...env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  started.push(child)
  const addresses: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    expect(line).toMatch(/^ws:\/\/localhost:\d+/)
    if (addresses.push(line) === servers) return addresses
  }
  throw new Error(`${name} ended before it printed where it listens`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill()
  await ended
}

/** A client that keeps what it received: `next()` waits for the next message as text. */
async function connect(url: string, headers: Record<string, string> = {}): Promise<Client> {
  const socket = new WebSocket(url, { headers })
  clients.push(socket)
  const messages: string[] = []
  socket.on('message', (data, isBinary) => messages.push(isBinary ? `binary ${data}` : `${data}`))
  const closed = new Promise<string>((resolve) => socket.on('close', (code, reason) => resolve(`${code} ${reason}`)))
  await once(socket, 'open')
  const next = async (): Promise<string> => {
    while (messages.length === 0) await once(socket, 'message')
    return messages.shift()!
  }
  return { socket, next, closed, send: (data) => socket.send(data) }
}

interface Client {
  socket: WebSocket
  next: () => Promise<string>
  closed: Promise<string>
  send: (data: string | Buffer) => void
}

/** The status and `Error` header that refused a handshake. */
async function refusal(url: string, headers: Record<string, string> = {}): Promise<[number | undefined, unknown]> {
  const socket = new WebSocket(url, { headers })
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response')
  response.resume()
  return [response.statusCode, response.headers.error]
}

const tests: Record<string, (url: string) => Promise<void>> = {
  async echo(url) {
    const { send, next } = await connect(url)
    send('héllo')
    expect(await next()).toBe('héllo')
    send(Buffer.from('bytes'))
    expect(await next()).toBe('binary bytes')
  },

  async 'constant-reply'(url) {
    const { send, next } = await connect(url)
    send('one')
    send('two')
    expect([await next(), await next()]).toEqual(['{"ok":true}', '{"ok":true}'])
  },

  async token(url) {
    expect(await refusal(url)).toEqual([401, 'token_missing'])
    expect(await refusal(url, { token: 'wrong' })).toEqual([403, 'token_unknown'])
    for (const client of [
      await connect(url, { token: 'spice-must-flow' }),
      await connect(`${url}/?token=spice-must-flow`),
    ]) {
      expect(await client.next()).toBe('welcome, leto')
      client.send('hi')
      expect(await client.next()).toBe('leto: hi')
    }
  },

  async rooms(url) {
    const { origin } = new URL(url.replace('ws:', 'http:'))
    const address = (query: string): string => `${origin.replace('http:', 'ws:')}/?${query}`
    const leto = await connect(url)
    expect(await leto.next()).toBe('leto came')
    const other = await connect(address('room=elsewhere&name=vladimir'))
    expect(await other.next()).toBe('vladimir came')
    const paul = await connect(address('room=lobby&name=paul'))
    expect([await leto.next(), await paul.next()]).toEqual(['paul came', 'paul came'])
    paul.send('atreides')
    expect([await leto.next(), await paul.next()]).toEqual(['paul: atreides', 'paul: atreides'])
    paul.socket.close()
    expect(await leto.next()).toBe('paul left')
    other.send('alone')
    expect(await other.next()).toBe('vladimir: alone')

    expect(await refusal(address('room=lobby'))).toEqual([400, 'room_and_name_wanted'])
    const lost = await connect(address('room=%07&name=duncan'))
    expect(await lost.closed).toBe('1008 bad_name')
  },

  async chat(url) {
    const base = url.split(' ')[0]!.replace(/\?.*/, '')
    const hear = async (client: Client, count: number): Promise<Record<string, unknown>[]> => {
      const heard = []
      for (let i = 0; i < count; i++) heard.push(JSON.parse(await client.next()) as Record<string, unknown>)
      return heard
    }
    const leto = await connect(`${base}?name=leto`)
    const [reply, ...rest] = await hear(leto, 3)
    const { epoch } = reply!.in as { epoch: string }
    expect(reply).toEqual({ in: { epoch, offset: 0, recovered: true, missed: [] } })
    expect(rest).toEqual([{ came: 'leto' }, { here: ['leto'] }])
    const paul = await connect(`${base}?name=paul`)
    expect((await hear(paul, 3)).slice(1)).toEqual([{ came: 'paul' }, { here: ['leto', 'paul'] }])
    paul.send('"hi"')
    const hi = { said: { offset: 1, who: 'paul', text: '"hi"' } }
    expect([await hear(leto, 2), await hear(paul, 1)]).toEqual([[{ came: 'paul' }, hi], [hi]])
    // He loses his connection, and two things are said meanwhile.
    paul.socket.terminate()
    expect(await hear(leto, 1)).toEqual([{ went: 'paul' }])
    for (const text of ['one', 'two']) leto.send(text)
    const [one, two] = await hear(leto, 2)
    const back = await connect(`${base}?name=paul&epoch=${epoch}&offset=1`)
    const [missed] = await hear(back, 1)
    expect(missed).toEqual({ in: { epoch, offset: 3, recovered: true, missed: [one!.said, two!.said] } })

    const duncan = await connect(`${base}?name=duncan&epoch=other&offset=2`)
    expect((await hear(duncan, 1))[0]!.in).toEqual({ epoch, offset: 3, recovered: false, missed: [] })
    expect(await refusal(base)).toEqual([400, 'name_wanted'])
    const page = await fetch(base.replace('ws:', 'http:'))
    expect(await page.text()).toContain('<title>A chat that remembers</title>')
  },

  async login(url) {
    const login = async (user: string, password: string): Promise<string | undefined> => {
      const { token } = (await post(url, '/login', { user, password })).body as { token?: string }
      return token
    }
    expect(await login('leto', 'caladan')).toBeUndefined()
    expect(await login('__proto__', 'x')).toBeUndefined()
    const dialog = 'dialog:#leto,ghanima'
    const [leto, ghanima] = [await login('leto', 'arrakis'), await login('ghanima', 'caladan')]
    const [one, other] = [await member(url, { token: leto! }), await member(url, { token: ghanima! })]
    const heard = new Promise((resolve) =>
      join(other, dialog).on('publication', ({ data, info }) => resolve([data, info?.user])),
    )
    await Promise.all([join(one, dialog).ready(5000), other.getSubscription(dialog)!.ready(5000)])
    await one.publish(dialog, 'hi')
    expect(await heard).toEqual(['hi', 'leto'])
    const refused = new Promise((resolve) =>
      join(one, 'dialog:#ghanima,duncan').on('unsubscribed', ({ code }) => resolve(code)),
    )
    expect(await refused).toBe(103)
    const stranger = new Promise((resolve) =>
      sdk(url)
        .on('disconnected', ({ code }) => resolve(code))
        .connect(),
    )
    expect(await stranger).toBe(3501)
  },

  async session(url) {
    const login = async (user: string, teams: string[]): Promise<string> => {
      const { cookie } = await post(url, '/login', { user, teams })
      return cookie.split(';', 1)[0]!
    }
    const cookies = [await login('leto', ['red']), await login('paul', ['red', 'blue'])]
    const [leto, paul] = await Promise.all(cookies.map((cookie) => member(url, { cookie })))
    const heard: unknown[] = []
    join(leto!, 'team:red').on('publication', ({ data }) => heard.push(data))
    join(paul!, 'team:red')
    await Promise.all([leto, paul].map((client) => client!.getSubscription('team:red')!.ready(5000)))
    const refused = new Promise((resolve) => join(leto!, 'team:blue').on('error', ({ error }) => resolve(error.code)))
    const out = new Promise((resolve) =>
      leto!.getSubscription('team:blue')!.on('unsubscribed', ({ code }) => resolve(code)),
    )
    expect(await Promise.race([refused, out])).toBe(403)
    await paul!.publish('team:red', { text: 'hi' })
    await post(url, '/teams/red/news', { news: 1 })
    await vi.waitFor(() => expect(heard).toEqual([{ text: 'hi', by: 'paul' }, { news: 1 }]))
    const ended = new Promise((resolve) => leto!.on('disconnected', ({ code }) => resolve(code)))
    await post(url, '/logout', {}, { cookie: cookies[0]! })
    expect(await ended).toBe(4501)
    const stranger = new Promise((resolve) =>
      sdk(url)
        .on('disconnected', ({ code }) => resolve(code))
        .connect(),
    )
    expect(await stranger).toBe(3501)
  },

  express: besideHttp,
  async fastify(url) {
    await besideHttp(url)
    await closes(url)
  },
  async hono(url) {
    await besideHttp(url)
    await closes(url)
  },
  async nest(url) {
    await besideHttp(url, JSON.stringify({ event: 'echo', data: 'héllo' }))
    const { send, next } = await connect(url)
    for (const text of ['no JSON', '{}', '{"event":"nobody","data":1}', 'null', '{"event":"echo","data":[1]}'])
      send(text)
    expect(await next()).toBe('{"event":"echo","data":[1]}')
    // Nest closes, and then lets the signal do what it does.
    await closes(url, [null, 'SIGTERM'])
  },
  async crossws(url) {
    const { send, next } = await connect(url)
    send('héllo')
    expect(await next()).toBe('héllo')
    send(Buffer.from('bytes'))
    expect(await next()).toBe('binary bytes')
  },
}

const sdks: Centrifuge[] = []

/** A client of npm's SDK, not connected yet. */
function sdk(url: string, { token, cookie }: { token?: string; cookie?: string } = {}): Centrifuge {
  class WithCookie extends WebSocket {
    constructor(address: string, protocols?: string | string[]) {
      super(address, protocols, { headers: cookie === undefined ? {} : { cookie } })
    }
  }
  const client = new Centrifuge(url, { websocket: WithCookie, ...(token !== undefined && { token }) })
  sdks.push(client)
  return client.on('error', () => {})
}

async function member(url: string, options: { token?: string; cookie?: string }): Promise<Centrifuge> {
  const client = sdk(url, options)
  client.connect()
  await client.ready(5000)
  return client
}

function join(client: Centrifuge, room: string): Subscription {
  const subscription = client.newSubscription(room)
  subscription.on('error', () => {}).subscribe()
  return subscription
}

/** What a POST of JSON is answered. */
async function post(
  url: string,
  path: string,
  value: object,
  headers = {},
): Promise<{ body: unknown; cookie: string }> {
  const response = await fetch(new URL(path, url.replace('ws:', 'http:')), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(value),
  })
  return { body: await response.json(), cookie: response.headers.get('set-cookie') ?? '' }
}

/** At SIGTERM the sockets are told, and the process ends by itself. */
async function closes(url: string, as: unknown[] = [0, null]): Promise<void> {
  const { closed } = await connect(url)
  const ended = once(started[0]!, 'exit')
  started[0]!.kill('SIGTERM')
  expect(await closed).toBe('1001 server is closing')
  expect(await ended).toEqual(as)
}

async function besideHttp(url: string, text = 'over a socket'): Promise<void> {
  const page = await fetch(new URL('/', url.replace('ws:', 'http:')))
  expect([page.status, await page.text()]).toEqual([200, 'hello over HTTP'])
  const { send, next } = await connect(url)
  send(text)
  expect(await next()).toBe(text)
  expect((await refusal(url.replace('/ws', '/elsewhere')))[0]).toBe(404)
}

describe('examples', () => {
  test('each has a test', () => {
    const programs = readdirSync(`${examples}src`).filter((file) => file.endsWith('.ts'))
    const sources = programs.map((file) => file.replace(/\.ts$/, ''))
    expect([...Object.keys(tests), TWO_NODES, REACT].sort()).toEqual(sources.sort())
  })
  for (const [name, run] of Object.entries(tests)) {
    test(name, async () => {
      const [url] = await start(name)
      await run(url!)
    })
  }
})

const TWO_NODES = 'two-nodes'
const REACT = 'react'

const chromium = findChromium()
missing(chromium === undefined, 'NO CHROMIUM FOUND: the example with React is NOT tested')

describe.skipIf(chromium === undefined)('the example with React', () => {
  test('two people talk in a room of their own, see each other, and what was said before; in 40 lines', async () => {
    const [url] = await start(REACT)
    const { origin } = new URL(url!.replace('ws:', 'http:'))
    const code = readFileSync(`${examples}src/react-chat.tsx`, 'utf8').split('\n')
    expect(code.filter((line) => /^\s*(?!\/\/|\s)./.test(line)).length).toBeLessThanOrEqual(40)
    const browser = await launchChromium(chromium!)
    try {
      const open = async (user: string): Promise<Page> => {
        const page = await (await browser.newContext()).newPage()
        page.setDefaultTimeout(10_000)
        await page.goto(`${origin}/?user=${user}`)
        return page
      }
      const leto = await open('leto')
      await leto.getByText('Here: leto', { exact: true }).waitFor()
      await leto.getByLabel('Say').fill('hi')
      await leto.getByLabel('Say').press('Enter')
      await leto.getByText('leto: hi').waitFor()
      const paul = await open('paul')
      await paul.getByText('leto: hi').waitFor()
      await leto.getByText(/Here: (leto, paul|paul, leto)/).waitFor()
      const eve = await open('eve')
      await paul.getByLabel('Say').fill('hello')
      await paul.getByLabel('Say').press('Enter')
      await leto.getByText('paul: hello').waitFor()
      const lines = (page: Page): Promise<string[]> => page.locator('p:not(:first-child)').allTextContents()
      for (const page of [leto, paul]) expect(await lines(page)).toEqual(['leto: hi', 'paul: hello'])
      expect(await lines(eve)).toEqual([])
      expect(await eve.getByText('Here:').textContent()).toBe('Here: ')
      await leto.reload()
      await leto.getByText('paul: hello').waitFor()
      expect(await lines(leto)).toEqual(['leto: hi', 'paul: hello'])
    } finally {
      await browser.close()
    }
  })
})

const python = spawnSync('python3', ['--version']).status === 0 ? 'python3' : undefined

missing(python === undefined, 'NO PYTHON FOUND: the example in Python is NOT tested')

describe.skipIf(python === undefined)('the example in Python', () => {
  test('publishes over HTTP, and says what is wrong', async () => {
    const roomcast = createRoomcast({ port: 0, host: '127.0.0.1', apiKey: 'key' })
    const { port } = await roomcast.listen()
    const leto = await connect(`ws://127.0.0.1:${port}/`)
    leto.send('{"join":"news"}')
    expect(await leto.next()).toBe('{"joined":"news"}')
    const run = async (...args: string[]): Promise<[code: number, out: string, err: string]> => {
      const env = { ...process.env, ROOMCAST_URL: `http://127.0.0.1:${port}`, ROOMCAST_API_KEY: 'key' }
      const child = spawn(python!, [`${examples}python/publish.py`, ...args], { env })
      const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
      return [code, out, err]
    }
    expect(await run('news', '{"text":"sold out"}')).toEqual([0, 'rooms with somebody in them: news\n', ''])
    expect(await leto.next()).toBe('{"said":{"text": "sold out"},"in":"news"}')
    const [code, , complaint] = await run('a\nb', '1')
    expect(code).toBe(1)
    expect(complaint).toContain('publish: bad request (107)')
    await roomcast.close()
  })
})

describeRedis('the example of two nodes', () => {
  let redis: Awaited<ReturnType<typeof anyRedis>>
  beforeAll(async () => {
    redis = await anyRedis()
  })
  afterAll(() => redis?.stop())

  test('both read what is written on one, and both end with the command', async () => {
    const urls = await start(TWO_NODES, 2, { REDIS_URL: redis.url })
    const [leto, paul] = await Promise.all(urls.map((url) => connect(url)))
    const nodes: (string | undefined)[] = []
    for (const client of [leto!, paul!]) {
      const [, node] = /^node (\d+): you hear both nodes now$/.exec(await client.next()) ?? []
      nodes.push(node)
    }
    expect(nodes[0]).not.toBe(nodes[1])
    leto!.send('one')
    for (const client of [leto!, paul!]) expect(await client.next()).toBe(`node ${nodes[0]}: one`)
    paul!.send('two')
    for (const client of [leto!, paul!]) expect(await client.next()).toBe(`node ${nodes[1]}: two`)
    await Promise.all(started.splice(0).map(end))
    expect(await Promise.all([leto!.closed, paul!.closed])).toEqual(['1006 ', '1006 '])
  })
})
