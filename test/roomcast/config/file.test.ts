// The configuration file: every key with what it becomes, every mistake with its line, every key that is Centrifugo's alone.

import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../../packages/roomcast/src/config/file.ts'
import { KEYS } from '../../../packages/roomcast/src/config/keys.ts'
import { LIMIT_NAMES } from '../../../packages/roomcast/src/limits.ts'
import { readSettings } from '../../../packages/roomcast/src/settings.ts'
import { ROOT } from '../program.ts'

const PEM = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
  type: 'spki',
  format: 'pem',
}) as string
const folder = mkdtempSync(join(tmpdir(), 'roomcast-'))
const pemFile = join(folder, 'key.pem')
writeFileSync(pemFile, PEM)
afterAll(() => rmSync(folder, { recursive: true }))

/** Puts a value at a path. */
/** The path of a PEM file. */
const testOnly = (name: string): string => `${ROOT}test/support/tls/test-only-${name}.pem`

function at(path: string, value: unknown): unknown {
  return path.split('.').reduceRight((inner, key) => ({ [key]: inner }), value)
}

const read = (file: unknown) => readConfig(typeof file === 'string' ? file : JSON.stringify(file), 'c.json')
const settle = (file: unknown, args: string[] = [], env: Record<string, string> = {}) =>
  readSettings(['--config', 'c.json', ...args], env, () => JSON.stringify(file))

