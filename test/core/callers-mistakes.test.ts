// A caller's mistake throws at the call where it can be seen there, and is a 500 where it shows only later: never an open
// door, never the end of the process. And what is told of an error when the user has not said who hears it.

import { createServer, type Handler, reject } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { cleanUp, serve } from '../support/core-server.ts'
import { inTime, nextTurn } from '../support/log.ts'
import { RawClient } from '../support/raw-client.ts'

afterEach(cleanUp)

const message = (): void => {}

/** What a caller may pass when his compiler does not look. */
const create = (options: object): unknown => createServer(options as never)

describe('callbacks that do not exist', () => {
  const NAMES = ['open', 'onMessage', 'onOpen', 'close', 'error', 'onClose', 'connection', 'drain', 'Message', 'opend']

  test.each(NAMES)('%s of an object: a TypeError that names it, and those there are', (name) => {
    expect(() => create({ handler: { message, [name]() {} } })).toThrow(TypeError)
    expect(() => create({ handler: { message, [name]() {} } })).toThrow(`handler.${name}`)
    expect(() => create({ handler: { message, [name]() {} } })).toThrow('drained')
    expect(() => create({ routes: { '/chat': { message, [name]() {} } } })).toThrow(TypeError)
  })

  test.each(['open', 'onMessage', 'onOpen', 'close', 'error', 'connection', 'drain'])('%s of a class', (name) => {
    class Chat {
      message(): void {}
    }
    Object.defineProperty(Chat.prototype, name, { value() {} })
    expect(() => create({ handler: new Chat() })).toThrow(TypeError)
  })

  test('a class may have methods and fields of its own', async () => {
    class Chat implements Handler<undefined, undefined> {
      readonly rooms = new Map<string, number>()
      readonly texts: string[] = []
      message(_: unknown, data: Buffer): void {
        this.#note(data.toString())
      }
      broadcast(): void {}
      join(): void {}
      #note(text: string): void {
        this.texts.push(text)
      }
    }
    const chat = new Chat()
    const server = createServer({ port: 0, host: '127.0.0.1', handler: chat })
    const { port } = await server.listen()
    const client = await RawClient.connect({ port })
    await client.upgrade()
    client.say('x')
    client.sendClose(1000)
    await client.ended()
    expect(chat.texts).toEqual(['x'])
    await server.close()
  })

  test.each(['init', 'handshake', 'opened', 'ping', 'pong', 'drained', 'closed'])('%s that is no function', (name) => {
    for (const value of [1, 'x', {}, null]) {
      expect(() => create({ handler: { message, [name]: value } })).toThrow(TypeError)
    }
  })
})

describe('paths', () => {
  test.each(['chat', '', 'chat/', ' /chat', 'http://a/chat'])('%j has no leading slash', (path) => {
    expect(() => create({ handler: { message }, pathname: path })).toThrow(TypeError)
    expect(() => create({ routes: { [path]: { message } } })).toThrow(TypeError)
  })

  test.each<[string, object]>([
    ['routes and handler', { routes: { '/a': { message } }, handler: { message } }],
    ['routes and pathname', { routes: { '/a': { message } }, pathname: '/a' }],
    ['routes and text', { routes: { '/a': { message } }, text: 'string' }],
    ['text that is no form', { handler: { message }, text: 'utf8' }],
    ['no route', { routes: {} }],
    ['a route without a message', { routes: { '/a': { message }, '/b': {} } }],
    ['a route that is nothing', { routes: { '/a': null } }],
    ['routes that are no object', { routes: 'x' }],
  ])('%s', (_, options) => {
    expect(() => create(options)).toThrow(TypeError)
  })
})

