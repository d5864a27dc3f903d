// server.close(): 1001 to everyone, every `closed` once, and nothing left that keeps the process alive.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createServer } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, serve, TLS, temporaryFolder, track } from '../support/core-server.ts'
import { eventually, inTime, nextTurn } from '../support/log.ts'
import { RawClient } from '../support/raw-client.ts'

const built = fileURLToPath(new URL('../../packages/core/dist/index.js', import.meta.url))
const children: ChildProcess[] = []

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await cleanUp()
})

const TLS_PLACE = { port: 0, host: '127.0.0.1', tls: TLS }

test('1001 to all, each closed once, then it resolves', async () => {
  const test = await serve()
  const pairs = await Promise.all(Array.from({ length: 20 }, () => test.connect()))
  let resolved = false
  const closing = test.server.close().then(() => (resolved = true))
  await nextTurn()
  for (const { client, socket } of pairs) {
    expect(socket.readyState).toBe('closing')
    expect(resolved).toBe(false)
    expect((await client.answerClose()).code).toBe(1001)
  }
  await closing
  expect(test.infos).toEqual(pairs.map(() => ({ code: 1001, reason: 'server is closing', by: 'server' })))
  expect(new Set(test.closed.all.map(({ socket }) => socket)).size).toBe(20)
  expect(test.server.stats()).toMatchObject({ sockets: 0, closes: { 1001: 20 } })
  await expect(test.tcp()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('what was written before goes out first', async () => {
  const test = await serve()
  const { client, socket } = await test.connect()
  socket.write('last words')
  void test.server.close()
  expect(await client.message()).toBe('last words')
  expect((await client.answerClose()).code).toBe(1001)
})

test('again, and through Symbol.asyncDispose: the same end', async () => {
  const test = await serve()
  const { client } = await test.connect()
  const both = [test.server.close(), test.server[Symbol.asyncDispose](), test.server.close()]
  await client.answerClose()
  await Promise.all(both)
  await test.server.close()
  expect(test.closed.length).toBe(1)
})

test('await using', async () => {
  let port = 0
  {
    await using server = createServer({ port: 0, host: '127.0.0.1', handler: { message() {} } })
    ;({ port } = await server.listen())
  }
  await expect(RawClient.connect({ port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('of a server that never listened, and of one that is about to', async () => {
  const never = track(createServer({ port: 0, handler: { message() {} } }))
  await never.close()
  await expect(never.listen()).rejects.toThrow('closed')

  const about = track(createServer({ port: 0, host: '127.0.0.1', handler: { message() {} } }))
  const listening = about.listen()
  await about.close()
  const { port } = await listening
  await expect(RawClient.connect({ port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('a peer that does not answer is terminated', async () => {
  const test = await serve({ closeTimeoutMs: 60 })
  const { client } = await test.connect({}, { halfOpen: true })
  await test.server.close()
  expect((await client.close()).code).toBe(1001)
  expect(test.closed.all).toMatchObject([{ code: 1001, reason: 'server is closing', by: 'server', clean: false }])
})

test('a peer that is paused, held or not reading is closed as well', async () => {
  const test = await serve({ closeTimeoutMs: 60, handler: { message: () => new Promise(() => {}) } })
  const [paused, held, deaf] = [await test.connect(), await test.connect(), await test.connect()]
  paused.socket.pause()
  held.client.say('pending', 'held')
  deaf.client.socket.pause()
  while (deaf.socket.write(Buffer.alloc(65_536)) !== 'backpressure');
  await test.messages.count(1)
  const closing = test.server.close()
  for (const { client } of [paused, held]) await client.answerClose()
  await closing
  expect(test.closed.all.map(({ code, clean }) => [code, clean]).sort()).toEqual([
    [1001, false],
    [1001, true],
    [1001, true],
  ])
})

test('pending handshakes are answered 503, their signals abort, and nothing is opened', async () => {
  const signals: AbortSignal[] = []
  const test = await serve<undefined, undefined>({
    handler: {
      handshake({ signal }) {
        signals.push(signal)
        return new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined)))
      },
    },
  })
  const client = await test.tcp()
  client.ask()
  await eventually(() => test.server.stats().pendingHandshakes === 1)
  await Promise.all([test.server.close(), client.response().then(({ status }) => expect(status).toBe(503))])
  expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  expect([test.opened.length, test.closed.length]).toEqual([0, 0])
  expect(test.server.stats()).toMatchObject({ pendingHandshakes: 0, rejections: { 503: 1 } })
})

test('connections that have sent nothing, or a part of a request, are ended', async () => {
  const test = await serve()
  const [silent, begun] = [await test.tcp(), await test.tcp()]
  begun.write('GET / HTTP/1.1\r\nHost: x\r\n')
  await nextTurn()
  await Promise.all([test.server.close(), silent.ended(), begun.ended()])
})

test('a refused peer that never ends its side holds it up for a second at most', async () => {
  const test = await serve({ pathname: '/ours' })
  const client = await test.tcp({ halfOpen: true })
  expect((await client.upgrade({ url: '/other' })).status).toBe(404)
  const began = performance.now()
  await test.server.close()
  expect(performance.now() - began).toBeLessThan(2000)
})

test('over TLS, a connection that is still in its TLS handshake is ended', async () => {
  const test = await serve({ ...TLS_PLACE })
  const { port } = test.target as { port: number }
  const plain = await RawClient.connect({ port })
  await new Promise((resolve) => setTimeout(resolve, 20))
  await inTime(Promise.all([test.server.close(), plain.ended()]), 'the end')
})

test('the reads of a server that closes are over: messages that still come are not delivered', async () => {
  const test = await serve()
  const { client } = await test.connect()
  const closing = test.server.close()
  client.say('too late')
  client.send({ opcode: Op.PING })
  await client.answerClose()
  await closing
  expect(test.messages.length).toBe(0)
})

test('a closed that throws does not keep it from resolving', async () => {
  const test = await serve({
    handler: {
      closed() {
        throw new Error('boom')
      },
    },
  })
  const pairs = [await test.connect(), await test.connect()]
  const closing = test.server.close()
  for (const { client } of pairs) await client.answerClose()
  await closing
  expect(test.errors.all.map(({ where }) => where)).toEqual(['closed', 'closed'])
})

test('a unix socket’s file is gone afterwards', async () => {
  const path = join(await temporaryFolder(), 'socket')
  const test = await serve({ unix: path })
  await test.connect()
  expect(existsSync(path)).toBe(true)
  for (const { client } of [await test.connect()]) void client.answerClose()
  const closing = test.server.close()
  test.opened.all[0]!.terminate()
  await closing
  expect(existsSync(path)).toBe(false)
})

/** Lines that begin a program on the built package, and a client that answers a Close. */
const PROGRAM = `
const { createServer } = await import(process.argv[1])
const { connect } = await import('node:net')
const dial = (port) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\n' +
    'Connection: Upgrade\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n'))
  socket.once('data', () => {
    resolve(socket)
    socket.on('data', (chunk) => {
      if (chunk[0] === 0x88) socket.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]))
    })
  })
})
const server = createServer({ port: 0, host: '127.0.0.1', handler: { message() {} }, ...JSON.parse(process.argv[2]) })
const { port } = await server.listen()
`

/** Runs a program on the built package to its end. */
async function run(program: string, options: object = {}): Promise<{ code: number | null; output: string }> {
  if (!existsSync(built)) throw new Error(`${built} is missing: run \`npx --yes pnpm@12 build\` first`)
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    PROGRAM + program,
    built,
    JSON.stringify(options),
  ])
  children.push(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const timer = setTimeout(() => child.kill('SIGKILL'), 8000)
  const [code] = (await once(child, 'exit')) as [number | null]
  clearTimeout(timer)
  return { code, output }
}

describe('a process that closes its server ends by itself, and says nothing', () => {
  test('after sockets came and went', async () => {
    const program = `
      const one = await dial(port)
      await dial(port)
      one.destroy()
      await server.close()`
    expect(await run(program)).toEqual({ code: 0, output: '' })
  })

  test('after a drain, with an unanswered Close', async () => {
    const program = `
      const socket = await dial(port)
      socket.removeAllListeners('data')
      await server.drain({ deadlineMs: 60_000 })
      await server.close()`
    expect(await run(program, { closeTimeoutMs: 50 })).toEqual({ code: 0, output: '' })
  })

  test('attached and pending ones too, and no signal handlers are installed', async () => {
    const program = `
      const before = ['SIGTERM', 'SIGINT', 'SIGHUP'].map((name) => process.listenerCount(name))
      const http = (await import('node:http')).createServer()
      const attached = createServer({ server: http, handler: { handshake: () => new Promise(() => {}), message() {} } })
      await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve))
      void dial(http.address().port)
      while (attached.stats().pendingHandshakes === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      await Promise.all([attached.close(), server.close()])
      http.close()
      const after = ['SIGTERM', 'SIGINT', 'SIGHUP'].map((name) => process.listenerCount(name))
      if (JSON.stringify(before) !== JSON.stringify(after)) process.exitCode = 7`
    expect(await run(program)).toEqual({ code: 0, output: '' })
  })

  test('while a callback is pending for ever', async () => {
    const program = `
      const pending = createServer({ port: 0, host: '127.0.0.1', handler: { opened: () => new Promise(() => {}), message() {} } })
      await dial((await pending.listen()).port)
      await Promise.all([pending.close(), server.close()])`
    expect(await run(program)).toEqual({ code: 0, output: '' })
  })
})
