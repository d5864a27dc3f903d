// The story, told with npm's `centrifuge`: in JSON and in Protobuf it is the same code, but for how data is written.

import type { Centrifuge, Options, Subscription } from 'centrifuge'
import WebSocket from 'ws'
import { CODES } from './story.ts'

export interface Dialect {
  Centrifuge: new (url: string, options: Partial<Options>) => Centrifuge
  write(value: unknown): unknown
  read(data: unknown): string
}

/** Resolves with the next event of that name. */
function next<T>(emitter: object, name: string): Promise<T> {
  return new Promise((resolve) => (emitter as NodeJS.EventEmitter).once(name, resolve))
}

export async function tell(
  url: string,
  { Centrifuge, write, read }: Dialect,
  say: (line: string) => void,
): Promise<void> {
  const all: Centrifuge[] = []
  const open = (options: Partial<Options>): Centrifuge => {
    const client = new Centrifuge(url, {
      websocket: WebSocket,
      minReconnectDelay: 10,
      maxReconnectDelay: 50,
      ...options,
    })
    all.push(client)
    // Without a listener an error event is thrown.
    return client.on('error', () => {})
  }
  const connected = async (options: Partial<Options>): Promise<Centrifuge> => {
    const client = open(options)
    client.connect()
    await client.ready(5_000)
    return client
  }
  const asked = (client: Centrifuge, method: string, value: unknown = {}): Promise<string> =>
    client.rpc(method, write(value)).then(({ data }) => read(data))

  const client = await connected({ token: 'u1' })
  say('connect: connected')
  const room = client.newSubscription('room', { recoverable: true, joinLeave: true })
  const joined = next<{ info: { user: string } }>(room, 'join')
  room.subscribe()
  await room.ready(5_000)
  say('subscribe: subscribed')
  say(`join: ${(await joined).info.user}`)

  const heard = next<{ data: unknown; offset: number; info: { user: string } }>(room, 'publication')
  await room.publish(write({ n: 1 }))
  const { data, offset, info } = await heard
  say(`publish: ${read(data)} of ${info.user} at ${offset}`)
  const { clients } = await room.presence()
  const { numClients, numUsers } = await room.presenceStats()
  say(`presence: ${Object.values(clients).map(({ user }) => user)}; ${numClients} clients, ${numUsers} users`)
  const { publications } = await room.history({ limit: 10 })
  say(`history: ${publications.map((one) => read(one.data))}`)
  say(`rpc: ${await asked(client, 'echo', { hello: 1 })}`)
  const message = next<{ data: unknown }>(client, 'message')
  await client.send(write({ sent: 1 }))
  say(`send: ${read((await message).data)}`)

  const [coming, going] = ['join', 'leave'].map((name) => next<{ info: { user: string } }>(room, name))
  const other = await connected({ token: 'u2' })
  const visit = other.newSubscription('room')
  visit.subscribe()
  const came = await coming!
  other.disconnect()
  say(`others: join ${came.info.user}, leave ${(await going!).info.user}`)

  await recover(room, client)
  say(`history after it: ${(await room.history({ limit: 10 })).publications.length}`)

  const expiring = await connected({ token: 'u3/1', getToken: async () => 'u3/60' })
  await until(async () => (await asked(expiring, 'refreshes')) === '1')
  say('refresh: true')
  const secret = expiring.newSubscription('$secret', {
    token: 'ok/1',
    getToken: async () => 'ok/60',
  })
  secret.subscribe()
  await until(async () => (await asked(expiring, 'refreshes')) === '2')
  say('subscription refresh: true')

  await connected({ token: 'expired', getToken: async () => 'u4' })
  say('expired: connected with another token')
  const invalid = open({ token: 'invalid' })
  const refused = next<{ code: number }>(invalid, 'disconnected')
  invalid.connect()
  say(`invalid: ${(await refused).code}`)

  const out = next<{ code: number }>(room, 'unsubscribed')
  await asked(client, 'unsubscribe', { room: 'room', code: 2000 })
  say(`unsubscribe ${(await out).code}: out`)
  room.subscribe()
  await room.ready(5_000)
  const back = next(room, 'subscribed')
  await asked(client, 'unsubscribe', { room: 'room', code: 2500 })
  await back
  say('unsubscribe 2500: back')

  for (const [code] of CODES) {
    const one = await connected({ token: `code${code}` })
    const away = next<{ code: number }>(one, 'connecting').then(() => next(one, 'connected').then(() => 'back'))
    const gone = next<{ code: number }>(one, 'disconnected').then(() => 'gone')
    await asked(one, 'disconnect', { code })
    say(`disconnect ${code}: ${await Promise.race([away, gone])}`)
  }
  for (const one of all) one.disconnect()

  async function recover(subscription: Subscription, by: Centrifuge): Promise<void> {
    const missed: string[] = []
    const three = new Promise<void>((resolve) => {
      subscription.on('publication', ({ data: said }) => {
        if (missed.push(read(said)) === 3) resolve()
      })
    })
    const recovered = next<{ recovered: boolean }>(subscription, 'subscribed')
    await asked(by, 'kill', { room: 'room' })
    if (!(await recovered).recovered) say('not recovered')
    await three
    say(`recovery: ${missed.join(' ')}`)
  }
}

async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 50))
}
