// What a handshake comes to when it is not what `reject` and `accept` made at this call: a Rejection that was changed, made
// by hand or extended, a state that nobody awaited. One that cannot be sent is a 500 for that request alone, never an open
// door and never the end of the process.

import { AsyncResource } from 'node:async_hooks'
import { Acceptance, accept, Rejection, reject } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { Turn } from '../../packages/core/src/server/turn.ts'
import { clientFrame, Op } from '../support/client-frames.ts'
import { cleanUp, serve, TestServer } from '../support/core-server.ts'
import { inTime, Log, nextTurn } from '../support/log.ts'
import { handshakeText, RawClient } from '../support/raw-client.ts'
import { closePlaces, host, portOf } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

class Denied extends Rejection {
  readonly why = 'no token'
}

const byHand = (fields: object): Rejection => new Rejection(fields as never)
const changed = (fields: object): Rejection => Object.assign(reject(401), fields)

const MALFORMED: readonly (readonly [string, () => unknown])[] = [
  ['an error of other characters', () => byHand({ status: 401, error: 'zoë ✓', headers: {} })],
  ['an error that was changed', () => changed({ error: 'zoë ✓' })],
  ['an error with a line of its own', () => changed({ error: 'x\r\nSet-Cookie: a=b' })],
  ['an error that is no string', () => changed({ error: { code: 1 } })],
  ['no status', () => new Denied({ error: 'x' } as never)],
  ['a status of success', () => changed({ status: 200 })],
  ['a status that opens', () => changed({ status: 101 })],
  ['a status with lines of its own', () => changed({ status: '401 No\r\nSet-Cookie: a=b' })],
  ['a header that HTTP does not allow', () => changed({ headers: { 'X-Name': 'ж' } })],
  ['headers that would be lost', () => changed({ headers: new Map([['Set-Cookie', 'a=b']]) })],
  ['a body that is no text', () => changed({ body: { a: 1 } })],
  ['a field that throws', () => Object.defineProperty(reject(401), 'error', { get: () => reject(99) })],
]

type Way = readonly [string, (made: () => unknown) => unknown]
const thrown = (made: () => unknown): never => {
  throw made()
}
const WAYS: readonly Way[] = [
  ['returned', (made) => made()],
  ['returned later', async (made) => nextTurn().then(made)],
  ['thrown', thrown],
  ['thrown later', async (made) => nextTurn().then(() => thrown(made))],
]

describe.each(WAYS)('%s', (_, give) => {
  test.each(MALFORMED)('%s: 500, and onError hears why', async (_name, made) => {
    const server = await serve({ handler: { handshake: (() => give(made)) as never } })
    for (const asked of [1, 2]) {
      const { status, headers, body } = await server.answer()
      expect([status, headers.error, headers['set-cookie'], body]).toEqual([
        500,
        'internal_error',
        undefined,
        'Internal Server Error',
      ])
      expect(server.errors.length).toBe(asked)
    }
    expect(server.errors.all).toMatchObject([{ where: 'handshake', error: expect.any(Error) }, { where: 'handshake' }])
    expect(server.opened.length).toBe(0)
    expect(server.server.stats()).toMatchObject({ rejections: { 500: 2 }, pendingHandshakes: 0 })
  })

  test.each<[string, () => unknown]>([
    ['made by hand', () => byHand({ status: 402, error: 'no_money' })],
    ['extended', () => new Denied({ status: 402, error: 'no_money', headers: {}, body: undefined })],
    ['changed', () => changed({ status: 402, error: 'no_money' })],
  ])('one that can be sent, %s, is', async (_name, made) => {
    const server = await serve({ handler: { handshake: (() => give(made)) as never } })
    expect(await server.answer()).toMatchObject({ status: 402, headers: { error: 'no_money' } })
    expect(server.errors.all).toEqual([])
  })

  test.each<[string, () => unknown]>([
    ['a promise', () => new Acceptance({ state: Promise.resolve(1) } as never)],
    ['a refusal', () => new Acceptance({ state: reject(401) } as never)],
    ['headers that would be lost', () => Object.assign(accept(1), { headers: new Map([['Set-Cookie', 'a=b']]) })],
    ['a subprotocol that is none', () => Object.assign(accept(1), { subprotocol: 5 })],
  ])('an Acceptance by hand, with %s: 500', async (_name, made) => {
    const server = await serve({ handler: { handshake: (() => give(made)) as never } })
    expect((await server.answer()).status).toBe(500)
    expect(server.opened.length).toBe(0)
    expect(server.errors.length).toBe(1)
  })
})

