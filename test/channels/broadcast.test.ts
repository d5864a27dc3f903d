// What a broadcast sends, to whom, and what it counts.

import { createChannels } from '@roomcast/channels'
import type { Payload } from '@roomcast/core'
import { bin, txt } from '@roomcast/core'
import { describe, expect, test } from 'vitest'
import { fakeSockets as sockets } from '../support/fake-socket.ts'

describe('broadcast', () => {
  test.each<[string, Payload, 'text' | 'binary' | undefined, string | Buffer]>([
    ['a string', 'héllo', undefined, 'héllo'],
    ['bytes', new Uint8Array([0, 255]), undefined, Buffer.from([0, 255])],
    ['an ArrayBuffer', new Uint8Array([7]).buffer, undefined, Buffer.from([7])],
    ['an array of strings', ['a', 'b'], undefined, 'ab'],
    ['an array with bytes', ['a', new Uint8Array([98])], undefined, Buffer.from('ab')],
    ['a string as binary', 'ab', 'binary', Buffer.from('ab')],
    ['bytes as text', Buffer.from('ab'), 'text', 'ab'],
    ['nothing at all', '', undefined, ''],
  ])('%s', (_name, data, opcode, expected) => {
    const channels = createChannels()
    const [socket] = sockets(1)
    channels.join('a', socket!)
    expect(channels.broadcast('a', data, { opcode })).toBe(1)
    expect(socket!.messages).toEqual([expected])
  })

  test('framed once, a Framed not at all', () => {
    const channels = createChannels()
    const all = sockets(3)
    for (const socket of all) channels.join('a', socket)
    channels.broadcast('a', 'hello')
    expect(new Set(all.map((socket) => socket.frames[0])).size).toBe(1)
    for (const framed of [txt('text'), bin('binary')]) {
      expect(channels.broadcast('a', framed)).toBe(3)
      for (const socket of all) expect(socket.frames.at(-1)).toBe(framed)
    }
  })

  test('everybody in the channel and nobody else; except one', () => {
    const channels = createChannels()
    const [one, two, three, stranger] = sockets(4)
    for (const socket of [one!, two!, three!]) channels.join('a', socket)
    channels.join('b', stranger!)
    expect(channels.broadcast('a', 'all')).toBe(3)
    expect(channels.broadcast('a', 'not two', { except: two! })).toBe(2)
    expect(channels.broadcast('a', 'not a stranger', { except: stranger! })).toBe(3)
    expect(channels.broadcast('nobody', 'nobody')).toBe(0)
    expect(one!.messages).toEqual(['all', 'not two', 'not a stranger'])
    expect(two!.messages).toEqual(['all', 'not a stranger'])
    expect(stranger!.messages).toEqual([])
  })

  test("counts 'ok' and 'backpressure'", () => {
    const channels = createChannels()
    const all = sockets(4)
    for (const socket of all) channels.join('a', socket)
    all.forEach((socket, i) => {
      socket.answer = (['ok', 'backpressure', 'dropped', 'closed'] as const)[i]!
    })
    expect(channels.broadcast('a', 'hello')).toBe(2)
    expect(channels.memberCount('a')).toBe(3)
  })

  test('members that close in mid-broadcast hold up nobody', () => {
    const channels = createChannels()
    const all = sockets(6)
    for (const socket of all) channels.join('a', socket)
    for (const i of [0, 2, 5]) all[i]!.answer = 'closed'
    // A listener of the user's own may do anything, with this very channel too.
    all[2]!.onClosing(() => channels.leave('a', all[3]!))
    expect(channels.broadcast('a', 'hello')).toBe(2)
    expect(all.map((socket) => socket.messages.length)).toEqual([0, 1, 0, 0, 1, 0])
    expect(channels.memberCount('a')).toBe(2)
    for (const i of [1, 4]) all[i]!.answer = 'closed'
    expect(channels.broadcast('a', 'hello')).toBe(0)
    expect(channels.channelCount).toBe(0)
  })

  test('nothing is framed when nobody is there', () => {
    const channels = createChannels()
    const [socket] = sockets(1)
    channels.join('a', socket!)
    // Framing takes an array's iterator; looking at its types does not.
    let walks = 0
    const data = new Proxy(['x'], {
      get(target, key, receiver) {
        if (key === Symbol.iterator) walks++
        return Reflect.get(target, key, receiver)
      },
    })
    expect(channels.broadcast('nobody', data)).toBe(0)
    expect(channels.broadcast('', data)).toBe(0)
    expect(channels.broadcast('a', data, { except: socket! })).toBe(0)
    expect(walks).toBe(0)
    expect(channels.broadcast('a', data)).toBe(1)
    expect(walks).toBeGreaterThan(0)
  })

  test('the caller may use its bytes again', () => {
    const channels = createChannels()
    const [socket] = sockets(1)
    channels.join('a', socket!)
    const bytes = Buffer.from('one')
    channels.broadcast('a', bytes)
    bytes.write('two')
    expect(socket!.messages).toEqual([Buffer.from('one')])
  })
})
