// What the log says of a token that was refused: which part of it is wrong, for who has to tell the issuer.

import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '../../support/log.ts'
import { connect } from '../client.ts'
import { build, killAll, start } from '../program.ts'

const SECRET = 'a secret that is long enough for HS256'
const folder = mkdtempSync(join(tmpdir(), 'roomcast-'))
const config = join(folder, 'config.json')
beforeAll(() => {
  build()
  const token = { hmac_secret_key: SECRET, audience: 'chat', issuer: 'shop' }
  writeFileSync(config, JSON.stringify({ client: { token }, channel: { namespaces: [{ name: 'private' }] } }))
})
afterEach(killAll)
afterAll(() => rmSync(folder, { recursive: true }))

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token, of the right audience and issuer unless the claims say otherwise. */
function tokenOf(claims: object, alg = 'HS256', secret = SECRET): string {
  const signed = `${part({ alg })}.${part({ sub: 'leto', aud: 'chat', iss: 'shop', ...claims })}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

const now = (): number => Math.floor(Date.now() / 1000)

const tokens: [what: string, token: () => string, line: RegExp][] = [
  [
    'another secret',
    () => tokenOf({}, 'HS256', 'of staging'),
    /invalid_token.*its signature \(HS256\) is of another key/,
  ],
  [
    'another algorithm',
    () => tokenOf({}, 'RS256'),
    /its alg is "RS256", and there are keys for HS256, HS384, HS512 alone/,
  ],
  ['no algorithm', () => tokenOf({}, 'none'), /its alg is "none"/],
  ['another audience', () => tokenOf({ aud: 'mail' }), /its aud is "mail", not "chat"/],
  ['no issuer', () => tokenOf({ iss: undefined }), /its iss is missing, not "shop"/],
  ['a user of a wrong type', () => tokenOf({ sub: 42 }), /its sub is 42, which is no string/],
  ['no JWT', () => 'x', /it is no JWT/],
  ['a line break in it', () => tokenOf({ aud: 'a\nroomcast: b' }), /its aud is "a\\nroomcast: b", not "chat"/],
  ['run out', () => tokenOf({ exp: now() - 60 }), /token_expired.*: its exp was 6\d s ago;/],
  ['not valid yet', () => tokenOf({ nbf: now() + 300 }), /token_expired.*: its nbf is (?:300|29\d) s ahead;/],
]

test.each(tokens)('a connection token: %s', async (_, token, line) => {
  const server = await start(['--config', config])
  const client = await connect(server.port, { path: '/connection/websocket' })
  client.send({ id: 1, connect: { token: token() } })
  await eventually(() => line.test(server.complaints()), `${line}`)
  client.socket.terminate()
  expect(server.complaints().match(/refused/g)).toHaveLength(1)
})

const subscriptions: [what: string, claims: object, line: RegExp][] = [
  ['another room', { channel: 'private:b' }, /its channel is "private:b", not "private:a"/],
  ['another user', { channel: 'private:a', sub: 'paul' }, /its sub is "paul", not "leto"/],
  ['a connection token', {}, /its channel is missing, not "private:a"/],
]

test.each(subscriptions)('a subscription token: %s', async (_, claims, line) => {
  const server = await start(['--config', config])
  const client = await connect(server.port, { path: '/connection/websocket' })
  await client.ask({ id: 1, connect: { token: tokenOf({}) } })
  client.send({ id: 2, subscribe: { channel: 'private:a', token: tokenOf(claims) } })
  await eventually(() => line.test(server.complaints()), `${line}`)
  client.socket.terminate()
  expect(server.complaints()).toMatch(/^roomcast: refused \(invalid_token\)/)
})
