// The handler's contract at the socket: one callback at a time, `closed` exactly once and with the right words whatever
// the cause, and nothing that a callback throws ever reaches the process.

import { Buffer } from 'node:buffer'
import { inspect } from 'node:util'
import { accept, createServer, type Handler, reject, type Server, type Socket } from '@roomcast/core'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, type HowClosed, serve, type TestOptions, type TestServer, track } from '../support/core-server.ts'
import { eventually, Log, nextTurn } from '../support/log.ts'
import { RawClient, describe as short } from '../support/raw-client.ts'

// It fails when an error reached the process.
afterEach(cleanUp)

/** A promise with its handles. */
function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

describe('one at a time', () => {
  test('async messages do not overlap and keep their order', async () => {
    let running = 0
    let most = 0
    const done = new Log<string>('done')
    const test = await serve({
      handler: {
        async message(_, data) {
          most = Math.max(most, ++running)
          await nextTurn()
          await nextTurn()
          running--
          done.push(data.toString())
        },
      },
    })
    const { client } = await test.connect()
    const texts = Array.from({ length: 100 }, (_, i) => `${i}`)
    client.say(...texts.slice(0, 50))
    client.say(...texts.slice(50))
    expect(await done.count(100)).toEqual(texts)
    expect(most).toBe(1)
  })

  test('a sync message in front of an async one does not let the next one in', async () => {
    const gate = deferred()
    const test = await serve({ handler: { message: (_, data) => (`${data}` === 'wait' ? gate.promise : undefined) } })
    const { client } = await test.connect()
    client.say('sync', 'wait', 'after')
    await test.messages.count(2)
    await nextTurn()
    expect(test.texts).toEqual(['sync', 'wait'])
    gate.resolve()
    await test.messages.count(3)
  })

  test('text as strings: every kind of text message, and bytes as they are', async () => {
    const told: (string | Buffer)[] = []
    const server = track(
      createServer({
        port: 0,
        host: '127.0.0.1',
        text: 'string',
        handler: {
          message(socket, data, opcode) {
            told.push(data)
            expect(socket.write(data, opcode)).toBe('ok')
          },
        },
      }),
    )
    const { port } = await server.listen()
    const client = await RawClient.connect({ port })
    await client.upgrade()
    client.say('', 'ascii', 'héllo €', '\uFEFFmark', '\0')
    client.send(
      { opcode: Op.TEXT, payload: 'in ', fin: false },
      { opcode: Op.CONTINUATION, payload: 'pieces' },
      { opcode: Op.BINARY, payload: Buffer.of(0xff) },
      { opcode: Op.TEXT, payload: Buffer.of(0xff) },
    )
    await client.ended()
    expect(told).toEqual(['', 'ascii', 'héllo €', '\uFEFFmark', '\0', 'in pieces', Buffer.of(0xff)])
    const texts = ['', 'ascii', 'héllo €', '\uFEFFmark', '\0', 'in pieces']
    expect(client.frames.all.slice(0, 6).map(({ payload }) => payload.toString())).toEqual(texts)
    await eventually(() => server.stats().closes[1007] === 1, 'a close with 1007')
  })

  test('a thenable that is no Promise is waited for too', async () => {
    const gate = deferred()
    // biome-ignore lint/suspicious/noThenProperty: a user's thenable is what this is about
    const thenable = { then: (yes: () => void) => void gate.promise.then(yes) }
    const test = await serve({ handler: { message: () => thenable } })
    const { client } = await test.connect()
    client.say('a', 'b')
    await test.messages.count(1)
    await nextTurn()
    expect(test.texts).toEqual(['a'])
    gate.resolve()
    await test.messages.count(2)
  })

  test('a message waits for an async opened', async () => {
    const gate = deferred()
    const test = await serve({ handler: { opened: () => gate.promise } })
    const { client } = await test.connect()
    client.say('early')
    client.send({ opcode: Op.PING, payload: 'p' })
    await nextTurn()
    expect(test.texts).toEqual([])
    gate.resolve()
    await test.messages.count(1)
    expect(short(await client.frame())).toBe('pong p')
  })

  test('one pending callback does not hold up another socket', async () => {
    const gate = deferred()
    const test = await serve({ handler: { message: (_, data) => (`${data}` === 'wait' ? gate.promise : undefined) } })
    const [one, two] = [await test.connect(), await test.connect()]
    one.client.say('wait')
    await test.messages.count(1)
    two.client.say('two')
    await test.messages.find(({ data }) => `${data}` === 'two')
    gate.resolve()
  })

  test('what a callback returns is not the state', async () => {
    const test = await serve<{ count: number }>({
      handler: {
        init: () => ({ count: 0 }),
        opened: () => ({ count: 1000 }),
        message(socket) {
          socket.state.count++
          return Promise.resolve({ count: 1000 })
        },
      },
    })
    const { client, socket } = await test.connect()
    client.say('a', 'b')
    await test.messages.count(2)
    expect(socket.state).toEqual({ count: 2 })
    socket.state = { count: 7 }
    client.say('c')
    await test.messages.count(3)
    expect(socket.state).toEqual({ count: 8 })
  })

  test('a ping is answered while a message is pending', async () => {
    const gate = deferred()
    const test = await serve({ handler: { message: () => gate.promise } })
    const { client } = await test.connect()
    client.say('pending')
    await test.messages.count(1)
    client.send({ opcode: Op.PING, payload: 'alive?' })
    expect(short(await client.frame())).toBe('pong alive?')
    gate.resolve()
  })

  test('a flood behind a pending message waits in the kernel, then comes whole and in order', async () => {
    const gate = deferred()
    const test = await serve({ handler: { message: (_, data) => (`${data}` === 'first' ? gate.promise : undefined) } })
    const { client, socket } = await test.connect()
    const before = test.server.stats().bytesIn
    client.say('first')
    await test.messages.count(1)
    const filler = 'x'.repeat(1000)
    const texts = Array.from({ length: 10_000 }, (_, i) => `${i} ${filler}`)
    client.say(...texts)
    for (let i = 0; i < 50; i++) await nextTurn()
    await new Promise((resolve) => setTimeout(resolve, 50))
    // 10 MB were sent; one read or two were taken.
    expect(test.server.stats().bytesIn - before).toBeLessThan(512 * 1024)
    expect(test.messages.length).toBe(1)
    expect(socket.readyState).toBe('open')
    gate.resolve()
    await test.messages.count(10_001)
    expect(test.texts.slice(1)).toEqual(texts)
  })

  test('a flood of async messages does not pile up promises', async () => {
    let pending = 0
    let most = 0
    const test = await serve({
      handler: {
        async message() {
          most = Math.max(most, ++pending)
          await null
          pending--
        },
      },
    })
    const { client } = await test.connect()
    for (let i = 0; i < 10; i++) client.say(...Array.from({ length: 1000 }, (_, j) => `${i * 1000 + j}`))
    await test.messages.count(10_000)
    expect(most).toBe(1)
    expect(test.texts).toEqual(Array.from({ length: 10_000 }, (_, i) => `${i}`))
  })

  test("the peer's Close behind a held message is found once the message has been handled", async () => {
    const gate = deferred()
    const test = await serve({ handler: { message: () => gate.promise } })
    const { client } = await test.connect()
    client.say('one', 'two')
    client.sendClose(1000, 'bye')
    await test.messages.count(1)
    await nextTurn()
    expect(test.closed.length).toBe(0)
    gate.resolve()
    expect(await test.info()).toEqual({ code: 1000, reason: 'bye', by: 'peer' })
    expect(test.texts).toEqual(['one', 'two'])
  })

  test('closed does not wait for a pending callback', async () => {
    const gate = deferred()
    const test = await serve({ handler: { message: () => gate.promise } })
    const { client } = await test.connect()
    client.say('pending')
    await test.messages.count(1)
    client.sendClose(1001)
    expect(await test.info()).toEqual({ code: 1001, reason: '', by: 'peer' })
    gate.resolve()
  })

  test('messages that were held are not delivered after close()', async () => {
    const gate = deferred()
    const test = await serve({ handler: { message: () => gate.promise } })
    const { client, socket } = await test.connect()
    client.say('one', 'two', 'three')
    await test.messages.count(1)
    socket.close(3000)
    await client.answerClose()
    expect(await test.info()).toEqual({ code: 3000, reason: '', by: 'server' })
    gate.resolve()
    await nextTurn()
    expect(test.texts).toEqual(['one'])
  })
})

