// A chat that remembers: who comes back finds what was said meanwhile, once and in order, and everybody sees who is there.
// Open it in two browser windows, cut one off for a while, and look.

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer, type Framed, reject, txt } from '@roomcast/core'
import { type Codec, createRooms, memoryStore } from '@roomcast/rooms'

const ROOM = 'lobby'
const rooms = createRooms({
  store: memoryStore(),
  options: () => ({ history: { size: 100, ttlMs: 3_600_000 }, presence: true, joinLeave: true }),
})

const json = (message: object): Framed => txt(JSON.stringify(message))

// The words of this chat. A publication becomes a body once, for everybody and for those who come back.
const codec: Codec<string> = {
  body: ({ offset, info, data }) => JSON.stringify({ offset, who: info?.user, text: data }),
  push: (_room, body) => txt(`{"said":${body}}`),
  join: (_room, { user }) => json({ came: user }),
  leave: (_room, { user }) => json({ went: user }),
  unsubscribed: (_room, code) => json({ out: code }),
}

const page = readFileSync(new URL('../page/chat.html', import.meta.url))
const http = createHttpServer((_request, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8').end(page)
})

createServer({
  server: http,
  handler: {
    handshake({ query }) {
      const user = query.get('name')
      if (!user || user.length > 30) return reject(400, 'name_wanted')
      // Where the client was: it comes back with what it was told last. At first it has seen nothing.
      const epoch = query.get('epoch') ?? undefined
      const offset = Number.parseInt(query.get('offset') ?? '0', 10)
      return { client: randomUUID(), user, since: { epoch, offset: offset > 0 && offset < 2 ** 53 ? offset : 0 } }
    },
    async opened(socket) {
      const { client, user, since } = socket.state
      const result = await rooms.enter<string>(
        ROOM,
        { socket, client, user, codec },
        {
          since,
          reply: ({ epoch, offset, recovered, publications }) =>
            `{"in":{"epoch":"${epoch}","offset":${offset},"recovered":${recovered},"missed":[${publications}]}}`,
        },
      )
      if (result !== 'entered') return socket.close(1013, result)
      const here = [...(await rooms.presence(ROOM)).values()]
      socket.write(json({ here: here.map(({ user }) => user).sort() }))
    },
    async message({ state: { client, user } }, data) {
      await rooms.publish(ROOM, data.toString(), { info: { client, user } })
    },
  },
})

http.listen(Number(process.env.PORT ?? 4545))
await once(http, 'listening')
const { port } = http.address() as AddressInfo
console.log(`ws://localhost:${port}/?name=leto (and a page at http://localhost:${port})`)
