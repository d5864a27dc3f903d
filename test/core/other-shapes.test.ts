// What callers pass when it is not what one thinks of first: options in a class, a promise that is a function, options of
// a call with other names and types.

import { Buffer } from 'node:buffer'
import { EventEmitter, getEventListeners } from 'node:events'
import { createServer as createTcpServer } from 'node:net'
import { duplexPair } from 'node:stream'
import { accept, bin, createServer, reject, type ServerOptions, txt } from '@roomcast/core'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { cleanUp, serve } from '../support/core-server.ts'

afterEach(cleanUp)

const message = (): void => {}
describe('options that are not properties of an object of their own', () => {
  class Options {
    get handler() {
      return { message }
    }
    get pathname() {
      return '/only'
    }
  }

  const once = (): object => {
    let asked = 0
    return { handler: { message }, get pathname() { return asked++ === 0 ? '/only' : undefined } } // biome-ignore format: one line
  }

  test.each<[string, () => object]>([
    ['of a class', () => new Options()],
    ['inherited', () => Object.assign(Object.create({ pathname: '/only' }), { handler: { message } })],
    ['a getter that says it once', once],
    ['not enumerable', () => Object.defineProperty({ handler: { message } }, 'pathname', { value: '/only' })],
  ])('%s: they hold', async (_, make) => {
    const server = createServer(make() as ServerOptions<undefined, undefined>)
    const statusOf = async (url: string): Promise<string> => {
      const [ours, theirs] = duplexPair()
      const rawHeaders = ['Host', 'a', 'Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Version', '13']
      rawHeaders.push('Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==')
      server.upgrade({ method: 'GET', httpVersion: '1.1', url, rawHeaders } as never, ours, Buffer.alloc(0))
      const answer = await new Promise<string>((resolve) => theirs.once('data', (chunk) => resolve(`${chunk}`)))
      theirs.destroy()
      ours.destroy()
      return answer.slice(9, 12)
    }
    expect([await statusOf('/only'), await statusOf('/other')]).toEqual(['101', '404'])
    await server.close()
  })

  test('inherited ones that do not exist: a TypeError', () => {
    const options = Object.assign(Object.create({ pathName: '/only' }), { handler: { message } })
    expect(() => createServer(options)).toThrow('pathName')
  })
})

describe('a promise that is a function', () => {
  const later = (then: (resolve: (value: unknown) => void, fail: (error: Error) => void) => void): unknown =>
    Object.assign(() => {}, { then })

  test.each<[string, object, number]>([
    ['init', { handler: { init: () => later((_, fail) => fail(new Error('later'))) } }, 500],
    ['pathname', { pathname: () => later((resolve) => resolve(false)) }, 500],
    ['handshake, refused', { handler: { handshake: () => later((resolve) => resolve(reject(403))) } }, 403],
    ['handshake, failed', { handler: { handshake: () => later((_, fail) => fail(new Error('later'))) } }, 500],
  ])('%s: nobody is opened', async (_, options, status) => {
    const server = await serve(options as never)
    expect((await server.answer()).status).toBe(status)
    expect(server.opened.length).toBe(0)
  })
})

