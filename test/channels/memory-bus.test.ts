import { createChannels, createMemoryBus } from '@roomcast/channels'
import { txt } from '@roomcast/core'
import { expect, test } from 'vitest'
import { describeBroker } from '../support/broker-suite.ts'
import { FakeSocket } from '../support/fake-socket.ts'

describeBroker('memory bus', async () => {
  const bus = createMemoryBus()
  return { a: bus.broker(), b: bus.broker() }
})

test('two buses know nothing of each other', async () => {
  const [one, other] = [createMemoryBus(), createMemoryBus()]
  const [publisher, neighbour, stranger] = [one, one, other].map((bus) => createChannels({ broker: bus.broker() }))
  const [near, far] = [new FakeSocket(), new FakeSocket()]
  neighbour!.join('room', near)
  stranger!.join('room', far)
  publisher!.broadcast('room', 'hello')
  await new Promise((resolve) => setImmediate(resolve))
  expect(near.messages).toEqual(['hello'])
  expect(far.messages).toEqual([])
})

test('who joins after a message was published does not get it', async () => {
  const bus = createMemoryBus()
  const [a, b] = [createChannels({ broker: bus.broker() }), createChannels({ broker: bus.broker() })]
  const socket = new FakeSocket()
  a.broadcast('room', 'too early')
  b.join('room', socket)
  a.broadcast('room', 'in time')
  await new Promise((resolve) => setImmediate(resolve))
  expect(socket.messages).toEqual(['in time'])
})

test('who leaves before a message is delivered does not get it', async () => {
  const bus = createMemoryBus()
  const [a, b] = [bus.broker(), bus.broker()]
  const delivered: string[] = []
  a.start({ deliver: () => {}, gap: () => {} })
  b.start({ deliver: (channel) => delivered.push(channel), gap: () => {} })
  b.join('left')
  b.join('kept')
  a.publish('left', txt('1'))
  a.publish('kept', txt('2'))
  b.leave('left')
  await new Promise((resolve) => setImmediate(resolve))
  expect(delivered).toEqual(['kept'])
})

test('status, from beginning to end', async () => {
  const broker = createMemoryBus().broker()
  expect(broker.status).toBe('connecting')
  broker.start({ deliver: () => {}, gap: () => {} })
  expect(broker.status).toBe('ready')
  await broker.close()
  expect(broker.status).toBe('closed')
  expect(() => broker.start({ deliver: () => {}, gap: () => {} })).toThrow('once')
})
