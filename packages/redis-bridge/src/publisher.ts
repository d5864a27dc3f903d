// Publishing without sockets or a subscription, from a worker or a cron job. Nothing of its own comes back to it, so what
// proves that Redis is there is the answer to what it wrote.

import { randomBytes } from 'node:crypto'
import { isChannelName } from '@roomcast/channels'
import { type Framed, frame, type Opcode, type Payload } from '@roomcast/core'
import { type ClientInfo, type Data, type HistoryRule, isRoomName, type Position } from '@roomcast/rooms'
import { Sender } from './bus/sender.ts'
import { type PublisherOptions, readQueueLimits, readTarget } from './options.ts'
import { realClock, settled } from './real-clock.ts'
import { RoomPublisher, type Said } from './store/room-publisher.ts'

const MAX_KEY_LENGTH = 256
const DEFAULT_MAX_BYTES = 4 * 1024 * 1024
const DEFAULT_META_TTL_MS = 3_600_000

/** Options of `publishRoom`. */
export interface PublishRoomOptions {
  /** What the room remembers: as the nodes have it, or two of them trim it in turns. Absent: nothing. `maxBytes` default
   * 4 MiB, `metaTtlMs` (epoch and number outlive the history by so long) default 1 h. */
  history?: { size: number; ttlMs: number; maxBytes?: number; metaTtlMs?: number } | undefined
  /** Who says it, where a client does. */
  info?: ClientInfo | undefined
  tags?: Readonly<Record<string, string>> | undefined
  /** A repeat of it within 5 minutes resolves with the first position and reaches nobody. */
  idempotencyKey?: string | undefined
}

/** Publishes to the members on every node. */
export interface Publisher {
  /** Resolves when Redis has the message; waits for it through an outage. Rejects when it is lost: too much waits
   * already, it waited for over 60 s, Redis refuses it, or the publisher was closed.
   * @param data as for `channels.broadcast`.
   * @throws TypeError for an argument of the wrong type, RangeError for what is no channel's name or another opcode. */
  publish(channel: string, data: Payload | Framed, options?: { opcode?: Opcode }): Promise<void>
  /** Publishes to a room of `@roomcast/rooms`. Resolves with its position when Redis has it; without history `offset` is 0.
   * Rejects as `publish` does; in a room with history within a few seconds, when Redis is away. Without a key, what
   * rejected may have been carried out.
   * @param data text, or bytes; clients of most protocols want JSON.
   * @throws TypeError for an argument of the wrong type, RangeError for a wrong value. */
  publishRoom(room: string, data: Data, options?: PublishRoomOptions): Promise<Position>
  /** Gives what was published up to 2 s, then lets go of Redis: nothing keeps the process any more. */
  close(): Promise<void>
}

/** Makes a publisher; it connects at once.
 * @throws TypeError for an option of the wrong type, RangeError for a wrong value. */
export function createPublisher(options: PublisherOptions): Publisher {
  const target = readTarget(options, false)
  const all = { ...target, ...readQueueLimits(options), clock: realClock, newId: () => randomBytes(8) }
  const sender = new Sender(all)
  // Connections of its own, for who uses it.
  let rooms: RoomPublisher | undefined
  let closing: Promise<void> | undefined
  sender.open()
  return {
    publish(channel, data, { opcode } = {}) {
      if (typeof channel !== 'string') throw new TypeError('channel must be a string')
      if (!isChannelName(channel)) throw new RangeError('channel is no name of a channel')
      const { bytes } = frame(data, opcode)
      return new Promise((resolve, reject) => {
        if (closing !== undefined) return reject(new Error('the publisher is closed'))
        const heard = (error?: Error): void => (error === undefined ? resolve() : reject(error))
        if (!sender.publish(channel, bytes, heard)) reject(new Error('too much waits for Redis already'))
      })
    },
    publishRoom(room, data, publishOptions = {}) {
      const said = readSaid(room, data, publishOptions)
      if (closing !== undefined) return Promise.reject(new Error('the publisher is closed'))
      rooms ??= new RoomPublisher(all)
      return rooms.publish(room, said)
    },
    close: () => (closing ??= Promise.all([sender.close(), rooms?.close()]).then(settled)),
  }
}

/** @throws TypeError for an argument of the wrong type, RangeError for a wrong value. */
function readSaid(room: string, data: Data, options: PublishRoomOptions): Said {
  const { history, info, tags, idempotencyKey, ...unknown } = options
  for (const name of Object.keys(unknown)) throw new TypeError(`unknown option: ${name}`)
  if (typeof room !== 'string') throw new TypeError('room must be a string')
  if (!isRoomName(room)) throw new RangeError('room is no name of a room')
  if (typeof data !== 'string' && !(data instanceof Uint8Array)) throw new TypeError('data must be text or bytes')
  if (info !== undefined && (typeof info?.client !== 'string' || typeof info.user !== 'string')) {
    throw new TypeError('info must have a client and a user')
  }
  if (tags !== undefined && !Object.values(tags).every((tag) => typeof tag === 'string')) {
    throw new TypeError('tags must be strings')
  }
  if (idempotencyKey !== undefined) {
    if (typeof idempotencyKey !== 'string') throw new TypeError('idempotencyKey must be a string')
    if (idempotencyKey === '' || idempotencyKey.length > MAX_KEY_LENGTH) {
      throw new RangeError(`idempotencyKey must have 1 to ${MAX_KEY_LENGTH} characters`)
    }
  }
  return { data, info, tags, idempotencyKey, rule: history && readHistory(history) }
}

function readHistory(history: NonNullable<PublishRoomOptions['history']>): HistoryRule {
  if (typeof history !== 'object') throw new TypeError('history must be an object')
  const { size, ttlMs, maxBytes = DEFAULT_MAX_BYTES, metaTtlMs = DEFAULT_META_TTL_MS, ...unknown } = history
  for (const name of Object.keys(unknown)) throw new TypeError(`unknown option of a history: ${name}`)
  const rule = { size, ttlMs, maxBytes, metaTtlMs }
  for (const [name, value] of Object.entries(rule)) {
    if (typeof value !== 'number') throw new TypeError(`history.${name} must be a number`)
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`history.${name} must be a positive integer`)
  }
  return rule
}
