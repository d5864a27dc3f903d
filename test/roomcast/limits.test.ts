// The limits of the server, each at its edge, over real connections; and that no member ends another's connection.

import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { createRoomcast, type Roomcast, type RoomcastOptions } from 'roomcast'
import { afterEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../../packages/roomcast/src/limits.ts'
import { eventually } from '../support/log.ts'
import { type Client, connect } from './client.ts'

const TOKEN = 's3cret'
let roomcast: Roomcast
let port: number

async function start(options: RoomcastOptions = {}): Promise<void> {
  roomcast = createRoomcast({ port: 0, host: '127.0.0.1', token: TOKEN, ...options })
  port = (await roomcast.listen()).port
}

/** Clients in one channel. */
async function members(count: number, channel = 'lobby', to = port): Promise<Client[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => connect(to)))
  for (const client of clients) expect(await client.ask({ join: channel })).toEqual({ joined: channel })
  return clients
}

function post(body: string): Promise<Response> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  return fetch(`http://127.0.0.1:${port}/channels/lobby`, { method: 'POST', headers, body })
}

afterEach(() => roomcast?.close())

test('the defaults are those of the documentation', () => {
  expect(Object.fromEntries(Object.entries(LIMITS).map(([name, limit]) => [name, limit.default]))).toEqual({
    maxMessageBytes: 1_048_576,
    maxDataBytes: 65_536,
    maxCommandsPerSecond: 200,
    maxCommandBurst: 1000,
    maxChannelBytesPerSecond: 4_194_304,
    maxWaitingBytes: 67_108_864,
    memberPatienceMs: 2000,
    maxBufferedBytes: 1_048_576,
    maxRoomsPerClient: 128,
    maxConnections: Number.POSITIVE_INFINITY,
    maxConnectionsPerUser: Number.POSITIVE_INFINITY,
    maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
    pingIntervalMs: 25_000,
    pongTimeoutMs: 8000,
    staleCloseDelayMs: 10_000,
    expiredCloseDelayMs: 25_000,
    expiredSubCloseDelayMs: 25_000,
    drainDelayMs: 0,
    drainMs: 10_000,
  })
})

describe('the data of one message', () => {
  const said = async (limit: number | undefined, data: string): Promise<unknown[]> => {
    await start(limit === undefined ? {} : { maxDataBytes: limit })
    const [speaker, member] = (await members(2)) as [Client, Client]
    speaker.socket.send(`{"say":${data},"to":"lobby","ref":1}`)
    const first = await speaker.next()
    const response = await post(data)
    speaker.send({ say: 'fence', to: 'lobby' })
    const heard: unknown[] = []
    for (let next: unknown; ; heard.push(next)) {
      next = await member.next()
      if ((next as { said: unknown }).said === 'fence') break
    }
    return [(first as { error?: string }).error, response.status, heard.length]
  }
  const string = (bytes: number): string => JSON.stringify('x'.repeat(bytes - 2))

  test.each([
    ['64 KiB', undefined, string(65_536), [undefined, 200, 2]],
    ['one byte more', undefined, string(65_537), ['too_large', 413, 0]],
    ['64 KiB of other letters', undefined, JSON.stringify('ü'.repeat(32_767)), [undefined, 200, 2]],
    ['one such letter more', undefined, JSON.stringify('ü'.repeat(32_768)), ['too_large', 413, 0]],
    ['numbers that grow when they are written', undefined, `[${Array(10_000).fill('1e20')}]`, ['too_large', 413, 0]],
    ['numbers that shrink', undefined, `[${Array(3000).fill('1.0000000000')}]`, [undefined, 200, 2]],
    ['a limit of its own', 10, string(10), [undefined, 200, 2]],
    ['over a limit of its own', 10, string(11), ['too_large', 413, 0]],
    ['a lone surrogate, which is written as six', 7, '"\\ud800"', ['too_large', 413, 0]],
  ])('%s', async (_, limit, data, outcome) => {
    expect(await said(limit, data)).toEqual(outcome)
  })
})

test('a message of 1 MiB is read, and one byte more is 1009', async () => {
  await start()
  const [client] = (await members(1)) as [Client]
  const padded = (bytes: number): string => `{"leave":"x"${' '.repeat(bytes - 13)}}`
  client.socket.send(padded(1_048_576))
  expect(await client.next()).toEqual({ left: 'x' })
  client.socket.send(padded(1_048_577))
  expect(await client.closed).toMatchObject({ code: 1009 })
})

