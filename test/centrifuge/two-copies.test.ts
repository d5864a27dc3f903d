// Two copies of the packages in one process, as a package manager leaves them that could not make them one: a refusal that
// the other copy made is a refusal, and what its rooms could not do is told as what it is.

import * as centrifuge from '@roomcast/centrifuge'
import { describe, expect, test, vi } from 'vitest'
import { Stage } from './stage.ts'

vi.resetModules()
const other: typeof centrifuge = await import('@roomcast/centrifuge')
const otherRooms: typeof import('@roomcast/rooms') = await import('@roomcast/rooms')

test('there are two; each knows the refusals of both, and nothing else', () => {
  expect(other.Refusal).not.toBe(centrifuge.Refusal)
  expect(other.refuse(103)).toBeInstanceOf(centrifuge.Refusal)
  expect(centrifuge.refuse(103)).toBeInstanceOf(other.Refusal)
  class Own extends centrifuge.Refusal {}
  expect(new Own(103, 'x')).toBeInstanceOf(Own)
  expect(other.refuse(103) instanceof Own).toBe(false)
  for (const value of [new Error('x'), { ...other.refuse(103) }, null, undefined, 'x']) {
    expect(value instanceof centrifuge.Refusal).toBe(false)
  }
})

describe.each<[string, () => unknown]>([
  ['returned', () => other.refuse(403, 'pay first')],
  ['promised', async () => other.refuse(403, 'pay first')],
  [
    'thrown',
    () => {
      throw other.refuse(403, 'pay first')
    },
  ],
])('a refusal of the other that is %s', (_, answer) => {
  const error = '"error":{"code":403,"message":"pay first"}}'

  test('lets nobody connect', async () => {
    const stage = new Stage({ policy: { authenticate: answer as never } })
    const peer = stage.open()
    await peer.say('{"id":1,"connect":{}}')
    expect(peer.heard).toEqual([`{"id":1,${error}`])
    expect(stage.errors).toEqual([])
  })

  test('lets nobody into a room, and publishes nothing', async () => {
    const stage = new Stage({ policy: { subscribe: answer as never, publish: answer as never, rpc: answer as never } })
    const peer = await stage.client()
    await peer.say('{"id":2,"subscribe":{"channel":"r"}}')
    await peer.say('{"id":3,"publish":{"channel":"r","data":{}}}')
    await peer.say('{"id":4,"rpc":{}}')
    expect(peer.heard).toEqual([2, 3, 4].map((id) => `{"id":${id},${error}`))
    expect(stage.errors).toEqual([])
  })
})

test('what rooms of the other could not do', async () => {
  const stage = new Stage({
    policy: {
      history: () => Promise.reject(new otherRooms.UnrecoverablePositionError('r')),
      presence: () => Promise.reject(new otherRooms.StoreUnavailableError()),
    },
  })
  const peer = await stage.client()
  await peer.say('{"id":2,"history":{"channel":"r"}}')
  await peer.say('{"id":3,"presence":{"channel":"r"}}')
  expect(peer.values.map(({ error }) => error)).toMatchObject([{ code: 112 }, { code: 100 }])
  expect(stage.errors).toEqual([])
})

test('a refusal by hand is checked as refuse does', () => {
  expect(() => new centrifuge.Refusal('403' as never, 'x')).toThrow(TypeError)
  expect(() => new centrifuge.Refusal(403, 5 as never)).toThrow(TypeError)
  for (const code of [0, 99, 2000, 5000, 403.5]) expect(() => new centrifuge.Refusal(code, 'x')).toThrow(RangeError)
  for (const reason of ['', 'x'.repeat(124)]) expect(() => new centrifuge.Refusal(4000, reason)).toThrow(RangeError)
})
