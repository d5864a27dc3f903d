// Sessions without a network: rooms in memory, a clock that stands still, ids that are counted, and clients that say
// commands as JSON text and hear replies as JSON text, whatever format they speak.

import { Buffer } from 'node:buffer'
import { type CentrifugeOptions, centrifugeHandler, type Policy } from '@roomcast/centrifuge'
import type { Acceptance, Handler, HandshakeRequest, Opcode } from '@roomcast/core'
import { createMemoryDatabase, createRooms, type RoomOptions, type Rooms, type Store } from '@roomcast/rooms'
import type { CentrifugeState } from '../../packages/centrifuge/src/handler.ts'
import { FakeSocket } from '../support/fake-socket.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { protobufOf, textsOf } from './reference.ts'

export class DateClock extends VirtualClock {
  date(): number {
    return 1_800_000_000_000 + this.now()
  }
}

/** Everything is permitted to everybody. The token is the user; in `token/3` the connection expires after 3 seconds. */
export const OPEN: Policy = {
  authenticate({ token }) {
    const [user = '', ttl] = token.split('/')
    return { user, ...(ttl && { expiresAt: 1_800_000_000 + Number(ttl) }) }
  },
  subscribe: () => ({ positioned: 'asked', recoverable: 'asked', joinLeave: 'asked' }),
  publish: (_client, _room, data) => ({ data }),
  presence: () => true,
  history: () => true,
  rpc: (_client, _method, data) => ({ data }),
  message: () => undefined,
  refresh: (_client, token) => ({ expiresAt: 1_800_000_000 + Number(token) }),
  subRefresh: (_client, { token }) => ({ expiresAt: 1_800_000_000 + Number(token) }),
}

export interface StageOptions extends Partial<Omit<CentrifugeOptions, 'policy' | 'rooms'>> {
  policy?: Partial<Policy>
  /** Rooms whose name begins with `plain` have nothing, whatever is said here. */
  room?: RoomOptions
  store?: Store
  rooms?: Rooms
}

export type FormatName = 'json' | 'protobuf'

export class Stage {
  readonly clock: DateClock = new DateClock(1)
  readonly rooms: Rooms
  readonly handler: Handler<unknown, CentrifugeState>
  readonly errors: { error: unknown; where: string }[] = []

  constructor({ policy, room, store, rooms, ...options }: StageOptions = {}) {
    const { clock } = this
    let epochs = 0
    let ids = 0
    const all = { history: { size: 100, ttlMs: 3_600_000 }, presence: true, joinLeave: true, ...room }
    const newId = (): string => `epoch${++epochs}`
    this.rooms =
      rooms ??
      createRooms({
        store: store ?? createMemoryDatabase({ clock, newId }).store(),
        options: (name) => (name.startsWith('plain') ? {} : all),
        clock,
        newId: () => 'node',
      })
    this.handler = centrifugeHandler({
      rooms: this.rooms,
      policy: { ...OPEN, ...policy },
      clock,
      newId: () => `client${++ids}`,
      random: () => 0,
      version: 'v',
      onError: (error, { where }) => this.errors.push({ error, where }),
      ...options,
    })
  }

  /** A client whose WebSocket is open. */
  open(format: FormatName = 'json', http: Partial<HandshakeRequest> = {}): Peer {
    const subprotocols = format === 'json' ? [] : ['centrifuge-protobuf']
    const request = { query: new URLSearchParams(), subprotocols, headers: {}, ...http } as HandshakeRequest
    const { state } = this.handler.handshake!(request, undefined) as Acceptance<CentrifugeState>
    return new Peer(this.handler, new FakeSocket(state), format)
  }

  /** A client that is connected, and has heard so. */
  async client(user = 'u', format: FormatName = 'json'): Promise<Peer> {
    const peer = this.open(format)
    await peer.say(`{"id":1,"connect":{"token":"${user}"}}`)
    peer.forget()
    return peer
  }
}

export class Peer {
  readonly socket: FakeSocket<CentrifugeState>
  readonly #handler: Handler<unknown, CentrifugeState>
  readonly #format: FormatName
  #forgotten = 0

  constructor(handler: Handler<unknown, CentrifugeState>, socket: FakeSocket<CentrifugeState>, format: FormatName) {
    this.#handler = handler
    this.#format = format
    this.socket = socket
    handler.opened!(socket)
    socket.onClosing(() => queueMicrotask(() => this.gone()))
  }

  /** Says commands in one message; resolves when everything has come of it that takes no time. */
  async say(...commands: string[]): Promise<void> {
    const message =
      this.#format === 'json' ? Buffer.from(commands.join('\n')) : Buffer.concat(commands.map((one) => protobufOf(one)))
    await this.sayBytes(message, this.#format === 'json' ? 'text' : 'binary')
  }

  async sayBytes(message: Buffer, opcode: Opcode): Promise<void> {
    if (this.socket.readyState === 'open') this.#handler.message(this.socket, message, opcode)
    await settled()
  }

  /** The connection is lost. */
  async lose(): Promise<void> {
    this.socket.terminate()
    await settled()
  }

  gone(): void {
    const { code, reason } = this.socket.closes[0] ?? { code: 1006, reason: '' }
    this.#handler.closed!(this.socket, { code, reason, by: 'server', clean: true })
  }

  /** WebSocket messages it was sent, each as the texts of its replies and pushes. */
  get messages(): string[][] {
    return this.socket.messages.slice(this.#forgotten).map(textsOf)
  }

  /** Replies and pushes. */
  get heard(): string[] {
    return this.messages.flat()
  }

  /** The same as values. */
  get values(): Record<string, never>[] {
    return this.heard.map((text) => JSON.parse(text))
  }

  forget(): void {
    this.#forgotten = this.socket.messages.length
  }

  /** With what the server closed it. */
  get end(): string | undefined {
    const [close] = this.socket.closes
    return close && `${close.code} ${close.reason}`
  }
}

/** Everything has happened that waits for nothing but promises. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
}
