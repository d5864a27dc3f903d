// Clients that are known, and are refused or dropped: each once, with the user and the connection as fields of the line, and
// never in a label.

import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRoomcast } from 'roomcast'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '../../support/log.ts'
import { type Client, connect } from '../client.ts'
import { build, killAll, start } from '../program.ts'
import { lineOf, linesOf, type Server } from './log-lines.ts'
import { scrape } from './scrape.ts'

const SECRET = 'a secret that is long enough for HS256'
const KEYS = ['--client.token.hmac_secret_key', SECRET, '--log-format', 'json']
const folder = mkdtempSync(join(tmpdir(), 'roomcast-'))
beforeAll(build)
afterEach(killAll)
afterAll(() => rmSync(folder, { recursive: true }))

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
function tokenOf(claims: object): string {
  const signed = `${part({ alg: 'HS256' })}.${part(claims)}`
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`
}
const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

/** An SDK's connection, and what it is answered to connect. */
async function sdk({ port }: Server, claims: object): Promise<Client & { id: string }> {
  const client = await connect(port, { path: '/connection/websocket' })
  const reply = (await client.ask({ id: 1, connect: { token: tokenOf(claims) } })) as { connect: { client: string } }
  return { ...client, id: reply.connect.client }
}
const words = ({ port }: Server, claims: object): Promise<Client> =>
  connect(port, { path: `/?token=${encodeURIComponent(tokenOf(claims))}` })

type Meet = (server: Server) => Promise<{ id?: string; client: Client }>
const LETO = { sub: 'leto' }
/** What has been said to a client that does not read is more than its kernel takes. */
const flood = async (server: Server, client: Client): Promise<void> => {
  client.socket.pause()
  const headers = { 'x-api-key': 'k' }
  const body = JSON.stringify({ channel: 'a', data: 'x'.repeat(60_000) })
  const say = (): Promise<unknown> =>
    fetch(`http://127.0.0.1:${server.port}/api/publish`, { method: 'POST', headers, body })
  while (!server.complaints().includes('slow_consumer')) await say()
  client.socket.resume()
}

const SLOW = [
  ...KEYS,
  '--insecure',
  '--http_api.key',
  'k',
  '--max-buffered-bytes',
  '65536',
  '--member-patience-ms',
  '1',
]

const ends: [what: string, args: string[], reason: string, meet: Meet][] = [
  [
    'slow, of the words',
    SLOW,
    'slow_consumer',
    async (server) => {
      const client = await words(server, LETO)
      await client.ask({ join: 'a' })
      await flood(server, client)
      return { client }
    },
  ],
  [
    'slow, of an SDK',
    SLOW,
    'slow_consumer',
    async (server) => {
      const client = await sdk(server, LETO)
      await client.ask({ id: 2, subscribe: { channel: 'a' } })
      await flood(server, client)
      return { client, id: client.id }
    },
  ],
  [
    'no pong',
    [...KEYS, '--ping-interval-ms', '20', '--pong-timeout-ms', '10'],
    'no_pong',
    async (server) => {
      const client = await sdk(server, LETO)
      return { client, id: client.id }
    },
  ],
  [
    'its token has run out, of the words',
    [...KEYS, '--expired-close-delay-ms', '1'],
    'connection_expired',
    async (server) => ({ client: await words(server, { ...LETO, exp: inSeconds(2) }) }),
  ],
  [
    'its token has run out, of an SDK',
    [...KEYS, '--expired-close-delay-ms', '1'],
    'connection_expired',
    async (server) => {
      const client = await sdk(server, { ...LETO, exp: inSeconds(2) })
      return { client, id: client.id }
    },
  ],
  [
    'a message over the limit',
    [...KEYS, '--max-message-bytes', '1000'],
    'message_too_large',
    async (server) => {
      const client = await words(server, LETO)
      client.send({ join: 'x'.repeat(2000) })
      return { client }
    },
  ],
  [
    'no JSON',
    KEYS,
    'not_json',
    async (server) => {
      const client = await words(server, LETO)
      client.socket.send('hello')
      return { client }
    },
  ],
  [
    'no command',
    KEYS,
    'bad_request',
    async (server) => {
      const client = await sdk(server, LETO)
      client.send({ join: 'lobby' })
      return { client, id: client.id }
    },
  ],
  [
    'send without a hook',
    KEYS,
    'not_available',
    async (server) => {
      const client = await sdk(server, LETO)
      client.send({ send: { data: 1 } })
      return { client, id: client.id }
    },
  ],
  [
    'another user’s token as a new one',
    KEYS,
    'invalid_token',
    async (server) => {
      const client = await sdk(server, { ...LETO, exp: inSeconds(60) })
      client.send({ id: 2, refresh: { token: tokenOf({ sub: 'paul' }) } })
      return { client, id: client.id }
    },
  ],
  [
    'a new token that is too old',
    KEYS,
    'token_expired',
    async (server) => {
      const client = await sdk(server, { ...LETO, exp: inSeconds(60) })
      client.send({ id: 2, refresh: { token: tokenOf({ ...LETO, exp: inSeconds(-5) }) } })
      return { client, id: client.id }
    },
  ],
  [
    'a frame that breaks the protocol',
    KEYS,
    'protocol_error',
    async (server) => {
      const client = await words(server, LETO)
      const { _socket: tcp } = client.socket as unknown as { _socket: { write(bytes: Buffer): void } }
      tcp.write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]))
      return { client }
    },
  ],
]

