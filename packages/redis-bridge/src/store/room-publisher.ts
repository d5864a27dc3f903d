// Publishing to rooms without being one of their nodes: nothing is subscribed to, nobody is in, and no question is answered.
// What a room does not remember goes over the numbered bus; what it does is numbered by a script, as a store does it. No I/O
// of its own.

import { bin } from '@roomcast/core'
import {
  type ClientInfo,
  type Data,
  type HistoryRule,
  type Position,
  type Publication,
  StoreUnavailableError,
} from '@roomcast/rooms'
import { Attention } from '../bus/attention.ts'
import { Kind } from '../bus/envelope.ts'
import { Sender, type SenderOptions } from '../bus/sender.ts'
import { encodeRecord } from './bytes.ts'
import { Calls } from './calls.ts'
import { Histories } from './histories.ts'
import { Places } from './places.ts'
import { roomRoutes } from './room-routes.ts'
import { Tops } from './tops.ts'

/** What is said in a room. */
export interface Said {
  readonly data: Data
  readonly info: ClientInfo | undefined
  readonly tags: Readonly<Record<string, string>> | undefined
  /** Absent: the room remembers nothing. */
  readonly rule: HistoryRule | undefined
  readonly idempotencyKey: string | undefined
}

const NOWHERE: Position = { epoch: '', offset: 0 }

/** Publishes to rooms. */
export class RoomPublisher {
  readonly #sender: Sender
  readonly #places: Places
  readonly #histories: Histories
  readonly #tops: Tops
  readonly #unwatch: () => void
  readonly #id: string
  #count = 0

  constructor(options: Omit<SenderOptions, 'carries'>) {
    const { clock, transport, newId } = options
    const routes = roomRoutes(transport.routes)
    const attention = new Attention(clock)
    this.#sender = new Sender({ ...options, transport: { ...transport, routes }, carries: Kind.RECORDS })
    const newEpoch = (): string => Buffer.from(newId()).toString('base64url')
    const starts = Array.from({ length: routes.partitions }, (_, partition) => transport.routes.shared(partition))
    const budget = { calls: 0, bytes: 0 }
    this.#places = new Places(
      routes,
      starts,
      (partition, { lineage }) =>
        new Calls({
          ...{ partition, clock, newEpoch, attention, budget, lineageKey: lineage },
          lines: this.#sender.lines,
          changed: () => {},
          up: () => {},
          refused: options.onLost,
        }),
    )
    const places = this.#places
    const home = this.#sender.node
    this.#tops = new Tops({ clock, places, home, mark: () => {} })
    this.#histories = new Histories({ places, home, newEpoch, numbered: (...args) => this.#tops.published(...args) })
    this.#id = newEpoch()
    this.#unwatch = attention.watch(() => {
      for (const { calls } of places.all) calls.expire()
    })
    this.#sender.open()
    for (const { calls } of places.all) calls.open()
  }

  /** Resolves when Redis has it. */
  async publish(room: string, { rule, idempotencyKey, ...said }: Said): Promise<Position> {
    if (rule !== undefined) {
      const draft = { ...said, id: `${this.#id}.${++this.#count}` }
      return this.#histories.publish(room, draft, rule, idempotencyKey)
    }
    if (idempotencyKey !== undefined && !(await this.#histories.claim(room, idempotencyKey))) return NOWHERE
    const publication: Publication = { ...said, ...NOWHERE, id: '', previous: '' }
    const { bytes } = bin(encodeRecord({ kind: 'publication', publication }))
    return new Promise((resolve, reject) => {
      const settled = (error?: Error): void => (error === undefined ? resolve(NOWHERE) : reject(error))
      if (!this.#sender.publish(room, bytes, settled)) {
        reject(new StoreUnavailableError('too much waits for Redis already'))
      }
    })
  }

  async close(): Promise<void> {
    this.#tops.close()
    this.#unwatch()
    for (const { calls } of this.#places.all) calls.close()
    await this.#sender.close()
  }
}
