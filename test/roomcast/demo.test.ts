// What rooms are while nobody decided anything: the demo shows history and who is there. Whatever somebody decides, even
// a hook alone, and rooms are what was asked for.

import { memoryStore } from '@roomcast/rooms'
import { Centrifuge, type Subscription } from 'centrifuge'
import { createRoomcast, type Roomcast, type RoomcastOptions } from 'roomcast'
import { afterEach, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { type Client, connect } from './client.ts'

const running: Roomcast[] = []
const clients: Centrifuge[] = []
const words: Client[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect()
  for (const { socket } of words.splice(0)) socket.terminate()
  await Promise.all(running.splice(0).map((roomcast) => roomcast.close()))
})

async function start(options: RoomcastOptions = {}): Promise<number> {
  const roomcast = createRoomcast({ port: 0, host: '127.0.0.1', ...options })
  running.push(roomcast)
  return (await roomcast.listen()).port
}

/** A client of npm's SDK in a room. */
async function enter(port: number, room: string, data: unknown = undefined): Promise<Subscription> {
  const client = new Centrifuge(`ws://127.0.0.1:${port}/connection/websocket`, { websocket: WebSocket })
  clients.push(client)
  client.on('error', () => {})
  const subscription = client.newSubscription(room, { data, joinLeave: true, recoverable: true })
  subscription.on('error', () => {})
  subscription.subscribe()
  client.connect()
  await subscription.ready(5000)
  return subscription
}

/** What a room knows: its history and presence, or the code that refuses it. */
const known = (room: Subscription) =>
  Promise.all(
    [room.history({ limit: 200 }), room.presence()].map((asked: Promise<object>) =>
      asked.then(
        (found) => Object.keys(found)[0],
        ({ code }: { code: number }) => code,
      ),
    ),
  )

test('a room of the demo remembers 100 publications and who is in it', async () => {
  const port = await start()
  const room = await enter(port, 'lobby')
  for (let i = 0; i < 101; i++) await room.publish(i)
  const { publications } = await room.history({ limit: 200 })
  expect(publications.map(({ data }) => data)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
  const joined = new Promise((resolve) => room.once('join', ({ info }) => resolve(info.client)))
  const other = await enter(port, 'lobby')
  const { clients: here } = await room.presence()
  expect(Object.keys(here)).toHaveLength(2)
  expect(Object.keys(here)).toContain(await joined)
  other.unsubscribe()
})

describe('whatever is decided, rooms remember nothing by accident', () => {
  const admitted = { authenticate: () => ({ user: '42' }), subscribe: () => ({}) }
  test.each<[string, RoomcastOptions]>([
    ['insecure', { insecure: true }],
    ['a store', { store: memoryStore() }],
    ['a hook alone', { publish: (_client, _room, data) => data }],
    ['authenticate', admitted],
    ['namespaces', { namespaces: { '': { allowSubscribeForClient: true, allowSubscribeForAnonymous: true } } }],
  ])('%s', async (_, options) => {
    expect(await known(await enter(await start(options), 'lobby'))).toEqual([108, 108])
  })
})

describe('what a client says of itself', () => {
  const infoOf = async (room: Subscription): Promise<unknown[]> =>
    Object.values((await room.presence()).clients).map(({ chanInfo }) => chanInfo)

  test.each([
    ['a name', { meta: { name: 'leto' } }, { meta: { name: 'leto' } }],
    ['no object', { meta: 'leto' }, undefined],
    ['too much', { meta: { name: 'x'.repeat(2048) } }, undefined],
    ['nothing of it', { user: '42' }, undefined],
  ])('%s', async (_, data, info) => {
    expect(await infoOf(await enter(await start(), 'lobby', data))).toEqual([info])
  })

  test('a client of the words is seen, too', async () => {
    const port = await start()
    const client = await connect(port)
    words.push(client)
    expect(await client.ask({ join: 'lobby', meta: { name: 'leto' } })).toEqual({ joined: 'lobby' })
    const room = await enter(port, 'lobby')
    expect(await infoOf(room)).toContainEqual({ meta: { name: 'leto' } })
  })

  test('is not shown where rooms have rules: there the server knows who is who', async () => {
    const open = { presence: true, allowSubscribeForAnonymous: true, allowSubscribeForClient: true }
    const more = { allowPresenceForSubscriber: true, allowPresenceForAnonymous: true }
    const room = await enter(await start({ namespaces: { '': { ...open, ...more } } }), 'lobby', {
      meta: { name: 'x' },
    })
    expect(await infoOf(room)).toEqual([undefined])
  })
})
