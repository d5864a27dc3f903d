// The JSON protocol: what one text message asks for, and what it is answered. Reading is pure and strict: a message is
// exactly one of three shapes, and everything else is `bad_request`. Only what is not JSON at all closes the socket.

import type { Channels } from '@roomcast/channels'
import { type Framed, type Opcode, type Socket, txt } from '@roomcast/core'
import type { Gate } from './gate.ts'
import { numberRef } from './ref.ts'
import { flawOf } from './value.ts'

/** The largest `meta` of a join, in bytes of JSON. Every member keeps one. */
export const MAX_META_BYTES = 2048

/** The close code and reason for a message that is not JSON. */
const INVALID_PAYLOAD: readonly [code: number, reason: string] = [3000, 'invalid payload']

/** What a member of a channel said about itself when it joined. */
export type Meta = Record<string, unknown>

/** A client's mark on a request, given back with the answer: the JSON of a string or a number, as it goes out. */
type Ref = string

/** One message, understood. */
export type Request =
  | { kind: 'join'; channel: string; meta: Meta | undefined; ref: Ref | undefined }
  | { kind: 'leave'; channel: string; ref: Ref | undefined }
  | { kind: 'say'; channel: string; value: unknown; ref: Ref | undefined }
  | { kind: 'bad'; ref: Ref | undefined }

/** Reads one text message.
 * @returns the request, or `undefined` when the text is not JSON. */
export function readRequest(text: string): Request | undefined {
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(message)) return { kind: 'bad', ref: undefined }
  const { ref: mark, ...rest } = message
  if (mark !== undefined && !isMark(mark)) return { kind: 'bad', ref: undefined }
  const ref = typeof mark === 'number' ? numberRef(text) : mark === undefined ? undefined : JSON.stringify(mark)
  if (hasKeys(rest, ['join'], ['meta'])) {
    const { join: channel, meta } = rest
    if (typeof channel === 'string' && (meta === undefined || isMeta(meta))) return { kind: 'join', channel, meta, ref }
  } else if (hasKeys(rest, ['leave'])) {
    const { leave: channel } = rest
    if (typeof channel === 'string') return { kind: 'leave', channel, ref }
  } else if (hasKeys(rest, ['say', 'to'])) {
    const { say: value, to: channel } = rest
    if (typeof channel === 'string' && flawOf(value) === undefined) return { kind: 'say', channel, value, ref }
  }
  return { kind: 'bad', ref }
}

/** What answering takes. */
export interface Surroundings {
  channels: Channels<Meta>
  /** When something may be said. */
  gate: Gate
  /** The largest thing that may be said, in bytes of JSON. */
  maxDataBytes: number
  /** What the answer to a join has to wait for, if anything: until other servers are heard in the channel. */
  confirm?: ((channel: string) => Promise<void> | undefined) | undefined
}

/** Does what one message of `socket` asks for and answers it. While the promise it may return is pending, the socket's
 * next messages wait. */
export function respond(around: Surroundings, socket: Socket, data: Buffer, opcode: Opcode): Promise<void> | undefined {
  const request = opcode === 'text' ? readRequest(data.toString()) : undefined
  if (request === undefined) {
    socket.close(...INVALID_PAYLOAD)
    return undefined
  }
  const { ref } = request
  if (request.kind === 'bad') answer(socket, { error: 'bad_request' }, ref)
  else if (request.kind === 'join') return join(around, socket, request)
  else if (request.kind === 'say') return say(around, socket, request)
  else {
    around.channels.leave(request.channel, socket)
    answer(socket, { left: request.channel }, ref)
  }
  return undefined
}

type RequestOf<K extends Request['kind']> = Extract<Request, { kind: K }>

function join(around: Surroundings, socket: Socket, request: RequestOf<'join'>): Promise<void> | undefined {
  const { channel, meta = {}, ref } = request
  const result = around.channels.join(channel, socket, meta)
  if (result === 'closed') return undefined
  const isIn = result === 'joined' || result === 'member'
  const done = (): void => answer(socket, isIn ? { joined: channel } : { error: result }, ref)
  const wait = isIn ? around.confirm?.(channel) : undefined
  if (wait !== undefined) return wait.then(done)
  done()
  return undefined
}

function say(around: Surroundings, socket: Socket, request: RequestOf<'say'>): Promise<void> | undefined {
  const { channel, value, ref } = request
  const { channels, gate, maxDataBytes } = around
  if (!channels.isMember(channel, socket)) return void answer(socket, { error: 'not_a_member' }, ref)
  const frame = said(channel, value, maxDataBytes)
  if (frame === 'too_large') return void answer(socket, { error: frame }, ref)
  const speak = (): void => {
    channels.broadcast(channel, frame)
    socket.write(`{"ok":${ref ?? true}}`)
  }
  const wait = gate.say(channel, frame.bytes.length, speak, socket)
  if (wait === 'busy') return void answer(socket, { error: wait }, ref)
  return wait?.then(() => {})
}

/** The message that every member of `channel` receives, framed; or that its data is too large as it is written here:
 * `1e20` becomes 21 digits. */
export function said(channel: string, value: unknown, maxDataBytes: number): Framed | 'too_large' {
  const data = JSON.stringify(value)
  return Buffer.byteLength(data) > maxDataBytes ? 'too_large' : txt(`{"said":${data},"in":${JSON.stringify(channel)}}`)
}

function answer(socket: Socket, fields: object, ref: Ref | undefined): void {
  const text = JSON.stringify(fields)
  socket.write(ref === undefined ? text : `${text.slice(0, -1)},"ref":${ref}}`)
}

/** `required` all there, and nothing but them and `optional`. */
function hasKeys(object: object, required: readonly string[], optional: readonly string[] = []): boolean {
  const keys = Object.keys(object)
  return required.every((key) => keys.includes(key)) && keys.every((key) => [...required, ...optional].includes(key))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isMark(value: unknown): value is string | number {
  // 1e999 is a number in JSON and none in any other place.
  return typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))
}

function isMeta(value: unknown): value is Meta {
  return isObject(value) && flawOf(value) === undefined && Buffer.byteLength(JSON.stringify(value)) <= MAX_META_BYTES
}
