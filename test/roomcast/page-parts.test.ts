// Parts of the page that need no browser: who is in a room, and what outlives a reload.

import { describe, expect, test } from 'vitest'

interface Info {
  client: string
  user: string
  connInfo?: unknown
  chanInfo?: unknown
}
interface Members {
  readonly isKnown: boolean
  readonly count: number
  asked(): void
  answered(clients: Record<string, Info> | undefined): void
  join(info: Info): string | undefined
  leave(info: Info): void
  list(me: string): { label: string; count: number; isMe: boolean }[]
}
interface Session {
  readonly rooms: string[]
  readonly current: string
  readonly shownName: string
  rename(name: string): void
  setRooms(names: string[], current: string): void
  draft(room: string): string
  setDraft(room: string, text: string): void
  unsent(room: string): unknown[]
  setUnsent(room: string, entries: unknown[]): void
  addClient(id: string): void
  isMine(info: { client: string } | undefined): boolean
}

const PAGE = new URL('../../packages/roomcast/page/', import.meta.url)
const load = async <T>(name: string): Promise<T> => (await import(new URL(name, PAGE).href)) as T
const { Members, labelOf } = await load<{ Members: new () => Members; labelOf: (info: Info) => string }>('members.js')
const { Session } = await load<{ Session: new (tab?: unknown, local?: unknown) => Session }>('session.js')

const person = (client: string, name: string): Info => ({ client, user: '', chanInfo: { meta: { name } } })

describe('what a member is called', () => {
  test.each<[string, Info, string]>([
    ['as the server knows it', { client: 'abcdef', user: '42', connInfo: { name: 'Leto' } }, 'Leto'],
    ['never as it calls itself, then', { ...person('a', 'leto'), connInfo: { name: 'Paul' } }, 'Paul'],
    ['nor when the server knows its user alone', { ...person('a', 'leto'), user: 'paul' }, 'paul'],
    ['as the server calls it in this room', { client: 'a', user: '42', chanInfo: { name: 'Leto' } }, 'Leto'],
    ['as it calls itself', person('abcdef', ' leto '), 'leto'],
    ['by its user', { client: 'abcdef', user: '42' }, '42'],
    ['by its connection', { client: 'abcdef', user: '' }, 'client abcd'],
    ['when a name is none', { client: 'abcdef', user: '', chanInfo: { meta: { name: {} } } }, 'client abcd'],
    ['when it is white', person('abcdef', '   '), 'client abcd'],
    ['when it is long', person('a', 'x'.repeat(61)), `${'x'.repeat(60)}…`],
  ])('%s', (_, info, label) => expect(labelOf(info)).toBe(label))
})

describe('members', () => {
  test('those of one name stand together, our own first', () => {
    const members = new Members()
    members.asked()
    members.answered({ 1: person('1', 'paul'), 2: person('2', 'leto'), 3: person('3', 'leto'), 4: person('4', 'alia') })
    expect(members.list('3')).toEqual([
      { label: 'leto', count: 2, isMe: true },
      { label: 'alia', count: 1, isMe: false },
      { label: 'paul', count: 1, isMe: false },
    ])
    expect(members.count).toBe(4)
  })

  test('what happens while the server is asked counts', () => {
    const members = new Members()
    members.asked()
    members.join(person('new', 'ghanima'))
    members.leave(person('old', 'leto'))
    members.answered({ old: person('old', 'leto'), other: person('other', 'paul') })
    expect(members.list('').map(({ label }) => label)).toEqual(['ghanima', 'paul'])
  })

  test('a server that does not tell', () => {
    const members = new Members()
    members.asked()
    members.answered(undefined)
    expect([members.isKnown, members.count]).toEqual([false, 0])
  })

  test('somebody with another name', () => {
    const members = new Members()
    members.answered({ 1: person('1', 'leto') })
    expect(members.join(person('1', 'paul'))).toBe('leto')
    expect(members.count).toBe(1)
  })
})

describe('what outlives a reload', () => {
  function storage(): { getItem(key: string): string | null; setItem(key: string, value: string): void } {
    const kept = new Map<string, string>()
    return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) }
  }

  test('rooms, drafts, what was not sent, and whose connection it was', () => {
    const [tab, local] = [storage(), storage()]
    const before = new Session(tab, local)
    before.rename('leto')
    before.setRooms(['a', '__proto__'], 'a')
    before.setDraft('__proto__', 'typed')
    before.setUnsent('a', [{ said: { id: '1' }, tries: 1 }])
    before.addClient('c1')
    const after = new Session(tab, local)
    expect([after.rooms, after.current, after.shownName]).toEqual([['a', '__proto__'], 'a', 'leto'])
    expect([after.draft('__proto__'), after.draft('a'), after.draft('constructor')]).toEqual(['typed', '', ''])
    expect(after.unsent('a')).toEqual([{ said: { id: '1' }, tries: 1 }])
    expect([{ client: 'c1' }, { client: 'c2' }, undefined].map((info) => after.isMine(info))).toEqual([
      true,
      false,
      false,
    ])
    after.setDraft('__proto__', '')
    after.setUnsent('a', [])
    const last = new Session(tab, local)
    expect([last.draft('__proto__'), last.unsent('a')]).toEqual(['', []])
  })

  test('a guest keeps its name', () => {
    const tab = storage()
    const { shownName } = new Session(tab, storage())
    expect(shownName).toMatch(/^guest-[0-9a-f]{4}$/)
    new Session(tab, storage()).setRooms([], '')
    expect(new Session(tab, storage()).shownName).toMatch(/^guest-/)
  })

  test('what is kept is bounded', () => {
    const tab = storage()
    const session = new Session(tab, storage())
    for (let i = 0; i < 300; i++) {
      session.setDraft(`room ${i}`, 'x')
      session.addClient(`client ${i}`)
    }
    session.setRooms(
      Array.from({ length: 300 }, (_, i) => `room ${i}`),
      '',
    )
    const { rooms, drafts, clients } = JSON.parse(tab.getItem('roomcast.tab')!)
    expect([rooms.length, Object.keys(drafts).length, clients.length]).toEqual([100, 100, 100])
    expect(session.draft('room 299')).toBe('x')
  })

  test.each<[string, unknown]>([
    ['none', undefined],
    [
      'one that is full',
      {
        getItem: () => null,
        setItem() {
          throw new Error('full')
        },
      },
    ],
    ['one with something else in it', { getItem: () => '{', setItem() {} }],
  ])('a storage: %s', (_, tab) => {
    const session = new Session(tab, undefined)
    session.setDraft('a', 'typed')
    session.rename('leto')
    expect([session.draft('a'), session.shownName]).toEqual(['typed', 'leto'])
  })
})
