// A mistake in the options throws at the call, before anything is started.

import { createMemoryBus } from '@roomcast/channels'
import { createRoomcast, type RoomcastOptions } from 'roomcast'
import { describe, expect, test } from 'vitest'
import { LIMIT_NAMES, LIMITS } from '../../packages/roomcast/src/limits.ts'

const create = (options: unknown) => createRoomcast(options as RoomcastOptions)
const noop = (): void => {}

describe('options that do not exist', () => {
  test.each([
    ['handler', { message: noop }],
    ['handshake', noop],
    ['authenticate', noop],
    ['subscribe', noop],
    ['server', {}],
    ['pathname', '/chat'],
    ['ports', 1],
    ['Port', 1],
    ['maxBufferedBytes', 1],
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
  broker: [1, null, {}, noop, { start: noop }],
  ...Object.fromEntries(LIMIT_NAMES.map((name) => [name, ['1', null, {}, true, 1n]])),
}
test.each(Object.entries(OF_WRONG_TYPE).flatMap(([name, values]) => values.map((value) => [name, value] as const)))(
  '%s: %o is of the wrong type',
  (name, value) => {
    expect(() => create({ [name]: value })).toThrow(TypeError)
  },
)

test.each([null, 1, 'x', [], [4545]])('%j are no options', (options) => {
  expect(() => create(options)).toThrow(new TypeError('createRoomcast needs an options object'))
})

const WRONG: Record<string, unknown[]> = {
  port: [-1, 65_536, 1.5, Number.NaN],
  host: ['', 'http://x', 'a b', 'a\nb'],
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
  const broker = createMemoryBus().broker()
  for (const wrong of [{ handler: {} }, { maxConnections: 0 }, { port: 'x' }, { origin: ['x'] }]) {
    expect(() => create({ broker, ...wrong })).toThrow()
  }
  expect(broker.status).toBe('connecting')
})

test('undefined is as good as left out', async () => {
  const names = [...Object.keys(OF_WRONG_TYPE), ...LIMIT_NAMES]
  const options = Object.fromEntries(names.map((name) => [name, undefined]))
  await using roomcast = create(options)
  expect(roomcast.token).toMatch(/^[\w-]{32}$/)
})