describe('keys', () => {
  const cases: [path: string, value: unknown, option: string, read: unknown][] = [
    ['http_server.address', '127.0.0.1', 'host', '127.0.0.1'],
    ['http_server.port', 8000, 'port', 8000],
    ['http_server.port', '8000', 'port', 8000],
    ['http_server.tls.enabled', true, 'tls.enabled', true],
    ['http_server.tls.cert_pem', PEM, 'tls.cert', PEM],
    ['http_server.tls.key_pem', Buffer.from(PEM).toString('base64'), 'tls.key', PEM],
    ['http_server.tls.client_ca_pem', pemFile, 'tls.ca', PEM],
    ['client.allowed_origins', ['https://a.example', 'null'], 'origin', ['https://a.example', 'null']],
    ['client.allowed_origins', ['https://a.example', '*'], 'origin', 'any'],
    ['client.insecure', true, 'insecure', true],
    ['client.allow_anonymous_connect_without_token', true, 'allowAnonymousConnectWithoutToken', true],
    ['client.token.hmac_secret_key', 's3cret', 'tokens.hmacSecretKey', 's3cret'],
    ['client.token.rsa_public_key', PEM, 'tokens.rsaPublicKey', PEM],
    ['client.token.ecdsa_public_key', PEM, 'tokens.ecdsaPublicKey', PEM],
    [
      'client.token.jwks_public_endpoint',
      'https://a.example/jwks',
      'tokens.jwksPublicEndpoint',
      'https://a.example/jwks',
    ],
    ['client.token.audience', 'a', 'tokens.audience', 'a'],
    ['client.token.issuer', 'b', 'tokens.issuer', 'b'],
    ['client.channel_limit', 50, 'maxRoomsPerClient', 50],
    ['client.connection_limit', 7, 'maxConnections', 7],
    ['client.user_connection_limit', 3, 'maxConnectionsPerUser', 3],
    ['client.ping_interval', '10s', 'pingIntervalMs', 10_000],
    ['client.pong_timeout', '3s', 'pongTimeoutMs', 3000],
    ['client.queue_max_size', 65_536, 'maxBufferedBytes', 65_536],
    ['client.expired_close_delay', '1m', 'expiredCloseDelayMs', 60_000],
    ['client.expired_sub_close_delay', '2m', 'expiredSubCloseDelayMs', 120_000],
    ['client.stale_close_delay', '5s', 'staleCloseDelayMs', 5000],
    ['websocket.message_size_limit', 1000, 'maxMessageBytes', 1000],
    ['http_api.key', 'key', 'apiKey', 'key'],
    ['shutdown.timeout', '30s', 'drainMs', 30_000],
    ['channel.history_meta_ttl', '720h', 'common.historyMetaTtlMs', 2_592_000_000],
    ['channel.publication_data_format', 'json_object', 'common.publicationDataFormat', 'json_object'],
    ['engine.type', 'redis', 'engine.type', 'redis'],
    ['engine.redis.address', 'redis://a:1', 'engine.address', ['redis://a:1']],
    ['engine.redis.prefix', 'shop', 'engine.prefix', 'shop'],
    ['engine.redis.user', 'u', 'engine.user', 'u'],
    ['engine.redis.password', 'p', 'engine.password', 'p'],
    ['engine.redis.tls.enabled', true, 'engine.tls.enabled', true],
    ['engine.redis.tls.server_ca_pem', PEM, 'engine.tls.ca', PEM],
    ['engine.redis.tls.cert_pem', PEM, 'engine.tls.cert', PEM],
    ['engine.redis.tls.key_pem', PEM, 'engine.tls.key', PEM],
    ['engine.redis.tls.insecure_skip_verify', true, 'engine.tls.insecureSkipVerify', true],
    ['engine.redis.tls.server_name', 'r', 'engine.tls.serverName', 'r'],
    ['engine.redis.sentinel_address', ['a:1', 'b:2'], 'engine.sentinelAddress', ['a:1', 'b:2']],
    ['engine.redis.sentinel_master_name', 'm', 'engine.sentinelMasterName', 'm'],
    ['engine.redis.cluster_address', ['a:1'], 'engine.clusterAddress', ['a:1']],
    ['roomcast.token', 't', 'token', 't'],
    ['roomcast.max_data_bytes', 100, 'maxDataBytes', 100],
  ]
  test.each(cases)('%s: %j', (path, value, option, expected) => {
    const { values, warnings, namespaces } = read(at(path, value))
    expect([Object.fromEntries(values), warnings, namespaces]).toEqual([{ [option]: expected }, [], undefined])
  })

  test('every key is in that list, and every limit is a key', () => {
    const tested = new Set(cases.map(([path]) => path))
    expect([...KEYS.keys()].filter((path) => !tested.has(path) && !path.startsWith('roomcast.'))).toEqual([])
    const options = [...KEYS.values()].map(({ option }) => option)
    expect(LIMIT_NAMES.filter((name) => !options.includes(name))).toEqual([])
  })

  test.each([
    ['http_server.address', ''],
    ['client.allowed_origins', []],
    ['client.token.hmac_secret_key', ''],
    ['client.token.rsa_public_key', ''],
    ['client.user_connection_limit', 0],
    ['client.connection_limit', 0],
    ['engine.type', ''],
    ['engine.redis.address', []],
  ])('%s: %j is as good as left out', (path, value) => {
    expect([...read(at(path, value)).values]).toEqual([])
  })

  test('a wildcard stands for every name below, with the same scheme and port', () => {
    const { values } = read(at('client.allowed_origins', ['https://*.a.example', 'http://b.example:81']))
    const allows = values.get('origin') as (origin: string) => boolean
    const yes = ['https://x.a.example', 'https://x.y.a.example', 'http://b.example:81']
    const no = [
      'https://a.example',
      'http://x.a.example',
      'https://x.a.example:444',
      'https://xa.example',
      'https://x.a.example.evil.example',
      'https://evil.example/.a.example',
      'https://x-a.example',
      'null',
    ]
    expect([yes.every(allows), no.filter(allows)]).toEqual([true, []])
  })
})