test('whatever is thrown: 500', async () => {
  const hostile = new Proxy({}, { get: thrown as never, has: thrown as never, getPrototypeOf: thrown as never })
  const server = await serve({ handler: { handshake: (() => thrown(() => hostile)) as never } })
  expect((await server.answer()).status).toBe(500)
  expect(server.errors.length).toBe(1)
})

test('a Rejection that extends another is no instance of its kind', () => {
  expect(new Denied({} as never)).toBeInstanceOf(Denied)
  expect(reject(401)).not.toBeInstanceOf(Denied)
})

describe('a state that is none', () => {
  const FORGOTTEN: readonly (readonly [string, () => unknown])[] = [
    ['a promise', () => Promise.resolve({ id: 1 })],
    ['a promise that rejects', () => Promise.reject(new Error('no database'))],
    // biome-ignore lint/suspicious/noThenProperty: this is what is tested.
    ['a thenable', () => ({ then: (_: unknown, failed: (e: unknown) => void) => failed(new Error('later')) })],
    ['a refusal', () => reject(401)],
    ['an acceptance', () => accept(1)],
  ]

  test.each(FORGOTTEN)('accept of %s: a TypeError at the call, and nothing is left unheard', async (_, made) => {
    expect(() => accept(made())).toThrow(TypeError)
    await nextTurn()
  })

  test.each(FORGOTTEN)('a handshake that accepts %s: 500', async (_, made) => {
    const server = await serve<undefined, unknown>({ handler: { handshake: () => accept(made()) } })
    expect((await server.answer()).status).toBe(500)
    expect(server.opened.length).toBe(0)
    expect(server.errors.all).toMatchObject([{ where: 'handshake', error: expect.any(TypeError) }])
  })

  test.each(FORGOTTEN)('an init that gives %s: 500', async (_, made) => {
    const server = await serve<unknown, unknown>({ handler: { init: made } })
    expect((await server.answer()).status).toBe(500)
    expect(server.opened.length).toBe(0)
    expect(server.errors.all).toMatchObject([{ where: 'init', error: expect.any(TypeError) }])
  })
})

describe('nobody is harmed by another', () => {
  test('a turn: what one task throws is told, and the others are done', async () => {
    const heard = new Log<unknown>('heard')
    const done: string[] = []
    const turn = new Turn(new AsyncResource('test'), (error) => heard.push(error))
    const broken = new Error('broken')
    const task = (name: string) => ({ onTurnEnd: () => void done.push(name) })
    turn.atEnd({ onTurnEnd: () => thrown(() => broken) })
    turn.atEnd(task('at the end'))
    turn.afterEnd({ onTurnEnd: () => thrown(() => broken) })
    turn.afterEnd(task('after the end'))
    await heard.count(2)
    expect(heard.all).toEqual([broken, broken])
    expect(done).toEqual(['at the end', 'after the end'])
  })

  test('upgrades that come late, of which the first throws what cannot be sent: the others are opened', async () => {
    const web = await host()
    const asked = new Log<unknown>('asked')
    const server = new TestServer<undefined, unknown>({
      handler: {
        handshake: ({ path }) => (path === '/bad' ? thrown(() => changed({ error: 'zoë ✓' })) : null),
      },
    })
    const go: (() => void)[] = []
    web.on('upgrade', (...given) => {
      go.push(() => server.server.upgrade(...given))
      asked.push(given[1])
    })
    const clients: RawClient[] = []
    for (const url of ['/bad', '/good', '/good']) {
      const client = await RawClient.connect({ port: portOf(web) })
      client.write(handshakeText({ url }))
      await asked.count(clients.length + 1)
      // What lies in the stream makes the upgrade begin when a turn ends.
      client.write(clientFrame({ opcode: Op.TEXT, payload: 'early' }))
      clients.push(client)
    }
    const streams = asked.all as { readableLength: number }[]
    await inTime(
      (async () => {
        while (streams.some(({ readableLength }) => readableLength === 0)) await nextTurn()
      })(),
      'the early frames',
    )
    for (const begin of go) begin()
    expect((await clients[0]!.response()).status).toBe(500)
    expect((await clients[1]!.response()).status).toBe(101)
    expect((await clients[2]!.response()).status).toBe(101)
    await server.messages.count(2)
    expect(server.texts).toEqual(['early', 'early'])
  })
})
