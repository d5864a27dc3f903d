// Making and closing channels, and the mistakes of callers.

import type { Broker, ChannelsOptions } from '@roomcast/channels'
import { createChannels, createMemoryBus } from '@roomcast/channels'
import { describe, expect, test } from 'vitest'
import { type FakeSocket, fakeSockets as sockets } from '../support/fake-socket.ts'

/** What a caller in JavaScript may pass by mistake. */
const wrong = <T>(value: unknown): T => value as T

describe('createChannels', () => {
  const broker = createMemoryBus().broker()
  const { publish: _, ...halfABroker } = { start() {}, join() {}, leave() {}, ready() {}, publish() {}, close() {} }

  test.each<[string, unknown, ErrorConstructor]>([
    ['null', null, TypeError],
    ['a string', 'lobby', TypeError],
    ['an unknown option', { maxChannels: 5 }, TypeError],
    ['maxNameBytes: 0', { maxNameBytes: 0 }, RangeError],
    ['maxChannelsPerSocket: 0', { maxChannelsPerSocket: 0 }, RangeError],
    ['maxChannelsPerSocket: -1', { maxChannelsPerSocket: -1 }, RangeError],
    ['maxChannelsPerSocket: 1.5', { maxChannelsPerSocket: 1.5 }, RangeError],
    ['maxChannelsPerSocket: NaN', { maxChannelsPerSocket: Number.NaN }, RangeError],
    ['maxChannelsPerSocket: Infinity', { maxChannelsPerSocket: Number.POSITIVE_INFINITY }, RangeError],
    ['autoLeave: 1', { autoLeave: 1 }, TypeError],
    ["maxChannelsPerSocket: '5'", { maxChannelsPerSocket: '5' }, TypeError],
    ["onGap: 'ignore'", { onGap: 'ignore' }, RangeError],
    ['onGap: 5', { onGap: 5 }, TypeError],
    ['onGap: null', { onGap: null }, TypeError],
    ['broker: null', { broker: null }, TypeError],
    ['broker: {}', { broker: {} }, TypeError],
    ['a broker without publish', { broker: halfABroker }, TypeError],
  ])('%s throws', (_name, options, error) => {
    expect(() => createChannels(wrong<ChannelsOptions>(options))).toThrow(error)
  })

  test('undefined options are the defaults', () => {
    const channels = createChannels({ broker: undefined, maxChannelsPerSocket: undefined, onGap: undefined })
    const [socket] = sockets(1)
    for (let i = 0; i < 128; i++) expect(channels.join(`${i}`, socket!)).toBe('joined')
    expect(channels.join('one more', socket!)).toBe('full')
  })

  test('a broker serves one', () => {
    createChannels({ broker })
    expect(() => createChannels({ broker })).toThrow(Error)
  })
})

