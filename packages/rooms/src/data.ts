// Data of publications and infos: text or bytes. What is kept of it is a copy that holds nothing else.

import type { ClientInfo, Data } from './port.ts'

/** A shorter string is never a part of another one, or made of several. */
const MIN_SHARED_LENGTH = 13

/** Bytes are the caller's to reuse. A string can be a piece of a large message, and would keep all of it. */
export function copyOf(data: Data): Data {
  if (typeof data !== 'string') return Uint8Array.from(data)
  return data.length < MIN_SHARED_LENGTH ? data : Buffer.from(data).toString()
}

/** Who said it, as it is kept. */
export function copyOfInfo({ client, user, info }: ClientInfo): ClientInfo {
  return { client, user, info: info === undefined ? undefined : copyOf(info) }
}

/** How many bytes it is on the wire. */
export function byteLength(data: Data): number {
  return typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength
}
