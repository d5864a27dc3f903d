// Back-pressure means the same over TLS, and over any Duplex, as over plain TCP: a peer that reads is never slow, whatever
// it is sent in one turn; for one that does not, every accepted frame says 'backpressure' and one `drained` follows; and
// the frame that is being sent does not count against the cap.

import type { Socket } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { cleanUp } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'
import type { RawClient } from '../support/raw-client.ts'
import { closePlaces, PLACES } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

const KIB = 1024
const MIB = KIB * KIB

/** Counts what comes, and keeps none of it. */
function counting({ socket }: RawClient): { bytes: number } {
  const read = { bytes: 0 }
  socket.removeAllListeners('data')
  socket.on('data', (chunk: Buffer) => (read.bytes += chunk.length))
  return read
}

/** Stalls `client` behind one large frame, as soon as the server knows. */
async function stall(client: RawClient, socket: Socket<undefined>): Promise<void> {
  client.socket.pause()
  expect(socket.write(Buffer.alloc(16 * MIB))).toBe('ok')
  // Until the kernel has taken what it will, and every kind of stream has told.
  let before = -1
  await eventually(() => {
    const still = socket.bufferedBytes === before
    before = socket.bufferedBytes
    return still && before > 0
  }, 'the kernel to refuse')
  for (let turns = 0; turns < 5; turns++) await nextTurn()
}

describe.each(PLACES)('$name', (place) => {
  test('the frame that is being sent does not count: what follows it is accepted up to the cap', async () => {
    const server = await place.serve({ maxBufferedBytes: 100 * KIB })
    const { client, socket } = await server.connect()
    await stall(client, socket)
    expect(socket.bufferedBytes).toBeGreaterThan(100 * KIB)
    expect(socket.write('a chat line')).toBe('backpressure')
    await nextTurn()
    expect(socket.write('another')).toBe('backpressure')
    expect(socket.write(Buffer.alloc(98 * KIB))).toBe('backpressure')
    await nextTurn()
    expect(socket.readyState).toBe('open')
    expect(socket.write(Buffer.alloc(4 * KIB))).toBe('closed')
    expect(server.server.stats().limits).toEqual({ maxBufferedBytes: 1 })
  })

  test('the same with slowConsumer: drop', async () => {
    const server = await place.serve({ maxBufferedBytes: 100 * KIB, slowConsumer: 'drop' })
    const { client, socket } = await server.connect()
    await stall(client, socket)
    expect(socket.write(Buffer.alloc(99 * KIB))).toBe('backpressure')
    expect(socket.write(Buffer.alloc(4 * KIB))).toBe('dropped')
    expect(socket.write('x')).toBe('backpressure')
    counting(client)
    client.socket.resume()
    await server.drained.at(0)
    expect(server.server.stats()).toMatchObject({ dropped: 1, sockets: 1 })
  })

  test.each<[string, (socket: Socket<undefined>) => unknown]>([
    ['a write', (socket) => socket.write('x')],
    ['a ping', (socket) => socket.ping('x')],
    ['a large write', (socket) => socket.write(Buffer.alloc(300 * KIB))],
    ['an empty write', (socket) => socket.write('')],
  ])('stalled, %s says backpressure, and one drained follows', async (_, send) => {
    const server = await place.serve()
    const { client, socket } = await server.connect()
    await stall(client, socket)
    expect(send(socket)).toBe('backpressure')
    expect(send(socket)).toBe('backpressure')
    expect(server.drained.length).toBe(0)
    const read = counting(client)
    client.socket.resume()
    expect(await server.drained.at(0)).toBe(socket)
    expect(socket.bufferedBytes).toBe(0)
    await eventually(() => read.bytes > 16 * MIB, 'what was written')
    // Nothing waits: no second one, also not for what is taken at once.
    expect(socket.write('y')).toBe('ok')
    for (let turns = 0; turns < 5; turns++) await nextTurn()
    expect(server.drained.length).toBe(1)
  })

  test('a second crossing has a drained of its own', async () => {
    const server = await place.serve()
    const { client, socket } = await server.connect()
    counting(client)
    for (let crossing = 1; crossing <= 2; crossing++) {
      await stall(client, socket)
      expect(socket.write('x')).toBe('backpressure')
      client.socket.resume()
      await server.drained.count(crossing)
    }
    expect(server.drained.length).toBe(2)
  })

  test('a peer that never reads trips the policy, whatever the size of the frames', async () => {
    for (const size of [10 * KIB, MIB]) {
      const server = await place.serve()
      const { client, socket } = await server.connect()
      client.socket.pause()
      let accepted = 0
      while (socket.write(Buffer.alloc(size)) !== 'closed' && accepted < 64 * MIB) {
        accepted += size
        if (accepted % (64 * KIB) < size) await nextTurn()
      }
      expect(socket.readyState).not.toBe('open')
      expect(server.server.stats().limits).toEqual({ maxBufferedBytes: 1 })
      client.socket.resume()
      expect(await client.close()).toEqual({ code: 4008, reason: 'slow consumer' })
    }
  })
})

describe.each(PLACES.filter(({ name }) => name !== 'unix socket'))('$name, a peer that reads', (place) => {
  test.each([
    ['64 of 32 KiB', 64, 32 * KIB],
    ['2,048 of 1 KiB', 2048, KIB],
    ['one of 2 MiB', 1, 2 * MIB],
    ['two of 1 MiB', 2, MIB],
  ])('2 MiB in one turn, %s, to a peer that reads: all accepted, all there', async (_, count, size) => {
    const server = await place.serve()
    const { client, socket } = await server.connect()
    const read = counting(client)
    const results = Array.from({ length: count }, () => socket.write(Buffer.alloc(size)))
    expect(results.filter((result) => result !== 'ok' && result !== 'backpressure')).toEqual([])
    await eventually(() => read.bytes >= count * size, 'all of it')
    expect(socket.readyState).toBe('open')
    expect(server.server.stats().limits).toEqual({})
  })

  test('2 MiB in each of ten turns', async () => {
    const server = await place.serve()
    const { client, socket } = await server.connect()
    const read = counting(client)
    for (let turn = 1; turn <= 10; turn++) {
      for (let i = 0; i < 64; i++) expect(socket.write(Buffer.alloc(32 * KIB))).not.toBe('closed')
      await eventually(() => read.bytes >= turn * 2 * MIB, 'all of it')
    }
    expect(server.server.stats().limits).toEqual({})
  })
})