describe('rooms', () => {
  test('every option of a namespace, with durations', () => {
    const { namespaces, warnings } = read({
      channel: {
        without_namespace: { allow_subscribe_for_client: true },
        namespaces: [
          {
            name: 'chat',
            presence: true,
            join_leave: true,
            force_push_join_leave: true,
            history_size: 10,
            history_ttl: '300s',
            history_meta_ttl: '1h',
            force_recovery: true,
            allow_recovery: true,
            allow_positioning: true,
            force_positioning: true,
            publication_data_format: 'json',
            allow_subscribe_for_client: true,
            allow_subscribe_for_anonymous: true,
            allow_publish_for_client: true,
            allow_publish_for_subscriber: true,
            allow_publish_for_anonymous: true,
            allow_presence_for_client: true,
            allow_presence_for_subscriber: true,
            allow_presence_for_anonymous: true,
            allow_history_for_client: true,
            allow_history_for_subscriber: true,
            allow_history_for_anonymous: true,
            allow_user_limited_channels: true,
            channel_regex: '^[a-z]+$',
          },
        ],
      },
    })
    expect([namespaces, warnings]).toEqual([
      {
        '': { allowSubscribeForClient: true },
        chat: {
          presence: true,
          joinLeave: true,
          forcePushJoinLeave: true,
          historySize: 10,
          historyTtlMs: 300_000,
          historyMetaTtlMs: 3_600_000,
          forceRecovery: true,
          allowRecovery: true,
          allowPositioning: true,
          forcePositioning: true,
          publicationDataFormat: 'json',
          allowSubscribeForClient: true,
          allowSubscribeForAnonymous: true,
          allowPublishForClient: true,
          allowPublishForSubscriber: true,
          allowPublishForAnonymous: true,
          allowPresenceForClient: true,
          allowPresenceForSubscriber: true,
          allowPresenceForAnonymous: true,
          allowHistoryForClient: true,
          allowHistoryForSubscriber: true,
          allowHistoryForAnonymous: true,
          allowUserLimitedChannels: true,
          channelRegex: /^[a-z]+$/u,
        },
      },
      [],
    ])
  })

  test('what holds for all of them, unless they say otherwise', () => {
    const { namespaces } = read({
      channel: {
        history_meta_ttl: '2h',
        publication_data_format: 'binary',
        namespaces: [{ name: 'ab' }, { name: 'cd', history_meta_ttl: '1h', publication_data_format: 'json' }],
      },
    })
    expect(namespaces).toEqual({
      '': { historyMetaTtlMs: 7_200_000, publicationDataFormat: 'binary' },
      ab: { historyMetaTtlMs: 7_200_000, publicationDataFormat: 'binary' },
      cd: { historyMetaTtlMs: 3_600_000, publicationDataFormat: 'json' },
    })
  })

  test('no word of rooms: none', () => {
    expect(read({ channel: {} }).namespaces).toBeUndefined()
    expect(read({ channel: { namespaces: [] } }).namespaces).toEqual({ '': {} })
  })
})