describe('messages', () => {
  test('whole, typed, byte for byte; empty ones too', async () => {
    const test = await serve()
    const { client } = await test.connect()
    client.send(
      { opcode: Op.TEXT, payload: 'zwölf ☃' },
      { opcode: Op.BINARY, payload: Buffer.of(0, 255, 128) },
      { opcode: Op.TEXT },
      { opcode: Op.BINARY },
      { opcode: Op.TEXT, payload: 'frag', fin: false },
      { opcode: Op.PING },
      { opcode: Op.CONTINUATION, payload: 'ment', fin: false },
      { opcode: Op.CONTINUATION, payload: 'ed' },
    )
    await test.messages.count(5)
    expect(test.messages.all.map(({ data, opcode }) => `${opcode} ${data.toString('hex')}`)).toEqual([
      `text ${Buffer.from('zwölf ☃').toString('hex')}`,
      'binary 00ff80',
      'text ',
      'binary ',
      `text ${Buffer.from('fragmented').toString('hex')}`,
    ])
    for (const { data } of test.messages.all) expect(Buffer.isBuffer(data)).toBe(true)
  })

  test('data is the user’s to keep and to change: later messages leave it as it was', async () => {
    const test = await serve({ handler: { message: (_, data) => void data.fill(0x2e, 0, 1) } })
    const { client } = await test.connect()
    const texts = Array.from({ length: 200 }, (_, i) => `${'abc'[i % 3]!.repeat(i * 20)}${i}`)
    for (const text of texts) {
      client.say(text)
      if (texts.indexOf(text) % 10 === 0) await nextTurn()
    }
    await test.messages.count(200)
    expect(test.texts).toEqual(texts.map((text) => `.${text.slice(1)}`))
  })
})

