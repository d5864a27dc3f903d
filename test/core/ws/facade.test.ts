// What the facade has of its own: options in core's words, sockets that core's other parts take, callbacks that wait for
// a slow peer, and nothing lost between the handshake and the first listener.

import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createChannels } from '@roomcast/channels'
import { accept, type CloseInfo, reject, type Socket } from '@roomcast/core'
import { type SendOptions, type WebSocket, WebSocketServer, type WebSocketServerOptions } from '@roomcast/core/ws'
import { afterEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import { clientFrame, Op } from '../../support/client-frames.ts'
import { cleanUp, temporaryFolder } from '../../support/core-server.ts'
import { Log, nextTurn } from '../../support/log.ts'
import { endClients, RawClient, describe as short } from '../../support/raw-client.ts'
import { endSides, listen } from './sides.ts'

const open = new Set<WebSocketServer>()

afterEach(async () => {
  endClients()
  await Promise.all([...open].map((wss) => wss.close()))
  open.clear()
  endSides()
  await cleanUp()
})

/** A server on a port, and what connects to it. */
async function serve(options: WebSocketServerOptions = {}) {
  const wss = new WebSocketServer({ ...('unix' in options ? {} : { port: 0, host: '127.0.0.1' }), ...options })
  open.add(wss)
  const sockets = new Log<WebSocket>('sockets')
  wss.on('connection', (ws) => sockets.push(ws))
  await once(wss, 'listening')
  const address = wss.address()
  const target = typeof address === 'string' ? { path: address } : { port: (address as AddressInfo).port }
  return { wss, sockets, connect: () => RawClient.connect(target) }
}

describe('options', () => {
  const noServer = { noServer: true }
  test.each<[string, unknown, RegExp]>([
    ['none', undefined, /options object/],
    ['no place', {}, /one of port, unix, server and noServer/],
    ['two places', { noServer: true, port: 0 }, /one of/],
    ['noServer: false alone', { noServer: false }, /one of/],
    ['noServer that is no boolean', { noServer: 'yes' }, /noServer/],
    ['path', { ...noServer, path: '/' }, /pathname/],
    ['maxPayload', { ...noServer, maxPayload: 1 }, /maxMessageBytes/],
    ['perMessageDeflate', { ...noServer, perMessageDeflate: true }, /compression/],
    ['verifyClient', { ...noServer, verifyClient() {} }, /handshake/],
    ['handleProtocols that is no function', { ...noServer, handleProtocols: 'a' }, /handleProtocols/],
    ['an unknown one', { ...noServer, clientTracking: true }, /clientTracking/],
    ['handshake that is no function', { ...noServer, handshake: true }, /handshake/],
    ['handler', { ...noServer, handler: { message() {} } }, /unknown option: handler/],
    ['text', { ...noServer, text: 'string' }, /unknown option: text/],
  ])('%s: a TypeError that helps', (_, options, message) => {
    const call = (): unknown => new WebSocketServer(options as WebSocketServerOptions)
    expect(call).toThrow(TypeError)
    expect(call).toThrow(message)
  })

  test('handleProtocols alone may be set later, to a function', () => {
    const { options } = new WebSocketServer({ noServer: true })
    expect(() => Object.assign(options, { handleProtocols: 'a' })).toThrow(TypeError)
    expect(() => Object.assign(options, { origin: 'any' })).toThrow(TypeError)
    options.handleProtocols = () => false
    expect(options.handleProtocols).toBeTypeOf('function')
  })

  test('a handleUpgrade that would not be asked is a TypeError', () => {
    class Guarded extends WebSocketServer {
      override handleUpgrade(...args: Parameters<WebSocketServer['handleUpgrade']>): void {
        super.handleUpgrade(...args)
      }
    }
    expect(() => new Guarded({ port: 0 })).toThrow(/handshake/)
    expect(() => new Guarded({ server: createServer() })).toThrow(TypeError)
    expect(new Guarded({ noServer: true })).toBeInstanceOf(WebSocketServer)
  })

  test('limits and the rest are core’s, and so are stats', async () => {
    const { wss, sockets, connect } = await serve({ maxMessageBytes: 3, pathname: '/chat', subprotocols: ['b'] })
    const client = await connect()
    await client.upgrade({ url: '/chat', headers: { 'Sec-WebSocket-Protocol': 'a, b' } })
    expect((await sockets.at(0)).protocol).toBe('b')
    client.say('four')
    expect((await client.close()).code).toBe(1009)
    expect(wss.server.stats().limits).toEqual({ maxMessageBytes: 1 })
  })

  test('a unix socket', async () => {
    const path = `${await temporaryFolder()}/socket`
    const { wss, sockets, connect } = await serve({ unix: path })
    expect(wss.address()).toBe(path)
    await (await connect()).upgrade()
    expect((await sockets.at(0)).readyState).toBe(1)
  })
})

describe('handshake', () => {
  test('decides, sees node’s request, gives the state, the headers, the subprotocol', async () => {
    const { sockets, connect } = await serve({
      async handshake({ extra, headers, path, signal }) {
        expect((extra as IncomingMessage).url).toBe(path)
        await Promise.resolve()
        expect(signal.aborted).toBe(false)
        if (headers['x-user'] === undefined) return reject(401, 'who')
        return accept({ user: headers['x-user'] }, { subprotocol: 'a', headers: { 'X-One': ['1', '2'] } })
      },
    })
    expect(await (await connect()).upgrade()).toMatchObject({ status: 401, headers: { error: 'who' } })
    const client = await connect()
    const headers = { 'X-User': 'leto', 'Sec-WebSocket-Protocol': 'a' }
    const { head } = await client.upgrade({ headers })
    expect(head.match(/^x-one: ./gim)).toEqual(['x-one: 1', 'x-one: 2'])
    const ws = await sockets.at(0)
    expect([ws.socket.state, ws.protocol, ws.socket.path]).toEqual([{ user: 'leto' }, 'a', '/'])
  })

  test('that returns nothing, or throws, opens no door', async () => {
    const errors: unknown[] = []
    const onError = (error: unknown): void => void errors.push(error)
    for (const handshake of [() => undefined, async () => undefined, () => Promise.reject(new Error('lost'))]) {
      const { connect, wss } = await serve({ handshake: handshake as never, onError })
      expect((await (await connect()).upgrade()).status).toBe(500)
      expect(wss.clients.size).toBe(0)
    }
    expect(errors).toHaveLength(3)
  })

  test('goes before handleProtocols, and that before subprotocols; one that throws is a 500', async () => {
    const errors: unknown[] = []
    const options = { subprotocols: ['a'], onError: (error: unknown) => errors.push(error) }
    const offer = async (more: WebSocketServerOptions) => {
      const { connect } = await serve({ ...options, ...more })
      const { status, headers } = await (await connect()).upgrade({ headers: { 'Sec-WebSocket-Protocol': 'a, b, c' } })
      return [status, headers['sec-websocket-protocol']]
    }
    const handleProtocols = (): string => 'b'
    const handshake = () => accept({}, { subprotocol: 'c' })
    expect(await offer({ handleProtocols, handshake })).toEqual([101, 'c'])
    expect(await offer({ handleProtocols, handshake: () => ({}) })).toEqual([101, 'b'])
    expect(await offer({ handleProtocols: () => false })).toEqual([101, undefined])
    const mistake = new Error('the user’s mistake')
    const thrown = (): never => {
      throw mistake
    }
    expect(await offer({ handleProtocols: thrown })).toEqual([500, undefined])
    expect(errors).toEqual([mistake])
  })

  test('a subprotocol that a listener to headers pushes is the socket’s', async () => {
    const { wss, sockets, connect } = await serve()
    wss.on('headers', (headers) => headers.push('sec-websocket-protocol: b'))
    const client = await connect()
    const answer = await client.upgrade({ headers: { 'Sec-WebSocket-Protocol': 'a, b' } })
    expect(answer.headers['sec-websocket-protocol']).toBe('b')
    expect((await sockets.at(0)).protocol).toBe('b')
  })

  test('a header that a listener smuggles in is a 500', async () => {
    const { wss, connect } = await serve({ onError() {} })
    wss.on('headers', (headers) => headers.push('X: a\r\nSet-Cookie: stolen'))
    expect((await (await connect()).upgrade()).status).toBe(500)
  })
})

test('what comes in the packet of the handshake waits for who listens behind promises', async () => {
  const heard = new Log<string>('heard')
  const wss = new WebSocketServer({ noServer: true })
  open.add(wss)
  const web = createServer()
  web.on('upgrade', (request, socket, head) => {
    void (async () => {
      const ws = await new Promise<WebSocket>((resolve) => wss.handleUpgrade(request, socket, head, resolve))
      for (let i = 0; i < 50; i++) await Promise.resolve()
      ws.on('message', (data) => heard.push(`${data}`))
    })()
  })
  const client = await RawClient.connect({ port: await listen(web) })
  client.ask({}, clientFrame({ opcode: Op.TEXT, payload: 'early' }))
  expect(await heard.at(0)).toBe('early')
})

describe('callbacks of send', () => {
  test('wait while the kernel refuses, are called in order when it took everything, and hear of a loss', async () => {
    const { sockets, connect } = await serve({ maxBufferedBytes: 2 ** 26 })
    const client = await connect()
    await client.upgrade()
    const ws = await sockets.at(0)
    client.socket.pause()
    const called = new Log<string>('called')
    const send = (name: string): void =>
      ws.send(Buffer.alloc(2 ** 20), (error) => called.push(`${name} ${error ?? ''}`))
    let sent = 0
    while (ws.bufferedAmount < 2 ** 22) {
      send(`${sent++}`)
      await nextTurn()
    }
    // The last of them is not with the kernel, whatever else is.
    expect(called.all).not.toContain(`${sent - 1} `)
    client.socket.resume()
    await called.count(sent)
    expect(called.all).toEqual(Array.from({ length: sent }, (_, i) => `${i} `))

    client.socket.pause()
    while (ws.bufferedAmount < 2 ** 22) {
      send('lost')
      await nextTurn()
    }
    const all = called.length
    client.reset()
    await called.find((entry) => entry.includes('Error'))
    expect(called.all.slice(all).every((entry) => entry === 'lost Error: the connection was lost')).toBe(true)
  })

  test('null is none, as undefined is', async () => {
    const errors: unknown[] = []
    const { sockets, connect } = await serve({ onError: (error) => errors.push(error) })
    const client = await connect()
    await client.upgrade()
    const ws = await sockets.at(0)
    ws.send('a', null, null)
    ws.send('b', null)
    ws.ping(null, undefined, null)
    await new Promise<void>((resolve) => ws.send('c', () => resolve()))
    expect((await client.frames.count(4)).map(short)).toEqual(['text a', 'text b', 'ping', 'text c'])
    expect(errors).toEqual([])
  })

  test('one that throws goes to onError; one of a dropped message is told', async () => {
    const errors = new Log<unknown>('errors')
    const { sockets, connect } = await serve({
      maxBufferedBytes: 1024,
      slowConsumer: 'drop',
      onError: (error) => errors.push(error),
    })
    const client = await connect()
    await client.upgrade()
    const ws = await sockets.at(0)
    const mistake = new Error('the user’s mistake')
    ws.send('x', () => {
      throw mistake
    })
    expect(await errors.at(0)).toBe(mistake)
    client.socket.pause()
    const dropped = new Log<Error>('dropped')
    for (let i = 0; i < 64 && dropped.length === 0; i++) {
      ws.send(Buffer.alloc(2 ** 20), (error) => error !== undefined && dropped.push(error))
      await nextTurn()
    }
    expect(`${await dropped.at(0)}`).toContain('dropped')
    expect(ws.readyState).toBe(ws.OPEN)
  })
})

describe('the end', () => {
  test('a listener to error that throws keeps nobody from close', async () => {
    const { sockets, connect } = await serve({ onError() {} })
    const client = await connect()
    await client.upgrade()
    const ws = await sockets.at(0)
    ws.on('error', () => {
      throw new Error('the user’s mistake')
    })
    const closed = once(ws, 'close')
    client.send({ opcode: 3, payload: '' })
    // `once` hears the error too, and rejects; who listens himself is told of both.
    const told = new Promise((resolve) => ws.on('close', resolve))
    expect(await told).toBe(1002)
    await closed.catch(() => {})
  })

  test('a callback of what terminate discarded hears so; of what had left, not', async () => {
    const { sockets, connect } = await serve()
    const client = await connect()
    await client.upgrade()
    const ws = await sockets.at(0)
    await new Promise<void>((resolve) => ws.send('before', () => resolve()))
    const lost = new Promise<Error | undefined>((resolve) => ws.send('lost', resolve))
    ws.terminate()
    expect(await lost).toBeInstanceOf(Error)
    await client.ended()
    expect(client.frames.all.map(short)).toEqual(['text before'])
  })

  test('close has core’s account beside the code and the reason', async () => {
    const { sockets, connect } = await serve()
    const client = await connect()
    await client.upgrade()
    const ended = once(await sockets.at(0), 'close')
    client.sendClose(4001, 'bye')
    const [code, reason, info] = (await ended) as [number, Buffer, CloseInfo]
    expect([code, `${reason}`, info]).toEqual([4001, 'bye', { code: 4001, reason: 'bye', by: 'peer', clean: true }])
  })

  test('error is for what the server ended by itself: not for close, terminate, wss.close or the peer', async () => {
    const { wss, sockets, connect } = await serve({ onError() {} })
    const happened = new Log<string>('happened')
    const ends: Record<string, (ws: WebSocket, client: RawClient) => unknown> = {
      close: (ws) => ws.close(1011),
      terminate: (ws) => ws.terminate(),
      peer: (_, client) => client.sendClose(1000),
      reset: (_, client) => client.reset(),
      throw: (_, client) => client.say('throw'),
      rule: (_, client) => client.send({ opcode: 3, payload: '' }),
      drain: () => wss.server.drain(),
    }
    for (const [name, end] of Object.entries(ends)) {
      const client = await connect()
      await client.upgrade()
      const ws = await sockets.at(sockets.length - 1)
      ws.on('message', () => {
        throw new Error('the user’s mistake')
      })
      ws.on('error', ({ message }) => happened.push(`${name}: ${message}`))
      const closed = new Promise((resolve) => ws.on('close', resolve))
      void client.close().then(({ code }) => client.sendClose(code))
      end(ws, client)
      await closed
    }
    const { wss: other, sockets: others, connect: connectOther } = await serve()
    const client = await connectOther()
    await client.upgrade()
    ;(await others.at(0)).on('error', ({ message }) => happened.push(`server: ${message}`))
    void client.answerClose()
    await other.close()
    expect(happened.all).toEqual(['throw: closed with 1011', expect.stringMatching(/^rule: ./)])
  })

  test('close of the server: a promise too, for all who ask, and the callback of a second call is told', async () => {
    const { wss } = await serve()
    const callback = vi.fn()
    await Promise.all([wss.close(callback), wss.close(callback)])
    expect(callback.mock.calls).toEqual([[], []])
    const [error] = await new Promise<unknown[]>((resolve) => void wss.close((...args) => resolve(args)))
    expect(error).toBeInstanceOf(Error)
  })

  test('noServer has no address', async () => {
    const wss = new WebSocketServer({ noServer: true })
    expect(() => wss.address()).toThrow(Error)
    await wss.close()
  })
})

test('a room of channels takes ws.socket', async () => {
  const channels = createChannels()
  const { sockets, connect } = await serve()
  const client = await connect()
  await client.upgrade()
  expect(channels.join('lobby', (await sockets.at(0)).socket)).toBe('joined')
  expect(channels.broadcast('lobby', 'hello')).toBe(1)
  expect(short(await client.frame())).toBe('text hello')
  await channels.close()
})

test('types', () => {
  const typed = (wss: WebSocketServer): void => {
    wss.on('connection', (ws, request) => {
      expectTypeOf(ws).toEqualTypeOf<WebSocket>()
      expectTypeOf(request).toEqualTypeOf<IncomingMessage>()
      expectTypeOf(ws.socket).toEqualTypeOf<Socket>()
      expectTypeOf(ws.readyState).toEqualTypeOf<1 | 2 | 3>()
      ws.on('message', (data, isBinary) => {
        expectTypeOf(data).toEqualTypeOf<Buffer | ArrayBuffer>()
        expectTypeOf(isBinary).toEqualTypeOf<boolean>()
        ws.send(data, { binary: isBinary })
      })
      ws.on('close', (code, reason, info) => expectTypeOf([code, reason, info]).toExtend<unknown[]>())
      ws.addEventListener('message', ({ data }) => expectTypeOf(data).toEqualTypeOf<string | Buffer | ArrayBuffer>())
      ws.onclose = ({ wasClean }) => expectTypeOf(wasClean).toEqualTypeOf<boolean>()
      // @ts-expect-error: no such event
      ws.addEventListener('ping', () => {})
    })
    expectTypeOf<SendOptions>().toEqualTypeOf<{ binary?: boolean; compress?: boolean }>()
  }
  expect(typed).toBeTypeOf('function')
})
