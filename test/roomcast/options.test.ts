// A mistake in the options throws at the call, before anything is started.

import { createServer } from 'node:http'
import { createMemoryBus } from '@roomcast/channels'
import { memoryStore } from '@roomcast/rooms'
import { createRoomcast, type RoomcastOptions } from 'roomcast'
import { describe, expect, test } from 'vitest'
import { LIMIT_NAMES, LIMITS } from '../../packages/roomcast/src/limits.ts'
import { HOOK_NAMES } from '../../packages/roomcast/src/who/hooks.ts'

const create = (options: unknown) => createRoomcast(options as RoomcastOptions)
const noop = (): void => {}

describe('options that do not exist', () => {
  test.each([
    ['handler', { message: noop }],
    ['handshake', noop],
    ['authorize', noop],
    ['connected', noop],
    ['rooms', {}],
    ['pathname', '/chat'],
    ['ports', 1],
    ['Port', 1],
    ['maxBuffered', 1],
    ['constructor', 1],
    ['undefined', undefined],
  ])('%s', (name, value) => {
    expect(() => create({ [name]: value })).toThrow(new TypeError(`unknown option: ${name}`))
  })

  test('__proto__ as a key of its own', () => {
    expect(() => create(JSON.parse('{"__proto__":{"port":1}}'))).toThrow(new TypeError('unknown option: __proto__'))
  })
})

const OF_WRONG_TYPE: Record<string, unknown[]> = {
  port: ['4545', null, {}, true, 1n],
  host: [1, null, ['::1'], {}],
  token: [7, null, {}, Buffer.from('secret')],
  origin: [1, null, {}, true],
  apiKey: [7, null, {}],
  insecure: ['true', 1, null],
  allowAnonymousConnectWithoutToken: ['true', 1, null],
  tls: [true, 'x', {}, { cert: 'x' }, { cert: 'x', key: 1 }, { cert: 'x', key: 'x', pfx: 'x' }],
  server: [true, {}, 4545, noop],
  store: [1, null, {}, noop, { start: noop }],
  trustProxy: ['x', null, {}, true],
  tokens: [1, null, 'secret', [], new Map([['hmacSecretKey', 's']]), { hmacSecretKey: 1 }, { secret: 'x' }],
  namespaces: [
    1,
    null,
    [],
    new Map([['chat', {}]]),
    { chat: null },
    { chat: new Map([['presence', true]]) },
    { chat: 1 },
    { chat: { Presence: true } },
    { chat: { presence: 'true' } },
    { chat: { historySize: '1' } },
    { chat: { channelRegex: '^x$' } },
  ],
  ...Object.fromEntries(HOOK_NAMES.map((name) => [name, [1, null, {}, 'x', true]])),
  ...Object.fromEntries(LIMIT_NAMES.map((name) => [name, ['1', null, {}, true, 1n]])),
}
test.each(Object.entries(OF_WRONG_TYPE).flatMap(([name, values]) => values.map((value) => [name, value] as const)))(
  '%s: %o is of the wrong type',
  (name, value) => {
    expect(() => create({ [name]: value })).toThrow(TypeError)
  },
)

test.each([null, 1, 'x', [], [4545], new Map([['port', 4545]])])('%j are no options', (options) => {
  expect(() => create(options)).toThrow(new TypeError('createRoomcast needs an options object'))
})

const WRONG: Record<string, unknown[]> = {
  port: [-1, 65_536, 1.5, Number.NaN],
  host: ['', 'http://x', 'a b', 'a\nb'],
  apiKey: ['', 'two words', 'ü'],
  trustProxy: [-1, 1.5, ['x']],
  tls: [{ cert: 'x', key: 'x' }],
  tokens: [
    { hmacSecretKey: '' },
    { rsaPublicKey: 'x' },
    { ecdsaPublicKey: 'x' },
    { jwksPublicEndpoint: 'x' },
    { jwksPublicEndpoint: 'ftp://x' },
  ],
  namespaces: [
    { x: {} },
    { 'a:b': {} },
    { chat: { historySize: -1 } },
    { chat: { historySize: 10 } },
    { chat: { historyTtlMs: 10 } },
    { chat: { forceRecovery: true } },
    { chat: { publicationDataFormat: 'xml' } },
  ],
  token: ['', 'two words', 'line\nbreak', 'ü'],
  origin: ['', 'https://a.example', ['https://a.example/path'], ['https://*.example']],
  ...Object.fromEntries(
    LIMIT_NAMES.map((name) => {
      const { least, most } = LIMITS[name]
      return [name, [least - 1, most + 1, least + 0.5, Number.NaN, Number.NEGATIVE_INFINITY]]
    }),
  ),
}
test.each(Object.entries(WRONG).flatMap(([name, values]) => values.map((value) => [name, value] as const)))(
  '%s: %o is a wrong value',
  (name, value) => {
    expect(() => create({ [name]: value })).toThrow(RangeError)
  },
)

test('what is wrong starts nothing', () => {
  const store = memoryStore()
  for (const wrong of [{ handler: {} }, { maxConnections: 0 }, { port: 'x' }, { origin: ['x'] }, { namespaces: 1 }]) {
    expect(() => create({ store, ...wrong })).toThrow()
  }
  // One that was started could not be started again.
  store.start({ deliver() {}, mark() {}, gap() {}, answer: () => ({}) })
})

test('what joins servers is their store; a broker beside it, or alone, is told so', () => {
  const broker = createMemoryBus().broker()
  for (const options of [{ broker }, { broker, store: memoryStore() }]) {
    expect(() => create(options)).toThrow(new TypeError('broker: what joins servers is their store; give `store`'))
  }
  expect(broker.status).toBe('connecting')
})

test('a server of the program, and what only a server of ours takes, are one too many', () => {
  const server = createServer()
  for (const more of [{ port: 1 }, { host: '::1' }, { tls: { cert: 'x', key: 'x' } }]) {
    expect(() => create({ server, ...more })).toThrow(TypeError)
  }
})

test('undefined is as good as left out', async () => {
  const names = [...Object.keys(OF_WRONG_TYPE), ...LIMIT_NAMES]
  const options = Object.fromEntries(names.map((name) => [name, undefined]))
  await using roomcast = create(options)
  expect(roomcast.token).toMatch(/^[\w-]{32}$/)
})
