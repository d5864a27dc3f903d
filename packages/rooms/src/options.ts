// What callers pass, and its checks: their mistakes throw at the call, a TypeError for a wrong type and a RangeError for a
// wrong value. Nothing that a client can choose is judged here.

import type { Clock } from './clock.ts'
import { byteLength } from './data.ts'
import type { Member, Since } from './member.ts'
import { isRoomName } from './name.ts'
import type { ClientInfo, Data, HistoryRule, Store } from './port.ts'

/** What a room is. Everything is off unless it is asked for. */
export interface RoomOptions {
  /** How much is remembered, by number and by time; both are needed. `maxBytes` default 4 MiB. */
  readonly history?: { readonly size: number; readonly ttlMs: number; readonly maxBytes?: number } | undefined
  /** Epoch and number outlive the room's last member and its history by so long. Default 1 h. */
  readonly historyMetaTtlMs?: number | undefined
  /** Is it known, on every node, who is in it? Default false. */
  readonly presence?: boolean | undefined
  /** Are members told who comes and goes? Default false. The leaves of a node that died are known by presence alone. */
  readonly joinLeave?: boolean | undefined
}

/** Options of `createRooms`. */
export interface RoomsOptions {
  /** Where rooms are kept. */
  readonly store: Store
  /** What a room of that name is; the same on every node. Default: nothing is kept. */
  readonly options?: ((room: string) => RoomOptions | undefined) | undefined
  /** In how many rooms a client may be. Default 128. */
  readonly maxRoomsPerClient?: number | undefined
  /** Bytes of publications that this node keeps at hand for those who come back. Default 64 MiB. */
  readonly maxReplayBytes?: number | undefined
  /** So long an `enter` waits for the store. Default 10,000. */
  readonly enterTimeoutMs?: number | undefined
  /** What this node says of itself in `nodes()`, beside its figures: a name, a version. */
  readonly about?: Readonly<Record<string, string>> | undefined
  /** Hears of each publication that was delivered to members on this node, live ones, and of how many they were: once,
   * whichever way it came. Not within `publish`, but soon. What it throws becomes a process warning. */
  readonly onDelivered?: ((room: string, members: number) => void) | undefined
  /** Default: the process's own. */
  readonly clock?: Clock | undefined
  /** Makes what no other node makes. Default: random. */
  readonly newId?: (() => string) | undefined
}

/** Options of `publish`. */
export interface PublishOptions {
  /** Who says it, where a client does. */
  readonly info?: ClientInfo | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** A repeat within 5 minutes resolves with the first position and reaches nobody. One call to the store. */
  readonly idempotencyKey?: string | undefined
}

/** What a room's options come to. */
export interface RoomRule {
  readonly history: HistoryRule | undefined
  readonly presence: boolean
  readonly joinLeave: boolean
}

const DEFAULT_MAX_BYTES = 4 * 1024 * 1024
const DEFAULT_META_TTL_MS = 3_600_000
const MAX_KEY_LENGTH = 256

/** Of a close frame's 125. */
const MAX_REASON_BYTES = 123

export function checkRoomsOptions(options: RoomsOptions): void {
  const {
    store,
    options: of,
    maxRoomsPerClient,
    maxReplayBytes,
    enterTimeoutMs,
    about,
    onDelivered,
    clock,
    newId,
    ...unknown
  } = options
  for (const name of Object.keys(unknown)) throw new TypeError(`unknown option: ${name}`)
  if (typeof store?.publish !== 'function' || typeof store.start !== 'function')
    throw new TypeError('store must be a store')
  if (of !== undefined && typeof of !== 'function') throw new TypeError('options must be a function')
  if (onDelivered !== undefined && typeof onDelivered !== 'function')
    throw new TypeError('onDelivered must be a function')
  if (newId !== undefined && typeof newId !== 'function') throw new TypeError('newId must be a function')
  if (clock !== undefined && typeof clock.after !== 'function') throw new TypeError('clock must be a clock')
  if (about !== undefined && !Object.values(about).every((value) => typeof value === 'string')) {
    throw new TypeError('about must be strings by name')
  }
  checkCount('maxRoomsPerClient', maxRoomsPerClient)
  checkCount('maxReplayBytes', maxReplayBytes)
  checkCount('enterTimeoutMs', enterTimeoutMs)
}

