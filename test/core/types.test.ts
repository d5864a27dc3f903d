// What callers see of the types: `state` flows from `init` through `handshake` to every callback without a cast. The
// compiler is the test; each block also names what must not compile.

import {
  type Acceptance,
  accept,
  type CloseInfo,
  createServer,
  type Framed,
  type Handler,
  type Opcode,
  type Rejection,
  reject,
  route,
  type Server,
  type Socket,
  txt,
  type WriteResult,
} from '@roomcast/core'
import { describe, expect, expectTypeOf, test } from 'vitest'

const find = (token: string | undefined): string | undefined => token

describe('state', () => {
  test('flows from init and handshake to every callback', () => {
    const server = createServer({
      handler: {
        init: () => ({ visits: 0 }),
        handshake({ headers, query, signal, subprotocols }, state) {
          expectTypeOf(state).toEqualTypeOf<{ visits: number }>()
          expectTypeOf(headers).toEqualTypeOf<Readonly<Record<string, string>>>()
          expectTypeOf(query).toEqualTypeOf<URLSearchParams>()
          expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
          expectTypeOf(subprotocols).toEqualTypeOf<readonly string[]>()
          const userId = find(headers.token)
          return userId ? { ...state, userId } : reject(401, 'invalid_token')
        },
        opened: (socket) => expectTypeOf(socket.state).toEqualTypeOf<{ userId: string; visits: number }>(),
        message(socket, data, opcode) {
          expectTypeOf(socket).toEqualTypeOf<Socket<{ userId: string; visits: number }>>()
          expectTypeOf(data).toEqualTypeOf<Buffer>()
          expectTypeOf(opcode).toEqualTypeOf<Opcode>()
          expectTypeOf(socket.write(data, opcode)).toEqualTypeOf<WriteResult>()
          // @ts-expect-error: no such field
          socket.state.nobody
        },
        drained: (socket) => expectTypeOf(socket.state.userId).toEqualTypeOf<string>(),
        closed(socket, info) {
          expectTypeOf(socket.state.visits).toEqualTypeOf<number>()
          expectTypeOf(info).toEqualTypeOf<CloseInfo>()
          expectTypeOf(info.by).toEqualTypeOf<'peer' | 'server' | 'network'>()
        },
      },
      onError: (error, { socket, where }) => {
        expectTypeOf(error).toEqualTypeOf<unknown>()
        expectTypeOf(socket?.state.userId).toEqualTypeOf<string | undefined>()
        expectTypeOf(where).toExtend<string>()
      },
    })
    expectTypeOf(server).toEqualTypeOf<Server<{ userId: string; visits: number }>>()
    for (const socket of server.sockets) expectTypeOf(socket.state.userId).toEqualTypeOf<string>()
  })

  test('flows from an async handshake, with accept and reject', () => {
    createServer({
      handler: {
        async handshake({ path }) {
          await Promise.resolve()
          if (path === '/') return reject(404)
          if (path === '/x') return accept({ id: 1 }, { subprotocol: 'x', headers: { 'X-Id': '1' } })
          return { id: 2 }
        },
        message: (socket) => expectTypeOf(socket.state).toEqualTypeOf<{ id: number }>(),
      },
    })
    expectTypeOf(accept({ id: 1 })).toEqualTypeOf<Acceptance<{ id: number }>>()
    expectTypeOf(reject(400)).toEqualTypeOf<Rejection>()
  })

  test('is what init made without a handshake, and undefined without both', () => {
    createServer({
      handler: {
        init: () => ({ n: 1 }),
        message: (socket) => expectTypeOf(socket.state).toEqualTypeOf<{ n: number }>(),
      },
    })
    createServer({ handler: { message: (socket) => expectTypeOf(socket.state).toEqualTypeOf<undefined>() } })
  })
})

