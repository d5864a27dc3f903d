// One room, whatever its members speak: the words, SDKs in JSON and in Protobuf, and programs that publish over HTTP. All
// of them see the same things in the same order.

import { Centrifuge as Json, type Options } from 'centrifuge'
import { Centrifuge as Protobuf } from 'centrifuge/build/protobuf'
import { createRoomcast, type Roomcast } from 'roomcast'
import { afterEach, describe, expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import { type Client, connect } from './client.ts'

const KEY = 'key'
const PUBLISHED = 100
let roomcast: Roomcast
const sdks: Json[] = []
afterEach(async () => {
  for (const client of sdks.splice(0)) client.disconnect()
  await roomcast.close()
})

async function subscriber(
  Sdk: new (url: string, options: Partial<Options>) => Json,
  port: number,
): Promise<[Json, string[]]> {
  const client = new Sdk(`ws://127.0.0.1:${port}/connection/websocket`, { websocket: WebSocket })
  sdks.push(client)
  const heard: string[] = []
  const sub = client.newSubscription('room')
  sub.on('publication', ({ data }) =>
    heard.push(data instanceof Uint8Array ? new TextDecoder().decode(data) : JSON.stringify(data)),
  )
  sub.subscribe()
  client.connect()
  await sub.ready(5000)
  return [client, heard]
}

/** A member that speaks the words, and what it hears; answers are left out. */
async function speaker(port: number): Promise<[Client, string[]]> {
  const client = await connect(port)
  expect(await client.ask({ join: 'room' })).toEqual({ joined: 'room' })
  const heard: string[] = []
  client.socket.on('message', (data) => {
    const message = JSON.parse(`${data}`) as { said?: unknown }
    if ('said' in message) heard.push(JSON.stringify(message.said))
  })
  return [client, heard]
}

describe.each<[what: string, history: object]>([
  ['that remembers nothing', {}],
  ['with history', { historySize: 1000, historyTtlMs: 60_000, forceRecovery: true }],
])('a room %s', (_, history) => {
  test('five ways to publish, four members, one order', async () => {
    roomcast = createRoomcast({
      port: 0,
      host: '127.0.0.1',
      insecure: true,
      token: KEY,
      apiKey: KEY,
      namespaces: { '': history },
    })
    const { port } = await roomcast.listen()
    const [json, heardByJson] = await subscriber(Json, port)
    const [protobuf, heardByProtobuf] = await subscriber(Protobuf as unknown as typeof Json, port)
    const [leto, heardByLeto] = await speaker(port)
    const [paul, heardByPaul] = await speaker(port)
    const post = (path: string, headers: Record<string, string>, body: unknown): Promise<unknown> =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      })
    const ways: ((n: number) => unknown)[] = [
      (n) => leto.send({ say: { leto: n }, to: 'room' }),
      (n) => paul.send({ say: { paul: n }, to: 'room' }),
      (n) => json.publish('room', { json: n }),
      (n) => protobuf.publish('room', new TextEncoder().encode(JSON.stringify({ protobuf: n }))),
      (n) => post('/api/publish', { 'x-api-key': KEY }, { channel: 'room', data: { api: n } }),
      (n) => post('/channels/room', { authorization: `Bearer ${KEY}` }, { post: n }),
      (n) => roomcast.rooms.publish('room', JSON.stringify({ program: n })),
    ]
    await Promise.all(
      ways.map(async (publish) => {
        for (let n = 0; n < PUBLISHED; n++) await publish(n)
      }),
    )
    const all = [heardByLeto, heardByPaul, heardByJson, heardByProtobuf]
    await vi.waitFor(
      () => expect(all.map(({ length }) => length)).toEqual(Array(4).fill(ways.length * PUBLISHED)),
      10_000,
    )
    for (const heard of all) expect(heard).toEqual(heardByLeto)
    // And what each way said is in the order in which it was said.
    for (const way of ['leto', 'paul', 'json', 'protobuf', 'api', 'post', 'program']) {
      const numbers = heardByLeto.flatMap((text) => (JSON.parse(text) as Record<string, number>)[way] ?? [])
      expect(numbers).toEqual(Array.from({ length: PUBLISHED }, (_, n) => n))
    }
  })
})