describe('what must answer at once', () => {
  test.each<[string, object]>([
    ['init', { handler: { message, init: async () => 1 } }],
    ['init of a route', { routes: { '/a': { message, init: async () => 1 } } }],
    ['pathname', { handler: { message }, pathname: async () => true }],
    ['origin', { handler: { message }, origin: async () => true }],
  ])('%s, written as async: a TypeError at the call', (_, options) => {
    expect(() => create(options)).toThrow(TypeError)
  })

  const origin = { headers: { Origin: 'https://foreign.example' } }
  const LATER: readonly (readonly [string, () => unknown])[] = [
    ['true', () => Promise.resolve(true)],
    ['false', () => Promise.resolve(false)],
    ['an error', () => Promise.reject(new Error('later'))],
    // biome-ignore lint/suspicious/noThenProperty: this is what is tested.
    ['a thenable', () => ({ then: (_: unknown, failed: (e: unknown) => void) => failed(new Error('later')) })],
  ]

  test.each(LATER)('init that promises %s: 500, and nobody is opened', async (_, later) => {
    const server = await serve({ handler: { init: later as never } })
    expect((await server.answer()).status).toBe(500)
    await nextTurn()
    expect(server.opened.length).toBe(0)
    expect(server.errors.all).toMatchObject([{ where: 'init', error: expect.any(TypeError) }])
  })

  test.each(LATER)('pathname that promises %s: 500', async (_, later) => {
    const server = await serve({ pathname: later as never })
    expect((await server.answer()).status).toBe(500)
    await nextTurn()
    expect(server.opened.length).toBe(0)
    expect(server.errors.all).toMatchObject([{ where: 'pathname', error: expect.any(TypeError) }])
  })

  test.each(LATER)('origin that promises %s: 403', async (_, later) => {
    const server = await serve({ origin: later as never })
    expect((await server.answer(origin)).status).toBe(403)
    await nextTurn()
    expect(server.opened.length).toBe(0)
  })
})

describe('handshake', () => {
  const NOTHING: readonly (readonly [string, () => unknown])[] = [
    ['nothing', () => {}],
    ['nothing, later', async () => {}],
    ['a reject that was not returned', () => void reject(401)],
    ['a reject that was not returned, later', async () => void reject(401)],
  ]

  test.each(NOTHING)('that returns %s: 500, and nobody is opened', async (_, handshake) => {
    const server = await serve({ handler: { handshake: handshake as never } })
    expect((await server.answer()).status).toBe(500)
    expect(server.opened.length).toBe(0)
    expect(server.errors.all).toMatchObject([{ where: 'handshake', error: expect.any(TypeError) }])
  })

  test.each<[string, unknown]>([
    ['null', null],
    ['false', false],
    ['0', 0],
    ["''", ''],
  ])('that returns %s: a state like any other', async (_, state) => {
    const server = await serve<undefined, unknown>({ handler: { handshake: () => state } })
    expect((await server.connect()).socket.state).toBe(state)
  })

  test.each<[string, () => unknown]>([
    ['returned', () => reject(402, 'no_money', { body: 'pay' })],
    ['returned later', async () => reject(402, 'no_money', { body: 'pay' })],
    [
      'thrown',
      () => {
        throw reject(402, 'no_money', { body: 'pay' })
      },
    ],
    [
      'thrown later',
      async () => {
        throw reject(402, 'no_money', { body: 'pay' })
      },
    ],
  ])('a reject that is %s', async (_, handshake) => {
    const server = await serve({ handler: { handshake: handshake as never } })
    expect(await server.answer()).toMatchObject({ status: 402, headers: { error: 'no_money' }, body: 'pay' })
    expect(server.errors.all).toEqual([])
    expect(server.server.stats().rejections).toEqual({ 402: 1 })
  })
})

describe('without onError', () => {
  test.each<[string, Partial<Handler<undefined, undefined>>]>([
    ['opened', { opened: () => ({}) as { missing: { name: string } } }],
    ['message', {}],
    ['closed', {}],
  ])('a warning that names %s and shows where it was thrown', async (where) => {
    const warnings: Error[] = []
    const warned = new Promise<void>((resolve) => {
      const listen = (warning: Error): void => {
        if (warning.name !== 'RoomcastWarning') return
        process.off('warning', listen)
        warnings.push(warning)
        resolve()
      }
      process.on('warning', listen)
    })
    function theUsersOwnFunction(): never {
      throw new TypeError('the user’s mistake')
    }
    const handler = { message() {}, [where]: () => theUsersOwnFunction() }
    const server = createServer({ port: 0, host: '127.0.0.1', handler })
    const { port } = await server.listen()
    const client = await RawClient.connect({ port })
    client.ask()
    client.say('x')
    client.sendClose(1000)
    await inTime(warned, 'the warning')
    const { message: text, detail } = warnings[0] as Error & { detail: string }
    expect(text).toContain(where)
    expect(detail).toContain('TypeError: the user’s mistake')
    expect(detail).toContain('theUsersOwnFunction')
    expect(detail).toContain('callers-mistakes.test')
    client.socket.destroy()
    await server.close()
  })
})