test.each(ends)('dropped: %s', async (_, args, reason, meet) => {
  const server = await start(args)
  const { client, id } = await meet(server)
  const line = await lineOf(server, reason)
  await client.closed
  expect(line).toMatchObject({ user: 'leto', address: '127.0.0.1', client: id ?? expect.stringMatching(/^[\w-]{36}$/) })
  for (const part of ['user "leto"', `client ${line.client}`]) expect(line.msg).toContain(part)
  const response = await fetch(`http://127.0.0.1:${server.port}/metrics`)
  expect(await response.text()).not.toMatch(/leto|client="/)
  // One cause, one line.
  expect(linesOf(server)).toHaveLength(1)
})

test('an SDK without a token is told of once', async () => {
  const server = await start(KEYS)
  const client = await connect(server.port, { path: '/connection/websocket' })
  client.send({ id: 1, connect: {} })
  expect(await client.closed).toEqual({ code: 3501, reason: 'bad request' })
  await lineOf(server, 'no_token')
  const samples = await scrape(server.port)
  expect(samples.get('roomcast_closes_total{by="server",code="3501"}')).toBe(1)
  expect(linesOf(server).map(({ reason }) => reason)).toEqual(['no_token'])
})

test('a token that gives a room of no namespace is told as that', async () => {
  const file = join(folder, 'config.json')
  writeFileSync(file, '{"channel":{"namespaces":[{"name":"news"}]}}')
  const server = await start([...KEYS, '--config', file])
  const client = await connect(server.port, { path: '/connection/websocket' })
  await client.ask({ id: 1, connect: { token: tokenOf({ ...LETO, channels: ['chat:a'] }) } })
  expect(await lineOf(server, 'unknown_namespace')).toMatchObject({
    came: expect.stringMatching(/among "chat:a"$/),
    expected: expect.stringMatching(/one of the namespaces "news"/),
  })
  expect(linesOf(server)).toHaveLength(1)
  client.socket.terminate()
})

test('commands over the rate wait, which is told once of a connection', async () => {
  const rate = ['--max-commands-per-second', '1000', '--max-command-burst', '2', '--insecure']
  const server = await start([...KEYS, ...rate])
  const one = await sdk(server, LETO)
  /** Sends them at once; waits for the last answer. */
  const ask = async ({ socket }: Client, commandOf: (n: number) => object, last: string): Promise<void> => {
    let text = ''
    socket.on('message', (data) => {
      text += String(data)
    })
    for (let n = 2; n < 12; n++) socket.send(JSON.stringify(commandOf(n)))
    await eventually(() => text.includes(last), last)
  }
  await ask(one, (id) => ({ id, rpc: {} }), '"id":11')
  const other = await words(server, { sub: 'paul' })
  await ask(other, (ref) => ({ leave: 'a', ref }), '"ref":11')
  await eventually(() => linesOf(server).filter(({ reason }) => reason === 'too_many_commands').length >= 2)
  const told = linesOf(server).filter(({ reason }) => reason === 'too_many_commands')
  expect(told.map(({ user }) => user)).toEqual(['leto', 'paul'])
  expect(told[0]!.setting).toMatch(/--max-commands-per-second .*, now 1000$/)
  for (const { socket } of [one, other]) socket.terminate()
})

test('keys of tokens that cannot be fetched: from where, and why', async () => {
  const http = createServer((_, response) => response.writeHead(404).end()).listen(0, '127.0.0.1')
  await new Promise((resolve) => http.once('listening', resolve))
  const at = `http://127.0.0.1:${(http.address() as AddressInfo).port}/jwks`
  const server = await start(['--client.token.jwks_public_endpoint', `${at}?secret=s`, '--log-format', 'json'])
  const client = await connect(server.port, { path: '/connection/websocket' })
  await client.ask({ id: 1, connect: { token: `${part({ alg: 'RS256' })}.${part(LETO)}.AAAA` } })
  expect(await lineOf(server, 'token_key_unavailable')).toMatchObject({
    came: expect.stringMatching(new RegExp(`from ${at}: "Expected 200 OK`)),
    setting: expect.stringMatching(/client\.token\.jwks_public_endpoint/),
  })
  expect(server.complaints()).not.toContain('secret')
  client.socket.terminate()
  await new Promise((resolve) => http.close(resolve))
})

test('who is sent away while it is found out who it is, is told as that, and not as one with a wrong token', async () => {
  let isAsked: () => void = () => {}
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve
  })
  let answer: (identity: { user: string }) => void = () => {}
  const lines: { reason: string; came: string }[] = []
  await using roomcast = createRoomcast({
    port: 0,
    logger: { warn: (fields) => void lines.push(fields as { reason: string; came: string }) },
    authenticate: () => {
      isAsked()
      return new Promise((resolve) => {
        answer = resolve
      })
    },
  })
  const { port } = await roomcast.listen()
  const client = await connect(port, { path: '/connection/websocket' })
  client.send({ id: 1, connect: { token: tokenOf(LETO) } })
  await asked
  await roomcast.rooms.disconnect('leto')
  answer({ user: 'leto' })
  expect(await client.closed).toMatchObject({ code: 3500 })
  expect(lines.map(({ reason }) => reason)).toEqual(['user_blocked'])
  expect(lines[0]!.came).toBe('a connection of user "leto" that was sent away')
})