describe('routes', () => {
  test('each has a state type of its own, with no cast; the server’s sockets have any of them', () => {
    const server = createServer({
      routes: {
        '/chat': route({
          handshake: () => ({ room: 'lobby' }),
          message: ({ state }) => expectTypeOf(state).toEqualTypeOf<{ room: string }>(),
          closed: ({ state }) => expectTypeOf(state).toEqualTypeOf<{ room: string }>(),
        }),
        '/count': route({
          init: () => 1,
          message: ({ state }) => expectTypeOf(state).toEqualTypeOf<number>(),
        }),
        '/both': route({
          init: () => 1,
          async handshake(request, first) {
            expectTypeOf(first).toEqualTypeOf<number>()
            expectTypeOf(request.extra).toEqualTypeOf<unknown>()
            return first > 0 ? accept({ first }) : reject(401)
          },
          message: ({ state }) => expectTypeOf(state).toEqualTypeOf<{ first: number }>(),
        }),
        '/plain': route({ message: ({ state }) => expectTypeOf(state).toEqualTypeOf<undefined>() }),
      },
    })
    for (const { state } of server.sockets) {
      expectTypeOf(state).toEqualTypeOf<{ room: string } | number | { first: number } | undefined>()
    }
  })
})

describe('text', () => {
  test('as strings: data is a string or a Buffer, and opcode tells which', () => {
    const server = createServer({
      text: 'string',
      handler: {
        init: () => ({ visits: 0 }),
        handshake: (_, first) => ({ ...first, userId: 'leto' }),
        message(socket, data, opcode) {
          expectTypeOf(socket.state).toEqualTypeOf<{ userId: string; visits: number }>()
          expectTypeOf(data).toEqualTypeOf<string | Buffer>()
          expectTypeOf(opcode).toEqualTypeOf<Opcode>()
          if (typeof data === 'string') expectTypeOf(data).toEqualTypeOf<string>()
          else expectTypeOf(data).toEqualTypeOf<Buffer>()
          expectTypeOf(socket.write(data, opcode)).toEqualTypeOf<WriteResult>()
          // @ts-expect-error: it may be a string
          data.readUInt8(0)
        },
      },
    })
    expectTypeOf(server).toEqualTypeOf<Server<{ userId: string; visits: number }>>()
  })

  test('as bytes: said so, or not said', () => {
    createServer({
      text: 'string',
      handler: { message: (_socket, data) => expectTypeOf(data).toEqualTypeOf<string | Buffer>() },
    })
    createServer({
      text: 'buffer',
      handler: { message: (_socket, data) => expectTypeOf(data).toEqualTypeOf<Buffer>() },
    })
    expectTypeOf<Handler<undefined, undefined>['message']>().toEqualTypeOf<
      (socket: Socket<undefined>, data: Buffer, opcode: Opcode) => unknown
    >()
    const wantsBytes: Handler<undefined, undefined> = { message: (_socket, data) => data.readUInt8(0) }
    // @ts-expect-error: it would be given strings
    expect(() => createServer({ text: 'string', handler: wantsBytes })).not.toThrow()
    // @ts-expect-error: no such form
    expect(() => createServer({ text: 'utf8', handler: wantsBytes })).toThrow(TypeError)
    // @ts-expect-error: beside routes it has no meaning
    expect(() => createServer({ text: 'string', routes: { '/': wantsBytes } })).toThrow(TypeError)
  })
})

test('how a socket ended', () => {
  expectTypeOf<CloseInfo['clean']>().toEqualTypeOf<boolean>()
  expectTypeOf<CloseInfo['cause']>().toEqualTypeOf<Error | undefined>()
})

test('headers may have several lines', () => {
  expectTypeOf(reject).toBeCallableWith(401, 'no', { headers: { 'Set-Cookie': ['a=1', 'b=2'], 'X-One': 'x' } })
  expectTypeOf(accept<number>).toBeCallableWith(1, { headers: { 'Set-Cookie': ['a=1'] } })
})

test('what may be written', () => {
  const socket = {} as Socket
  type Data = Parameters<typeof socket.write>[0]
  expectTypeOf<string | Uint8Array | ArrayBuffer | (string | Uint8Array)[] | Framed>().toExtend<Data>()
  expectTypeOf<number>().not.toExtend<Data>()
  expectTypeOf(txt('x').bytes).toEqualTypeOf<Buffer>()
})

test('options', () => {
  type Options = Parameters<typeof createServer>[0]
  expectTypeOf<{
    handler: { message(): void }
    port: number
    maxMessageBytes: number
    compression: true
  }>().toExtend<Options>()
  expectTypeOf<{ port: number }>().not.toExtend<Options>()
  expectTypeOf<{ handler: { message(): void }; slowConsumer: 'wait' }>().not.toExtend<Options>()
})
