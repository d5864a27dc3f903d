// Who is where: join, leave, looking around, and leaving by closing.

import type { JoinResult } from '@roomcast/channels'
import { createChannels } from '@roomcast/channels'
import { describe, expect, test } from 'vitest'
import { FakeSocket, fakeSockets as sockets } from '../support/fake-socket.ts'

/** What a caller in JavaScript may pass by mistake. */
const wrong = <T>(value: unknown): T => value as T

describe('join', () => {
  test("'joined', then 'member', and the meta stays what it was", () => {
    const channels = createChannels<string>()
    const [socket] = sockets(1)
    expect(channels.join('room', socket!, 'first')).toBe('joined')
    expect(channels.join('room', socket!, 'second')).toBe('member')
    expect([...channels.members('room')]).toEqual([[socket, 'first']])
  })

  test.each(['closing', 'closed'] as const)("'closed' for a socket that is %s", (state) => {
    const channels = createChannels()
    const [socket] = sockets(1)
    socket!.readyState = state
    expect(channels.join('room', socket!)).toBe('closed')
    expect(channels.channelCount).toBe(0)
    expect(socket!.listenersGiven).toBe(0)
  })

  test('a name may have maxNameBytes', () => {
    const channels = createChannels({ maxNameBytes: 255 })
    expect(channels.join('x'.repeat(255), new FakeSocket())).toBe('joined')
    expect(channels.join('x'.repeat(256), new FakeSocket())).toBe('bad_name')
  })

  test("'full' past maxChannelsPerSocket, for that socket and as long as it lasts", () => {
    const channels = createChannels({ maxChannelsPerSocket: 2 })
    const [one, two] = sockets(2)
    expect(['a', 'b', 'c', 'a'].map((name) => channels.join(name, one!))).toEqual([
      'joined',
      'joined',
      'full',
      'member',
    ])
    expect(channels.join('c', two!)).toBe('joined')
    channels.leave('a', one!)
    expect(channels.join('c', one!)).toBe('joined')
  })

  test.each(['', 'x'.repeat(201), 'a\nb', '\u0085', '\ud800'])("'bad_name' for %j", (name) => {
    const channels = createChannels()
    const [socket] = sockets(1)
    expect(channels.join(name, socket!)).toBe('bad_name')
    expect(channels.channelCount).toBe(0)
    expect(socket!.listenersGiven).toBe(0)
  })

  test('of several refusals the first of the list: bad_name, closed, member, full', () => {
    const channels = createChannels({ maxChannelsPerSocket: 1 })
    const [open, closed] = sockets(2)
    closed!.close()
    channels.join('a', open!)
    const table: [string, FakeSocket, JoinResult][] = [
      ['', closed!, 'bad_name'],
      ['', open!, 'bad_name'],
      ['b', closed!, 'closed'],
      ['a', closed!, 'closed'],
      ['a', open!, 'member'],
      ['b', open!, 'full'],
    ]
    for (const [name, socket, result] of table) expect(channels.join(name, socket)).toBe(result)
  })

  test('a socket that closes while it is being registered is not in', () => {
    const channels = createChannels()
    class Racing extends FakeSocket {
      override onClosing(listener: () => void): () => void {
        this.close()
        return super.onClosing(listener)
      }
    }
    const socket = new Racing()
    expect(channels.join('room', socket)).toBe('closed')
    expect([channels.channelCount, channels.memberCount('room'), channels.channelsOf(socket)]).toEqual([0, 0, []])
  })

  test('one closing listener per socket, from its first join to its last leave', () => {
    const channels = createChannels()
    const [socket] = sockets(1)
    for (const name of ['a', 'b', 'c']) channels.join(name, socket!)
    expect([socket!.listeners.size, socket!.listenersGiven]).toEqual([1, 1])
    channels.leave('a', socket!)
    channels.leave('b', socket!)
    expect(socket!.listeners.size).toBe(1)
    channels.leave('c', socket!)
    expect(socket!.listeners.size).toBe(0)
    channels.join('a', socket!)
    channels.join('b', socket!)
    expect([socket!.listeners.size, socket!.listenersGiven]).toEqual([1, 2])
    channels.leaveAll(socket!)
    expect(socket!.listeners.size).toBe(0)
  })
})

describe('leave, leaveAll', () => {
  test('boolean, and how many; safe when not a member', () => {
    const channels = createChannels()
    const [one, two] = sockets(2)
    for (const name of ['a', 'b', 'c']) channels.join(name, one!)
    expect([channels.leave('a', one!), channels.leave('a', one!)]).toEqual([true, false])
    expect([channels.leave('b', two!), channels.leave('nobody', one!), channels.leave('', one!)]).toEqual([
      false,
      false,
      false,
    ])
    expect([channels.leaveAll(one!), channels.leaveAll(one!), channels.leaveAll(two!)]).toEqual([2, 0, 0])
    expect(channels.channelCount).toBe(0)
  })

  test('a socket leaves alone', () => {
    const channels = createChannels()
    const [one, two] = sockets(2)
    for (const name of ['a', 'b']) for (const socket of [one!, two!]) channels.join(name, socket)
    channels.leaveAll(one!)
    expect(channels.channelsOf(two!)).toEqual(['a', 'b'])
    expect(channels.broadcast('a', 'hello')).toBe(1)
  })
})