describe('what is wrong is one line', () => {
  const cases: [file: unknown, line: RegExp][] = [
    ['{', /^c\.json is no JSON: line 1, column 2$/],
    ['', /^c\.json is no JSON: line 1, column 1$/],
    // By its place alone: what stands there may be a secret.
    ['{\n  "client": {"token":\n    {"hmac_secret_key": s3cret}}}', /^c\.json is no JSON: line 3, column 25$/],
    ['{"http_api": {"key": \'s3cret\'}}', /^c\.json is no JSON: line 1, column 22$/],
    ['{"http_api": {"key": "s3cret}}', /^c\.json is no JSON: line 1, column 22$/],
    ['\uFEFF{"a": 01}', /^c\.json is no JSON: line 1, column 8$/],
    ['{"http_api": {},}', /^c\.json is no JSON: line 1, column 17$/],
    ['{"client": {"allowed_origins": ["a" "b"]}}', /^c\.json is no JSON: line 1, column 37$/],
    ['{} {}', /^c\.json is no JSON: line 1, column 4$/],
    ['http_server:\n  port: 8000\n', /^c\.json is no JSON: line 1, column 1; YAML and TOML are not read$/],
    // The last one would win, and what the first one says be gone without a word.
    ['{"http_api": {"key": "s3cret"},\n"http_api": {}}', /^c\.json: "http_api" is there twice \(line 2, column 1\)$/],
    ['{"client": {"insecure": true, "\\u0069nsecure": false}}', /^c\.json: "insecure" is there twice/],
    ['{"http_api": {"key": "a"}, "http_api.key": "b"}', /^c\.json: http_api\.key is there twice$/],
    ['[]', /^c\.json must be a JSON object, not \[\]$/],
    ['null', /^c\.json must be a JSON object, not null$/],
    [{ nonsense: 1 }, /^c\.json: nonsense is no key of this server, nor of Centrifugo$/],
    [{ client: { tokn: 1 } }, /^c\.json: client\.tokn is no key/],
    [{ client: { token: { hmac: 'x' } } }, /^c\.json: client\.token\.hmac is no key/],
    [{ clinet: {} }, /^c\.json: clinet is no key/],
    [{ client: 1 }, /^c\.json: client must be an object, not 1$/],
    [{ client: [] }, /^c\.json: client must be an object, not \[\]$/],
    [{ admin: { pasword: 'x' } }, /^c\.json: admin\.pasword is no key/],
    [{ __proto__x: 1 }, /__proto__x is no key/],
    ['{"__proto__":{"insecure":true}}', /^c\.json: __proto__\.insecure is no key/],
    ['{"constructor":1}', /^c\.json: constructor is no key/],
    [at('http_server.port', 65_536), /^c\.json: http_server\.port must be a whole number from 0 to 65535, not 65536$/],
    [at('http_server.port', 'x'), /http_server\.port must be a whole number/],
    [at('http_server.address', 'a b'), /http_server\.address must be a host name or an IP address, not "a b"$/],
    [
      at('http_server.tls.cert_pem', 's3cret'),
      /http_server\.tls\.cert_pem must be PEM, PEM in base64, or the path of a PEM file \(as a path: ENOENT\)$/,
    ],
    [at('client.insecure', 'yes'), /client\.insecure must be true or false, not "yes"$/],
    [at('client.insecure', 1), /client\.insecure must be true or false, not 1$/],
    [at('client.ping_interval', 25), /client\.ping_interval must be a duration such as "300s".*, not 25$/],
    [at('client.ping_interval', '25'), /client\.ping_interval must be a duration/],
    [at('client.ping_interval', '0s'), /client\.ping_interval must be a duration/],
    [at('client.channel_limit', 0), /client\.channel_limit must be a whole number from 1/],
    [at('client.channel_limit', 1.5), /client\.channel_limit must be a whole number/],
    [at('client.allowed_origins', 'x'), /client\.allowed_origins must be same, any, null, or origins/],
    [at('client.allowed_origins', ['https://*.*.example']), /client\.allowed_origins must be/],
    [at('client.allowed_origins', ['https://a*.example']), /client\.allowed_origins must be/],
    [at('client.allowed_origins', 1), /client\.allowed_origins must be a list of origins, not 1$/],
    [at('client.token.hmac_secret_key', 7), /client\.token\.hmac_secret_key must be a string$/],
    [at('client.token.rsa_public_key', 's3cret'), /client\.token\.rsa_public_key must be PEM/],
    [at('http_api.key', 's3cret word'), /http_api\.key must be visible ASCII characters without spaces$/],
    [at('engine.type', 'nats'), /engine\.type must be "memory" or "redis", not "nats"$/],
    [at('engine.redis.prefix', 'a:b'), /engine\.redis\.prefix must be 1 to 64 characters/],
    [at('engine.redis.address', 1), /engine\.redis\.address must be a string or an array of strings$/],
    [at('engine.redis.password', ['s3cret']), /engine\.redis\.password must be a string$/],
    [at('channel.namespaces', {}), /channel\.namespaces must be a list/],
    [at('channel.namespaces', [1]), /channel\.namespaces\[0\] must be an object, not 1$/],
    [at('channel.namespaces', [{}]), /channel\.namespaces\[0\]\.name must be at least two of/],
    [at('channel.namespaces', [{ name: 'a:b' }]), /channel\.namespaces\[0\]\.name must be/],
    [at('channel.namespaces', [{ name: 'ab' }, { name: 'ab' }]), /channel\.namespaces: ab is there twice$/],
    [at('channel.namespaces', [{ name: 'ab', presense: true }]), /channel\.namespaces\[0\]\.presense is no key/],
    [at('channel.without_namespace', { name: 'x' }), /channel\.without_namespace\.name is no key/],
    [at('channel.without_namespace', []), /channel\.without_namespace must be an object/],
    [at('channel.without_namespace', { presence: 'true!' }), /without_namespace\.presence must be true or false/],
    [at('channel.without_namespace', { history_ttl: 300 }), /without_namespace\.history_ttl must be a duration/],
    [at('channel.without_namespace', { history_size: 10 }), /without_namespace: a history needs its size and its ttl/],
    [at('channel.without_namespace', { force_recovery: true }), /recovery and positioning need a history/],
    [
      at('channel.without_namespace', { channel_regex: '(' }),
      /without_namespace\.channel_regex must be a regular expression/,
    ],
    [at('channel.without_namespace', { publication_data_format: 'xml' }), /publication_data_format must be "json" or/],
  ]
  test.each(cases)('%j', (file, line) => {
    let message = ''
    try {
      read(file)
    } catch (error) {
      message = (error as Error).message
    }
    expect(message).toMatch(line)
    expect(message).not.toMatch(/\n|s3cret/)
  })

  test.each([
    ...(
      [
        [{ cert_pem: testOnly('cert') }, /^engine\.redis\.tls: cert and key go together$/],
        [
          { cert_pem: testOnly('cert'), key_pem: testOnly('cert') },
          /^engine\.redis\.tls: key is no private key in PEM$/,
        ],
        [{ server_ca_pem: testOnly('key') }, /^engine\.redis\.tls: ca is no certificate in PEM$/],
      ] as const
    ).map(([tls, line]): [object, RegExp] => [
      at('engine', { type: 'redis', redis: { tls: { enabled: true, ...tls } } }) as object,
      line,
    ]),
    [at('engine', { type: 'redis', redis: { address: 'a:0' } }), /engine\.redis\.address must be host:port/],
    [{ http_server: { tls: { enabled: true } } }, /http_server\.tls needs cert_pem and key_pem/],
    [at('engine', { type: 'redis', redis: { sentinel_address: 'a:1' } }), /sentinel_master_name go together/],
    [
      at('engine', { type: 'redis', redis: { address: ['a:1', 'b:1'] } }),
      /one address, or engine\.redis\.cluster_address/,
    ],
    [
      at('engine', { type: 'redis', redis: { address: 'redis+sentinel://a:1' } }),
      /engine\.redis\.address must be host:port, a redis:\/\/ or rediss:\/\/ URL, or the path of a Unix socket$/,
    ],
    [
      at('engine', { type: 'redis', redis: { cluster_address: ['a b'] } }),
      /engine\.redis\.cluster_address must be host:port/,
    ],
    [at('http_server.address', '0.0.0.0'), /is open to others/],
  ])('together: %j', (file, line) => {
    expect(settle(file)).toEqual({ kind: 'wrong', message: expect.stringMatching(line) })
  })

  test('a file that is not there', () => {
    const settings = readSettings(['--config', 'no.json'], {}, () => {
      throw new Error("ENOENT: no such file or directory, open 'no.json'")
    })
    expect(settings).toMatchObject({
      kind: 'wrong',
      message: expect.stringMatching(/^"no\.json" cannot be read: ENOENT/),
    })
  })
})

