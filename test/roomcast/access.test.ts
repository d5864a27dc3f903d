// Nothing is open by accident: where the server listens, whom it serves as a demo, and the decisions that open it.

import { once } from 'node:events'
import { createServer as createHttpServer, request } from 'node:http'
import { connect as connectTcp, createServer, type Server, Server as TcpServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { createRoomcast, type RoomcastOptions } from 'roomcast'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { isLoopback, isLoopbackName } from '../../packages/roomcast/src/access.ts'
import { createListener } from '../../packages/roomcast/src/listen.ts'
import { build, killAll, run, start } from './program.ts'

beforeAll(build)
afterEach(killAll)

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

test.each([
  ['127.0.0.1', true],
  ['127.255.0.9', true],
  ['::1', true],
  ['0:0:0:0:0:0:0:1', true],
  ['::1%lo', true],
  ['::ffff:127.0.0.1', true],
  ['localhost', true],
  ['LocalHost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['::ffff:0.0.0.0', false],
  ['10.0.0.1', false],
  ['128.0.0.1', false],
  ['fe80::1%eth0', false],
  // Not addresses, but what some resolvers take for one.
  ['0', false],
  ['127.1', false],
  ['2130706433', false],
  ['localhost.example', false],
  ['my-machine', false],
])('an address to listen on: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})

const NAMES: [name: string | undefined, expected: boolean][] = [
  ['localhost', true],
  ['LOCALHOST:4545', true],
  ['localhost.', true],
  ['localhost.:80', true],
  ['localhost:', true],
  ['chat.localhost:1', true],
  ['127.0.0.1', true],
  ['127.9.9.9:4545', true],
  ['[::1]', true],
  ['[::1]:4545', true],
  ['[0:0::1]', true],
  [undefined, false],
  ['', false],
  [':4545', false],
  ['evil.example', false],
  ['evil.example:4545', false],
  ['localhost.evil.example', false],
  ['evil-localhost', false],
  ['127.0.0.1.evil.example', false],
  ['127.0.0.1@evil.example', false],
  ['evil.example#localhost', false],
  ['evil.example, localhost', false],
  ['localhost evil.example', false],
  ['10.0.0.1', false],
  ['0.0.0.0', false],
  ['[::]', false],
  ['[::2]', false],
  ['::1', false],
  ['[localhost]', false],
  ['[::1', false],
]
test.each(NAMES)('a Host: %s', (name, expected) => {
  expect(isLoopbackName(name)).toBe(expected)
})

/** The status of a GET, or of an upgrade. */
function ask(port: number, path: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', path, headers, agent: false }, (res) => resolve(res.resume().statusCode))
      .on('error', reject)
      .end()
  })
}

function upgrade(port: number, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers })
    socket.on('open', () => resolve(101))
    socket.on('unexpected-response', (_, res) => resolve(res.resume().statusCode!))
    socket.on('error', reject)
    socket.on('open', () => socket.terminate())
  })
}

