// Attached to a server that is not ours, or with a framework that routes upgrades itself: what is ours is served, what is
// not is left alone, unless nobody else would ever answer it.

import { createServer as createHttpServer, get, type Server as HttpServer, type IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { cleanUp, type TestOptions, TestServer, TLS, track } from '../support/core-server.ts'
import { eventually, inTime, nextTurn } from '../support/log.ts'
import { RawClient } from '../support/raw-client.ts'

const https: HttpServer[] = []

afterEach(async () => {
  await cleanUp()
  for (const server of https.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** A plain http server that answers `page`. */
async function http(): Promise<{ server: HttpServer; port: number }> {
  const server = createHttpServer((_, response) => void response.end('page'))
  return listening(server)
}

async function listening(server: HttpServer): Promise<{ server: HttpServer; port: number }> {
  https.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return { server, port: (server.address() as AddressInfo).port }
}

async function attach(
  options: TestOptions<undefined, undefined> = {},
): Promise<TestServer & { http: HttpServer; port: number }> {
  const { server, port } = await http()
  const test = new TestServer({ server, ...options })
  test.target = { port }
  return Object.assign(test, { http: server, port })
}

function page(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent: false }, (response) => {
      let body = ''
      response.on('data', (chunk) => (body += chunk)).on('end', () => resolve(body))
    }).on('error', reject)
  })
}

/** Another upgrade listener, that answers `/other` in its own way. */
function other(server: HttpServer): string[] {
  const seen: string[] = []
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    seen.push(request.url ?? '')
    if (request.url === '/other') socket.end('HTTP/1.1 299 Other\r\nContent-Length: 0\r\n\r\n')
  })
  return seen
}

describe('createServer({ server })', () => {
  test('serves upgrades, and leaves requests to it', async () => {
    const test = await attach({ handler: { message: (socket, data) => void socket.write(data) } })
    const { client } = await test.connect()
    client.say('x')
    await client.frame()
    expect(await page(test.port)).toBe('page')
  })

  test('https as well', async () => {
    const { server, port } = await listening(createHttpsServer(TLS))
    const test = new TestServer({ server, handler: { message: (socket, data) => void socket.write(data) } })
    test.target = { port, tls: true }
    const { client } = await test.connect()
    client.say('secret')
    expect((await client.frame()).payload.toString()).toBe('secret')
  })

  test('a path that is not ours, ours the only listener: 404', async () => {
    const test = await attach({ pathname: '/ours' })
    const client = await test.tcp()
    expect((await client.upgrade({ url: '/other' })).status).toBe(404)
    await client.ended()
    await test.connect({ url: '/ours' })
  })

  test('a path that is not ours, with another listener: left alone, untouched', async () => {
    const test = await attach({ pathname: '/ours' })
    const seen = other(test.http)
    expect((await test.answer({ url: '/other' })).status).toBe(299)
    await test.connect({ url: '/ours' })
    expect(seen).toEqual(['/other', '/ours'])
    expect(test.server.stats().rejections).toEqual({})
  })

  test('two of ours on one http server, each with its path', async () => {
    const one = await attach({ pathname: '/one' })
    const two = new TestServer({ server: one.http, pathname: '/two' })
    two.target = one.target
    await one.connect({ url: '/one' })
    await two.connect({ url: '/two' })
    expect([one.opened.length, two.opened.length]).toEqual([1, 1])
  })

  test('two of ours that both serve the path: one of them takes it, and both close', async () => {
    const one = await attach()
    const two = new TestServer({ server: one.http })
    const client = await one.tcp()
    expect((await client.upgrade()).status).toBe(101)
    client.say('x')
    await eventually(() => one.messages.length + two.messages.length > 0)
    await nextTurn()
    expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect([one.opened.length, two.opened.length]).toEqual([1, 0])
    client.sendClose(1000)
    await inTime(Promise.all([one.server.close(), two.server.close()]), 'server.close()')
  })

  test('a predicate is asked once for a request, and a throw is reported once', async () => {
    let asked = 0
    const test = await attach({
      pathname() {
        asked++
        throw new Error('boom')
      },
    })
    other(test.http)
    const client = await test.tcp()
    client.ask()
    await test.errors.count(1)
    await nextTurn()
    expect([asked, test.errors.length]).toEqual([1, 1])
  })

  test('its timeouts do not end our sockets', async () => {
    const test = await attach()
    test.http.timeout = 60
    test.http.keepAliveTimeout = 60
    const { client, socket } = await test.connect()
    await new Promise((resolve) => setTimeout(resolve, 200))
    client.say('alive')
    await test.messages.count(1)
    expect(socket.readyState).toBe('open')
  })

  test('close(): 1001 to ours, the http server goes on; upgrades are nobody’s again', async () => {
    const test = await attach()
    const { client } = await test.connect()
    const closing = test.server.close()
    expect((await client.answerClose()).code).toBe(1001)
    await closing
    expect(await test.info()).toMatchObject({ code: 1001 })
    expect(test.http.listening).toBe(true)
    expect(await page(test.port)).toBe('page')
    expect(test.http.listenerCount('upgrade')).toBe(0)
  })

  test('after close another may be attached', async () => {
    const first = await attach()
    await first.server.close()
    const second = new TestServer({ server: first.http })
    second.target = first.target
    await second.connect()
    expect([first.opened.length, second.opened.length]).toEqual([0, 1])
  })

  test('a server that is not listening yet', async () => {
    const server = createHttpServer()
    const test = new TestServer({ server })
    const { port } = await listening(server)
    test.target = { port }
    await test.connect()
  })

  test('many of them leave no listener behind on the http server’s sockets', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    const test = await attach()
    const sockets: Duplex[] = []
    test.http.on('connection', (socket) => sockets.push(socket))
    const { socket } = await test.connect()
    const before = sockets[0]!.listenerCount('error')
    for (let i = 0; i < 50; i++) socket.write('x')
    await nextTurn()
    expect(sockets[0]!.listenerCount('error')).toBe(before)
    expect(warnings).toEqual([])
    process.off('warning', onWarning)
  })
})

