// Revoked means out, also for whom a decision is just being made.

import type { NodeRequest } from '@roomcast/rooms'
import { describe, expect, test, vi } from 'vitest'
import { Revocations } from '../../../packages/roomcast/src/who/revocations.ts'

const unsubscribe = (user: string, room: string): NodeRequest => ({
  do: 'unsubscribe',
  user,
  room,
  code: 2000,
  reason: '',
})
const disconnect = (user: string): NodeRequest => ({ do: 'disconnect', user, code: 3503, reason: '', blockMs: 0 })

/** A decision for the user u and the room r, that is made when told. */
function pending(revocations: Revocations, who = { user: 'u', client: 'c', room: 'r' as string | undefined }) {
  let make: (value: string) => void = () => {}
  const made = new Promise<string>((resolve) => {
    make = resolve
  })
  return {
    make: () => make('yes'),
    decided: revocations.decide(
      () => made,
      () => who,
    ),
  }
}

describe('a decision that is being made', () => {
  test.each<[what: string, request: NodeRequest, counts: boolean]>([
    ['out of the room', unsubscribe('u', 'r'), false],
    ['out of another room', unsubscribe('u', 'q'), true],
    ['another user', unsubscribe('v', 'r'), true],
    ['sent away', disconnect('u'), false],
    ['another is sent away', disconnect('v'), true],
    ['that client is sent away', { ...disconnect('u'), client: 'c' } as NodeRequest, false],
    ['another client of the user is', { ...disconnect('u'), client: 'd' } as NodeRequest, true],
    ['all but that one are', { ...disconnect('u'), except: ['c'] } as NodeRequest, true],
    ['all but another one are', { ...disconnect('u'), except: ['d'] } as NodeRequest, false],
    ['another client is put out of the room', { ...unsubscribe('u', 'r'), client: 'd' } as NodeRequest, true],
    ['a command that puts nobody out', { do: 'subscribe', user: 'u', room: 'r' }, true],
    ['a question', { do: 'status' }, true],
  ])('%s', async (_, request, counts) => {
    const revocations = new Revocations()
    const { make, decided } = pending(revocations)
    revocations.hear(request, () => {})
    make()
    expect(await decided).toBe(counts ? 'yes' : undefined)
  })

  test('what came before it, or after it, is not about it', async () => {
    const revocations = new Revocations()
    revocations.hear(unsubscribe('u', 'r'), () => {})
    const first = pending(revocations)
    const second = pending(revocations)
    second.make()
    expect(await second.decided).toBe('yes')
    revocations.hear(unsubscribe('u', 'r'), () => {})
    const third = pending(revocations)
    first.make()
    third.make()
    expect([await first.decided, await third.decided]).toEqual([undefined, 'yes'])
  })

  test('one that takes longer than so many commands is refused: what was revoked is not known any more', async () => {
    const revocations = new Revocations()
    const slow = pending(revocations)
    for (let i = 0; i < 10_000; i++) revocations.hear(disconnect('v'), () => {})
    const late = pending(revocations)
    revocations.hear(disconnect('v'), () => {})
    slow.make()
    late.make()
    expect([await slow.decided, await late.decided]).toEqual([undefined, 'yes'])
  })

  test('one that fails is over', async () => {
    const revocations = new Revocations()
    const failed = revocations.decide(
      () => Promise.reject(new Error('no')),
      () => ({ user: 'u', client: 'c', room: undefined }),
    )
    await expect(failed).rejects.toThrow('no')
    const next = pending(revocations)
    next.make()
    expect(await next.decided).toBe('yes')
  })
})

test('who was let in and has not arrived yet is put out once more; later nobody is', async () => {
  const revocations = new Revocations()
  const again = vi.fn()
  const { make, decided } = pending(revocations)
  make()
  await decided
  revocations.hear(unsubscribe('u', 'r'), again)
  expect(again).not.toHaveBeenCalled()
  await new Promise(setImmediate)
  expect(again).toHaveBeenCalledTimes(1)
  revocations.hear(unsubscribe('u', 'r'), again)
  await new Promise(setImmediate)
  expect(again).toHaveBeenCalledTimes(1)
})
