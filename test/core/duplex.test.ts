// A framework or a proxy may hand over a stream that is no TCP socket: it is served or refused like any other, and nothing
// of it is left when the server closes.

import { Buffer } from 'node:buffer'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { afterEach, expect, test } from 'vitest'
import { clientFrame, closeBody, Op } from '../support/client-frames.ts'
import { cleanUp, TestServer } from '../support/core-server.ts'
import { eventually, inTime } from '../support/log.ts'
import { handshakeText, KEY } from '../support/raw-client.ts'

afterEach(cleanUp)

/** What the server wrote to it is `out`. */
class Pipe extends Duplex {
  out = ''

  override _read(): void {}

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.out += chunk.toString('latin1')
    done()
  }

  override _final(done: () => void): void {
    done()
    this.push(null)
  }
}

async function talk(pipe: Pipe, test: { closed: TestServer['closed'] }, index = 0): Promise<void> {
  await eventually(() => pipe.out.startsWith('HTTP/1.1 101 ') && pipe.out.endsWith('\r\n\r\n'))
  pipe.push(clientFrame({ opcode: Op.TEXT, payload: 'hello' }))
  await eventually(() => pipe.out.endsWith('\x81\x05hello'))
  pipe.push(clientFrame({ opcode: Op.CLOSE, payload: closeBody(1000) }))
  await eventually(() => pipe.out.endsWith('\x88\x02\x03\xe8'))
  const { code, by } = await test.closed.at(index)
  expect({ code, by }).toEqual({ code: 1000, by: 'peer' })
}

const asText = {
  message: (socket: { write(data: string): unknown }, data: Buffer) => void socket.write(data.toString()),
}

test('that is injected into an http server is served', async () => {
  const http = createHttpServer()
  const test = new TestServer({ server: http, handler: asText })
  const pipe = new Pipe()
  http.emit('connection', pipe)
  pipe.push(handshakeText())
  await talk(pipe, test)
  await inTime(test.server.close(), 'close()')
  expect(test.errors.all).toEqual([])
})

test('that is injected and never answers does not keep close() waiting', async () => {
  const http = createHttpServer()
  const test = new TestServer({ server: http, closeTimeoutMs: 100 })
  const pipe = new Pipe()
  http.emit('connection', pipe)
  pipe.push(handshakeText())
  await test.opened.count(1)
  await inTime(test.server.close(), 'close()')
  expect(test.infos).toMatchObject([{ code: 1001 }])
})

test('that is injected and refused ends', async () => {
  const http = createHttpServer()
  const test = new TestServer({ server: http, pathname: '/elsewhere' })
  const pipe = new Pipe()
  http.emit('connection', pipe)
  pipe.push(handshakeText())
  await eventually(() => pipe.out.startsWith('HTTP/1.1 404 '))
  await inTime(test.server.close(), 'close()')
  expect(pipe.destroyed).toBe(true)
})

test('that is given to upgrade() is served', async () => {
  const test = new TestServer({ handler: asText })
  const pipe = new Pipe()
  const rawHeaders = ['Host', 'localhost', 'Upgrade', 'websocket', 'Connection', 'Upgrade']
  rawHeaders.push('Sec-WebSocket-Key', KEY, 'Sec-WebSocket-Version', '13')
  const request = { method: 'GET', url: '/', httpVersion: '1.1', rawHeaders, headers: {} }
  test.server.upgrade(request as unknown as IncomingMessage, pipe, Buffer.alloc(0))
  await talk(pipe, test)
  await inTime(test.server.close(), 'close()')
  expect(test.errors.all).toEqual([])
})

test('is not written after it was destroyed, nor before it is there, and others get theirs', async () => {
  const calls: string[] = []
  class Slow extends Pipe {
    override _construct(done: () => void): void {
      setImmediate(() => {
        calls.push('there')
        done()
      })
    }

    override _write(chunk: Buffer, encoding: string, done: () => void): void {
      calls.push('written')
      super._write(chunk, encoding, done)
    }

    override _destroy(error: Error | null, done: (error: Error | null) => void): void {
      calls.push('destroyed')
      setImmediate(() => done(error))
    }
  }
  const http = createHttpServer()
  const gone = new Set<unknown>()
  const test = new TestServer({
    server: http,
    handler: {
      ...asText,
      opened(socket) {
        if (gone.size > 0) return
        gone.add(socket)
        socket.write('never')
        socket.terminate()
      },
    },
  })
  const [first, second] = [new Slow(), new Pipe()]
  for (const pipe of [first, second]) {
    http.emit('connection', pipe)
    pipe.push(handshakeText())
  }
  await talk(second, test, 1)
  await inTime(test.server.close(), 'close()')
  expect(calls).toEqual(['there', 'destroyed'])
})