describe('the demo', () => {
  const TOKEN = 's3cret'
  const serve = async (options: RoomcastOptions = {}) => {
    const roomcast = createRoomcast({ port: 0, token: TOKEN, ...options })
    return { roomcast, port: (await roomcast.listen()).port }
  }

  test('serves who asks for a loopback name, and nobody else', async () => {
    const { roomcast, port } = await serve()
    for (const host of ['localhost', `127.0.0.1:${port}`, `[::1]:${port}`, 'a.localhost']) {
      for (const path of ['/', '/app.js', '/stats', '/healthz']) expect(await ask(port, path, { host })).toBe(200)
      expect(await upgrade(port, { host })).toBe(101)
    }
    for (const host of ['evil.example', `evil.example:${port}`, '192.0.2.1', 'localhost.evil.example']) {
      for (const path of ['/', '/app.js', '/stats', '/nothing']) expect(await ask(port, path, { host })).toBe(403)
      expect(await upgrade(port, { host })).toBe(403)
      // That of the page's own host, as a page of a rebound name sends it.
      expect(await upgrade(port, { host, origin: `http://${host}` })).toBe(403)
      // They tell nothing, and balancers ask by any name.
      for (const path of ['/healthz', '/readyz']) expect(await ask(port, path, { host })).toBe(200)
    }
    await roomcast.close()
  })

  test('the HTTP API asks for its key, by whatever name', async () => {
    const { roomcast, port } = await serve()
    const post = (host: string, key: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const headers = { host, authorization: `Bearer ${key}`, 'content-type': 'application/json' }
        request({ port, host: '127.0.0.1', path: '/channels/a', method: 'POST', headers, agent: false }, (res) =>
          resolve(res.resume().statusCode),
        )
          .on('error', reject)
          .end('1')
      })
    expect([await post('evil.example', TOKEN), await post('evil.example', 'x'), await post('localhost', 'x')]).toEqual([
      200, 401, 401,
    ])
    await roomcast.close()
  })

  test('pages of its own origin, and clients without one; no other page', async () => {
    const { roomcast, port } = await serve()
    const host = `localhost:${port}`
    expect(await upgrade(port, { host })).toBe(101)
    expect(await upgrade(port, { host, origin: `http://${host}` })).toBe(101)
    for (const origin of ['http://evil.example', 'null', `http://localhost:${port + 1}`]) {
      expect(await upgrade(port, { host, origin })).toBe(403)
    }
    await roomcast.close()
  })

  test('the authority of a target in absolute form counts, not the Host beside it', async () => {
    const { roomcast, port } = await serve()
    expect(await ask(port, 'http://evil.example/stats', { host: 'localhost' })).toBe(403)
    expect(await ask(port, 'http://localhost/stats', { host: 'evil.example' })).toBe(200)
    await roomcast.close()
  })

  test.each([{ insecure: true }, { allowAnonymousConnectWithoutToken: true }])(
    'with %j it is none: any name will do, an Origin is judged as before',
    async (decision) => {
      const { roomcast, port } = await serve(decision)
      for (const path of ['/', '/stats']) expect(await ask(port, path, { host: 'chat.example' })).toBe(200)
      expect(await upgrade(port, { host: 'chat.example' })).toBe(101)
      expect(await upgrade(port, { host: 'chat.example', origin: 'http://chat.example' })).toBe(101)
      expect(await upgrade(port, { host: 'chat.example', origin: 'http://evil.example' })).toBe(403)
      await roomcast.close()
    },
  )
})

describe('the decision', () => {
  const OTHERS = ['0.0.0.0', '::', '192.0.2.1', '2001:db8::1', 'chat.example', '0']

  test.each(OTHERS)('host %s without one throws at the call, and names all four', (host) => {
    for (const decision of [{}, { insecure: false }, { allowAnonymousConnectWithoutToken: false, token: 'x' }]) {
      const create = () => createRoomcast({ host, ...decision })
      expect(create).toThrow(RangeError)
      for (const way of [/token key/, /authenticate/, /allow_anonymous_connect_without_token/, /--insecure/]) {
        expect(create).toThrow(way)
      }
    }
  })

  test.each(OTHERS)('host %s: exit 2, and one line that names all four', async (host) => {
    const { stdout, stderr, exit } = run(['--port', '0', '--host', host, '--token', 'secret'])
    expect([await exit, await stdout]).toEqual([2, ''])
    const line = await stderr
    expect(line).toMatch(/^roomcast: [^\n]+\n$/)
    for (const way of ['token key', 'authenticate', 'allow_anonymous_connect_without_token', '--insecure']) {
      expect(line).toContain(way)
    }
  })

  test.each([
    [['--insecure'], {}],
    [['--allow-anonymous-connect-without-token'], {}],
    [[], { ROOMCAST_INSECURE: 'true' }],
    [[], { ROOMCAST_ALLOW_ANONYMOUS_CONNECT_WITHOUT_TOKEN: '1' }],
  ])('%j %j opens it', async (args, env) => {
    const { port, child, exit } = await start(['--host', '0.0.0.0', ...args], env)
    expect(await ask(port, '/', { host: 'chat.example' })).toBe(200)
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
  })

  test('ROOMCAST_INSECURE=false is none', async () => {
    const { exit } = run(['--port', '0', '--host', '0.0.0.0'], { ROOMCAST_INSECURE: 'false' })
    expect(await exit).toBe(2)
  })
})