describe('server.upgrade()', () => {
  test('takes what a framework routed; a path that is not ours is 404', async () => {
    const { server, port } = await http()
    const test = new TestServer({ server, pathname: '/ours' })
    // Made without any place: node's server is the framework's.
    await test.server.close()
    const manual = track(
      createServer({ pathname: '/ours', handler: { message: (socket, data) => void socket.write(data) } }),
    )
    server.on('upgrade', (request, socket, head) => manual.upgrade(request, socket, head))
    const client = await RawClient.connect({ port })
    expect((await client.upgrade({ url: '/ours' })).status).toBe(101)
    client.say('x')
    expect((await client.frame()).payload.toString()).toBe('x')
    const stranger = await RawClient.connect({ port })
    expect((await stranger.upgrade({ url: '/other' })).status).toBe(404)
  })

  test('a second call for the same socket throws, and the first goes on', async () => {
    const { server, port } = await http()
    const manual = track(createServer({ handler: { message: (socket, data) => void socket.write(data) } }))
    const thrown: unknown[] = []
    server.on('upgrade', (request, socket, head) => {
      manual.upgrade(request, socket, head)
      try {
        manual.upgrade(request, socket, head)
      } catch (error) {
        thrown.push(error)
      }
    })
    const client = await RawClient.connect({ port })
    expect((await client.upgrade()).status).toBe(101)
    expect(thrown).toEqual([expect.any(Error)])
    client.say('x')
    await client.frame()
    expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  test('a second call through another server throws too', async () => {
    const { server, port } = await http()
    const [one, two] = [1, 2].map(() =>
      track(createServer({ handler: { message: (socket, data) => void socket.write(data) } })),
    )
    const thrown: unknown[] = []
    server.on('upgrade', (request, socket, head) => {
      one!.upgrade(request, socket, head)
      try {
        two!.upgrade(request, socket, head)
      } catch (error) {
        thrown.push(error)
      }
    })
    const client = await RawClient.connect({ port })
    expect((await client.upgrade()).status).toBe(101)
    client.say('x')
    await client.frame()
    expect(thrown).toEqual([expect.any(Error)])
    expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  test('beside the listener of an attached server: what was given by hand is not taken twice', async () => {
    const { server, port } = await http()
    let manual: ReturnType<typeof createServer> | null = null
    server.on('upgrade', (request, socket, head) => manual!.upgrade(request, socket, head))
    manual = track(createServer({ server, handler: { message: (socket, data) => void socket.write(data) } }))
    const client = await RawClient.connect({ port })
    expect((await client.upgrade()).status).toBe(101)
    client.say('x')
    await client.frame()
    expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(manual.stats().sockets).toBe(1)
  })

  test.each(['a reset', 'a FIN'])('a peer that left by %s before the framework had decided', async (how) => {
    const { server, port } = await http()
    const opened: unknown[] = []
    const closed: unknown[] = []
    const manual = track(
      createServer({
        handler: {
          opened: (socket) => void opened.push(socket),
          message() {},
          closed: (socket) => void closed.push(socket),
        },
      }),
    )
    let asked = false
    const routed = new Promise<void>((resolve) => {
      server.on('upgrade', (request, socket, head) => {
        asked = true
        // A framework looks something up; meanwhile it listens for errors.
        socket.on('error', () => {})
        socket.resume()
        socket.once(how === 'a reset' ? 'close' : 'end', () =>
          setImmediate(() => {
            manual.upgrade(request, socket, head)
            resolve()
          }),
        )
      })
    })
    const client = await RawClient.connect({ port })
    client.ask()
    await eventually(() => asked)
    if (how === 'a reset') client.reset()
    else client.socket.end()
    await inTime(routed, 'the upgrade')
    await nextTurn()
    if (how === 'a FIN') client.socket.destroy()
    await inTime(manual.close(), 'server.close()')
    expect(opened.length).toBe(closed.length)
    if (how === 'a reset') expect(opened.length).toBe(0)
    expect(manual.stats()).toMatchObject({ sockets: 0, pendingHandshakes: 0 })
  })

  test('after close(): 503', async () => {
    const { server, port } = await http()
    const manual = track(createServer({ handler: { message() {} } }))
    server.on('upgrade', (request, socket, head) => manual.upgrade(request, socket, head))
    await manual.close()
    const client = await RawClient.connect({ port })
    const { status, headers } = await client.upgrade()
    expect(status).toBe(503)
    expect(headers['retry-after']).toBeDefined()
    await client.ended()
    await eventually(() => manual.stats().rejections[503] === 1)
  })
})