test.each([
  ['log.level', 'debug'],
  ['admin.password', 'x'],
  ['client.proxy.connect.endpoint', 'http://x'],
  ['client.subscription_token.hmac_secret_key', 'x'],
  ['grpc_api.enabled', true],
  ['consumers', [{ name: 'x', anything: {} }]],
  ['engine.redis.io_timeout', '4s'],
  ['engine.redis.tls.client_ca_pem', ''],
  ['channel.max_length', 255],
  ['websocket.compression', true],
  ['http_api.insecure', true],
  ['prometheus.enabled', true],
  ['rpc.namespaces', [{ name: 'x' }]],
])('%s is Centrifugo’s alone: one warning, and no more', (path, value) => {
  const { values, warnings } = read({
    ...(at(path, value) as object),
    ...(path.startsWith('http_api') ? {} : (at('http_api.key', 'k') as object)),
  })
  expect([...values.keys()].filter((option) => option !== 'apiKey')).toEqual([])
  expect(warnings).toEqual([`c.json: ${path} is a key of Centrifugo that this server does not have`])
})

test('a namespace’s key that is Centrifugo’s alone: one warning each', () => {
  const { warnings } = read({
    channel: {
      without_namespace: { delta_publish: true },
      namespaces: [{ name: 'ab', subscribe_proxy_enabled: true, allowed_delta_types: ['fossil'] }],
    },
  })
  expect(warnings.map((line) => line.split(' ')[1])).toEqual([
    'channel.without_namespace.delta_publish',
    'channel.namespaces[0].subscribe_proxy_enabled',
    'channel.namespaces[0].allowed_delta_types',
  ])
})

