// npm's SDK against a server of ours: connected, or with the reason why it is not.

import { Centrifuge, type Options } from 'centrifuge'
import WebSocket from 'ws'

const made: Centrifuge[] = []

/** Ends all that were made. */
export function endSdks(): void {
  for (const client of made.splice(0)) client.disconnect()
}

/** A client of npm's SDK, not connected yet. */
export function sdk(port: number, options: Partial<Options> = {}): Centrifuge {
  const client = new Centrifuge(`ws://127.0.0.1:${port}/connection/websocket`, {
    websocket: WebSocket,
    minReconnectDelay: 10,
    maxReconnectDelay: 50,
    ...options,
  })
  made.push(client)
  // Without a listener an error is thrown.
  client.on('error', () => {})
  return client
}

/** One that is connected. */
export async function connected(port: number, options: Partial<Options> = {}): Promise<Centrifuge> {
  const client = sdk(port, options)
  client.connect()
  await client.ready(5000)
  return client
}

/** The code that refuses the connection: of an error, or of the close that ends it for good. */
export function refusal(port: number, options: Partial<Options> = {}): Promise<number> {
  const client = sdk(port, options)
  return new Promise((resolve) => {
    client.on('error', ({ error }) => {
      if (error.code >= 100) resolve(error.code)
    })
    client.on('disconnected', ({ code }) => resolve(code))
    client.on('connected', () => resolve(0))
    client.connect()
  })
}

/** The code that refuses a subscription; 0: it is in. */
export function subscription(client: Centrifuge, room: string, options: object = {}): Promise<number> {
  const sub = client.newSubscription(room, options)
  sub.on('error', () => {})
  return new Promise((resolve) => {
    sub.on('subscribed', () => resolve(0))
    sub.on('unsubscribed', ({ code }) => resolve(code))
    sub.on('error', ({ error }) => resolve(error.code))
    sub.subscribe()
  })
}

/** What the next event of that name brings; errors are no matter. */
export function next(client: Centrifuge, name: string): Promise<{ code: number; data: unknown }> {
  return new Promise((resolve) => (client as unknown as NodeJS.EventEmitter).once(name, resolve))
}
