// The JSON protocol: what one text message asks for, and what it is answered. Reading is pure and strict: a message is
// exactly one of three shapes, and everything else is `bad_request`. Only what is not JSON at all closes the socket.

import type { Channels } from '@roomcast/channels'
import type { Opcode, Socket } from '@roomcast/core'
import { isFlat } from './depth.ts'

/** The largest `meta` of a join, in bytes of JSON. Every member keeps one. */
export const MAX_META_BYTES = 2048

/** The close code and reason for a message that is not JSON. */
const INVALID_PAYLOAD: readonly [code: number, reason: string] = [3000, 'invalid payload']

/** What a member of a channel said about itself when it joined. */
export type Meta = Record<string, unknown>

/** A client's mark on a request, given back with the answer. */
type Ref = string | number

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
  if (mark !== undefined && !isRef(mark)) return { kind: 'bad', ref: undefined }
  const ref = mark
  if (hasKeys(rest, ['join'], ['meta'])) {
    const { join: channel, meta } = rest
    if (typeof channel === 'string' && (meta === undefined || isMeta(meta))) return { kind: 'join', channel, meta, ref }
  } else if (hasKeys(rest, ['leave'])) {
    const { leave: channel } = rest
    if (typeof channel === 'string') return { kind: 'leave', channel, ref }
  } else if (hasKeys(rest, ['say', 'to'])) {
    const { say: value, to: channel } = rest
    if (typeof channel === 'string' && isFlat(value)) return { kind: 'say', channel, value, ref }
  }
  return { kind: 'bad', ref }
}

/** What the answer to a join has to wait for, if anything: until other servers are heard in the channel. */
export type Confirmation = (channel: string) => Promise<void> | undefined

/** Does what one message of `socket` asks for and answers it. While an answer waits, so do the socket's next messages.
 * @param confirm without one, nothing waits. */
export function respond(
  channels: Channels<Meta>,
  socket: Socket,
  data: Buffer,
  opcode: Opcode,
  confirm?: Confirmation,
): Promise<void> | undefined {
  const request = opcode === 'text' ? readRequest(data.toString()) : undefined
  if (request === undefined) {
    socket.close(...INVALID_PAYLOAD)
    return undefined
  }
  const answer = perform(channels, socket, request)
  if (answer === undefined) return undefined
  const text = JSON.stringify(answer)
  const wait = request.kind === 'join' ? confirm?.(request.channel) : undefined
  if (wait !== undefined) return wait.then(() => void socket.write(text))
  socket.write(text)
  return undefined
}

/** The message that every member of `channel` receives. */
export function said(channel: string, value: unknown): string {
  return JSON.stringify({ said: value, in: channel })
}

function perform(channels: Channels<Meta>, socket: Socket, request: Request): object | undefined {
  const { kind, ref } = request
  if (kind === 'bad') return { error: 'bad_request', ref }
  const { channel } = request
  if (kind === 'leave') {
    channels.leave(channel, socket)
    return { left: channel, ref }
  }
  if (kind === 'say') {
    if (!channels.isMember(channel, socket)) return { error: 'not_a_member', ref }
    channels.broadcast(channel, said(channel, request.value))
    return { ok: ref ?? true }
  }
  const result = channels.join(channel, socket, request.meta ?? {})
  if (result === 'closed') return undefined
  return result === 'joined' || result === 'member' ? { joined: channel, ref } : { error: result, ref }
}

/** `required` all there, and nothing but them and `optional`. */
function hasKeys(object: object, required: readonly string[], optional: readonly string[] = []): boolean {
  const keys = Object.keys(object)
  return required.every((key) => keys.includes(key)) && keys.every((key) => [...required, ...optional].includes(key))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isRef(value: unknown): value is Ref {
  // JSON can write numbers that a double cannot hold (1e999); they would be echoed as null.
  return typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))
}

function isMeta(value: unknown): value is Meta {
  return isObject(value) && isFlat(value) && Buffer.byteLength(JSON.stringify(value)) <= MAX_META_BYTES
}
