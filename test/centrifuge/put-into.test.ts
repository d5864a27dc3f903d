// The server wants a client in a room that the client is on its way into already, or while it is connecting: what was said
// last counts, and nothing of it is lost.

import type { Policy } from '@roomcast/centrifuge'
import { describe, expect, test } from 'vitest'
import { type Peer, Stage, settled } from './stage.ts'

const SUBSCRIBE = '{"id":2,"subscribe":{"channel":"r"}}'
const GIVEN = { given: { data: 1 } }

/** A policy that asks somebody who takes their time: what a client asks for itself is answered by hand. */
function slow(answers: ((grant: object | undefined) => void)[]): Partial<Policy> {
  return {
    subscribe: (_client, { by, given }) =>
      by === 'server'
        ? { data: JSON.stringify((given as { data?: unknown } | undefined)?.data ?? null) }
        : new Promise((resolve) => answers.push(resolve)),
  }
}

describe('while the client is on its way in by itself', () => {
  async function asking(): Promise<{ stage: Stage; peer: Peer; answer: (grant?: object) => Promise<void> }> {
    const answers: ((grant: object | undefined) => void)[] = []
    const stage = new Stage({ policy: slow(answers), room: { history: undefined, joinLeave: false } })
    const peer = await stage.client()
    await peer.say(SUBSCRIBE)
    const answer = async (grant?: object): Promise<void> => {
      answers.shift()!(grant)
      await settled()
    }
    return { stage, peer, answer }
  }

  test('it is refused, and put in with what the server gives', async () => {
    const { stage, peer, answer } = await asking()
    await stage.rooms.subscribe('u', 'r', GIVEN)
    await answer()
    expect(peer.values).toMatchObject([
      { id: 2, error: { code: 103 } },
      { push: { channel: 'r', subscribe: { data: 1 } } },
    ])
    expect(stage.rooms.memberCount('r')).toBe(1)
  })

  test('it is let in, and stays as it is', async () => {
    const { stage, peer, answer } = await asking()
    await stage.rooms.subscribe('u', 'r', GIVEN)
    await answer({})
    expect(peer.values).toMatchObject([{ id: 2, subscribe: {} }])
  })

  test('of several wishes the last counts: in with other options, or out', async () => {
    for (const [isOut, count] of [
      [false, 1],
      [true, 0],
    ] as const) {
      const { stage, peer, answer } = await asking()
      await stage.rooms.unsubscribe('u', 'r')
      await stage.rooms.subscribe('u', 'r', { given: { data: 0 } })
      await stage.rooms.subscribe('u', 'r', GIVEN)
      if (isOut) await stage.rooms.unsubscribe('u', 'r')
      await answer({})
      expect(peer.values[0]).toMatchObject({ id: 2, error: { code: 103 } })
      expect(peer.values.slice(1)).toMatchObject(isOut ? [] : [{ push: { subscribe: { data: 1 } } }])
      expect(stage.rooms.memberCount('r')).toBe(count)
    }
  })

  test('who is gone meanwhile is asked nothing more', async () => {
    const { stage, peer, answer } = await asking()
    await stage.rooms.subscribe('u', 'r', GIVEN)
    await peer.lose()
    await answer()
    expect([peer.heard, stage.rooms.memberCount('r')]).toEqual([[], 0])
  })
})

test('while it is connecting, too, what was said last counts', async () => {
  let admit = (): void => {}
  const stage = new Stage({
    room: { history: undefined, joinLeave: false },
    policy: {
      ...slow([]),
      authenticate: () => ({ user: 'u', rooms: { given: {} } }),
    },
  })
  const ready = new Promise<void>((resolve) => (admit = resolve))
  const enterAll = stage.rooms.enterAll.bind(stage.rooms)
  stage.rooms.enterAll = async (...rest) => ready.then(() => enterAll(...rest)) as never
  const peer = stage.open()
  await peer.say('{"id":1,"connect":{}}')
  await stage.rooms.subscribe('u', 'r', { given: { data: 0 } })
  await stage.rooms.subscribe('u', 'r', GIVEN)
  await stage.rooms.subscribe('u', 's')
  await stage.rooms.unsubscribe('u', 's')
  admit()
  await settled()
  expect(peer.values).toMatchObject([
    { id: 1, connect: { subs: { given: {} } } },
    { push: { channel: 'r', subscribe: { data: 1 } } },
  ])
})

test('what cannot be shown of it is told to the program', async () => {
  const stage = new Stage({ policy: { subscribe: () => ({ info: JSON.stringify('x'.repeat(2100)) }) } })
  await stage.client()
  await stage.rooms.subscribe('u', 'r')
  await settled()
  expect(stage.errors).toMatchObject([{ error: { message: expect.stringContaining('too large') }, where: 'rooms' }])
})