const CLOSED: {
  name: string
  options?: TestOptions<undefined, undefined>
  end: (at: { client: RawClient; socket: Socket<undefined>; test: TestServer }) => unknown
  info: HowClosed
  /** The Close frames that the peer gets. Default: one that says `info`, none for 1006. */
  told?: string[]
}[] = [
  {
    name: 'the peer’s Close with a code and a reason',
    end: ({ client }) => client.sendClose(3001, 'gründe'),
    info: { code: 3001, reason: 'gründe', by: 'peer' },
  },
  { name: 'the peer’s Close without a code', end: ({ client }) => client.sendClose(), info: info(1005, '', 'peer') },
  {
    name: 'the peer’s Close, then its reset',
    async end({ client }) {
      client.sendClose(1000)
      await client.close()
      client.reset()
    },
    info: info(1000, '', 'peer'),
  },
  {
    name: 'a broken rule',
    end: ({ client }) => client.send({ opcode: 3 }),
    info: info(1002, 'reserved opcode', 'server'),
  },
  {
    name: 'text that is not UTF-8',
    end: ({ client }) => client.send({ opcode: Op.TEXT, payload: Buffer.of(0xff) }),
    info: info(1007, 'text is not UTF-8', 'server'),
  },
  {
    name: 'a Close with a wrong code',
    end: ({ client }) => client.sendClose(1006),
    info: info(1002, 'invalid close code', 'server'),
  },
  {
    name: 'our close, answered',
    end({ client, socket }) {
      socket.close(4001, 'go')
      return client.answerClose()
    },
    info: info(4001, 'go', 'server'),
  },
  {
    name: 'our close, answered with another code',
    async end({ client, socket }) {
      socket.close(4001, 'go')
      await client.close()
      client.sendClose(3999, 'mine')
    },
    info: info(4001, 'go', 'server'),
  },
  {
    name: 'both at once: ours was first here',
    end({ client, socket }) {
      client.sendClose(3005)
      socket.close(4001)
    },
    info: info(4001, '', 'server'),
  },
  {
    name: 'our close, never answered',
    options: { closeTimeoutMs: 40 },
    end: ({ socket }) => socket.close(4001, 'go'),
    info: info(4001, 'go', 'server'),
  },
  {
    name: 'our close, answered with a FIN only',
    async end({ client, socket }) {
      socket.close(4001, 'go')
      await client.close()
      client.socket.end()
    },
    info: info(4001, 'go', 'server'),
  },
  {
    name: 'our close, answered with a reset',
    async end({ client, socket }) {
      socket.close(4001, 'go')
      await client.close()
      client.reset()
    },
    info: info(4001, 'go', 'server'),
  },
  {
    name: 'our close, answered with a broken frame',
    async end({ client, socket }) {
      socket.close(4001, 'go')
      await client.close()
      client.send({ opcode: 3 })
    },
    info: info(4001, 'go', 'server'),
  },
  { name: 'terminate', end: ({ socket }) => socket.terminate(), info: info(1006, '', 'server') },
  {
    name: 'terminate after close',
    end({ socket }) {
      socket.close(4001)
      socket.terminate()
    },
    info: info(4001, '', 'server'),
    told: [],
  },
  { name: 'a reset', end: ({ client }) => client.reset(), info: info(1006, '', 'network') },
  { name: 'a FIN without a Close', end: ({ client }) => client.socket.end(), info: info(1006, '', 'network') },
  {
    name: 'a FIN within a frame',
    end: ({ client }) => client.socket.end(Buffer.of(0x81, 0x85, 1, 2)),
    info: info(1006, '', 'network'),
  },
  {
    name: 'no pong',
    options: { idleTimeoutMs: 30, pongTimeoutMs: 30 },
    end: () => {},
    info: info(1006, '', 'network'),
  },
  {
    name: 'a message that takes too long',
    options: { messageTimeoutMs: 40 },
    end: ({ client }) => client.send({ opcode: Op.TEXT, payload: 'begun', fin: false }),
    info: info(1008, 'message took too long', 'server'),
  },
  {
    name: 'a message over the limit',
    options: { maxMessageBytes: 10 },
    end: ({ client }) => client.send({ opcode: Op.TEXT, payload: 'eleven byte' }),
    info: info(1009, 'message too big', 'server'),
  },
  {
    name: 'drain',
    end({ client, test }) {
      void test.server.drain()
      return client.answerClose()
    },
    info: info(1012, 'service restart', 'server'),
  },
  {
    name: 'server.close()',
    async end({ client, test }) {
      void test.server.close()
      expect((await client.answerClose()).code).toBe(1001)
    },
    info: info(1001, 'server is closing', 'server'),
  },
]

