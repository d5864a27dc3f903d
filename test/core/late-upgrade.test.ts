// A framework looks something up before it gives an upgrade to us. A peer that has left meanwhile is neither opened nor
// closed, whatever it sent before, and gives back every place it had; one that is there is served from its first byte.

import type { IncomingMessage } from 'node:http'
import { connect as connectTcp, type Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import { clientFrame, Op } from '../support/client-frames.ts'
import { cleanUp, type TestOptions, TestServer } from '../support/core-server.ts'
import { eventually, Log, nextTurn } from '../support/log.ts'
import { handshakeText, RawClient } from '../support/raw-client.ts'
import { closePlaces, host, portOf } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

type Given = [IncomingMessage, Duplex, Buffer]

/** A server of ours, and the upgrades that a framework has not given to it yet. */
async function framework(
  options: TestOptions<undefined, unknown> = {},
  { tls = false } = {},
): Promise<{ server: TestServer<undefined, unknown>; asked: Log<Given>; port: number }> {
  const web = await host({ tls })
  const asked = new Log<Given>('asked')
  web.on('upgrade', (...given: Given) => {
    given[1].on('error', () => {})
    asked.push(given)
  })
  const server = new TestServer<undefined, unknown>(options)
  server.target = { port: portOf(web), tls }
  return { server, asked, port: portOf(web) }
}

const EARLY = [
  ['nothing', ''],
  ['a message', clientFrame({ opcode: Op.TEXT, payload: 'early' })],
  ['a Close', clientFrame({ opcode: Op.CLOSE, payload: Buffer.of(0x03, 0xe8) })],
  ['half a frame', clientFrame({ opcode: Op.TEXT, payload: 'early' }).subarray(0, 4)],
] as const

const LEAVES: readonly (readonly [string, (peer: TcpSocket) => void])[] = [
  ['a FIN', (peer) => void peer.end()],
  ['a reset', (peer) => void peer.resetAndDestroy()],
]

/** When a framework reads, the FIN shows as 'end'; else it lies behind what waits. */
const READS = [false, true]

const ROWS = EARLY.flatMap(([what, early]) =>
  LEAVES.flatMap(([how, leave]) =>
    READS.flatMap((reads) => [false, true].map((apart) => ({ what, early, how, leave, reads, apart }))),
  ),
)

/** Has its last byte come, read or not? */
function hasEnded(stream: Duplex): boolean {
  return (stream as unknown as { _readableState: { ended: boolean } })._readableState.ended
}

describe.each([
  ['accepts all', {}],
  ['asks, at once', { handshake: () => null }],
  ['asks, later', { handshake: () => nextTurn().then(() => null) }],
])('a handler that %s', (_, handler) => {
  test.each(ROWS)(
    'a peer that sent $what and left by $how (the framework reads: $reads, sent apart: $apart)',
    async (row) => {
      const { server, asked, port } = await framework({ maxConnectionsPerAddress: 1, maxConnections: 1, handler })
      const peer = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {})
      await new Promise<void>((resolve) => peer.once('connect', () => resolve()))
      // What comes with the request is its head; what comes later waits in the stream.
      peer.write(Buffer.concat([Buffer.from(handshakeText()), Buffer.from(row.apart ? '' : row.early)]))
      const given = await asked.at(0)
      const [, stream] = given
      if (row.reads) stream.resume()
      if (row.apart) await new Promise<void>((resolve) => peer.write(row.early, () => resolve()))
      row.leave(peer)
      await eventually(() => stream.destroyed || hasEnded(stream), 'the peer to be gone')
      server.server.upgrade(...given)
      await eventually(() => stream.destroyed, 'the end of the stream')
      await nextTurn()
      peer.destroy()
      expect([server.opened.length, server.closed.length]).toEqual([0, 0])
      expect(server.server.stats()).toMatchObject({ sockets: 0, pendingHandshakes: 0 })
      expect([...server.server.sockets]).toEqual([])
    },
  )
})

test('who left gives its places back: per address, of all, and pending', async () => {
  const limits = { maxConnectionsPerAddress: 1, maxConnections: 1, maxPendingHandshakes: 1 }
  const { server, asked } = await framework(limits)
  for (const [index, [, leave]] of [...LEAVES, ...LEAVES].entries()) {
    const client = await server.tcp()
    client.ask()
    const given = await asked.at(index)
    leave(client.socket)
    given[1].resume()
    await eventually(() => given[1].readableEnded || given[1].destroyed)
    server.server.upgrade(...given)
  }
  const last = await server.tcp()
  last.ask()
  server.server.upgrade(...(await asked.at(4)))
  expect((await last.response()).status).toBe(101)
  expect(server.opened.length).toBe(1)
  expect(server.server.stats().rejections).toEqual({})
})

test.each([
  ['http', false],
  ['https', true],
])('who is still there is served from its first byte: %s', async (_, tls) => {
  const { server, asked } = await framework({}, { tls })
  const client = await RawClient.connect(server.target)
  client.ask({}, clientFrame({ opcode: Op.TEXT, payload: 'first' }))
  const given = await asked.at(0)
  client.say('second')
  for (let turns = 0; turns < 5; turns++) await nextTurn()
  server.server.upgrade(...given)
  await server.messages.count(2)
  expect(server.texts).toEqual(['first', 'second'])
  expect(() => server.server.upgrade(...given)).toThrow(Error)
  client.sendClose(1000)
  expect(await server.info()).toMatchObject({ code: 1000, by: 'peer' })
})

test('over TLS: a peer that closed, or whose TCP was cut', async () => {
  const { server, asked } = await framework({}, { tls: true })
  for (const [index, leave] of [(c: RawClient) => c.socket.end(), (c: RawClient) => c.socket.destroy()].entries()) {
    const client = await RawClient.connect(server.target)
    client.ask()
    const given = await asked.at(index)
    leave(client)
    given[1].resume()
    await eventually(() => given[1].readableEnded || given[1].destroyed)
    server.server.upgrade(...given)
    await eventually(() => given[1].destroyed)
  }
  expect(server.opened.length).toBe(0)
  expect(server.server.stats()).toMatchObject({ sockets: 0, pendingHandshakes: 0 })
})
