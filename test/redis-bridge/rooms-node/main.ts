// A node as a process of its own: a real server, real rooms, the real store. A client's name is in its URL. It does what its
// parent says and ends with it.

import { createServer, type Socket } from '@roomcast/core'
import { createRedisStore } from '@roomcast/redis-bridge'
import { createRooms, type Entered, type Member } from '@roomcast/rooms'
import { linesCodec } from '../../rooms/codecs.ts'
import type { Came, ClientWord, NodeCommand, NodeOptions } from './words.ts'

const DRAIN_MS = 2000
const { url, prefix }: NodeOptions = JSON.parse(process.argv[2]!)
const codec = linesCodec()
const store = createRedisStore({ url, prefix, onError: () => {} })
const rooms = createRooms({
  store,
  options: (room) => ({
    history: { size: room.startsWith('short') ? 20 : 1000, ttlMs: 600_000 },
    presence: true,
    joinLeave: true,
  }),
})
/** The connection's own id: a client that comes back is another one. */
let connections = 0
const dateNow = Date.now
let jumpedMs = 0
Date.now = () => dateNow() + jumpedMs

interface State {
  name: string
  member?: Member<string>
}

function heard({ socket, ...member }: Member<string>, word: ClientWord): void {
  const tell = (came: Came): void => void socket.write(JSON.stringify(came))
  if ('enter' in word) {
    const { enter: room, since } = word
    const reply = (entered: Entered<string>) => codec.reply(room, entered)
    void rooms.enter<string>(room, { socket, ...member }, { since, reply }).then((result) => {
      if (result !== 'entered') tell({ is: 'came', of: 'enter', room, result })
    })
    return
  }
  const { say: data, to, key: idempotencyKey } = word
  rooms.publish(to, data, { idempotencyKey }).then(
    ({ epoch, offset }) => tell({ is: 'came', of: 'say', data, epoch, offset }),
    (error: Error) => tell({ is: 'came', of: 'say', data, failed: error.message }),
  )
}

const server = createServer<State>({
  host: '127.0.0.1',
  port: 0,
  handler: {
    handshake: ({ query }) => ({ name: query.get('name') ?? '' }),
    opened(socket) {
      const { name } = socket.state
      const client = `${name}.${process.pid}.${++connections}`
      const member = { socket: socket as unknown as Socket, client, user: name, codec }
      socket.state.member = member
      if (rooms.connect(member) === 'blocked') socket.close(3503, 'blocked')
    },
    message: (socket, data) => heard(socket.state.member!, JSON.parse(String(data))),
  },
})
const address = await server.listen()

async function perform(command: NodeCommand): Promise<unknown> {
  switch (command.do) {
    case 'port':
      return address.port
    case 'stats': {
      const { calls, gaps, invalid } = store.stats()
      const { user, system } = process.cpuUsage()
      return {
        ...{ status: store.status, calls, gaps, invalid, cpuMs: (user + system) / 1000 },
        ...{ rssBytes: process.memoryUsage.rss(), clients: rooms.stats().clients },
      }
    }
    case 'presence':
      return [...(await rooms.presence(command.room)).values()].map(({ user }) => user)
    case 'history': {
      const { epoch, offset } = await rooms.history(command.room, { limit: 0 })
      return { epoch, offset }
    }
    case 'block': {
      const end = performance.now() + command.ms
      while (performance.now() < end);
      return undefined
    }
    case 'jump':
      jumpedMs = command.ms
      return undefined
    case 'disconnect':
      return rooms.disconnect(command.user, { blockMs: command.blockMs })
  }
}

process.on('message', ({ id, command }: { id: number; command: NodeCommand }) => {
  void perform(command).then(
    (value) => process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  )
})
// SIGTERM is how a deploy ends a node.
process.on('SIGTERM', () => {
  void server.drain({ deadlineMs: DRAIN_MS }).then(async () => {
    await rooms.close()
    process.exit(0)
  })
})
process.on('disconnect', () => process.exit(0))
