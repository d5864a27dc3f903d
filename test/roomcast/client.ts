// A JSON client for these tests: what was sent to it is taken out one by one, in order, and every wait is bounded.

import { once } from 'node:events'
import { WebSocket } from 'ws'

const PATIENCE_MS = 5000

/** A connected client. */
export interface Client {
  readonly socket: WebSocket
  /** Sends a value as JSON. */
  send(value: unknown): void
  /** The next message, parsed. Rejects when none comes, or the connection ends first. */
  next(): Promise<unknown>
  /** Sends, and takes the next message. */
  ask(value: unknown): Promise<unknown>
  /** How the connection ended. */
  readonly closed: Promise<{ code: number; reason: string }>
}

export async function connect(port: number, options: { path?: string; origin?: string } = {}): Promise<Client> {
  const { path = '/', origin } = options
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, origin === undefined ? {} : { origin })
  const inbox: string[] = []
  let wake: (() => void) | undefined
  socket.on('message', (data) => {
    inbox.push(String(data))
    wake?.()
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
  })
  await once(socket, 'open')

  async function next(): Promise<unknown> {
    if (inbox.length === 0) {
      let timer: NodeJS.Timeout | undefined
      await Promise.race([
        new Promise<void>((resolve) => {
          wake = resolve
        }),
        closed,
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, PATIENCE_MS)
        }),
      ])
      clearTimeout(timer)
    }
    const text = inbox.shift()
    if (text === undefined) throw new Error('no message came')
    return JSON.parse(text)
  }
  const send = (value: unknown): void => socket.send(JSON.stringify(value))
  return {
    socket,
    send,
    next,
    closed,
    ask(value) {
      send(value)
      return next()
    },
  }
}