function info(code: number, reason: string, by: HowClosed['by']): HowClosed {
  return { code, reason, by }
}

function usual({ code, reason }: HowClosed): string[] {
  return code === 1006 ? [] : [code === 1005 ? 'close' : `close ${code} ${reason}`.trim()]
}

describe('closed, exactly once', () => {
  test.each(CLOSED)('$name', async ({ options, end, info, told = usual(info) }) => {
    const test = await serve(options)
    const { client, socket } = await test.connect()
    await end({ client, socket, test })
    expect(await test.info()).toEqual(info)
    expect(test.closed.all[0]!.socket).toBe(socket)
    expect(socket.readyState).toBe('closed')
    expect([...test.server.sockets]).toEqual([])
    expect(test.server.stats()).toMatchObject({ sockets: 0, closes: { [info.code]: 1 } })
    // What the peer was told: one Close at most.
    await client.ended()
    expect(client.frames.all.filter(({ opcode }) => opcode === Op.CLOSE).map(short)).toEqual(told)
    // Whatever else is tried now comes to nothing.
    socket.terminate()
    socket.close()
    client.socket.destroy()
    await test.server.close()
    await nextTurn()
    expect(test.closed.length).toBe(1)
    expect(test.errors.all).toEqual([])
  })

  test('in closed the socket is closed, and its state is still there', async () => {
    const seen: unknown[] = []
    const test = await serve<{ name: string }>({
      handler: {
        init: () => ({ name: 'leto' }),
        closed(socket) {
          seen.push(
            socket.readyState,
            socket.state.name,
            socket.write('x'),
            socket.ping(),
            [...test.server.sockets].length,
          )
          seen.push(test.server.stats().sockets)
          socket.close()
          socket.terminate()
        },
      },
    })
    const { client } = await test.connect()
    client.sendClose(1000)
    await test.info()
    expect(seen).toEqual(['closed', 'leto', 'closed', 'closed', 0, 0])
  })

  test('close and terminate within opened, the 101 still comes before the Close', async () => {
    const test = await serve({ handler: { opened: (socket) => socket.close(3000, 'no') } })
    const client = await test.tcp()
    expect((await client.upgrade()).status).toBe(101)
    expect(await client.answerClose()).toEqual({ code: 3000, reason: 'no' })
    expect(await test.info()).toEqual({ code: 3000, reason: 'no', by: 'server' })

    const other = await serve({ handler: { opened: (socket) => socket.terminate() } })
    const rude = await other.tcp()
    rude.ask({}, 'not a frame')
    expect(await other.info()).toEqual({ code: 1006, reason: '', by: 'server' })
    expect(other.messages.length).toBe(0)
  })
})

