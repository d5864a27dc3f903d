// The essentials over sockets of a real core server, with clients of another make.

import { createChannels } from '@roomcast/channels'
import { createServer, type Handler, type Server, type Socket } from '@roomcast/core'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'

interface State {
  name: string
}

const servers: Pick<Server, 'close'>[] = []
const clients: WebSocket[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate()
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function serve(handler: Partial<Handler<undefined, State>>): Promise<(name: string) => Promise<Client>> {
  const server = createServer<undefined, State>({
    port: 0,
    host: '127.0.0.1',
    handler: { handshake: ({ path }) => ({ name: path.slice(1) }), message() {}, ...handler },
  })
  servers.push(server)
  const { port } = (await server.listen()) as { port: number }
  return async (name) => {
    const client = new Client(`ws://127.0.0.1:${port}/${name}`)
    await new Promise((resolve, reject) => client.once('open', resolve).once('error', reject))
    return client
  }
}

class Client extends WebSocket {
  readonly #got: string[] = []
  #arrived: () => void = () => {}

  constructor(url: string) {
    super(url)
    clients.push(this)
    this.on('message', (data, isBinary) => {
      this.#got.push(isBinary ? `binary ${(data as Buffer).toString('hex')}` : String(data))
      this.#arrived()
    })
  }

  /** The messages so far, as soon as the last of them is `last`. */
  async until(last: string): Promise<string[]> {
    while (this.#got.at(-1) !== last) await new Promise<void>((resolve) => (this.#arrived = resolve))
    return this.#got
  }
}

test('join in opened, broadcast from a message, except the sender', async () => {
  const channels = createChannels<string, State>()
  const connect = await serve({
    opened(socket) {
      channels.join('room', socket, socket.state.name)
      socket.write('welcome')
    },
    message(socket, data, opcode) {
      channels.broadcast('room', data, { opcode, except: socket })
      socket.write('sent')
    },
  })
  const [one, two] = [await connect('one'), await connect('two')]
  await Promise.all([one.until('welcome'), two.until('welcome')])
  one.send('hello')
  one.send(Buffer.from([0, 255]))
  expect(await two.until('binary 00ff')).toEqual(['welcome', 'hello', 'binary 00ff'])
  expect(await one.until('sent')).not.toContain('hello')
  expect(Array.from(channels.members('room'), ([, name]) => name)).toEqual(['one', 'two'])
})

test('in closed the socket is out already, and a broadcast there reaches the rest', async () => {
  const channels = createChannels<undefined, State>()
  const seen: unknown[] = []
  const connect = await serve({
    opened(socket) {
      channels.join('room', socket)
      channels.join('other', socket)
    },
    message(socket) {
      socket.write('pong')
    },
    closed(socket, { code, by }) {
      seen.push(code, by, channels.isMember('room', socket), channels.channelsOf(socket), channels.join('room', socket))
      seen.push(channels.broadcast('room', `${socket.state.name} left`))
    },
  })
  const [one, two] = [await connect('one'), await connect('two')]
  two.send('ping')
  await two.until('pong')
  one.close(3001)
  await two.until('one left')
  expect(seen).toEqual([3001, 'peer', false, [], 'closed', 1])
  expect(channels.memberCount('room')).toBe(1)
})

test('a connection that is cut leaves everything', async () => {
  const channels = createChannels<undefined, State>()
  const connect = await serve({
    opened(socket) {
      for (let i = 0; i < 100; i++) channels.join(`${i}`, socket)
      socket.write('welcome')
    },
    closed(socket, { code }) {
      channels.broadcast('0', `${socket.state.name}: ${code}`)
    },
  })
  const [one, two] = [await connect('one'), await connect('two')]
  await Promise.all([one.until('welcome'), two.until('welcome')])
  one.terminate()
  await two.until('one: 1006')
  expect([channels.channelCount, channels.memberCount('99')]).toEqual([100, 1])
})

test('order over direct writes and channels, all of one turn', async () => {
  const channels = createChannels<undefined, State>()
  let socket: Socket<State> | undefined
  const connect = await serve({
    opened(opened) {
      socket = opened
      channels.join('a', opened)
      channels.join('b', opened)
      opened.write('welcome')
    },
  })
  const client = await connect('one')
  await client.until('welcome')
  channels.broadcast('a', '1')
  socket!.write('2')
  channels.broadcast('b', '3')
  channels.leave('a', socket!)
  expect(channels.broadcast('a', 'not any more')).toBe(0)
  channels.join('a', socket!)
  channels.broadcast('a', '4')
  channels.broadcast('b', 'not for this one', { except: socket! })
  socket!.write('5')
  socket!.close(1000)
  expect(channels.broadcast('b', 'too late')).toBe(0)
  const closed = new Promise((resolve) => client.once('close', resolve))
  expect(await client.until('5')).toEqual(['welcome', '1', '2', '3', '4', '5'])
  expect(await closed).toBe(1000)
})
