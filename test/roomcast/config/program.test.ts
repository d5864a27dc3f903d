// The program with a configuration file: checking one, signing a token, and servers that SDKs connect to, alone and behind
// one Redis.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeRedis, RedisServer, until } from '../../support/redis.ts'
import { build, killAll, type Run, run, start } from '../program.ts'
import { connected, endSdks, refusal, subscription } from '../sdk-client.ts'

const folder = mkdtempSync(join(tmpdir(), 'roomcast-'))
beforeAll(build)
afterEach(() => {
  endSdks()
  killAll()
})
afterAll(() => rmSync(folder, { recursive: true }))

const CONFIG = {
  client: { token: { hmac_secret_key: 'secret' }, allowed_origins: ['https://chat.example'] },
  http_api: { key: 'key' },
  channel: {
    without_namespace: { allow_subscribe_for_client: true, allow_publish_for_subscriber: true },
    namespaces: [
      {
        name: 'chat',
        presence: true,
        history_size: 100,
        history_ttl: '300s',
        force_recovery: true,
        allow_subscribe_for_client: true,
        allow_publish_for_subscriber: true,
        allow_presence_for_subscriber: true,
        allow_history_for_subscriber: true,
      },
    ],
  },
}

function write(config: unknown): string {
  const path = join(folder, `${Math.random()}.json`)
  writeFileSync(path, typeof config === 'string' ? config : JSON.stringify(config))
  return path
}

const outcome = async ({ stdout, stderr, exit }: Run): Promise<unknown[]> => [await exit, await stdout, await stderr]

async function token(config: string, ...args: string[]): Promise<string> {
  const [code, stdout] = await outcome(run(['gen-token', '--config', config, ...args]))
  expect(code).toBe(0)
  return String(stdout).trim()
}

async function api(port: number, method: string, body: unknown): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}/api/${method}`, {
    method: 'POST',
    headers: { 'x-api-key': 'key' },
    body: JSON.stringify(body),
  })
  return response.json()
}

describe('check-config', () => {
  test('a good one: ok, exit 0; what is Centrifugo’s alone is a line each', async () => {
    const good = write(CONFIG)
    expect(await outcome(run(['check-config', good]))).toEqual([0, `${good}: ok\n`, ''])
    const foreign = write({ ...CONFIG, admin: { enabled: true }, log: { level: 'info' } })
    const lines = ['admin.enabled', 'log.level'].map(
      (key) => `roomcast: ${foreign}: ${key} is a key of Centrifugo that this server does not have\n`,
    )
    expect(await outcome(run(['check-config', foreign]))).toEqual([0, `${foreign}: ok\n`, lines.join('')])
  })

  test.each<[what: string, config: unknown, line: RegExp]>([
    ['no JSON', '{', /is no JSON/],
    ['an unknown key', { clinet: {} }, /clinet is no key of this server/],
    ['a wrong value', { http_server: { port: 'x' } }, /http_server\.port must be/],
    ['a key that is none', { client: { token: { jwks_public_endpoint: 'x' } } }, /jwksPublicEndpoint must be/],
    ['limits that do not go together', { client: { ping_interval: '8s' } }, /client\.pong_timeout\) must be less than/],
    ['open to others', { http_server: { address: '0.0.0.0' } }, /decide who may connect/],
  ])('%s: one line, exit 2', async (_, config, line) => {
    const [code, stdout, stderr] = await outcome(run(['check-config', write(config)]))
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^roomcast: [^\n]+ \(see roomcast --help\)\n$/)
    expect(stderr).toMatch(line)
  })

  test.each([[[]], [['']], [['a', 'b']], [['nowhere.json']], [['--port', '1', 'a']]])('%j is no file', async (args) => {
    const [code, stdout, stderr] = await outcome(run(['check-config', ...args]))
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^roomcast: [^\n]+\n$/)
  })
})

describe('gen-token', () => {
  test.each([
    [[], /needs client\.token\.hmac_secret_key/],
    [['--ttl', 'soon'], /--ttl must be a duration/],
    [['--ttl', '0'], /--ttl must be a duration/],
    [['--ttl', '10000000000000000000'], /--ttl must be a duration/],
    [['--user', ''], /--user must not be empty/],
    [['--channel='], /--channel must not be empty/],
    [['--nonsense'], /Unknown option/],
  ])('%j: one line, exit 2', async (args, line) => {
    const [code, stdout, stderr] = await outcome(run(['gen-token', ...args]))
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(line)
  })

  test('what a server wants of a token by flags, it has by the same', async () => {
    const flags = ['--client.token.hmac_secret_key=s', '--client.token.audience=a', '--client.token.issuer=i']
    const { port } = await start(flags)
    const [, signed] = await outcome(run(['gen-token', '--user', '42', ...flags]))
    expect(await refusal(port, { token: `${signed}`.trim() })).toBe(0)
    const tailing = run(['tail', 'a', '--url', `http://127.0.0.1:${port}`, ...flags])
    await until('the tail to be in', async () => {
      const stats = (await (await fetch(`http://127.0.0.1:${port}/stats`)).json()) as { channels: number }
      return stats.channels === 1
    })
    tailing.child.kill('SIGINT')
    expect(await outcome(tailing)).toEqual([0, '', ''])
  })

  test('its key may be a variable or a flag', async () => {
    for (const it of [
      run(['gen-token', '--user', '42'], { ROOMCAST_CLIENT_TOKEN_HMAC_SECRET_KEY: 's' }),
      run(['gen-token', '--user', '42', '--client.token.hmac_secret_key', 's', '--ttl', 'none']),
    ]) {
      const [code, stdout] = await outcome(it)
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)])
    }
  })
})