describe('where it listens', () => {
  const reaches = (port: number, host: string): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connectTcp({ port, host })
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
  const taken = async (host: string, port = 0): Promise<[Server, number]> => {
    const server = createServer().listen({ port, host })
    await once(server, 'listening')
    return [server, (server.address() as { port: number }).port]
  }
  const others = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address),
  )

  test.each([undefined, 'localhost'])('host %s: both loopback addresses, one port, no other address', async (host) => {
    const roomcast = createRoomcast({ port: 0, ...(host !== undefined && { host }) })
    const { port } = await roomcast.listen()
    expect(await reaches(port, '127.0.0.1')).toBe(true)
    expect(await reaches(port, '::1')).toBe(hasIPv6)
    for (const address of others) expect(await reaches(port, address)).toBe(false)
    await roomcast.close()
    expect([await reaches(port, '127.0.0.1'), await reaches(port, '::1')]).toEqual([false, false])
  })

  test.runIf(hasIPv6)('over ::1 everything is as over 127.0.0.1, also at the end', async () => {
    const roomcast = createRoomcast({ port: 0 })
    const { port } = await roomcast.listen()
    expect((await fetch(`http://[::1]:${port}/`)).status).toBe(200)
    const socket = new WebSocket(`ws://[::1]:${port}/`)
    await once(socket, 'open')
    socket.send('{"join":"lobby"}')
    expect(`${(await once(socket, 'message'))[0]}`).toBe('{"joined":"lobby"}')
    expect(roomcast.rooms.memberCount('lobby')).toBe(1)
    const closed = once(socket, 'close')
    await roomcast.drain()
    expect((await closed)[0]).toBe(1012)
    await roomcast.close()
    expect(await reaches(port, '::1')).toBe(false)
  })

  test.runIf(hasIPv6).each(['127.0.0.1', '::1'])(
    'a port that is taken on %s: EADDRINUSE, and nothing listens',
    async (host) => {
      const [blocker, port] = await taken(host)
      const roomcast = createRoomcast({ port })
      await expect(roomcast.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
      expect(await reaches(port, host === '::1' ? '127.0.0.1' : '::1')).toBe(false)
      blocker.close()
      await once(blocker, 'close')
      // And then it can be had.
      expect(await roomcast.listen()).toEqual({ port })
      await roomcast.close()
    },
  )

  test.runIf(hasIPv6)('port 0: a port that is free on both is looked for', async () => {
    const http = createHttpServer()
    const listener = createListener(http, { port: 0, host: undefined })
    // The first ports that 127.0.0.1 gives are taken on ::1 before they are tried there.
    const blockers: Server[] = []
    let attempts = 0
    http.on('listening', () => {
      attempts++
      const { port } = http.address() as { port: number }
      if (attempts <= 3) blockers.push(createServer().listen({ port, host: '::1' }))
    })
    const { port } = await listener.listen()
    expect([attempts, await reaches(port, '::1')]).toEqual([4, true])
    await listener.close()
    for (const blocker of blockers) blocker.close()
  })

  test.each([
    [['::1'], '127.0.0.1'],
    [['127.0.0.1'], '::1'],
    [['127.0.0.1', '::1'], undefined],
  ])('on a machine without %j', async (missing, there) => {
    const { listen } = TcpServer.prototype
    const spy = vi.spyOn(TcpServer.prototype, 'listen').mockImplementation(function (this: TcpServer, ...args) {
      const [{ host = '' }] = args as unknown as [{ host?: string }]
      if (!missing.includes(host)) return listen.apply(this, args)
      process.nextTick(() => this.emit('error', Object.assign(new Error(host), { code: 'EADDRNOTAVAIL' })))
      return this
    })
    const roomcast = createRoomcast({ port: 0 })
    if (there === undefined) await expect(roomcast.listen()).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
    else if (hasIPv6 || there === '127.0.0.1') {
      const { port } = await roomcast.listen()
      expect(await reaches(port, there)).toBe(true)
      expect(await reaches(port, missing[0]!)).toBe(false)
    }
    spy.mockRestore()
    await roomcast.close()
  })

  test('twice is an error, and so is listening after the end', async () => {
    const roomcast = createRoomcast({ port: 0 })
    await roomcast.listen()
    await expect(roomcast.listen()).rejects.toThrow('listens already')
    await roomcast.close()
    await expect(roomcast.listen()).rejects.toThrow('closed')
  })

  test('a server that closes while it begins to listen is closed', async () => {
    const roomcast = createRoomcast({ port: 0 })
    const listening = roomcast.listen()
    await roomcast.close()
    const { port } = await listening
    expect(await reaches(port, '127.0.0.1')).toBe(false)
  })
})
