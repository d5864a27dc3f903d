// Channels against a reference model: any operations in any order give the results, the whereabouts and, socket by
// socket, exactly the messages that the model predicts. fast-check prints the seed and the shortest case of a failure.

import { setImmediate as turn } from 'node:timers/promises'
import { createChannels } from '@roomcast/channels'
import { createServer, type Server, type Socket } from '@roomcast/core'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { ANSWER, COMMON, MAX_CHANNELS_PER_SOCKET, Model, type Operation, SOCKETS } from '../support/channels-model.ts'
import { FakeSocket } from '../support/fake-socket.ts'

/** `expect(actual).toEqual(expected)`, at a price that 200,000 of them can be paid at. */
function agree({ expected, actual }: { expected: unknown; actual: unknown }): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) expect(actual).toEqual(expected)
}

test('over fake sockets, 100,000 steps and more', () => {
  let steps = 0
  const operations = fc.array(fc.oneof(...COMMON, ANSWER), { minLength: 20, maxLength: 200, size: 'max' })
  fc.assert(
    fc.property(operations, (list) => {
      const channels = createChannels({ maxChannelsPerSocket: MAX_CHANNELS_PER_SOCKET })
      const real = Array.from({ length: SOCKETS }, () => new FakeSocket())
      const model = new Model()
      for (const operation of list) {
        if (operation.do === 'answer') real[operation.socket]!.answer = operation.answer
        agree(model.both(operation, channels, real))
        agree(model.whereabouts(channels, real))
        steps++
      }
      real.forEach((socket, who) => {
        expect(socket.messages).toEqual(model.sockets[who]!.got)
        expect(socket.listeners.size).toBe(channels.channelsOf(socket).length > 0 ? 1 : 0)
      })
    }),
    { numRuns: 1_200 },
  )
  expect(steps).toBeGreaterThan(100_000)
})

describe('over real sockets', () => {
  /** A client, and the server's socket of it. */
  interface Pair {
    client: WebSocket
    socket: Socket
    got: string[]
    /** Resolves when the client is closed. */
    ended: Promise<void>
  }

  const opened = new Map<string, (socket: Socket) => void>()
  let server: Server
  let port: number
  let nextPath = 0

  beforeAll(async () => {
    server = createServer({
      port: 0,
      host: '127.0.0.1',
      handler: {
        opened: (socket) => opened.get(socket.path)?.(socket),
        message: () => {},
      },
    })
    const address = await server.listen()
    port = (address as { port: number }).port
  })

  afterAll(() => server.close())

  async function connect(): Promise<Pair> {
    const path = `/${nextPath++}`
    const socket = new Promise<Socket>((resolve) => opened.set(path, resolve))
    const client = new WebSocket(`ws://127.0.0.1:${port}${path}`)
    const got: string[] = []
    client.on('message', (data) => got.push(String(data)))
    const ended = new Promise<void>((resolve) => client.once('close', () => resolve()))
    await new Promise((resolve, reject) => client.once('open', resolve).once('error', reject))
    const pair = { client, socket: await socket, got, ended }
    opened.delete(path)
    return pair
  }

  const extra: fc.WeightedArbitrary<Operation>[] = [
    { weight: 4, arbitrary: fc.constant({ do: 'turn' as const }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('terminate' as const), socket: fc.nat({ max: SOCKETS - 1 }) }),
    },
  ]

  test('each client gets its messages in the order they were accepted, many per turn', async () => {
    const operations = fc.array(fc.oneof(...COMMON, ...extra), { minLength: 10, maxLength: 80, size: 'max' })
    await fc.assert(
      fc.asyncProperty(operations, async (list) => {
        const pairs = await Promise.all(Array.from({ length: SOCKETS }, connect))
        const real = pairs.map(({ socket }) => socket)
        const channels = createChannels({ maxChannelsPerSocket: MAX_CHANNELS_PER_SOCKET })
        const model = new Model()
        const terminated = new Set<number>()
        try {
          for (const operation of list) {
            if (operation.do === 'turn') await turn()
            agree(model.both(operation, channels, real))
            agree(model.whereabouts(channels, real))
            // Also after `close`: what its queue still held is discarded.
            if (operation.do === 'terminate') terminated.add(operation.socket)
          }
          for (const socket of real) socket.close()
          await Promise.all(pairs.map(({ ended }) => ended))
          pairs.forEach(({ got }, who) => {
            const expected = model.sockets[who]!.got
            expect(got).toEqual(terminated.has(who) ? expected.slice(0, got.length) : expected)
          })
        } finally {
          for (const { client } of pairs) client.terminate()
          await Promise.all(pairs.map(({ ended }) => ended))
        }
      }),
      { numRuns: 60 },
    )
  }, 60_000)
})
