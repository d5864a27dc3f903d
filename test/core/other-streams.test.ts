// Streams that are no plain TCP: TLS whose peer has ended its side, and a stream of another library than node's.

import { Buffer } from 'node:buffer'
import { duplexPair } from 'node:stream'
import { createServer, type Socket } from '@roomcast/core'
import { afterEach, expect, test } from 'vitest'
import { cleanUp } from '../support/core-server.ts'
import { eventually } from '../support/log.ts'
import { closePlaces, PLACES, places } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

const message = (): void => {}
const MIB = 1_048_576

test.each(places('TLS', 'attached https', 'own port', 'Duplex'))(
  '$name: a peer that ends its side right after its Close still gets what was accepted',
  async (place) => {
    const server = await place.serve()
    const { client, socket } = await server.connect()
    client.socket.allowHalfOpen = true
    socket.write(Buffer.alloc(12 * MIB))
    client.sendClose(1000)
    client.socket.end()
    expect(await server.closed.at(0)).toMatchObject({ code: 1000, by: 'peer', clean: true })
    await eventually(() => client.frameBytes > 12 * MIB, 'all of it')
  },
)

test('a stream that counts nothing and calls nobody back: back-pressure, and drained once', async () => {
  const [ours, theirs] = duplexPair()
  const write = ours.write.bind(ours) as (chunk: Buffer) => boolean
  Object.defineProperty(ours, 'writableLength', { value: undefined })
  ours.write = (chunk: Buffer) => write(chunk)
  const drained: number[] = []
  const opened: Socket[] = []
  const server = createServer({
    handler: {
      opened: (socket) => void opened.push(socket),
      message,
      drained: (s) => void drained.push(s.bufferedBytes),
    },
  })
  const rawHeaders = ['Host', 'a', 'Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Version', '13']
  rawHeaders.push('Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==')
  server.upgrade({ method: 'GET', httpVersion: '1.1', url: '/', rawHeaders } as never, ours, Buffer.alloc(0))
  const socket = opened[0]!
  socket.write(Buffer.alloc(MIB))
  await eventually(() => socket.write('x') === 'backpressure', 'back-pressure')
  theirs.resume()
  await eventually(() => drained.length > 0, 'drained')
  expect(drained).toEqual([0])
  theirs.destroy()
  ours.destroy()
  await server.close()
})

test.each(PLACES)(
  '$name: behind what the stream has not told of, a large message and a line are accepted',
  async (place) => {
    const results: string[] = []
    const opened = (socket: Socket<undefined>): void => {
      for (const part of ['hello', Buffer.alloc(12 * MIB), 'a line']) results.push(socket.write(part))
    }
    const server = await place.serve({ handler: { opened } })
    const { client } = await server.connect()
    await eventually(() => client.frameBytes > 12 * MIB, 'all of it')
    expect(results).not.toContain('closed')
  },
)
