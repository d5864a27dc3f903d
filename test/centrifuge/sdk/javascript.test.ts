// npm's `centrifuge`, as users install it, in both of its builds.

import { Centrifuge } from 'centrifuge'
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf'
import { expect, test } from 'vitest'
import WebSocket from 'ws'
import { type Dialect, tell } from './javascript.ts'
import { openSite } from './site.ts'
import { STORY } from './story.ts'

const DIALECTS: Record<string, Dialect> = {
  JSON: { Centrifuge, write: (value) => value, read: (data) => JSON.stringify(data) },
  Protobuf: {
    Centrifuge: ProtobufCentrifuge as unknown as typeof Centrifuge,
    write: (value) => Buffer.from(JSON.stringify(value)),
    read: (data) => Buffer.from(data as Uint8Array).toString(),
  },
}

test.each(Object.entries(DIALECTS))('%s', async (_name, dialect) => {
  const site = await openSite()
  const lines: string[] = []
  try {
    await tell(site.url, dialect, (line) => lines.push(line))
  } finally {
    await site.close()
    expect(lines).toEqual(STORY)
  }
})

test('rooms that the server chooses: given with the connection, later, taken away, and recovered over a kill', async () => {
  const site = await openSite()
  const heard: string[] = []
  const client = new Centrifuge(site.url, { websocket: WebSocket, token: 'chosen', minReconnectDelay: 10 })
  const next = (name: string): Promise<{ channel: string; recovered?: boolean }> =>
    new Promise((resolve) => (client as unknown as NodeJS.EventEmitter).once(name, resolve))
  client.on('publication', ({ channel, data }) => heard.push(`${channel} ${JSON.stringify(data)}`))
  try {
    const given = next('subscribed')
    client.connect()
    expect((await given).channel).toBe('given')
    const later = next('subscribed')
    await client.rpc('subscribe', { room: 'later' })
    expect((await later).channel).toBe('later')
    const taken = next('unsubscribed')
    await client.rpc('unsubscribe', { room: 'later', code: 2000 })
    expect((await taken).channel).toBe('later')
    const back = next('subscribed')
    await client.rpc('kill', { room: 'given' })
    expect(await back).toMatchObject({ channel: 'given', recovered: true })
    const lost = next('connecting')
    const again = next('subscribed')
    // State that is lost ends the connection: the client would not come back to a room that it did not ask for.
    await client.rpc('unsubscribe', { room: 'given', code: 2500 })
    expect(await lost).toMatchObject({ code: 3010 })
    expect((await again).channel).toBe('given')
    expect(heard).toEqual([2, 3, 4].map((n) => `given {"n":${n}}`))
  } finally {
    client.disconnect()
    await site.close()
  }
})
