// Which rooms there are, and what a client may do in them by the name and the namespace alone.

import { describe, expect, test } from 'vitest'
import type { NamespaceOptions } from '../../../packages/roomcast/src/who/namespace-options.ts'
import { createNamespaces, type Deed } from '../../../packages/roomcast/src/who/namespaces.ts'

const every = (prefix: string): NamespaceOptions => ({
  [`allow${prefix}ForClient`]: true,
})

describe('names', () => {
  const namespaces = createNamespaces({
    chat: {},
    words: { channelRegex: /^[a-zü]+$/g },
    'a.b-c_d': {},
  })
  test.each<[room: string, found: unknown]>([
    ['lobby', 'rule'],
    ['chat:1', 'rule'],
    ['chat:a:b', 'rule'],
    ['$chat:1', 'rule'],
    ['a.b-c_d:x', 'rule'],
    ['chat:', 'rule'],
    ['shop:1', 'unknown_room'],
    ['$shop:1', 'unknown_room'],
    [':1', 'rule'],
    ['Chat:1', 'unknown_room'],
    ['chat :1', 'unknown_room'],
    ['__proto__:1', 'unknown_room'],
    ['constructor:1', 'unknown_room'],
    ['chat:ü', 'bad_name'],
    ['lobbü', 'bad_name'],
    ['words:abü', 'rule'],
    ['words:abü', 'rule'],
    ['words:Abc', 'bad_name'],
    ['words:a:b', 'bad_name'],
    ['words:', 'bad_name'],
    ['words:abc\n', 'bad_name'],
  ])('%j', (room, found) => {
    const rule = namespaces.find(room)
    expect(typeof rule === 'string' ? rule : 'rule').toBe(found)
  })

  test('until any are configured every name is a room', () => {
    const none = createNamespaces(undefined)
    for (const room of ['lobby', 'shop:1', 'ü', '$x']) expect(none.find(room)).toBeTypeOf('object')
    expect(none.roomOptions('shop:1')).toMatchObject({ presence: false, joinLeave: false })
    expect(none.permits('subscribe', 'lobby', { user: '42', isMember: false })).toBe(false)
  })
})

describe('permissions', () => {
  const permits = (options: NamespaceOptions, deed: Deed, user: string, isMember = false, room = 'ns:1'): boolean =>
    createNamespaces({ ns: options }).permits(deed, room, { user, isMember })

  test('by default nobody may do anything', () => {
    for (const deed of ['subscribe', 'publish', 'presence', 'history'] as const) {
      for (const user of ['', '42']) {
        for (const isMember of [false, true]) {
          for (const room of ['ns:1', 'x', '$ns:1', 'ns:#42'])
            expect(permits({}, deed, user, isMember, room)).toBe(false)
        }
      }
    }
    expect(createNamespaces({ ns: {} }).permitsAnybody).toBe(false)
  })

  test.each<[deed: Deed, prefix: string]>([
    ['subscribe', 'Subscribe'],
    ['publish', 'Publish'],
    ['presence', 'Presence'],
    ['history', 'History'],
  ])('%s', (deed, prefix) => {
    const client = every(prefix)
    const anonymous = { [`allow${prefix}ForAnonymous`]: true }
    const member = { [`allow${prefix}ForSubscriber`]: true }
    // [options, anonymous, user]
    expect([permits(client, deed, ''), permits(client, deed, '42')]).toEqual([false, true])
    expect([permits(anonymous, deed, ''), permits(anonymous, deed, '42')]).toEqual([false, false])
    expect([permits({ ...client, ...anonymous }, deed, ''), permits({ ...client, ...anonymous }, deed, '42')]).toEqual([
      true,
      true,
    ])
    if (deed === 'subscribe') return
    expect([permits(member, deed, '42'), permits(member, deed, '42', true), permits(member, deed, '', true)]).toEqual([
      false,
      true,
      false,
    ])
    expect(permits({ ...member, ...anonymous }, deed, '', true)).toBe(true)
    // One permission is not another.
    for (const other of ['subscribe', 'publish', 'presence', 'history'] as const) {
      if (other !== deed) expect(permits({ ...client, ...anonymous, ...member }, other, '42', true)).toBe(false)
    }
  })

  test('a $ needs a token, whatever is permitted', () => {
    const all = { allowSubscribeForClient: true, allowSubscribeForAnonymous: true, allowUserLimitedChannels: true }
    for (const room of ['$ns:1', '$x', '$ns:#42']) expect(permits(all, 'subscribe', '42', false, room)).toBe(false)
  })

  test.each<[room: string, user: string, isMember: boolean, may: boolean]>([
    ['ns:dialog#42', '42', false, true],
    ['ns:dialog#42', '44', false, false],
    // By a token.
    ['ns:dialog#42', '44', true, true],
    ['ns:dialog#42', '', false, false],
    ['$ns:1', '42', false, false],
    ['$ns:1', '42', true, true],
    // Its name tells the user, who needs a token all the same.
    ['$ns:dialog#42', '42', false, false],
    ['$ns:dialog#42', '42', true, true],
    ['ns:open', '42', false, true],
  ])('what all clients may do elsewhere, in %s the user %j may (member: %s): %s', (room, user, isMember, may) => {
    for (const [deed, prefix] of [
      ['publish', 'Publish'],
      ['presence', 'Presence'],
      ['history', 'History'],
    ] as const) {
      const options = { ...every(prefix), [`allow${prefix}ForAnonymous`]: true, allowUserLimitedChannels: true }
      expect(permits(options, deed, user, isMember, room)).toBe(may)
    }
  })

  const limited = { allowUserLimitedChannels: true, allowSubscribeForClient: true, allowSubscribeForAnonymous: true }
  test.each<[room: string, user: string, isFor: boolean]>([
    ['ns:dialog#42', '42', true],
    ['ns:dialog#42,43', '43', true],
    ['ns:dialog#42,43', '44', false],
    ['ns:dialog#42,43', '4', false],
    ['ns:dialog#42,43', '42,43', false],
    ['ns:dialog#', '', false],
    ['ns:dialog#,42', '', false],
    ['ns:dialog#42', '', false],
    ['ns:a#42#43', '42', false],
    ['ns:a#42#43', '43', true],
    ['ns:#42', '42', true],
  ])('%s for the user %j: %s', (room, user, isFor) => {
    expect(permits(limited, 'subscribe', user, false, room)).toBe(isFor)
    expect(createNamespaces({ ns: limited }).isUserLimited(room)).toBe(true)
    // Where such names say nothing, the namespace does.
    expect(createNamespaces({ ns: {} }).isUserLimited(room)).toBe(false)
    expect(permits({ allowSubscribeForClient: true }, 'subscribe', '44', false, room)).toBe(true)
  })
})

describe('what the engine is told', () => {
  test.each<[NamespaceOptions, object]>([
    [{}, { historyMetaTtlMs: 3_600_000, presence: false, joinLeave: false }],
    [
      { historySize: 10, historyTtlMs: 1000, historyMetaTtlMs: 5000, presence: true, joinLeave: true },
      { history: { size: 10, ttlMs: 1000 }, historyMetaTtlMs: 5000, presence: true, joinLeave: true },
    ],
    [
      { historySize: 0, historyTtlMs: 0, historyMetaTtlMs: 0 },
      { historyMetaTtlMs: 3_600_000, presence: false, joinLeave: false },
    ],
  ])('%j', (options, told) => {
    const namespaces = createNamespaces({ ns: options })
    expect(namespaces.roomOptions('ns:1')).toEqual(told)
    expect(namespaces.roomOptions('shop:1')).toBeUndefined()
  })
})
