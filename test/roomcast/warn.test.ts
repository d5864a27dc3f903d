// A hook may throw whatever it likes, also what cannot be shown: it is an error of that hook, and one warning.

import { once } from 'node:events'
import { createRoomcast } from 'roomcast'
import { expect, test } from 'vitest'
import { inWords, warn } from '../../packages/roomcast/src/warn.ts'
import { connect } from './client.ts'

const EVIL = 'what was thrown cannot be shown'
const thrower = (): never => {
  throw new Error('not even that')
}
const WITHOUT_TEXT = Object.assign(new Error('x'), { toString: thrower })
const WITHOUT_MESSAGE = Object.defineProperty(new Error(), 'message', { get: thrower })
const PROXY = new Proxy({}, { getPrototypeOf: thrower, get: thrower })

const thrown: [what: string, value: unknown, message: string | RegExp][] = [
  ['an error', new RangeError('no'), 'no'],
  ['a string', 'no', 'no'],
  ['undefined', undefined, 'undefined'],
  ['a symbol', Symbol('no'), 'Symbol(no)'],
  ['an object', { code: 5 }, '{ code: 5 }'],
  ['an object without a prototype', Object.create(null), '[Object: null prototype] {}'],
  ['an error whose text throws', WITHOUT_TEXT, 'x'],
  ['an error whose message throws', WITHOUT_MESSAGE, EVIL],
  ['a proxy that throws', PROXY, EVIL],
]

test.each(thrown)('%s', async (_, value, message) => {
  const warned = once(process, 'warning')
  warn(value)
  const [warning] = (await warned) as [Error]
  expect(warning.message).toBe(message)
  expect(`${warning}`).toContain(message)
  if (message === 'no' && typeof value === 'object') expect(warning).toBe(value)
  expect(inWords(value)).toBe(message)
})

test.each(['/', '/connection/websocket'])('%s: the client is answered, and the server goes on', async (path) => {
  const roomcast = createRoomcast({
    port: 0,
    host: '127.0.0.1',
    authenticate: () => ({ user: 'leto' }),
    subscribe: () => {
      throw Object.create(null)
    },
    disconnected: () => Promise.reject(WITHOUT_MESSAGE),
  })
  const { port } = await roomcast.listen()
  const client = await connect(port, { path })
  if (path === '/') expect(await client.ask({ join: 'a' })).toMatchObject({ error: 'internal' })
  else {
    await client.ask({ id: 1, connect: {} })
    expect(await client.ask({ id: 2, subscribe: { channel: 'a' } })).toMatchObject({ id: 2, error: { code: 100 } })
  }
  client.socket.close()
  await client.closed
  await roomcast.close()
})