function inspectFails(): never {
  throw new Error('not to be inspected')
}

const THROWN: { what: string; make: () => unknown; async: boolean }[] = [
  { what: 'an Error', make: () => new Error('boom'), async: false },
  { what: 'a rejection', make: () => new Error('boom later'), async: true },
  { what: 'undefined', make: () => undefined, async: false },
  { what: 'null, later', make: () => null, async: true },
  { what: 'an object that cannot become a string', make: () => Object.create(null), async: false },
  { what: 'an object that cannot become a string, later', make: () => Object.create(null), async: true },
  { what: 'an object that cannot be inspected', make: () => ({ [inspect.custom]: inspectFails }), async: false },
]

/** A callback that fails as the row says. */
function failing(thrown: unknown, async: boolean): () => unknown {
  return () => {
    if (async) return Promise.reject(thrown)
    throw thrown
  }
}

test('whatever both sides do, in any order: closed exactly once, nothing is left, memory is accounted for', async () => {
  const MIB = 1024 * 1024
  const test = await serve<undefined, undefined>({
    closeTimeoutMs: 40,
    maxBufferedBytes: 200_000,
    maxTotalBytes: MIB,
    maxMessageBytes: 2 * MIB,
    handler: {
      async message(socket, data) {
        const text = data.toString()
        if (text === 'throw') throw new Error('boom')
        if (text === 'wait') await nextTurn()
        if (text === 'echo') socket.write(data)
      },
      drained: (socket) => void socket.write('drained'),
    },
  })
  type Action = (at: { client: RawClient; socket: Socket<undefined> }) => unknown
  const ACTIONS: Record<string, Action> = {
    turn: () => nextTurn(),
    write: ({ socket }) => socket.write('x'),
    'write much': ({ socket }) => socket.write(Buffer.alloc(100_000)),
    'write very much': ({ socket }) => socket.write(Buffer.alloc(8 * MIB)),
    ping: ({ socket }) => socket.ping(),
    pause: ({ socket }) => socket.pause(),
    resume: ({ socket }) => socket.resume(),
    close: ({ socket }) => socket.close(4000),
    terminate: ({ socket }) => socket.terminate(),
    say: ({ client }) => client.say('echo', 'wait', 'echo'),
    'say throw': ({ client }) => client.say('throw'),
    'peer pings': ({ client }) => client.send({ opcode: Op.PING, payload: 'p' }),
    'begin a message': ({ client }) => client.send({ opcode: Op.BINARY, fin: false, payload: Buffer.alloc(50_000) }),
    'end a message': ({ client }) => client.send({ opcode: Op.CONTINUATION, payload: 'end' }),
    'half a frame': ({ client }) => client.write(Buffer.of(0x82, 0xfe, 0xff)),
    'peer closes': ({ client }) => client.sendClose(1000),
    'peer resets': ({ client }) => client.reset(),
    'peer ends': ({ client }) => client.socket.end(),
    'peer reads nothing': ({ client }) => client.socket.pause(),
    'peer reads again': ({ client }) => client.socket.resume(),
  }
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...Object.keys(ACTIONS)), { maxLength: 12 }), async (names) => {
      const pair = await test.connect()
      let closing = 0
      pair.socket.onClosing(() => void closing++)
      for (const name of names) if (pair.client.socket.writable) await ACTIONS[name]!(pair)
      pair.client.socket.destroy()
      // A paused socket does not hear of its peer's end.
      pair.socket.resume()
      await test.closed.find(({ socket }) => socket === pair.socket)
      await nextTurn()
      expect(test.closed.all.filter(({ socket }) => socket === pair.socket).length).toBe(1)
      expect(closing).toBe(1)
      expect(pair.socket.readyState).toBe('closed')
      expect(pair.socket.bufferedBytes).toBe(0)
    }),
    { numRuns: 150 },
  )
  expect(test.closed.length).toBe(test.opened.length)
  expect(test.server.stats()).toMatchObject({ sockets: 0, pendingHandshakes: 0 })
  // The account is at nothing: just below the limit nobody is shed, just above it somebody is.
  const { client, socket } = await test.connect()
  const before = test.server.stats().bytesIn
  client.send({ opcode: Op.BINARY, fin: false, payload: Buffer.alloc(900_000) })
  await eventually(() => test.server.stats().bytesIn >= before + 900_000)
  await nextTurn()
  expect(socket.readyState).toBe('open')
  client.send({ opcode: Op.CONTINUATION, fin: false, payload: Buffer.alloc(900_000) })
  expect((await client.answerClose()).code).toBe(1013)
})

