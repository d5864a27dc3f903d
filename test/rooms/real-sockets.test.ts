// Rooms over real sockets of core: a client comes, goes, and finds what it missed.

import { once } from 'node:events'
import { createServer } from '@roomcast/core'
import { createRooms, memoryStore } from '@roomcast/rooms'
import { expect, test } from 'vitest'
import WebSocket from 'ws'
import { type Heard, linesCodec } from './codecs.ts'

test('a client that lost its connection gets exactly what it missed, and then what is live', async () => {
  const codec = linesCodec()
  const rooms = createRooms({
    store: memoryStore(),
    options: () => ({ history: { size: 100, ttlMs: 60_000 }, presence: true, joinLeave: true }),
  })
  const server = createServer({
    port: 0,
    host: '127.0.0.1',
    handler: {
      handshake: ({ query }) => Object.fromEntries(query) as Record<string, string>,
      async opened(socket) {
        const { client = '', epoch, offset } = socket.state
        const since = offset === undefined ? undefined : { epoch, offset: Number(offset) }
        const reply = (entered: Parameters<typeof codec.reply>[1]) => codec.reply('r', entered)
        await rooms.enter('r', { socket, client, user: 'u', codec }, { since, reply })
      },
      message: (_socket, data) => void rooms.publish('r', data),
    },
  })
  const { port } = (await server.listen()) as { port: number }

  /** Opens a connection; what it hears until `count` messages are there. */
  async function hear(query: string, count: number, say: string[] = []): Promise<Heard[]> {
    const client = new WebSocket(`ws://127.0.0.1:${port}/?${query}`)
    const heard: Heard[] = []
    const enough = new Promise<void>((resolve) => {
      client.on('message', (data) => {
        heard.push(JSON.parse(String(data)) as Heard)
        if (heard.length === 2) for (const one of say) client.send(one)
        if (heard.length === count) resolve()
      })
    })
    await enough
    client.close()
    await once(client, 'close')
    return heard
  }

  const first = await hear('client=c1', 4, ['one', 'two'])
  expect(first.map(({ is }) => is)).toEqual(['reply', 'join', 'said', 'said'])
  await rooms.publish('r', 'three')
  await rooms.publish('r', 'four')
  const [reply] = first as [Heard & { is: 'reply' }]
  const second = await hear(`client=c2&epoch=${reply.epoch}&offset=2`, 3, ['five'])
  expect(second[0]).toMatchObject({ is: 'reply', recovered: true, offset: 4 })
  expect((second[0] as Heard & { is: 'reply' }).missed.map(({ data }) => data)).toEqual(['three', 'four'])
  expect(second[2]).toMatchObject({ is: 'said', offset: 5, data: 'five' })
  await server.close()
  await rooms.close()
  expect(rooms.stats()).toEqual({ rooms: 0, clients: 0, members: 0, replayBytes: 0, dropped: 0 })
})