describe('a caller’s mistake throws, members or not', () => {
  const channels = createChannels()
  const [member, stranger] = sockets(2)
  channels.join('a', member!)
  const notStrings = [undefined, null, 5, {}, ['a'], Symbol('a')]
  const notSockets = [undefined, null, 'socket', 5, {}, { write() {} }, { onClosing() {} }]

  test.each(notStrings.map((value) => [String(value), value]))('a channel that is %s', (_name, value) => {
    const channel = wrong<string>(value)
    expect(() => channels.join(channel, stranger!)).toThrow(TypeError)
    expect(() => channels.leave(channel, stranger!)).toThrow(TypeError)
    expect(() => channels.isMember(channel, stranger!)).toThrow(TypeError)
    expect(() => channels.members(channel)).toThrow(TypeError)
    expect(() => channels.reduce(channel, 0, () => 0)).toThrow(TypeError)
    expect(() => channels.memberCount(channel)).toThrow(TypeError)
    expect(() => channels.broadcast(channel, 'x')).toThrow(TypeError)
    expect(() => channels.ready(channel)).toThrow(TypeError)
  })

  test.each(notSockets.map((value) => [JSON.stringify(value), value]))('a socket that is %s', (_name, value) => {
    const socket = wrong<FakeSocket>(value)
    expect(() => channels.join('a', socket)).toThrow(TypeError)
    expect(() => channels.leave('a', socket)).toThrow(TypeError)
    expect(() => channels.leaveAll(socket)).toThrow(TypeError)
    expect(() => channels.isMember('a', socket)).toThrow(TypeError)
    expect(() => channels.channelsOf(socket)).toThrow(TypeError)
    if (value !== undefined) expect(() => channels.broadcast('a', 'x', { except: socket })).toThrow(TypeError)
  })

  test.each<[string, unknown, unknown, ErrorConstructor]>([
    ['data: undefined', undefined, {}, TypeError],
    ['data: null', null, {}, TypeError],
    ['data: 5', 5, {}, TypeError],
    ['data: an object', { hello: 'world' }, {}, TypeError],
    ['data: an array with a number', ['a', 5], {}, TypeError],
    ['data: an array in an array', ['a', ['b']], {}, TypeError],
    ["opcode: 'ping'", 'x', { opcode: 'ping' }, RangeError],
    ['opcode: 1', 'x', { opcode: 1 }, TypeError],
    ["scope: 'remote'", 'x', { scope: 'remote' }, RangeError],
    ['scope: 1', 'x', { scope: 1 }, TypeError],
    ['options: null', 'x', null, TypeError],
    ["options: 'text'", 'x', 'text', TypeError],
  ])('broadcast with %s', (_name, data, options, error) => {
    for (const name of ['a', 'nobody', '']) {
      expect(() => channels.broadcast(name, wrong(data), wrong(options))).toThrow(error)
    }
    expect(member!.messages).toEqual([])
  })

  test('an event that does not exist, a listener that is none', () => {
    expect(() => channels.on(wrong('gaps'), () => {})).toThrow(RangeError)
    expect(() => channels.off(wrong('gaps'), () => {})).toThrow(RangeError)
    expect(() => channels.on('gap', wrong(undefined))).toThrow(TypeError)
    expect(() => channels.off('gap', wrong('listener'))).toThrow(TypeError)
  })
})

describe('close', () => {
  test('forgets everybody, leaves the sockets open, and is for good', async () => {
    const channels = createChannels()
    const [one, two] = sockets(2)
    for (const name of ['a', 'b']) for (const socket of [one!, two!]) channels.join(name, socket)
    const walk = channels.members('a')
    await Promise.all([channels.close(), channels.close()])
    expect([one!.readyState, one!.listeners.size, channels.channelCount, channels.channelsOf(one!)]).toEqual([
      'open',
      0,
      0,
      [],
    ])
    expect([...walk]).toEqual([])
    expect(channels.join('a', one!)).toBe('closed')
    expect([channels.broadcast('a', 'x'), channels.leave('a', one!), channels.leaveAll(one!)]).toEqual([0, false, 0])
    expect(() => channels.broadcast('a', wrong(5))).toThrow(TypeError)
    await channels.ready('a')
    await channels.close()
    one!.close()
  })

  test('rejects with what the broker’s close throws', async () => {
    const broker: Broker = Object.assign(createMemoryBus().broker(), {
      close() {
        throw new Error('the bus is stuck')
      },
    })
    const channels = createChannels({ broker })
    const [socket] = sockets(1)
    await expect(channels.close()).rejects.toThrow('stuck')
    await expect(channels.close()).rejects.toThrow('stuck')
    expect(channels.join('a', socket!)).toBe('closed')
  })
})

test('names of object properties are channels like any other', () => {
  const before = Reflect.ownKeys(Object.prototype)
  const channels = createChannels<object>()
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf']
  const all = sockets(names.length)
  names.forEach((name) => {
    expect([channels.memberCount(name), channels.broadcast(name, 'x'), [...channels.members(name)]]).toEqual([0, 0, []])
  })
  names.forEach((name, i) => {
    channels.join(name, all[i]!, JSON.parse('{"__proto__":{"polluted":true}}'))
  })
  names.forEach((name, i) => {
    expect(channels.broadcast(name, name)).toBe(1)
    expect(all[i]!.messages).toEqual([name])
    expect(channels.channelsOf(all[i]!)).toEqual([name])
  })
  expect(Reflect.ownKeys(Object.prototype)).toEqual(before)
  expect('polluted' in {}).toBe(false)
})
