// What is left of connections when the server ends, over TCP and over TLS: half a request is answered 503, in the words of
// the connection; a TLS handshake that is not done is answered nothing, and nothing holds the end up.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { connect as connectTls } from 'node:tls'
import { createRoomcast, type Roomcast } from 'roomcast'
import { describe, expect, test } from 'vitest'
import { eventually, inTime } from '../support/log.ts'
import { ROOT } from './program.ts'

const TOKEN = 's3cret'
const pem = (what: string): string => readFileSync(`${ROOT}test/support/tls/test-only-${what}.pem`, 'utf8')
const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

const GET = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'
const POST = `POST /channels/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 7\r\n`
/** The first bytes of a ClientHello of 200. */
const HALF_HELLO = Buffer.from([0x16, 3, 1, 0, 200, 1, 0, 0])

/** A client, and what it has received. */
interface Peer {
  readonly socket: Socket
  readonly closed: Promise<unknown>
  readonly errors: string[]
  text: string
}

function peerOf(socket: Socket): Peer {
  const errors: string[] = []
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const peer: Peer = { socket, closed, errors, text: '' }
  socket.on('error', (error: NodeJS.ErrnoException) => errors.push(`${error.code}`))
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    peer.text += chunk
  })
  return peer
}

const statusesOf = ({ text }: Peer): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))

const places = [
  ['http at 127.0.0.1', false, '127.0.0.1'],
  ['https at 127.0.0.1', true, '127.0.0.1'],
  ...(hasIPv6 ? ([['http at ::1', false, '::1']] as const) : []),
  ...(hasIPv6 ? ([['https at ::1', true, '::1']] as const) : []),
] as const

describe.each(places)('%s', (_, isTls, host) => {
  async function start(): Promise<[Roomcast, number]> {
    const tls = { cert: pem('cert'), key: pem('key') }
    const roomcast = createRoomcast({ port: 0, token: TOKEN, ...(isTls && { tls }) })
    return [roomcast, (await roomcast.listen()).port]
  }

  async function reach(port: number): Promise<Peer> {
    const peer = peerOf(isTls ? connectTls({ port, host, rejectUnauthorized: false }) : connectTcp(port, host))
    await once(peer.socket, isTls ? 'secureConnect' : 'connect')
    return peer
  }

  /** The server has read what was sent to it before: connections are taken, and read, in their order. */
  async function caughtUp(port: number): Promise<void> {
    for (let i = 0; i < 2; i++) {
      const peer = await reach(port)
      peer.socket.write(GET)
      await eventually(() => peer.text.includes('alive'), 'an answer')
      peer.socket.destroy()
    }
  }

  const halves: [what: string, pieces: string[], statuses: number[]][] = [
    ['half of a head', [POST.slice(0, 20)], [503]],
    ['half of a head that comes in pieces', [POST.slice(0, 20), POST.slice(20, 40)], [503]],
    ['half of a head behind an answered request', [GET, POST.slice(0, 20)], [200, 503]],
    ['the same in one piece', [GET + POST.slice(0, 20)], [200, 503]],
    ['the same, and then more', [GET + POST.slice(0, 20), POST.slice(20, 40)], [200, 503]],
    ['one letter behind two requests', [`${GET}${GET}G`], [200, 200, 503]],
    ['half of a body', [`${POST}\r\n{"a"`], [503]],
    ['half of a body behind an answered request, in one piece', [`${GET}${POST}\r\n{"a"`], [200, 503]],
    ['nothing behind an answered request', [GET], [200]],
    ['the end of a line behind an answered request', [`${GET}\r\n`], [200]],
    ['nothing at all', [], []],
  ]
  test.each(halves)('%s', async (_, pieces, statuses) => {
    const [roomcast, port] = await start()
    const peer = await reach(port)
    for (const piece of pieces) {
      peer.socket.write(piece)
      await caughtUp(port)
    }
    await eventually(() => statusesOf(peer).length === statuses.filter((status) => status === 200).length, 'answers')
    await inTime(roomcast.drain(), 'the drain')
    await inTime(roomcast.close(), 'the end')
    await inTime(peer.closed, 'the end of the connection')
    expect([statusesOf(peer), peer.errors]).toEqual([statuses, []])
  })

  test.each<readonly [what: string, bytes: Buffer]>([
    ['a TCP connection that says nothing', Buffer.alloc(0)],
    ...(isTls ? ([['half of a ClientHello', HALF_HELLO]] as const) : []),
  ])('%s gets nothing, and holds nothing up', async (_, bytes) => {
    const [roomcast, port] = await start()
    const peer = peerOf(connectTcp(port, host))
    await once(peer.socket, 'connect')
    peer.socket.write(bytes)
    await caughtUp(port)
    await inTime(roomcast.drain(), 'the drain')
    await inTime(roomcast.close(), 'the end')
    await inTime(peer.closed, 'the end of the connection')
    expect([peer.text, peer.errors.filter((code) => code !== 'ECONNRESET')]).toEqual(['', []])
  })
})