describe('looking around', () => {
  test('isMember, channelsOf, memberCount, channelCount', () => {
    const channels = createChannels()
    const [one, two] = sockets(2)
    expect([channels.isMember('a', one!), channels.channelsOf(one!), channels.channelCount]).toEqual([false, [], 0])
    channels.join('b', one!)
    channels.join('a', one!)
    channels.join('a', two!)
    expect([channels.isMember('a', one!), channels.isMember('b', two!), channels.isMember('', one!)]).toEqual([
      true,
      false,
      false,
    ])
    expect(channels.channelsOf(one!)).toEqual(['b', 'a'])
    expect(['a', 'b', 'c', ''].map((name) => channels.memberCount(name))).toEqual([2, 1, 0, 0])
    expect(channels.channelCount).toBe(2)
    channels.leave('b', one!)
    expect(channels.channelCount).toBe(1)
  })

  test('what channelsOf gave is the caller’s', () => {
    const channels = createChannels()
    const [socket] = sockets(1)
    channels.join('a', socket!)
    const names = channels.channelsOf(socket!)
    names.push('b')
    channels.join('c', socket!)
    expect(names).toEqual(['a', 'b'])
    expect(channels.channelsOf(socket!)).toEqual(['a', 'c'])
  })

  test('members, in the order of joining, with their meta', () => {
    const channels = createChannels<number>()
    const [one, two] = sockets(2)
    channels.join('a', two!, 2)
    channels.join('a', one!, 1)
    expect([...channels.members('a')]).toEqual([
      [two, 2],
      [one, 1],
    ])
    expect([...channels.members('nobody'), ...channels.members('')]).toEqual([])
  })

  test('a walk meets nobody who left, and ends when members come and go', () => {
    const channels = createChannels<number>()
    const all = sockets(5)
    for (const [i, socket] of all.entries()) channels.join('a', socket, i)
    const met: number[] = []
    for (const [socket, meta] of channels.members('a')) {
      met.push(meta)
      channels.leave('a', socket)
      if (meta === 1) all[2]!.close()
      if (meta === 3) channels.leaveAll(all[4]!)
    }
    expect(met).toEqual([0, 1, 3])
    const walk = channels.members('a')
    expect(walk.next().done).toBe(true)
  })

  test('reduce folds the members into one value', () => {
    const channels = createChannels<number>()
    for (const [i, socket] of sockets(4).entries()) channels.join('a', socket, i)
    expect(channels.reduce('a', 100, (sum, _socket, meta) => sum + meta)).toBe(106)
    expect(channels.reduce('nobody', 'as it was', () => 'changed')).toBe('as it was')
    expect(() => channels.reduce('a', 0, wrong('sum'))).toThrow(TypeError)
    expect(() =>
      channels.reduce('a', 0, () => {
        throw new Error('mine')
      }),
    ).toThrow('mine')
  })
})

describe('automatic leave', () => {
  test.each(['close', 'terminate'] as const)('the moment a socket starts closing: %s', (end) => {
    const channels = createChannels()
    const [one, two] = sockets(2)
    const others = sockets(100)
    for (const [i, socket] of others.entries()) channels.join(`${i}`, socket)
    for (let i = 0; i < 100; i++) channels.join(`${i}`, one!)
    channels.join('0', two!)
    one![end]()
    expect([channels.channelsOf(one!), channels.isMember('0', one!), channels.leaveAll(one!)]).toEqual([[], false, 0])
    expect([channels.memberCount('0'), channels.memberCount('99'), channels.channelCount]).toEqual([2, 1, 100])
    expect(channels.broadcast('0', 'bye')).toBe(2)
    expect(one!.messages).toEqual([])
    expect(one!.listeners.size).toBe(0)
  })

  test('a listener that runs after ours finds the socket out, and cannot bring it back', () => {
    const channels = createChannels()
    const [one, two] = sockets(2)
    channels.join('a', one!)
    channels.join('a', two!)
    const seen: unknown[] = []
    one!.onClosing(() => {
      seen.push(channels.isMember('a', one!), channels.join('b', one!), channels.broadcast('a', 'one is gone'))
    })
    one!.close()
    expect(seen).toEqual([false, 'closed', 1])
    expect(two!.messages).toEqual(['one is gone'])
    expect(channels.channelCount).toBe(1)
  })

  test('without autoLeave there is no listener, and whoever made the channels sees to it', () => {
    const channels = createChannels({ autoLeave: false })
    const [socket] = sockets(1)
    channels.join('a', socket!)
    channels.join('b', socket!)
    expect(socket!.listenersGiven).toBe(0)
    socket!.close()
    expect(channels.channelsOf(socket!)).toEqual(['a', 'b'])
    expect(channels.leave('a', socket!)).toBe(true)
    expect(channels.leaveAll(socket!)).toBe(1)
    expect(channels.channelCount).toBe(0)
  })

  test('several instances share a socket', () => {
    const [lobby, game] = [createChannels(), createChannels()]
    const [socket] = sockets(1)
    lobby.join('a', socket!)
    game.join('a', socket!)
    lobby.leaveAll(socket!)
    expect(game.isMember('a', socket!)).toBe(true)
    socket!.close()
    expect([lobby.channelCount, game.channelCount]).toEqual([0, 0])
  })
})
