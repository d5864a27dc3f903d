// Two servers as programs behind one real Redis: what members, load balancers and operators see of it.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeRedis, RedisServer, until } from '../support/redis.ts'
import { type Client, connect } from './client.ts'
import { build, killAll, type Run, run, start } from './program.ts'

const TOKEN = 'secret'
type Server = Run & { port: number; said: string }

/** What GET answers. */
async function get(server: Server, path: string): Promise<[status: number, body: Record<string, unknown>]> {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`)
  return [response.status, (await response.json()) as Record<string, unknown>]
}

const toBe = (server: Server, status: string): Promise<void> =>
  until(`readyz to be ${status}`, async () => (await get(server, '/readyz'))[1].status === status)

async function join(server: Server, channel: string): Promise<Client> {
  const client = await connect(server.port)
  expect(await client.ask({ join: channel })).toEqual({ joined: channel })
  return client
}

async function post(server: Server, channel: string, value: unknown): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${server.port}/channels/${channel}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(value),
  })
  return response.json()
}

async function end(server: Server): Promise<string[]> {
  server.child.kill('SIGTERM')
  expect(await server.exit).toBe(0)
  return (await server.stderr).split('\n').filter((line) => line !== '' && !/: SIGTERM: draining/.test(line))
}

afterEach(killAll)

describeRedis('servers behind one Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    build()
    redis = await RedisServer.start()
  })
  afterEach(async () => {
    if (!redis.alive) await redis.boot()
  })
  afterAll(() => redis?.stop())

  const boot = (env: Record<string, string> = {}): Promise<Server> =>
    start([], { REDIS_URL: redis.path, ROOMCAST_TOKEN: TOKEN, ...env })
  async function two(): Promise<[Server, Server]> {
    const servers = await Promise.all([boot(), boot()])
    await Promise.all(servers.map((server) => toBe(server, 'ready')))
    return servers as [Server, Server]
  }

  test('who joined on one hears what is said on the other, once', async () => {
    const [one, other] = await two()
    const [leto, paul] = [await join(one, 'lobby'), await join(other, 'lobby')]
    leto.send({ say: 'from one', to: 'lobby', ref: 1 })
    expect([await leto.next(), await leto.next()]).toEqual([{ said: 'from one', in: 'lobby' }, { ok: 1 }])
    expect(await paul.next()).toEqual({ said: 'from one', in: 'lobby' })
    paul.send({ say: 'from the other', to: 'lobby', ref: 2 })
    expect([await paul.next(), await paul.next()]).toEqual([{ said: 'from the other', in: 'lobby' }, { ok: 2 }])
    expect(await leto.next()).toEqual({ said: 'from the other', in: 'lobby' })
    // What would come twice would come before these.
    expect([await leto.ask({ leave: 'lobby' }), await paul.ask({ leave: 'lobby' })]).toEqual([
      { left: 'lobby' },
      { left: 'lobby' },
    ])
    expect([await end(one), await end(other)]).toEqual([[], []])
  })

  test('joined means: heard from everywhere, in every room that is new', async () => {
    const [one, other] = await two()
    const [member, speaker] = [await connect(one.port), await connect(other.port)]
    for (let i = 0; i < 50; i++) {
      const channel = `room ${i}`
      expect(await member.ask({ join: channel })).toEqual({ joined: channel })
      await post(other, encodeURIComponent(channel), i)
      expect(await member.next()).toEqual({ said: i, in: channel })
    }
    speaker.socket.close()
  })

  test('POST reaches the members of the other, and counts its own', async () => {
    const [one, other] = await two()
    const paul = await join(other, 'lobby')
    expect(await post(one, 'lobby', 'sold out')).toEqual({ delivered: 0 })
    expect(await paul.next()).toEqual({ said: 'sold out', in: 'lobby' })
    const leto = await join(one, 'lobby')
    expect(await post(one, 'lobby', 'back in stock')).toEqual({ delivered: 1 })
    for (const client of [leto, paul]) expect(await client.next()).toEqual({ said: 'back in stock', in: 'lobby' })
    expect((await get(one, '/stats'))[1]).toMatchObject({
      status: 'ready',
      bridge: { status: 'ready', published: 2, gaps: 0, dropped: 0 },
    })
    expect((await get(other, '/stats'))[1].bridge).toMatchObject({ received: 2, delivered: 2 })
  })

  test('servers with another prefix are strangers', async () => {
    const [one, other] = await Promise.all([boot(), boot({ ROOMCAST_PREFIX: 'shop' })])
    for (const server of [one, other]) await toBe(server, 'ready')
    const [leto, paul] = [await join(one, 'lobby'), await join(other, 'lobby')]
    await post(one, 'lobby', 'for roomcast')
    await post(other, 'lobby', 'for shop')
    expect([await leto.next(), await paul.next()]).toEqual([
      { said: 'for roomcast', in: 'lobby' },
      { said: 'for shop', in: 'lobby' },
    ])
    // Beside them each server has a channel of its own, named by U+0000 and its node, for its probes.
    const rooms = (await redis.admin.pubsub('CHANNELS', '*')).filter((name) => !String(name).includes('\0'))
    expect(rooms.sort()).toEqual(['roomcast:\u0001', 'roomcast:\u0001lobby', 'shop:\u0001', 'shop:\u0001lobby'])
  })

  test('Redis killed: readyz is red, rooms work here; back again: green, and both hear each other', async () => {
    const [one, other] = await two()
    const [leto, paul] = [await join(one, 'lobby'), await join(other, 'lobby')]
    await post(one, 'lobby', 'before')
    for (const client of [leto, paul]) expect(await client.next()).toEqual({ said: 'before', in: 'lobby' })
    await redis.kill()
    await Promise.all([toBe(one, 'degraded'), toBe(other, 'degraded')])
    expect(await get(one, '/readyz')).toEqual([503, { status: 'degraded' }])
    expect((await get(one, '/healthz'))[0]).toBe(200)
    expect((await get(one, '/stats'))[1]).toMatchObject({ status: 'degraded', bridge: { status: 'degraded' } })
    const chani = await join(one, 'sietch')
    for (const [client, channel] of [
      [leto, 'lobby'],
      [chani, 'sietch'],
    ] as const) {
      client.send({ say: 'here', to: channel, ref: 1 })
      expect([await client.next(), await client.next()]).toEqual([{ said: 'here', in: channel }, { ok: 1 }])
    }
    await redis.boot()
    await Promise.all([toBe(one, 'ready'), toBe(other, 'ready')])
    expect((await get(one, '/readyz'))[0]).toBe(200)
    // Said during the outage and kept: it comes first, or, if the other was not back yet, is told as a gap.
    await post(one, 'lobby', 'again')
    const heard = [await paul.next()]
    if (JSON.stringify(heard).includes('here')) heard.push(await paul.next())
    expect(heard.at(-1)).toEqual({ said: 'again', in: 'lobby' })
    for (const { complaints } of [one, other]) {
      await until('both lines', () => complaints().endsWith('roomcast: Redis is back\n'))
    }
    const [lines, others] = [await end(one), await end(other)]
    for (const said of [lines, others.filter((line) => !/gap/.test(line))]) {
      expect(said).toEqual([
        expect.stringMatching(
          /^roomcast: Redis is out of reach \([^()]+\): look at it, and at engine\.redis\.\* or --redis-url; this server is on its own until it is back$/,
        ),
        'roomcast: Redis is back',
      ])
    }
    expect(heard.length + others.filter((line) => /gap in "lobby": 1 message of node/.test(line)).length).toBe(2)
  })

  test('Redis down at the start: it starts, says so in one line, and rooms work', async () => {
    await redis.kill()
    const server = await boot()
    expect(server.said).toMatch(/^roomcast: open /)
    expect(await get(server, '/readyz')).toEqual([503, { status: 'connecting' }])
    const client = await join(server, 'lobby')
    expect(await post(server, 'lobby', 'alone')).toEqual({ delivered: 1 })
    expect(await client.next()).toEqual({ said: 'alone', in: 'lobby' })
    await until('several attempts', async () => (await get(server, '/stats'))[1].uptimeSeconds !== 0)
    expect(await end(server)).toEqual([expect.stringMatching(/^roomcast: Redis is out of reach \(connect [^()]+\): /)])
  })

  test.each([
    ['localhost', 'two addresses, of which none answers'],
    ['127.0.0.1', 'one address'],
  ])('why %s is out of reach is told (%s), its password is not', async (host) => {
    const gone = await RedisServer.start({ tcp: true })
    await gone.stop()
    const server = await boot({ REDIS_URL: `redis://user:s3cret@${host}:${gone.port}` })
    await until('a line', () => server.complaints() !== '')
    const [line, ...more] = await end(server)
    expect(line).toMatch(/^roomcast: Redis is out of reach \(connect ECONNREFUSED \S+:\d+\): /)
    expect([more, line?.includes('s3cret')]).toEqual([[], false])
  })

  test('a wrong password is told in one line without it', async () => {
    const guarded = await RedisServer.start({ tcp: true, args: ['--requirepass', 'right'] })
    const server = await boot({ REDIS_URL: `redis://:s3cret@127.0.0.1:${guarded.port}` })
    await until('a line', () => server.complaints() !== '')
    expect(await get(server, '/readyz')).toEqual([503, { status: 'connecting' }])
    const lines = await end(server)
    expect(lines).toEqual([
      expect.stringMatching(/^roomcast: Redis refuses the password, or its absence \((WRONGPASS|NOAUTH)[^\n]+\): /),
    ])
    expect(lines.join()).not.toContain('s3cret')
    await guarded.stop()
  })

  test('each gap is a line, up to ten, and the rest are counted', async () => {
    const server = await boot()
    await toBe(server, 'ready')
    const client = await join(server, 'lobby')
    for (let i = 1; i <= 13; i++) await redis.admin.publish('roomcast:\u0001lobby', envelope(3 * i - 2, `${i}`))
    for (let i = 1; i <= 13; i++) expect(await client.next()).toEqual({ said: i, in: 'lobby' })
    expect((await get(server, '/stats'))[1].bridge).toMatchObject({ gaps: 12 })
    expect(await end(server)).toEqual([
      ...Array<string>(10).fill('roomcast: gap in "lobby": 2 messages of node 0102030405060708 lost'),
      'roomcast: 2 more gaps',
    ])
  })

  test.each([
    ['with Redis', false],
    ['while Redis does not answer', true],
  ])('SIGTERM releases the bridge, %s', async (_, freezes) => {
    const server = await boot()
    await toBe(server, 'ready')
    const client = await join(server, 'lobby')
    const connections = async (): Promise<number> =>
      String(await redis.admin.client('LIST'))
        .trim()
        .split('\n').length
    // The server's two, and the test's own: those of servers before it are gone.
    await until('nobody else', async () => (await connections()) === 3)
    if (freezes) redis.freeze()
    try {
      server.child.kill('SIGTERM')
      expect(await client.closed).toMatchObject({ code: 1012 })
      expect(await server.exit).toBe(0)
    } finally {
      redis.thaw()
    }
    await until('its connections to be gone', async () => (await connections()) === 1)
  })
})