test('a server with a file: tokens, namespaces, the HTTP API', async () => {
  const config = write(CONFIG)
  const { port } = await start(['--config', config])
  expect(await refusal(port)).toBe(3501)
  const client = await connected(port, { token: await token(config, '--user', '42') })
  expect([
    await subscription(client, 'lobby'),
    await subscription(client, 'shop:1'),
    await subscription(client, '$x'),
  ]).toEqual([0, 102, 103])
  const opened = { token: await token(config, '--user', '42', '--channel', '$y') }
  expect([await subscription(client, '$y', opened), await subscription(client, 'chat:1')]).toEqual([0, 0])
  expect(await api(port, 'publish', { channel: 'chat:1', data: 1 })).toMatchObject({ result: { offset: 1 } })
  expect((await client.history('chat:1', { limit: 10 })).publications).toMatchObject([{ data: 1, offset: 1 }])
  expect((await client.presenceStats('chat:1')).numClients).toBe(1)
  await expect(client.presence('lobby')).rejects.toMatchObject({ code: 108 })
})

describeRedis('two servers with a file and one Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await RedisServer.start({ tcp: true })
  })
  afterAll(() => redis?.stop())

  test('one room, its history and who is there; a command reaches both; what was missed comes on the other', async () => {
    const config = write({
      ...CONFIG,
      engine: { type: 'redis', redis: { address: `127.0.0.1:${redis.port}`, prefix: 'two' } },
    })
    const [one, other] = await Promise.all([start(['--config', config]), start(['--config', config])])
    for (const { port } of [one, other]) {
      await until('ready', async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200)
    }
    const leto = await connected(one.port, { token: await token(config, '--user', 'leto') })
    const paul = await connected(other.port, { token: await token(config, '--user', 'paul') })
    const heard: unknown[] = []
    for (const [name, client] of [
      ['leto', leto],
      ['paul', paul],
    ] as const) {
      client.on('error', () => {})
      const sub = client.newSubscription('chat:1')
      sub.on('publication', ({ data }) => heard.push([name, data]))
      sub.subscribe()
      await sub.ready(5000)
    }
    expect(await api(one.port, 'publish', { channel: 'chat:1', data: 'hi' })).toMatchObject({ result: { offset: 1 } })
    await until('both to hear it', () => heard.length === 2)
    expect(heard).toEqual(
      expect.arrayContaining([
        ['leto', 'hi'],
        ['paul', 'hi'],
      ]),
    )
    expect(await api(other.port, 'presence_stats', { channel: 'chat:1' })).toEqual({
      result: { num_clients: 2, num_users: 2 },
    })
    expect(await api(one.port, 'channels', {})).toEqual({ result: { channels: { 'chat:1': { num_clients: 2 } } } })
    expect(await api(one.port, 'info', {})).toMatchObject({ result: { nodes: [{}, {}] } })

    const gone = new Promise((resolve) => paul.on('disconnected', resolve))
    expect(await api(one.port, 'disconnect', { user: 'paul' })).toEqual({ result: {} })
    expect(await gone).toMatchObject({ code: 3503 })

    // The server dies; its client goes on at the other one, and gets what was said meanwhile.
    const moved = await connected(other.port, { token: await token(config, '--user', 'leto') })
    const state = leto.getSubscription('chat:1')!
    const since = { offset: 1, epoch: await epochOf(other.port) }
    one.child.kill('SIGKILL')
    await one.exit
    await api(other.port, 'publish', { channel: 'chat:1', data: 'missed' })
    expect(state.state).not.toBe('unsubscribed')
    const back = moved.newSubscription('chat:1', { since })
    const recovered = new Promise((resolve) => back.on('subscribed', resolve))
    back.on('publication', ({ data }) => heard.push(['moved', data]))
    back.subscribe()
    expect(await recovered).toMatchObject({ wasRecovering: true, recovered: true })
    expect(heard.at(-1)).toEqual(['moved', 'missed'])
  }, 40_000)
})

async function epochOf(port: number): Promise<string> {
  const { result } = (await api(port, 'history', { channel: 'chat:1' })) as { result: { epoch: string } }
  return result.epoch
}