describe('a flag wins over a variable, a variable over the file', () => {
  const file = { client: { channel_limit: 1 }, http_server: { port: 1 } }
  test.each<[string[], Record<string, string>, object]>([
    [[], {}, { maxRoomsPerClient: 1, port: 1 }],
    [[], { ROOMCAST_CLIENT_CHANNEL_LIMIT: '2', PORT: '2' }, { maxRoomsPerClient: 2, port: 2 }],
    [
      ['--client.channel_limit', '3', '--port', '3'],
      { ROOMCAST_CLIENT_CHANNEL_LIMIT: 'x', PORT: 'x' },
      { maxRoomsPerClient: 3, port: 3 },
    ],
    [['--http_server.port', '4'], { ROOMCAST_PORT: 'x' }, { maxRoomsPerClient: 1, port: 4 }],
    [
      [],
      { ROOMCAST_CLIENT_TOKEN_HMAC_SECRET_KEY: 's' },
      { maxRoomsPerClient: 1, port: 1, tokens: { hmacSecretKey: 's' } },
    ],
    [
      ['--client.token.audience', 'a'],
      { ROOMCAST_CLIENT_TOKEN_ISSUER: 'i' },
      { maxRoomsPerClient: 1, port: 1, tokens: { audience: 'a', issuer: 'i' } },
    ],
  ])('%j %j', (args, env, options) => {
    expect(settle(file, args, env)).toEqual({ kind: 'run', options, warnings: [] })
  })

  test('the file may be named by a variable', () => {
    const settings = readSettings([], { ROOMCAST_CONFIG: 'c.json' }, () => JSON.stringify(file))
    expect(settings).toMatchObject({ options: { port: 1 } })
  })

  test.each([
    [{ type: 'memory', redis: { address: 'redis://a' } }, undefined],
    [{ type: 'redis' }, { prefix: 'roomcast', url: 'redis://127.0.0.1:6379' }],
    [
      { type: 'redis', redis: { address: 'a:1', prefix: 'p' } },
      { prefix: 'p', url: 'redis://a:1' },
    ],
    [
      { type: 'redis', redis: { address: ['rediss://:p@a:1/2'] } },
      { prefix: 'roomcast', url: 'rediss://:p@a:1/2' },
    ],
    [
      { type: 'redis', redis: { cluster_address: ['a:1', '[::1]:2'] } },
      {
        prefix: 'roomcast',
        cluster: [
          { host: 'a', port: 1 },
          { host: '::1', port: 2 },
        ],
      },
    ],
    [
      {
        type: 'redis',
        redis: {
          sentinel_address: 'a:1',
          sentinel_master_name: 'm',
          user: 'u',
          password: 'p',
          tls: { enabled: true, server_name: 'r', insecure_skip_verify: true },
        },
      },
      {
        prefix: 'roomcast',
        sentinels: [{ host: 'a', port: 1 }],
        name: 'm',
        redis: {
          username: 'u',
          password: 'p',
          tls: { servername: 'r', rejectUnauthorized: false },
          enableTLSForSentinelMode: true,
        },
      },
    ],
  ])('engine %j', (engine, expected) => {
    expect(settle({ engine })).toEqual({
      kind: 'run',
      options: {},
      warnings: [],
      ...(expected && { engine: expected }),
    })
  })

  test('REDIS_URL wins over the file', () => {
    const settings = settle({ engine: { type: 'memory' } }, [], { REDIS_URL: 'redis://b' })
    expect(settings).toMatchObject({ engine: { url: 'redis://b' } })
  })
})