describe('a throw or a rejection', () => {
  for (const where of ['opened', 'message'] as const) {
    test.each(THROWN)(`in ${where}: $what: 1011 for that socket only, onError hears it`, async ({ make, async }) => {
      const thrown = make()
      let fails = true
      const fail = failing(thrown, async)
      const test = await serve({ handler: { [where]: () => (fails ? fail() : undefined) } })
      const { client, socket } = await test.connect()
      client.say('one')
      expect(await client.answerClose()).toEqual({ code: 1011, reason: '' })
      expect(await test.info()).toEqual({ code: 1011, reason: '', by: 'server' })
      expect(test.errors.all).toEqual([{ error: thrown, where, socket }])
      fails = false
      const other = await test.connect()
      other.client.say('two')
      await test.messages.find(({ data }) => `${data}` === 'two')
      expect(other.socket.readyState).toBe('open')
    })
  }

  test('in opened, no message is delivered after it', async () => {
    const test = await serve({ handler: { opened: failing(new Error('boom'), false) } })
    const client = await test.tcp()
    client.ask({}, Buffer.from([0x81, 0x80, 0, 0, 0, 0]))
    await client.answerClose()
    await test.info()
    expect(test.messages.length).toBe(0)
  })

  test.each(THROWN)('in drained: $what: 1011', async ({ make, async }) => {
    const thrown = make()
    const test = await serve({ handler: { drained: failing(thrown, async) } })
    const { client, socket } = await test.connect()
    client.socket.pause()
    while (socket.write(Buffer.alloc(65_536)) !== 'backpressure');
    client.socket.resume()
    expect(await client.answerClose()).toEqual({ code: 1011, reason: '' })
    await test.info()
    expect(test.errors.all).toEqual([{ error: thrown, where: 'drained', socket }])
  })

  test.each(THROWN)('in closed: $what: onError only', async ({ make, async }) => {
    const thrown = make()
    const test = await serve({ handler: { closed: failing(thrown, async) } })
    const { client, socket } = await test.connect()
    client.sendClose(1000)
    await test.errors.count(1)
    expect(test.errors.all).toEqual([{ error: thrown, where: 'closed', socket }])
    expect(test.infos).toEqual([{ code: 1000, reason: '', by: 'peer' }])
    // The socket is forgotten all the same.
    await test.server.close()
  })

  test.each(THROWN.filter(({ async }) => !async))('in init: $what: 500 for that request alone', async ({ make }) => {
    const thrown = make()
    let fails = true
    const test = await serve<number>({
      handler: {
        init() {
          if (fails) throw thrown
          return 1
        },
      },
    })
    expect(await test.answer()).toMatchObject({ status: 500 })
    expect(test.errors.all).toEqual([{ error: thrown, where: 'init' }])
    fails = false
    await test.connect()
  })

  test.each(THROWN)('in handshake: $what: 500 for that request alone', async ({ make, async }) => {
    const thrown = make()
    const fail = failing(thrown, async)
    const test = await serve<undefined, undefined>({
      handler: { handshake: ({ path }) => (path === '/fail' ? (fail() as undefined) : accept(undefined)) },
    })
    expect(await test.answer({ url: '/fail' })).toMatchObject({ status: 500 })
    expect(test.errors.all).toEqual([{ error: thrown, where: 'handshake' }])
    expect(test.opened.length + test.closed.length).toBe(0)
    await test.connect()
  })

  test('in onClosing: the others are called, and closed too', async () => {
    const test = await serve()
    const { client, socket } = await test.connect()
    const called: number[] = []
    socket.onClosing(() => {
      throw new Error('boom')
    })
    socket.onClosing(() => void called.push(2))
    client.sendClose(1000)
    expect(await test.info()).toEqual({ code: 1000, reason: '', by: 'peer' })
    expect(called).toEqual([2])
    expect(test.errors.all).toMatchObject([{ where: 'onClosing', socket }])
  })

  describe('without onError, and in onError: a warning of the process', () => {
    test.each(THROWN)('$what', async ({ make, async }) => {
      const thrown = make()
      const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
      try {
        for (const onError of [undefined, failing(thrown, async)]) {
          emitWarning.mockClear()
          const closed = new Log<HowClosed>('closed')
          const server = createServer({
            port: 0,
            host: '127.0.0.1',
            handler: { message: failing(thrown, async), closed: (_, info) => void closed.push(info) },
            ...(onError === undefined ? {} : { onError: onError as () => void }),
          })
          const client = await connectTo(server)
          client.say('one')
          expect(await client.answerClose()).toEqual({ code: 1011, reason: '' })
          await closed.count(1)
          await eventually(() => emitWarning.mock.calls.length === 1, 'one warning')
          const [text, { type, detail }] = emitWarning.mock.calls[0] as unknown as [
            string,
            { type: string; detail: string },
          ]
          expect([text, type]).toEqual([
            `an error was caught in ${onError === undefined ? 'message' : 'onError'}`,
            'RoomcastWarning',
          ])
          if (thrown instanceof Error) expect(detail).toBe(thrown.stack)
          await server.close()
        }
      } finally {
        emitWarning.mockRestore()
      }
    })
  })

  test('a handshake that fails after the peer has gone is no trouble', async () => {
    const gate = deferred<undefined>()
    const test = await serve<undefined, undefined>({ handler: { handshake: () => gate.promise } })
    const client = await test.tcp()
    client.ask()
    await eventually(() => test.server.stats().pendingHandshakes === 1)
    client.reset()
    await eventually(() => test.server.stats().pendingHandshakes === 0)
    gate.reject(new Error('too late'))
    await nextTurn()
    expect([test.opened.length, test.closed.length]).toEqual([0, 0])
  })
})

