// No peer can end the process: whatever it sends to a server of our own, and however it leaves then, every stream has
// somebody who hears its errors from the tick in which node lets go of it. What reaches the process fails `cleanUp`.

import { connect as connectTcp, type Socket as TcpSocket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { clientFrame, Op } from '../support/client-frames.ts'
import { cleanUp, type TestServer } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'
import { handshakeText, RawClient, type Target } from '../support/raw-client.ts'
import { closePlaces, OWN } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

/** A connection whose TCP we hold in our hands, also under TLS. */
interface Peer {
  /** What is written to it goes out as it is, or through TLS. */
  write(bytes: string | Uint8Array): void
  /** What TCP itself does. */
  readonly tcp: TcpSocket
  received: string
}

async function connect(target: Target): Promise<Peer> {
  const tcp = 'path' in target ? connectTcp(target.path) : connectTcp(target.port, '127.0.0.1')
  tcp.on('error', () => {})
  await new Promise<void>((resolve) => tcp.once('connect', () => resolve()))
  if ('path' in target || target.tls !== true) return peerOf(tcp, tcp)
  const secure = connectTls({ socket: tcp, rejectUnauthorized: false }).on('error', () => {})
  await new Promise<void>((resolve) => secure.once('secureConnect', () => resolve()))
  return peerOf(tcp, secure)
}

function peerOf(tcp: TcpSocket, stream: TcpSocket): Peer {
  const peer: Peer = { tcp, received: '', write: (bytes) => void stream.write(bytes) }
  stream.on('data', (chunk) => (peer.received += chunk.toString('latin1')))
  return peer
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const UPGRADE = handshakeText()
const BAD_UPGRADE = handshakeText({ headers: { 'Sec-WebSocket-Key': null } })

/** What a peer sends in one write. */
const SENT: readonly (readonly [string, string])[] = [
  ['a request that is refused, an upgrade behind it', REQUEST + UPGRADE],
  ['two of them', REQUEST + UPGRADE + UPGRADE],
  ['a body, an upgrade behind it', `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}${UPGRADE}`],
  ['Expect, an upgrade behind it', `POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n${UPGRADE}`],
  ['another expectation, an upgrade behind it', `GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n${UPGRADE}`],
  ['an offer of h2c, an upgrade behind it', handshakeText({ headers: { Upgrade: 'h2c' } }) + UPGRADE],
  ['a request, noise behind it', `${REQUEST}\x00nonsense\r\n\r\n`],
  ['a request, an upgrade that was begun', REQUEST + UPGRADE.slice(0, 40)],
  ['a request, a refused upgrade behind it', REQUEST + BAD_UPGRADE],
  ['CONNECT', `CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n${UPGRADE}`],
  [
    'a refused upgrade, frames behind it',
    BAD_UPGRADE + clientFrame({ opcode: Op.TEXT, payload: 'x' }).toString('latin1'),
  ],
  ['a refused upgrade, a request behind it', BAD_UPGRADE + REQUEST],
  ['noise', 'nonsense\r\n\r\n'],
  ['a head that is too large', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
]

/** A unix socket knows no reset: what is unread when it is closed makes one. */
function reset({ tcp }: Peer): void {
  if (tcp.remoteAddress === undefined) tcp.destroy()
  else tcp.resetAndDestroy()
}

/** How it leaves, in the tick of its write or later. */
const LEAVES: readonly (readonly [string, (peer: Peer) => void])[] = [
  ['a reset', reset],
  ['a FIN', ({ tcp }) => void tcp.end()],
  ['a close', ({ tcp }) => void tcp.destroy()],
]

/** The server goes on, and nobody is left on it. */
async function expectAlive(server: TestServer): Promise<void> {
  const open = server.server.stats().sockets
  const { client, socket } = await server.connect()
  client.say('hello')
  await server.messages.find(({ data }) => `${data}` === 'hello')
  client.sendClose(1000)
  await server.closed.find((one) => one.socket === socket)
  await eventually(() => server.server.stats().sockets === open, 'nobody is left')
  expect(server.server.stats().pendingHandshakes).toBe(0)
  expect(server.errors.all).toEqual([])
}

for (const place of OWN) {
  describe(`${place.name}: a peer sends`, () => {
    test.each(SENT.flatMap(([what, bytes]) => LEAVES.map(([how, leave]) => ({ what, bytes, how, leave }))))(
      '$what, then $how',
      async ({ bytes, leave }) => {
        const server = await place.serve()
        // In the same tick, once the server has its bytes, and once it has answered: each meets another state.
        const atOnce = await connect(server.target)
        atOnce.write(bytes)
        leave(atOnce)
        const read = await connect(server.target)
        read.write(bytes)
        await nextTurn()
        await nextTurn()
        leave(read)
        const answered = await connect(server.target)
        answered.write(bytes)
        await eventually(() => answered.received !== '' || answered.tcp.destroyed || answered.tcp.readableEnded)
        leave(answered)
        await expectAlive(server)
      },
    )

    test('nothing, and is told so: 408, then a reset', async () => {
      const server = await place.serve({ handshakeTimeoutMs: 100 })
      const peers = [await connect(server.target), await connect(server.target)]
      peers[1]!.write('GET / HTTP/1.1\r\n')
      await eventually(() => peers.every(({ received }) => received.startsWith('HTTP/1.1 408 ')))
      peers.forEach(reset)
      await expectAlive(server)
      expect(server.server.stats().rejections).toEqual({ 408: 2 })
    })
  })
}

test.each(OWN)('$name: a refused request, and an upgrade behind it: one answer, counted once', async (place) => {
  const server = await place.serve()
  const client = await RawClient.connect(server.target)
  client.write(REQUEST + UPGRADE)
  await client.ended()
  expect(client.text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 426'])
  expect(server.opened.length).toBe(0)
  expect(server.server.stats().rejections).toEqual({ 426: 1 })
})
