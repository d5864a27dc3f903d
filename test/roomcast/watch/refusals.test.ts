// Somebody on call, who has the log and the metrics and nothing else: why is a client refused, and what changes it? Each cause
// is prepared on the built program; its line says what came, what was expected and the setting, and that setting mends it.

import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { eventually } from '../../support/log.ts'
import { connect } from '../client.ts'
import { build, killAll, start } from '../program.ts'
import { lineOf, linesOf, type Server } from './log-lines.ts'
import { scrape } from './scrape.ts'

const SECRET = 'a secret that is long enough for HS256'
const EVIL = 'https://evil.example'
const folder = mkdtempSync(join(tmpdir(), 'roomcast-'))
beforeAll(build)
afterEach(killAll)
afterAll(() => rmSync(folder, { recursive: true }))

/** A configuration file with these rooms. */
function config(rooms: object, more: object = {}): string[] {
  const file = join(folder, 'config.json')
  writeFileSync(file, JSON.stringify({ channel: rooms, ...more }))
  return ['--config', file]
}

const tokenOf = (exp: string): Promise<string> =>
  new SignJWT({ sub: '42' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(exp)
    .sign(new TextEncoder().encode(SECRET))

/** Whether a WebSocket is let in, and stays; then it is closed. */
async function isLet(port: number, path = '/', options: { origin?: string } = {}): Promise<boolean> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options)
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.on('open', () => resolve(true)).on('error', () => resolve(false))
  })
  socket.terminate()
  return isOpen
}

/** What the words answer to this, once connected. */
async function answer(port: number, ...said: object[]): Promise<unknown> {
  const client = await connect(port)
  let last: unknown
  for (const one of said) last = await client.ask(one)
  client.socket.terminate()
  return last
}

/** What an SDK is answered. */
async function sdk(port: number, ...commands: object[]): Promise<unknown> {
  const client = await connect(port, { path: '/connection/websocket' })
  let last: unknown
  for (const command of commands) last = await client.ask(command)
  client.socket.terminate()
  return last
}

interface Cause {
  args: (() => string[]) | string[]
  /** True: the client got what it wanted. */
  meet: (server: Server) => Promise<boolean>
  reason: string
  came: RegExp
  expected: RegExp
  setting: RegExp
  /** What an operator does who has read that; undefined: it is no setting of the server. */
  mend?: (() => string[]) | string[]
}

const KEYS = ['--client.token.hmac_secret_key', SECRET]
const ROOMS = { without_namespace: { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true } }
const OPEN = ['--allow-anonymous-connect-without-token']

