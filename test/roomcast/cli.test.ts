import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { flagOf, LIMIT_NAMES, LIMITS } from '../../packages/roomcast/src/limits.ts'
import { readSettings } from '../../packages/roomcast/src/settings.ts'
import { connect } from './client.ts'
import { build, killAll, ROOT, run, start } from './program.ts'

beforeAll(build)
afterEach(killAll)

const noFile = (path: string): string => {
  throw new Error(`no such file: ${path}`)
}

const PEM = (text: string): string => `-----BEGIN ${text}`

describe('settings', () => {
  const read = (args: string[], env: Record<string, string> = {}): unknown => {
    const settings = readSettings(args, env, noFile)
    if (settings.kind !== 'run') return settings
    expect(settings.warnings).toEqual([])
    return settings.engine === undefined ? settings.options : { options: settings.options, engine: settings.engine }
  }
  const redis = (url: string, prefix = 'roomcast'): unknown => ({ options: {}, engine: { url, prefix } })

  const cases: [args: string, env: Record<string, string>, options: unknown][] = [
    ['', {}, {}],
    ['--port 1234', {}, { port: 1234 }],
    ['--port=0', { PORT: '1', ROOMCAST_PORT: '2' }, { port: 0 }],
    ['', { PORT: '1' }, { port: 1 }],
    ['', { PORT: '1', ROOMCAST_PORT: '2' }, { port: 2 }],
    ['', { PORT: '', ROOMCAST_TOKEN: '', ROOMCAST_ORIGIN: '' }, {}],
    ['--host ::1', { ROOMCAST_HOST: '127.0.0.1' }, { host: '::1' }],
    ['', { ROOMCAST_HOST: 'localhost' }, { host: 'localhost' }],
    ['--token abc', { ROOMCAST_TOKEN: 'def' }, { token: 'abc' }],
    ['', { ROOMCAST_TOKEN: 'def' }, { token: 'def' }],
    ['', { ROOMCAST_TOKEN: 'tcp://secret' }, { token: 'tcp://secret' }],
    ['--origin any', { ROOMCAST_ORIGIN: 'same' }, { origin: 'any' }],
    ['--origin same', {}, { origin: 'same' }],
    [
      '--origin https://a.example --origin HTTPS://B.example:443/',
      {},
      { origin: ['https://a.example', 'https://b.example'] },
    ],
    [
      '',
      { ROOMCAST_ORIGIN: 'https://a.example, http://b.example:81' },
      { origin: ['https://a.example', 'http://b.example:81'] },
    ],
    ['--max-message-bytes 64', { ROOMCAST_MAX_MESSAGE_BYTES: '65' }, { maxMessageBytes: 64 }],
    ['', { ROOMCAST_MAX_MESSAGE_BYTES: '65' }, { maxMessageBytes: 65 }],
    ['--max-connections 9', {}, { maxConnections: 9 }],
    ['', { ROOMCAST_MAX_CONNECTIONS: '8' }, { maxConnections: 8 }],
    ['--origin null', {}, { origin: ['null'] }],
    [
      '--origin capacitor://localhost,tauri://localhost,Ionic://LocalHost/,app://obsidian.md',
      {},
      { origin: ['capacitor://localhost', 'tauri://localhost', 'ionic://localhost', 'app://obsidian.md'] },
    ],
    [
      '',
      { ROOMCAST_ORIGIN: 'chrome-extension://abcdefghijklmnop, moz-extension://0b1c-2d, null, https://a.example' },
      { origin: ['chrome-extension://abcdefghijklmnop', 'moz-extension://0b1c-2d', 'null', 'https://a.example'] },
    ],
    ['--origin tauri://localhost:1430', {}, { origin: ['tauri://localhost:1430'] }],
    ['--origin http://[::1]:4545', {}, { origin: ['http://[::1]:4545'] }],
    ['--origin https://bücher.example', {}, { origin: ['https://xn--bcher-kva.example'] }],
    ['--trust-proxy 1', {}, { trustProxy: 1 }],
    ['--trust-proxy 10.0.0.0/8,::1', {}, { trustProxy: ['10.0.0.0/8', '::1'] }],
    ['--insecure', { ROOMCAST_INSECURE: 'false' }, { insecure: true }],
    ['', { ROOMCAST_INSECURE: 'TRUE' }, { insecure: true }],
    ['', { ROOMCAST_INSECURE: '0' }, { insecure: false }],
    ['--host 10.0.0.1 --insecure', {}, { host: '10.0.0.1', insecure: true }],
    ['--allow-anonymous-connect-without-token', {}, { allowAnonymousConnectWithoutToken: true }],
    ...LIMIT_NAMES.flatMap((name): [string, Record<string, string>, unknown][] => {
      const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
      const { least, most } = LIMITS[name]
      const variable = `ROOMCAST_${flag.replaceAll('-', '_').toUpperCase()}`
      return [
        [`--${flag} ${least}`, { [variable]: 'x' }, { [name]: least }],
        ['', { [variable]: `${most}` }, { [name]: most }],
      ]
    }),
    ['--drain-ms 100', { ROOMCAST_DRAIN_MS: '200' }, { drainMs: 100 }],
    ['', { ROOMCAST_DRAIN_MS: '200' }, { drainMs: 200 }],
    ['', { REDIS_URL: 'redis://localhost' }, redis('redis://localhost')],
    [
      '',
      { REDIS_URL: 'rediss://me:p%40ss@cache.example:6380/2', ROOMCAST_PREFIX: 'shop-1' },
      redis('rediss://me:p%40ss@cache.example:6380/2', 'shop-1'),
    ],
    [
      '--redis-url /run/redis.sock --prefix a',
      { REDIS_URL: 'redis://b', ROOMCAST_PREFIX: 'b' },
      redis('/run/redis.sock', 'a'),
    ],
    ['', { REDIS_URL: '', ROOMCAST_PREFIX: 'shop' }, {}],
    ['-h', {}, { kind: 'help' }],
    ['--help --port x', { PORT: 'y' }, { kind: 'help' }],
    ['-v', {}, { kind: 'version' }],
  ]
  test.each(cases)('%s %j', (args, env, options) => {
    expect(read(args.split(' ').filter(Boolean), env)).toEqual(options)
  })

  const NUMBER = /^--\S+ must be a whole number from \d+ to \d+, not "/
  const wrong: [args: string[], env: Record<string, string>, message: RegExp][] = [
    [['--port', '65536'], {}, /^--port must be a whole number from 0 to 65535, not "65536"$/],
    [['--port', 'x'], {}, NUMBER],
    [['--port', '1.5'], {}, NUMBER],
    [['--port', '0x10'], {}, NUMBER],
    [['--port', ''], {}, NUMBER],
    [['--port=-1'], {}, NUMBER],
    [['--port', '1\n2'], {}, /^--port must be .*, not "1\\n2"$/],
    [['--max-message-bytes', '0'], {}, NUMBER],
    [['--max-connections', '0'], {}, NUMBER],
    [['--drain-ms', '1e3'], {}, NUMBER],
    [[], { PORT: 'x' }, /^PORT must be/],
    [[], { ROOMCAST_PORT: 'x', PORT: '1' }, /^ROOMCAST_PORT must be/],
    [[], { ROOMCAST_DRAIN_MS: 'soon' }, /^ROOMCAST_DRAIN_MS must be/],
    [['--host', ''], {}, /^--host must be a host name or an IP address, not ""$/],
    [['--host', 'http://x'], {}, /^--host must be/],
    [['--trust-proxy', 'nginx'], {}, /^--trust-proxy must be how many proxies/],
    [['--token', ''], {}, /^--token must be visible ASCII characters without spaces$/],
    [['--token', 'two words'], {}, /^--token must be/],
    [['--origin', 'example.com'], {}, /^--origin must be same, any, null, or origins such as .*, not "example.com"$/],
    [['--origin', 'https://a.example/path'], {}, /^--origin must be/],
    [['--origin', 'https://a.example', '--origin', 'any'], {}, /^--origin must be .*, not "any"$/],
    [['--origin', ''], {}, /^--origin must be/],
    [['--origin', 'a. b'], {}, /, not "a\. b"$/],
    ...[
      'https://*.example.com',
      '*',
      'https://*',
      'wss://a.example',
      'ws://a.example',
      'https://a.example:99999',
      'https://a.example:x',
      'https://me@a.example',
      'https://a.example?x',
      'https://a.example/#',
      'https://[::g]',
      'https://',
      'capacitor:localhost',
      'capacitor://',
      'capacitor://localhost/path',
      'Null',
      'https://a.example,,https://b.example',
      'https://a.example\nhttps://b.example',
    ].map((origin): [string[], Record<string, string>, RegExp] => [
      ['--origin', origin],
      {},
      /^--origin must be [^\n]+$/,
    ]),
    [[], { ROOMCAST_INSECURE: 'yes' }, /^ROOMCAST_INSECURE must be true or false, not "yes"$/],
    [['--insecure=true'], {}, /^Option '--insecure' does not take an argument$/],
    [['--host', '0.0.0.0'], {}, /^host "0\.0\.0\.0" is open to others: .*--insecure/],
    [[], { ROOMCAST_HOST: '::' }, /^host "::" is open to others/],
    ...[
      's3cret',
      's3cret:6379',
      'http://:s3cret@x',
      'REDISS://:s3cret@x',
      'redis://',
      'redis://:s3cret@x:99999',
      'redis://:s3cret%@x',
      'redis://:s3cret@x/db',
      '//s3cret',
    ].map((url): [string[], Record<string, string>, RegExp] => [
      [],
      { REDIS_URL: url },
      /^REDIS_URL must be redis:\/\/ or rediss:\/\/ with a host, or the path of a Unix socket$/,
    ]),
    [['--redis-url', ''], {}, /^--redis-url must be redis:/],
    [[], { ROOMCAST_PREFIX: 'a:b' }, /^ROOMCAST_PREFIX must be 1 to 64 characters of A-Z a-z 0-9 _ \. -, not "a:b"$/],
    [['--prefix', 'x'.repeat(65)], {}, /^--prefix must be/],
    // A variable of the shell that is not set.
    [['--config', ''], {}, /^--config must be the name of a file, not ""$/],
    [['--client.token.hmac_secret_key', ''], {}, /^--client\.token\.hmac_secret_key must not be empty$/],
    [['--http_api.key='], {}, /^--http_api\.key must not be empty$/],
    [['--nonsense'], {}, /^Unknown option '--nonsense'$/],
    [['-x'], {}, /^Unknown option '-x'$/],
    [['--port'], {}, /^Option '--port.*' argument missing$/],
    [['--port', '--host', 'x'], {}, /^Option '--port' argument is ambiguous$/],
    [['--help=yes'], {}, /^Option .*--help' does not take an argument$/],
    [['lobby'], {}, /^Unexpected argument 'lobby'$/],
  ]
  test.each(wrong)('%j %j is wrong', (args, env, message) => {
    expect(read(args, env)).toEqual({ kind: 'wrong', message: expect.stringMatching(message) })
    expect((read(args, env) as { message: string }).message).not.toContain('s3cret')
  })

  test.each([
    [{ ROOMCAST_PORT: 'tcp://10.96.12.7:4545' }, {}],
    [{ ROOMCAST_PORT: 'udp://10.96.12.7:4545' }, {}],
    [{ ROOMCAST_PORT: 'tcp://[fd00::1]:4545', PORT: '8080' }, { port: 8080 }],
    [{ PORT: 'tcp://10.96.12.7:80' }, {}],
  ])('%j is what Kubernetes tells of a service: passed over, with one line', (env, options) => {
    const siblings = {
      ROOMCAST_SERVICE_HOST: '10.96.12.7',
      ROOMCAST_SERVICE_PORT: '4545',
      ROOMCAST_SERVICE_PORT_HTTP: '4545',
      ROOMCAST_PORT_4545_TCP: 'tcp://10.96.12.7:4545',
      ROOMCAST_PORT_4545_TCP_PROTO: 'tcp',
      ROOMCAST_PORT_4545_TCP_PORT: '4545',
      ROOMCAST_PORT_4545_TCP_ADDR: '10.96.12.7',
    }
    const [name] = Object.keys(env)
    expect(readSettings([], { ...siblings, ...env }, noFile)).toEqual({
      kind: 'run',
      options,
      warnings: [expect.stringMatching(new RegExp(`^${name} is ignored: "[^\n]+" is what Kubernetes`))],
    })
    expect(readSettings(['--port=1'], env, noFile)).toMatchObject({ warnings: [] })
  })

  test('so are services of other names, and a slip of the pen is told', () => {
    const env = {
      ROOMCAST_HTTP_SERVER_PORT: 'tcp://10.96.12.8:80',
      ROOMCAST_REDIS_PORT: 'tcp://10.96.12.9:6379',
      ROOMCAST_REDIS_SERVICE_HOST: '10.96.12.9',
      ROOMCAST_NAME: '/app/roomcast',
      ROOMCAST_CLIENT_TOKEN_HMAC_SECRETKEY: 's3cret',
      ROOMCAST_MAX_CONECTIONS: '',
      ROOMCASTLE: '1',
      CENTRIFUGO_CLIENT_CHANNEL_LIMIT: '5',
      CENTRIFUGO_PORT: 'tcp://10.96.12.8:80',
      CENTRIFUGO_ADMIN_PASSWORD: 's3cret',
    }
    expect(readSettings([], env, noFile)).toEqual({
      kind: 'run',
      options: {},
      warnings: [
        expect.stringMatching(/^ROOMCAST_HTTP_SERVER_PORT is ignored/),
        'ROOMCAST_CLIENT_TOKEN_HMAC_SECRETKEY is no setting of this server',
        'CENTRIFUGO_CLIENT_CHANNEL_LIMIT is not read by this server: here it is ROOMCAST_CLIENT_CHANNEL_LIMIT',
      ],
    })
  })

  test('a flag wins over the variable of another that says the same', () => {
    const env = { REDIS_URL: 'redis://variable', ROOMCAST_TLS_CERT: PEM('variable'), ROOMCAST_TLS_KEY: PEM('variable') }
    const engineOf = (...args: string[]): unknown => (readSettings(args, env, noFile) as { engine?: unknown }).engine
    expect(engineOf()).toMatchObject({ url: 'redis://variable' })
    expect(engineOf('--engine.type', 'memory')).toBeUndefined()
    expect(engineOf('--engine.type', 'redis', '--engine.redis.address', 'flag:1')).toMatchObject({
      url: 'redis://flag:1',
    })
    expect(engineOf('--engine.type', 'redis', '--engine.redis.cluster_address', 'flag:1')).toMatchObject({
      cluster: [{ host: 'flag', port: 1 }],
    })
    const flags = ['cert_pem', 'key_pem'].map((name) => `--http_server.tls.${name}=${PEM('flag')}`)
    expect(readSettings(['--http_server.tls.enabled=true', ...flags], env, noFile)).toMatchObject({
      options: { tls: { cert: PEM('flag'), key: PEM('flag') } },
    })
  })

  test('a Redis that nothing makes use of is told; a file of Centrifugo with all of its keys is not', () => {
    const warnings = (...args: string[]): unknown => (readSettings(args, {}, noFile) as { warnings: unknown }).warnings
    const address = ['--engine.redis.address', 'a:1']
    expect(warnings(...address)).toEqual([
      expect.stringMatching(/^engine\.redis is not used: engine\.type is not "redis"/),
    ])
    expect(warnings(...address, '--engine.type', 'memory')).toEqual([])
    expect(warnings(...address, '--engine.type', 'redis')).toEqual([])
  })

  test.each([
    ['unix:///run/redis.sock', '/run/redis.sock'],
    ['tcp://:pass@a:1/2', 'redis://:pass@a:1/2'],
  ])('an address of Centrifugo: %s', (address, url) => {
    const args = ['--engine.type', 'redis', '--engine.redis.address', address]
    expect(readSettings(args, {}, noFile)).toMatchObject({ engine: { url } })
  })

  test('a token that cannot be used is not repeated', () => {
    expect(JSON.stringify(read(['--token', 's3cret word']))).not.toContain('s3cret')
  })
})

describe('the program', () => {
  test('--help names every flag, on stdout, exit 0', async () => {
    const { stdout, stderr, exit } = run(['--help'])
    const help = await stdout
    const flags = [
      'port',
      'host',
      'insecure',
      'allow-anonymous-connect-without-token',
      'token',
      'origin',
      'trust-proxy',
      'redis-url',
    ]
    for (const flag of [...flags, 'prefix', 'version', ...LIMIT_NAMES.map(flagOf)]) {
      expect(help).toContain(`--${flag} `.trimEnd())
    }
    expect([await stderr, await exit]).toEqual(['', 0])
  })

  test('--version is that of package.json', async () => {
    const { version } = JSON.parse(readFileSync(`${ROOT}packages/roomcast/package.json`, 'utf8')) as { version: string }
    const { stdout, exit } = run(['--version'])
    expect([await stdout, await exit]).toEqual([`${version}\n`, 0])
  })

  test.each([
    ['a wrong value', ['--port', 'x']],
    ['an unknown flag', ['--nonsense']],
    ['a wrong origin', ['--origin', 'https://*.example.com']],
    ['an ambiguous flag', ['--port', '--host', 'x']],
  ])('%s: one line on stderr, exit 2', async (_, args) => {
    const { stdout, stderr, exit } = run(args)
    expect(await stderr).toMatch(/^roomcast: [^\n]+ \(see roomcast --help\)\n$/)
    expect([await stdout, await exit]).toEqual(['', 2])
  })

  test('a variable of Kubernetes does not stop the start: one line on stderr', async () => {
    const { child, stdout, stderr, exit } = run([], { PORT: '0', ROOMCAST_PORT: 'tcp://10.96.12.7:4545' })
    await once(child.stdout!, 'data')
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
    expect(await stdout).toMatch(/^roomcast: open http:/)
    expect(await stderr).toMatch(/^roomcast: ROOMCAST_PORT is ignored: [^\n]+\nroomcast: SIGTERM[^\n]+\n$/)
  })

  test('an address of others is not said to be localhost', async () => {
    const { said, child } = await start(['--host', '127.0.0.2'])
    expect(said).toMatch(/^roomcast: open http:\/\/127\.0\.0\.2:\d+\/\n/)
    child.kill('SIGTERM')
  })

  test('a taken port: one line on stderr, exit 1', async () => {
    const blocker = createServer().listen(0, '127.0.0.1')
    await once(blocker, 'listening')
    const { port } = blocker.address() as { port: number }
    const { stdout, stderr, exit } = run(['--port', `${port}`, '--host', '127.0.0.1'])
    expect(await stderr).toBe(`roomcast: port ${port} is taken; choose another with --port\n`)
    expect([await stdout, await exit]).toEqual(['', 1])
    blocker.close()
  })

  test('an address that is not of this machine: one line on stderr, exit 1', async () => {
    const { stderr, exit } = run(['--port', '0', '--host', '192.0.2.1', '--insecure'])
    expect([await stderr, await exit]).toEqual([
      'roomcast: this machine has no such address; choose another with --host\n',
      1,
    ])
  })

  test('prints where to open it, and a token of its own that works', async () => {
    const { said, port, child, exit } = await start()
    const [, token] =
      /^roomcast: open http:\/\/127\.0\.0\.1:\d+\/\nroomcast: token of the HTTP API: ([\w-]{32})\n$/.exec(said) ?? []
    const post = (authorization: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/channels/lobby`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: '1',
      })
    expect([(await post(`Bearer ${token}`)).status, (await post('Bearer x')).status]).toEqual([200, 401])
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toContain('<title>Roomcast</title>')
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
  })

  test('without --host it says localhost; a given token is not printed', async () => {
    const { child, stdout, exit } = run([], { PORT: '0', ROOMCAST_TOKEN: 'abc' })
    await once(child.stdout!, 'data')
    child.kill('SIGINT')
    expect(await exit).toBe(0)
    expect(await stdout).toMatch(/^roomcast: open http:\/\/localhost:\d+\/\n$/)
  })

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s drains: what was said arrives, then 1012, exit 0',
    async (signal) => {
      const { port, child, stderr, exit } = await start()
      const client = await connect(port)
      await client.ask({ join: 'lobby' })
      client.send({ say: 'last words', to: 'lobby', ref: 1 })
      expect(await client.next()).toEqual({ said: 'last words', in: 'lobby' })
      child.kill(signal)
      expect(await client.closed).toMatchObject({ code: 1012 })
      expect(await exit).toBe(0)
      expect(await stderr).toBe(`roomcast: ${signal}: draining; once more to exit at once\n`)
    },
  )

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const)('a second signal, %s, exits at once with %i', async (signal, code) => {
    const { port, child, exit } = await start()
    const client = await connect(port)
    // A client that never answers the Close would hold the drain for seconds.
    client.socket.pause()
    child.kill('SIGTERM')
    await once(child.stderr!, 'data')
    child.kill(signal)
    expect(await exit).toBe(code)
    client.socket.terminate()
  })

  test('--drain-ms bounds the wait for a client that does not answer', async () => {
    const { port, child, exit } = await start(['--drain-ms', '100'])
    const client = await connect(port)
    client.socket.pause()
    const began = performance.now()
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
    expect(performance.now() - began).toBeLessThan(3000)
    client.socket.terminate()
  })
})