/** Reads what `options(room)` returned. */
export function ruleOf(options: RoomOptions = {}): RoomRule {
  if (typeof options !== 'object' || options === null) throw new TypeError('the options of a room must be an object')
  const { history, historyMetaTtlMs, presence = false, joinLeave = false, ...unknown } = options
  for (const name of Object.keys(unknown)) throw new TypeError(`unknown option of a room: ${name}`)
  if (typeof presence !== 'boolean') throw new TypeError('presence must be a boolean')
  if (typeof joinLeave !== 'boolean') throw new TypeError('joinLeave must be a boolean')
  checkCount('historyMetaTtlMs', historyMetaTtlMs)
  if (history === undefined) return { history, presence, joinLeave }
  if (typeof history !== 'object' || history === null) throw new TypeError('history must be an object')
  const { size, ttlMs, maxBytes = DEFAULT_MAX_BYTES, ...others } = history
  for (const name of Object.keys(others)) throw new TypeError(`unknown option of a history: ${name}`)
  for (const [name, value] of Object.entries({ size, ttlMs })) {
    if (value === undefined) throw new TypeError(`history.${name} must be given`)
  }
  checkCount('history.size', size)
  checkCount('history.ttlMs', ttlMs)
  checkCount('history.maxBytes', maxBytes)
  return { history: { size, ttlMs, maxBytes, metaTtlMs: historyMetaTtlMs ?? DEFAULT_META_TTL_MS }, presence, joinLeave }
}

export function checkCount(name: string, value: number | undefined): void {
  if (value === undefined) return
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number`)
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${name} must be a positive integer: ${value}`)
}

export function checkMember(member: Member): void {
  if (typeof member?.socket?.write !== 'function' || typeof member.socket.onClosing !== 'function') {
    throw new TypeError('socket must be a socket of @roomcast/core')
  }
  if (typeof member.client !== 'string' || typeof member.user !== 'string') {
    throw new TypeError('client and user must be strings')
  }
  if (typeof member.codec?.body !== 'function') throw new TypeError('codec must be a codec')
  if (member.info !== undefined) checkData('info', member.info)
}

/** Checks a room's name where the application chose it. */
export function checkRoom(room: string): void {
  checkString('room', room)
  if (!isRoomName(room)) throw new RangeError(`not a name of a room: ${JSON.stringify(room)}`)
}

export function checkString(name: string, value: string): void {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string`)
}

function checkData(name: string, data: Data): void {
  if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
    throw new TypeError(`${name} must be a string or a Uint8Array`)
  }
}

export function checkPublish(data: Data, { info, tags, idempotencyKey, ...unknown }: PublishOptions): void {
  for (const name of Object.keys(unknown)) throw new TypeError(`unknown option: ${name}`)
  checkData('data', data)
  if (info !== undefined && (typeof info.client !== 'string' || typeof info.user !== 'string')) {
    throw new TypeError('info must have a client and a user')
  }
  if (tags !== undefined && !Object.values(tags).every((tag) => typeof tag === 'string')) {
    throw new TypeError('tags must be strings')
  }
  if (idempotencyKey === undefined) return
  checkString('idempotencyKey', idempotencyKey)
  if (idempotencyKey.length === 0 || idempotencyKey.length > MAX_KEY_LENGTH) {
    throw new RangeError(`idempotencyKey must have 1 to ${MAX_KEY_LENGTH} characters`)
  }
}

/** Checks a position that a client was at. One that it made up is not a mistake: it is not recovered. */
export function checkSince(since: Since | undefined): void {
  if (since === undefined) return
  if (typeof since?.offset !== 'number') throw new TypeError('since must have an offset')
  if (!Number.isInteger(since.offset) || since.offset < 0) {
    throw new RangeError(`since.offset must be an integer, 0 or above: ${since.offset}`)
  }
  if (since.epoch !== undefined) checkString('since.epoch', since.epoch)
}

/** Checks what a socket is closed with: on other nodes it would be too late. */
export function checkClose(code: number, reason: string): void {
  checkInteger('code', code)
  checkString('reason', reason)
  // RFC 6455 §7.4: those of the table that may be sent, and applications' own.
  const isSendable = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
  if (!isSendable) throw new RangeError(`close code may not be sent: ${code}`)
  if (byteLength(reason) > MAX_REASON_BYTES) throw new RangeError(`reason must have at most ${MAX_REASON_BYTES} bytes`)
}

export function checkInteger(name: string, value: number): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number`)
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`${name} must be an integer, 0 or above: ${value}`)
}