const causes: Record<string, Cause> = {
  'a foreign origin': {
    args: [],
    meet: ({ port }) => isLet(port, '/', { origin: EVIL }),
    reason: 'origin_not_allowed',
    came: /page of origin "https:\/\/evil\.example", to host "127\.0\.0\.1:\d+"/,
    expected: /page of that host and port/,
    setting: /^--origin https:\/\/evil\.example \(client\.allowed_origins\)/,
    mend: ['--origin', EVIL],
  },
  'a foreign origin, where others are listed': {
    args: ['--origin', 'https://chat.example'],
    meet: ({ port }) => isLet(port, '/connection/websocket', { origin: EVIL }),
    reason: 'origin_not_allowed',
    came: /"https:\/\/evil\.example"/,
    expected: /one of the origins https:\/\/chat\.example/,
    setting: /^--origin https:\/\/evil\.example/,
    mend: ['--origin', `https://chat.example,${EVIL}`],
  },
  'an expired token': {
    args: KEYS,
    meet: async ({ port }) => isLet(port, `/?token=${await tokenOf('1h ago')}`),
    reason: 'token_expired',
    came: /token that is not valid any more/,
    expected: /exp and nbf around now/,
    setting: /what issues tokens .*exp and clock/,
  },
  'an expired token of an SDK': {
    args: KEYS,
    meet: async ({ port }) =>
      'connect' in ((await sdk(port, { id: 1, connect: { token: await tokenOf('1h ago') } })) as object),
    reason: 'token_expired',
    came: /token that is not valid any more/,
    expected: /exp and nbf around now/,
    setting: /what issues tokens/,
  },
  'no token': {
    args: KEYS,
    meet: ({ port }) => isLet(port),
    reason: 'no_token',
    came: /without a token/,
    expected: /a token key is configured/,
    setting: /^--allow-anonymous-connect-without-token \(client\.allow_anonymous/,
    mend: [...KEYS, ...OPEN],
  },
  'an unknown namespace': {
    args: () => [...OPEN, ...config({ ...ROOMS, namespaces: [{ name: 'news' }] })],
    meet: async ({ port }) => 'joined' in ((await answer(port, { join: 'chat:lobby' })) as object),
    reason: 'unknown_namespace',
    came: /subscribe of a client without a user in "chat:lobby"/,
    expected: /one of the namespaces "news"/,
    setting: /^channel\.namespaces$/,
    mend: () => [...OPEN, ...config({ namespaces: [{ name: 'chat', ...ROOMS.without_namespace }] })],
  },
  'not allowed': {
    args: () => [...OPEN, ...config({ namespaces: [{ name: 'news' }] })],
    meet: async ({ port }) => {
      const reply = await sdk(port, { id: 1, connect: {} }, { id: 2, subscribe: { channel: 'news:today' } })
      return 'subscribe' in (reply as object)
    },
    reason: 'not_allowed',
    came: /subscribe of a client without a user in "news:today"/,
    expected: /a permission/,
    setting: /^channel\.namespaces\[name=news\]: allow_subscribe_for_client \(…_for_anonymous\), a subscription token/,
    mend: () => [...OPEN, ...config({ namespaces: [{ name: 'news', ...ROOMS.without_namespace }] })],
  },
  'a room of other users': {
    args: () => [...KEYS, ...config({ namespaces: [{ name: 'dialog', allow_user_limited_channels: true }] })],
    async meet({ port }) {
      const client = await connect(port, { path: `/?token=${await tokenOf('1m')}` })
      return 'joined' in ((await client.ask({ join: 'dialog:#paul' })) as object)
    },
    reason: 'not_allowed',
    came: /subscribe of user "42" in "dialog:#paul"/,
    expected: /one of the users that the name tells after #/,
    setting: /^the name, or a subscription token$/,
  },
  'a room that needs a token': {
    args: [],
    meet: async ({ port }) => 'joined' in ((await answer(port, { join: '$lobby' })) as object),
    reason: 'not_allowed',
    came: /"\$lobby"/,
    expected: /a subscription token, as the name begins with \$/,
    setting: /^what issues tokens, or the name$/,
  },
  'too many connections of an address': {
    args: ['--max-connections-per-address', '1'],
    async meet({ port }) {
      const first = await connect(port)
      const isOpen = await isLet(port)
      first.socket.terminate()
      return isOpen
    },
    reason: 'too_many_connections_of_address',
    came: /one more connection/,
    expected: /at most 1 at a time/,
    setting: /^--max-connections-per-address .*, now 1; if that is a proxy's address, --trust-proxy/,
    mend: ['--max-connections-per-address', '2'],
  },
  'data too large': {
    args: ['--max-data-bytes', '100'],
    async meet({ port }) {
      const said = await sdk(
        port,
        { id: 1, connect: {} },
        { id: 2, subscribe: { channel: 'lobby' } },
        { id: 3, publish: { channel: 'lobby', data: 'x'.repeat(200) } },
      )
      return !('error' in (said as object))
    },
    reason: 'data_too_large',
    came: /larger to be said in "lobby"/,
    expected: /at most 100 bytes/,
    setting: /^--max-data-bytes \(roomcast\.max_data_bytes\), now 100$/,
    mend: ['--max-data-bytes', '1000'],
  },
  'data too large, in the words': {
    args: ['--max-data-bytes', '100'],
    meet: async ({ port }) =>
      !('error' in ((await answer(port, { join: 'lobby' }, { say: 'x'.repeat(200), to: 'lobby' })) as object)),
    reason: 'data_too_large',
    came: /larger to be said in "lobby"/,
    expected: /at most 100 bytes/,
    setting: /^--max-data-bytes/,
    mend: ['--max-data-bytes', '1000'],
  },
  'a message too large': {
    args: ['--max-message-bytes', '100'],
    async meet({ port }) {
      const client = await connect(port)
      client.send({ join: 'x'.repeat(200) })
      const isHeard = await Promise.race([
        client.closed.then(() => false),
        once(client.socket, 'message').then(() => true),
      ])
      client.socket.terminate()
      return isHeard
    },
    reason: 'message_too_large',
    came: /larger WebSocket message/,
    expected: /at most 100 bytes/,
    setting: /^--max-message-bytes \(websocket\.message_size_limit\), now 100$/,
    mend: ['--max-message-bytes', '1000'],
  },
  'too many rooms': {
    args: ['--max-rooms-per-client', '1'],
    meet: async ({ port }) => 'joined' in ((await answer(port, { join: 'a' }, { join: 'b' })) as object),
    reason: 'too_many_rooms',
    came: /in "b"/,
    expected: /at most 1 of one client/,
    setting: /^--max-rooms-per-client \(client\.channel_limit\), now 1$/,
    mend: ['--max-rooms-per-client', '2'],
  },
  'a proxy that takes the upgrade away': {
    args: [],
    async meet({ port }) {
      const response = await fetch(`http://127.0.0.1:${port}/connection/websocket`)
      expect([response.status, response.headers.get('error')]).toEqual([426, 'upgrade_required'])
      return response.ok
    },
    reason: 'bad_handshake',
    came: /a request for "\/connection\/websocket" that is no upgrade/,
    expected: /an upgrade of RFC 6455/,
    setting: /the proxy before this server: it must pass Upgrade and Connection on$/,
  },
  'too many connections of a user': {
    args: [...KEYS, '--max-connections-per-user', '1'],
    async meet({ port }) {
      const path = `/?token=${await tokenOf('1m')}`
      const first = await connect(port, { path })
      const connectToken = { connect: { token: await tokenOf('1m') }, id: 1 }
      const client = await connect(port, { path: '/connection/websocket' })
      client.send(connectToken)
      const isLet = await Promise.race([
        client.closed.then(() => false),
        once(client.socket, 'message').then(() => true),
      ])
      for (const { socket } of [first, client]) socket.terminate()
      return isLet
    },
    reason: 'too_many_connections_of_user',
    came: /one more connection of user "42"$/,
    expected: /at most 1 of one/,
    setting: /^--max-connections-per-user \(client\.user_connection_limit\), now 1$/,
    mend: [...KEYS, '--max-connections-per-user', '2'],
  },
  'an SDK that has the address of the words': {
    args: OPEN,
    meet: async ({ port }) => !('error' in ((await answer(port, { connect: { name: 'js' } })) as object)),
    reason: 'bad_request',
    came: /JSON that asks for nothing, at "\/"/,
    expected: /\{"join":…\}/,
    setting: /SDKs connect to \/connection\/websocket$/,
  },
  'an SDK with a wrong path, where a token is needed': {
    args: KEYS,
    meet: ({ port }) => isLet(port, '/connection/websockets'),
    reason: 'no_token',
    came: /a client without a token, at "\/connection\/websockets"$/,
    expected: /a token key is configured/,
    setting: /SDKs connect to \/connection\/websocket$/,
  },
  'the words at the path of the SDKs': {
    args: OPEN,
    async meet({ port }) {
      const client = await connect(port, { path: '/connection/websocket' })
      client.send({ join: 'lobby' })
      return client.closed.then(() => false)
    },
    reason: 'bad_request',
    came: /a command that makes no sense, at \/connection\/websocket/,
    expected: /protocol of Centrifugo's SDKs/,
    setting: /plain JSON .* belongs to any other path/,
  },
  'a name that is none': {
    args: OPEN,
    meet: async ({ port }) => 'joined' in ((await answer(port, { join: 'a\nb' })) as object),
    reason: 'bad_request',
    came: /subscribe of a client without a user in "a\\nb"/,
    expected: /a legal name of a room/,
    setting: /channel_regex/,
  },
  'a name that is none, of an SDK': {
    args: OPEN,
    async meet({ port }) {
      const reply = await sdk(port, { id: 1, connect: {} }, { id: 2, subscribe: { channel: 'größe\n' } })
      return 'subscribe' in (reply as object)
    },
    reason: 'bad_request',
    came: /in "größe\\n"/,
    expected: /a legal name of a room/,
    setting: /channel_regex/,
  },
  draining: {
    args: ['--drain-ms', '30000'],
    async meet(server) {
      const client = await connect(server.port)
      // It does not answer the close, and keeps the drain going.
      client.socket.pause()
      server.child.kill('SIGTERM')
      await eventually(() => /SIGTERM: draining/.test(server.complaints()))
      return isLet(server.port)
    },
    reason: 'draining',
    came: /a new connection/,
    expected: /none, as this server is about to end/,
    setting: /look at \/readyz; --drain-delay-ms \(roomcast\.drain_delay_ms\), now 0/,
  },
  'the wrong key of the HTTP API': {
    args: ['--http_api.key', 'right'],
    async meet({ port }) {
      const headers = { 'x-api-key': 'wrong' }
      return (await fetch(`http://127.0.0.1:${port}/api/info`, { method: 'POST', headers, body: '{}' })).ok
    },
    reason: 'wrong_key',
    came: /a request for "\/api\/info" with another key/,
    expected: /its key, as X-API-Key: <key> or Authorization: apikey <key>/,
    setting: /^--http_api\.key \(http_api\.key\)$/,
    mend: ['--http_api.key', 'wrong'],
  },
}

const listed = (args: Cause['args']): string[] => (typeof args === 'function' ? args() : args)
const boot = (args: Cause['args']): Promise<Server> => start([...listed(args), '--log-format', 'json'])

describe('from the log and the metrics alone', () => {
  test.each(Object.entries(causes))('%s', async (_, { args, meet, reason, came, expected, setting, mend }) => {
    const server = await boot(args)
    expect(await meet(server)).toBe(false)
    const line = await lineOf(server, reason)
    expect(line).toMatchObject({
      level: 'warn',
      came: expect.stringMatching(came),
      expected: expect.stringMatching(expected),
      setting: expect.stringMatching(setting),
    })
    expect(new Date(line.time).getTime()).toBeGreaterThan(Date.now() - 60_000)
    for (const part of [reason, line.came, line.expected, line.setting]) expect(line.msg).toContain(part)
    expect((await scrape(server.port)).get(`roomcast_refusals_total{reason="${reason}"}`)).toBeGreaterThanOrEqual(1)
    // One cause, one kind of line.
    expect(new Set(linesOf(server).map((one) => one.reason))).toEqual(new Set([reason]))
    if (mend === undefined) return
    const mended = await boot(mend)
    expect(await meet(mended)).toBe(true)
    expect(linesOf(mended)).toEqual([])
  })

  test('of one reason so many lines, then a count; all are counted', async () => {
    const server = await boot([])
    for (let i = 0; i < 12; i++) await isLet(server.port, '/', { origin: EVIL })
    const samples = await scrape(server.port)
    expect(samples.get('roomcast_refusals_total{reason="origin_not_allowed"}')).toBe(12)
    expect(linesOf(server)).toHaveLength(5)
    server.child.kill('SIGTERM')
    await server.exit
    expect(linesOf(server).at(-1)).toMatchObject({ reason: 'origin_not_allowed', count: 7 })
  })

  test('what came is quoted: nobody writes a line of his own', async () => {
    const server = await start([])
    await answer(server.port, { join: 'a\nroomcast: all is well:b' })
    await answer(server.port, { join: 'long'.repeat(100_000) })
    const path = `/channels/${encodeURIComponent('x\nroomcast: all is well')}`
    await fetch(`http://127.0.0.1:${server.port}${path}`, { method: 'POST' })
    await eventually(() => /wrong_key/.test(server.complaints()))
    expect(
      server
        .complaints()
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('roomcast: refused')),
    ).toEqual([])
    expect(server.complaints().length).toBeLessThan(5000)
  })
})