describe('commands', () => {
  test('a burst at once; the rest waits its turn, in order; others are not held up', async () => {
    await start({ maxCommandBurst: 50, maxCommandsPerSecond: 100 })
    const [fast, other] = (await members(2)) as [Client, Client]
    for (let i = 0; i < 150; i++) fast.send({ leave: 'x', ref: i })
    for (let i = 0; i < 49; i++) expect(await fast.next()).toEqual({ left: 'x', ref: i })
    expect(await other.ask({ leave: 'x' })).toEqual({ left: 'x' })
    for (let i = 49; i < 150; i++) expect(await fast.next()).toEqual({ left: 'x', ref: i })
  })

  test('by default 1,000 at once', async () => {
    await start()
    const [client] = (await members(1)) as [Client]
    for (let i = 0; i < 999; i++) client.send({ leave: 'x', ref: i })
    const before = roomcast.stats().messagesIn
    await eventually(() => roomcast.stats().messagesIn - before >= 999)
    client.send({ leave: 'x', ref: 'last' })
    for (let i = 0; i < 999; i++) await client.next()
    expect(await client.next()).toEqual({ left: 'x', ref: 'last' })
  })
})

/** A proxy whose connections carry so many bytes per second towards the client. */
async function slowLine(bytesPerSecond: number): Promise<{ port: number; close(): void }> {
  const open = new Set<Socket>()
  const proxy = createServer((client) => {
    const server = connectTcp(port, '127.0.0.1')
    for (const socket of [client, server]) {
      open.add(socket)
      socket.on('error', () => {}).on('close', () => open.delete(socket))
    }
    client.pipe(server)
    server.on('data', (chunk) => {
      client.write(chunk)
      server.pause()
      setTimeout(() => server.resume(), (chunk.length / bytesPerSecond) * 1000)
    })
    server.on('close', () => client.destroy())
    client.on('close', () => server.destroy())
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return {
    port: (proxy.address() as AddressInfo).port,
    close: () => {
      proxy.close()
      for (const socket of open) socket.destroy()
    },
  }
}

describe('no member ends the connection of another', () => {
  // So that it is the members who hold the speakers up, and not the rates.
  const UNBOUND = { maxChannelBytesPerSecond: 2 ** 40, maxCommandsPerSecond: 10 ** 6, maxCommandBurst: 10 ** 6 }

  test.each([
    ['one speaker', 1, 400, 65_000],
    ['twenty speakers', 20, 20, 65_000],
    ['twenty speakers of small things', 20, 1500, 1000],
  ])(
    '%s, members behind a line of 50 Mbit/s',
    async (_, speakers, says, bytes) => {
      await start(UNBOUND)
      const line = await slowLine(50e6 / 8)
      const slow = await members(3, 'lobby', line.port)
      const fast = await members(speakers)
      const data = 'x'.repeat(bytes)
      for (let i = 0; i < says; i++) for (const speaker of fast) speaker.send({ say: data, to: 'lobby' })
      const last = fast.map((speaker) => speaker.send({ leave: 'lobby', ref: 'last' }))
      expect(last).toHaveLength(speakers)
      await eventually(() => roomcast.rooms.memberCount('lobby') === slow.length, 'the end', 30_000)
      expect(roomcast.stats()).toMatchObject({ closes: {}, limits: {} })
      line.close()
    },
    60_000,
  )

  test('a member that reads nothing is what it costs: the others hear everything', async () => {
    await start({ ...UNBOUND, memberPatienceMs: 200 })
    const [speaker, member, dead] = (await members(3)) as [Client, Client, Client]
    dead.socket.pause()
    const data = 'x'.repeat(65_000)
    const count = 300
    for (let i = 0; i < count; i++) speaker.send({ say: data, to: 'lobby', ref: i })
    for (let i = 0; i < count; i++) {
      expect(await member.next()).toMatchObject({ in: 'lobby' })
      expect([await speaker.next(), await speaker.next()][1]).toEqual({ ok: i })
    }
    expect(roomcast.stats().closes).not.toHaveProperty('1013')
    dead.socket.terminate()
  }, 60_000)

  test('more than may wait is refused as busy, and nobody is closed', async () => {
    const small = { maxChannelBytesPerSecond: 1024, maxWaitingBytes: 300_000 }
    await start(small)
    const speakers = await members(30)
    // Nine are said, or less, five wait, and the others cannot.
    for (const speaker of speakers) speaker.send({ say: 'x'.repeat(60_000), to: 'lobby', ref: 1 })
    const heard = async (client: Client): Promise<unknown> => {
      for (;;) {
        const message = (await client.next()) as Record<string, unknown>
        if (!('said' in message)) return message
      }
    }
    expect(await heard(speakers.at(-1)!)).toEqual({ error: 'busy', ref: 1 })
    const response = await post(JSON.stringify('x'.repeat(60_000)))
    expect([response.status, await response.json()]).toEqual([503, { error: 'busy' }])
    expect(roomcast.stats()).toMatchObject({ closes: {}, sockets: 30 })
  })

  test('the HTTP API waits for slow members, too', async () => {
    await start(UNBOUND)
    const line = await slowLine(50e6 / 8)
    await members(2, 'lobby', line.port)
    const answers = await Promise.all(Array.from({ length: 200 }, () => post(JSON.stringify('x'.repeat(65_000)))))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(roomcast.stats()).toMatchObject({ closes: {}, limits: {}, sockets: 2 })
    line.close()
  }, 60_000)
})