test('a wrong REDIS_URL: one line without it, no stack, exit 2', async () => {
  const { stdout, stderr, exit } = run(['--port', '0'], { REDIS_URL: 'redis://:s3cret@' })
  expect(await stderr).toBe(
    'roomcast: REDIS_URL must be redis:// or rediss:// with a host, or the path of a Unix socket (see roomcast --help)\n',
  )
  expect([await stdout, await exit]).toEqual(['', 2])
})

test('a taken port with a Redis that is away: nothing is left behind', async () => {
  const first = await start()
  const second = run(['--port', `${first.port}`, '--host', '127.0.0.1'], { REDIS_URL: '/nowhere/redis.sock' })
  expect(await second.exit).toBe(1)
  expect(await second.stderr).toContain(`roomcast: port ${first.port} is taken; choose another with --port\n`)
})

/** What a node of its own would publish: one publication of a room without history, with this number. */
function envelope(number: number, text: string): Buffer {
  const header = Buffer.alloc(24)
  header.write('RC\x01\x04')
  header.set([1, 2, 3, 4, 5, 6, 7, 8], 4)
  header.writeBigUInt64BE(BigInt(number), 12)
  header.writeUInt32BE(number === 1 ? 0xffff_ffff : 0, 20)
  // A publication; it has text; an id of no bytes; the text.
  const record = Buffer.from([0, 1, 0, 0, 0, 0, ...Buffer.from(text)])
  return Buffer.concat([header, Buffer.from([0x82, record.length]), record])
}