describe('a wrong type or a name that does not exist: a TypeError at the call that says the name', () => {
  const server = createServer({ handler: { message } })
  const wrong = (value: unknown): never => value as never
  const CALLS: readonly (readonly [string, () => unknown])[] = [
    ['batch', () => server.drain({ batch: wrong('5') })],
    ['intervalMs', () => server.drain({ intervalMs: wrong(null) })],
    ['deadlineMs', () => server.drain({ deadlineMs: wrong('5000') })],
    ['signal', () => server.drain({ signal: wrong(true) })],
    ['signal', () => server.drain({ signal: wrong(new AbortController()) })],
    ['signal', () => server.drain({ signal: wrong(new EventTarget()) })],
    ['signal', () => server.drain({ signal: wrong({ aborted: false }) })],
    ['signal', () => server.drain({ signal: wrong({}) })],
    ['server', () => createServer({ handler: { message }, server: wrong(createTcpServer()) })],
    ['server', () => createServer({ handler: { message }, server: wrong(new EventEmitter()) })],
    // As express() is.
    [
      'server',
      () => createServer({ handler: { message }, server: wrong(Object.assign(() => {}, EventEmitter.prototype)) }),
    ],
    ['deadline', () => server.drain(wrong({ deadline: 5000 }))],
    ['status', () => reject(wrong('401'))],
    ['error', () => reject(401, wrong(5))],
    ['header', () => reject(401, '', wrong({ header: {} }))],
    ['reject', () => reject(401, '', wrong('Set-Cookie: a=b'))],
    ['subprotocol', () => accept(1, { subprotocol: wrong(5) })],
    ['subProtocol', () => accept(1, wrong({ subProtocol: 'chat' }))],
    ['compress', () => txt('x', { compress: wrong('no') })],
    ['compressed', () => bin('x', wrong({ compressed: false }))],
    ['slowConsumer', () => createServer({ handler: { message }, slowConsumer: wrong(5) })],
  ]

  test.each(CALLS)('%s', (name, call) => {
    expect(call).toThrow(TypeError)
    expect(call).toThrow(name)
    expect(server.stats().sockets).toBe(0)
  })

  test('a drain that another joins is checked, too', async () => {
    const draining = server.drain()
    expect(() => server.drain({ batch: wrong('5') })).toThrow(TypeError)
    await draining
  })

  test.each([1.5, Number.POSITIVE_INFINITY])('maxHeaderBytes of %d is a bound like the others', async (bytes) => {
    expect(() => createServer({ port: 0, handler: { message }, maxHeaderBytes: bytes })).not.toThrow()
  })
})

describe('a signal of another library, which knows no reason and forgets no listener', () => {
  /** What the duck of an AbortSignal has. */
  class Foreign {
    aborted = false
    readonly listeners: (() => void)[] = []
    addEventListener(_: 'abort', listener: () => void): void {
      this.listeners.push(listener)
    }
    abort(): this {
      this.aborted = true
      for (const listener of this.listeners) listener()
      return this
    }
    get signal(): AbortSignal {
      return this as never
    }
  }

  test('gives a drain up', async () => {
    const server = await serve()
    const [first, second] = [await server.connect(), await server.connect()]
    await expect(server.server.drain({ signal: new Foreign().abort().signal })).rejects.toMatchObject({
      name: 'AbortError',
    })
    expect([first.socket.readyState, second.socket.readyState]).toEqual(['open', 'open'])
    const foreign = new Foreign()
    const drained = server.server.drain({ batch: 1, intervalMs: 60_000, signal: foreign.signal })
    foreign.abort()
    await expect(drained).rejects.toMatchObject({ name: 'AbortError' })
    expect(second.socket.readyState).toBe('open')
    expect((await server.answer()).status).toBe(101)
  })

  test('ends an attempt to listen, and what listens', async () => {
    const server = createServer({ port: 0, host: '127.0.0.1', handler: { message } })
    await expect(server.listen({ signal: new Foreign().abort().signal })).rejects.toMatchObject({ name: 'AbortError' })
    const foreign = new Foreign()
    await server.listen({ signal: foreign.signal })
    foreign.abort()
    await server.close()
    await expect(server.listen()).rejects.toThrow('closed')
  })
})

test('a drain keeps no listener of its signal', async () => {
  const { signal } = new AbortController()
  await createServer({ handler: { message } }).drain({ signal })
  expect(getEventListeners(signal, 'abort').length).toBe(0)
})

test('a queueMicrotask that was faked before the library was loaded does not stop it', async () => {
  vi.useFakeTimers({ toFake: ['queueMicrotask'] })
  vi.resetModules()
  const { queueMicrotask } = await import('../../packages/core/src/server/real-time.ts')
  vi.useRealTimers()
  await new Promise<void>((resolve) => queueMicrotask(resolve))
})