test('only message must be given', async () => {
  const handler: Handler<undefined, undefined> = { message: (socket, data, opcode) => void socket.write(data, opcode) }
  const server = createServer({ port: 0, host: '127.0.0.1', handler })
  const client = await connectTo(server)
  client.say('echo')
  expect(await client.message()).toBe('echo')
  client.sendClose(1000)
  await client.ended()
  await server.close()
})

test('the handler’s callbacks are called as its methods', async () => {
  class Room {
    readonly seen: string[] = []
    init(): Room {
      this.seen.push('init')
      return this
    }
    handshake({ path }: { path: string }): Room | ReturnType<typeof reject> {
      this.seen.push('handshake')
      return path === '/' ? this : reject(404)
    }
    opened(): void {
      this.seen.push('opened')
    }
    message(socket: Socket<Room>, data: Buffer): void {
      this.seen.push('message')
      socket.write(data)
    }
    closed(): void {
      this.seen.push('closed')
    }
  }
  const room = new Room()
  const server = createServer<Room>({ port: 0, host: '127.0.0.1', handler: room })
  const client = await connectTo(server)
  client.say('x')
  await client.frame()
  client.sendClose(1000)
  await client.ended()
  await server.close()
  expect(room.seen).toEqual(['init', 'handshake', 'opened', 'message', 'closed'])
})

async function connectTo(server: Server<never> | Server<unknown>): Promise<RawClient> {
  track(server)
  const { port } = await server.listen()
  const client = await RawClient.connect({ port })
  await client.upgrade()
  return client
}
