// What a user's editor knows: the state's type flows from `init` through `handshake` into every callback, without a cast.
// The checks are made by the compiler; running them proves only that the calls are real.

import {
  type Acceptance,
  accept,
  type CloseInfo,
  createServer,
  type Framed,
  frame,
  type Handler,
  type Rejection,
  reject,
  type Server,
  type Socket,
  type Stats,
  txt,
  type WriteResult,
} from '@roomcast/core'
import { expectTypeOf, test } from 'vitest'

interface User {
  userId: number
}

declare const lookup: (token: string | undefined) => number | undefined

test('init → handshake → everything after', () => {
  const server = createServer({
    handler: {
      init: () => ({ visits: 0 }),
      handshake({ headers }, state) {
        expectTypeOf(state).toEqualTypeOf<{ visits: number }>()
        expectTypeOf(headers).toEqualTypeOf<Readonly<Record<string, string>>>()
        const userId = lookup(headers.token)
        return userId !== undefined ? { ...state, userId } : reject(401, 'invalid_token')
      },
      opened(socket) {
        expectTypeOf(socket.state).toEqualTypeOf<{ userId: number; visits: number }>()
      },
      message(socket, data, opcode) {
        expectTypeOf(socket).toEqualTypeOf<Socket<{ userId: number; visits: number }>>()
        expectTypeOf(socket.state.userId).toEqualTypeOf<number>()
        expectTypeOf(data).toEqualTypeOf<Buffer>()
        expectTypeOf(opcode).toEqualTypeOf<'text' | 'binary'>()
        expectTypeOf(socket.write(data, opcode)).toEqualTypeOf<WriteResult>()
      },
      drained(socket) {
        expectTypeOf(socket.state.visits).toEqualTypeOf<number>()
      },
      closed(socket, { code, reason, by }) {
        expectTypeOf(socket.state.userId).toEqualTypeOf<number>()
        expectTypeOf(code).toEqualTypeOf<number>()
        expectTypeOf(reason).toEqualTypeOf<string>()
        expectTypeOf(by).toEqualTypeOf<'peer' | 'server' | 'network'>()
      },
    },
    onError(error, { socket, where }) {
      expectTypeOf(error).toEqualTypeOf<unknown>()
      expectTypeOf(socket).toEqualTypeOf<Socket<{ userId: number; visits: number }> | undefined>()
      expectTypeOf(where).toExtend<string>()
    },
  })
  expectTypeOf(server).toEqualTypeOf<Server<{ userId: number; visits: number }>>()
  expectTypeOf(server.sockets).toEqualTypeOf<Iterable<Socket<{ userId: number; visits: number }>>>()
})

test('without handshake the state is that of init', () => {
  const server = createServer({
    handler: {
      init: () => ({ visits: 0 }),
      message(socket) {
        expectTypeOf(socket.state).toEqualTypeOf<{ visits: number }>()
        socket.state.visits++
        socket.state = { visits: 1 }
      },
    },
  })
  expectTypeOf(server).toEqualTypeOf<Server<{ visits: number }>>()
})

test('without init the first state is undefined', () => {
  const bare = createServer({
    handler: {
      message(socket) {
        expectTypeOf(socket.state).toEqualTypeOf<undefined>()
      },
    },
  })
  expectTypeOf(bare).toEqualTypeOf<Server<undefined>>()

  const server = createServer({
    handler: {
      handshake(request, state) {
        expectTypeOf(state).toEqualTypeOf<undefined>()
        expectTypeOf(request.query).toEqualTypeOf<URLSearchParams>()
        expectTypeOf(request.subprotocols).toEqualTypeOf<readonly string[]>()
        expectTypeOf(request.signal).toEqualTypeOf<AbortSignal>()
        return { name: request.path }
      },
      message(socket) {
        expectTypeOf(socket.state).toEqualTypeOf<{ name: string }>()
      },
    },
  })
  expectTypeOf(server).toEqualTypeOf<Server<{ name: string }>>()
})

test('an async handshake, with all three outcomes', () => {
  const server = createServer({
    handler: {
      async handshake({ query }) {
        await null
        const userId = Number(query.get('id'))
        if (userId === 0) return reject(403)
        if (userId === 1) return accept({ userId }, { subprotocol: 'chat', headers: { 'Set-Cookie': 'a=1' } })
        return { userId }
      },
      message(socket) {
        expectTypeOf(socket.state).toEqualTypeOf<User>()
      },
    },
  })
  expectTypeOf(server).toEqualTypeOf<Server<User>>()
})

test('accept alone', () => {
  const server = createServer({
    handler: {
      handshake: () => accept({ userId: 1 }),
      message: (socket) => expectTypeOf(socket.state).toEqualTypeOf<User>(),
    },
  })
  expectTypeOf(server).toEqualTypeOf<Server<User>>()
})

test('given types, and what does not fit them', () => {
  createServer<undefined, User>({
    handler: {
      handshake: () => ({ userId: 1 }),
      message: (socket) => expectTypeOf(socket.state.userId).toEqualTypeOf<number>(),
    },
  })
  createServer<undefined, User>({
    handler: {
      // @ts-expect-error: a user has a number
      handshake: () => ({ userId: 'leto' }),
      message() {},
    },
  })
  const make = (): unknown =>
    // @ts-expect-error: message must be given
    createServer({ handler: {} })
  const misspelt = (): unknown =>
    createServer({
      handler: { message() {} },
      // @ts-expect-error: no such option
      maxMesageBytes: 5,
    })
  expectTypeOf(make).toBeFunction()
  expectTypeOf(misspelt).toBeFunction()
})

test('the outcomes, frames and sockets by themselves', () => {
  expectTypeOf(reject(400)).toEqualTypeOf<Rejection>()
  expectTypeOf(accept('state')).toEqualTypeOf<Acceptance<string>>()
  expectTypeOf(txt(['a', new Uint8Array(), new ArrayBuffer(1)])).toEqualTypeOf<Framed>()
  expectTypeOf(txt(frame('a'))).toEqualTypeOf<Framed>()
  expectTypeOf<Socket<User>>().toExtend<Socket<unknown>>()
  expectTypeOf<Socket['readyState']>().toEqualTypeOf<'open' | 'closing' | 'closed'>()
  expectTypeOf<CloseInfo>().toEqualTypeOf<{ code: number; reason: string; by: 'peer' | 'server' | 'network' }>()
  expectTypeOf<Handler<undefined, User>['message']>().parameter(0).toEqualTypeOf<Socket<User>>()
  expectTypeOf<ReturnType<Socket['onClosing']>>().toEqualTypeOf<() => void>()
  const server = createServer({ handler: { message() {} } })
  expectTypeOf(server.stats()).toEqualTypeOf<Stats>()
  expectTypeOf(server.drain).returns.resolves.toEqualTypeOf<{ closed: number; terminated: number }>()
  expectTypeOf(server.listen).returns.resolves.toHaveProperty('port')
  expectTypeOf(server.close).returns.resolves.toEqualTypeOf<void>()
  expectTypeOf(server).toExtend<AsyncDisposable>()
})
