import type { Broker, BrokerSink, Channels, GapEvent, JoinResult } from '@roomcast/channels'
import { createChannels } from '@roomcast/channels'
import type { Framed, Payload, Socket } from '@roomcast/core'
import { expectTypeOf, test } from 'vitest'
import { FakeSocket } from '../support/fake-socket.ts'

interface Meta {
  name: string
}

interface State {
  userId: number
}

test('meta and state flow without a cast', () => {
  const channels = createChannels<Meta, State>()
  expectTypeOf(channels).toEqualTypeOf<Channels<Meta, State>>()
  const socket = new FakeSocket<State>({ userId: 7 })
  expectTypeOf(channels.join('room', socket, { name: 'leto' })).toEqualTypeOf<JoinResult>()
  for (const [member, meta] of channels.members('room')) {
    expectTypeOf(member).toEqualTypeOf<Socket<State>>()
    expectTypeOf(member.state.userId).toEqualTypeOf<number>()
    expectTypeOf(meta).toEqualTypeOf<Meta>()
  }
  const names = channels.reduce('room', [] as string[], (list, member, meta) => {
    expectTypeOf(member.state).toEqualTypeOf<State>()
    return [...list, meta.name]
  })
  expectTypeOf(names).toEqualTypeOf<string[]>()
  expectTypeOf(channels.broadcast('room', 'x', { except: socket })).toEqualTypeOf<number>()
})

test('a socket of another state is no member', () => {
  const channels = createChannels<Meta, State>()
  const stranger = new FakeSocket<string>('')
  // @ts-expect-error the state is a string
  channels.join('room', stranger, { name: 'leto' })
  // @ts-expect-error the same
  channels.broadcast('room', 'x', { except: stranger })
})

test('without a state, sockets of any server fit', () => {
  const channels = createChannels<Meta>()
  channels.join('room', new FakeSocket<State>({ userId: 7 }), { name: 'leto' })
  channels.join('room', new FakeSocket<string>(''), { name: 'paul' })
  expectTypeOf(channels.members('room')).toEqualTypeOf<IterableIterator<[Socket, Meta]>>()
})

test('meta must be given, unless undefined is one', () => {
  const socket = new FakeSocket()
  // @ts-expect-error a meta is missing
  createChannels<Meta>().join('room', socket)
  // @ts-expect-error a meta of another type
  createChannels<Meta>().join('room', socket, { nickname: 'leto' })
  // @ts-expect-error one argument too many
  createChannels<Meta>().join('room', socket, { name: 'leto' }, 'more')
  createChannels().join('room', socket)
  createChannels().join('room', socket, { anything: true })
  createChannels<undefined>().join('room', socket)
  createChannels<Meta | undefined>().join('room', socket)
  createChannels<Meta | undefined>().join('room', socket, { name: 'leto' })
  createChannels<Meta | undefined>().join('room', socket, undefined)
})

test('options', () => {
  expectTypeOf(createChannels).parameter(0).toExtend<object | undefined>()
  createChannels({ onGap: 'close' })
  createChannels({ onGap: (channel, info) => (info.missed === undefined ? undefined : [channel, new Uint8Array(1)]) })
  expectTypeOf<Channels['broadcast']>().parameter(1).toEqualTypeOf<Payload | Framed>()
  // @ts-expect-error not a thing to send
  createChannels({ onGap: () => 5 })
  const listener = (gap: GapEvent): void => {
    expectTypeOf(gap).toEqualTypeOf<{ channel: string; node?: string; missed?: number }>()
  }
  expectTypeOf(createChannels<Meta>().on('gap', listener)).toEqualTypeOf<Channels<Meta>>()
})

test('the port', () => {
  expectTypeOf<Broker['status']>().toEqualTypeOf<'connecting' | 'ready' | 'degraded' | 'closed'>()
  expectTypeOf<Broker['publish']>().toEqualTypeOf<(channel: string, frame: Framed) => boolean>()
  expectTypeOf<BrokerSink['deliver']>().toEqualTypeOf<(channel: string, frame: Framed) => void>()
  expectTypeOf<BrokerSink['gap']>().toEqualTypeOf<(channel: string, info: { node?: string; missed?: number }) => void>()
})
