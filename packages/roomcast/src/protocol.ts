// The words of this server: what one text message asks for. Reading is pure and strict: a message is exactly one of three
// shapes, and everything else is `bad_request`. Only what is not JSON at all closes the socket.

import { numberRef } from './ref.ts'
import { flawOf } from './value.ts'

/** The largest `meta` of a join, in bytes of JSON. Every member keeps one. */
export const MAX_META_BYTES = 2048

/** What a member of a room said about itself when it joined. */
type Meta = Record<string, unknown>

/** A client's mark on a request, given back with the answer: the JSON of a string or a number, as it goes out. */
export type Ref = string

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

/** A request of one kind. */
export type RequestOf<K extends Request['kind']> = Extract<Request, { kind: K }>

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
