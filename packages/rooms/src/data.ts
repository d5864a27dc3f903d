// Data of publications and infos: text or bytes. What is kept of it is a copy that holds nothing else.

import type { ClientInfo, Data } from './port.ts'

/** A shorter string is never a part of another one, or made of several. */
const MIN_SHARED_LENGTH = 13

/** A string that holds nothing but itself: one that a parser cut out of a large message keeps all of it in memory. */
export function own(text: string): string {
  return text.length < MIN_SHARED_LENGTH ? text : Buffer.from(text).toString()
}

/** Data that is kept. Bytes are the caller's to reuse. */
export function copyOf(data: Data): Data {
  return typeof data === 'string' ? own(data) : Uint8Array.from(data)
}

/** Who said it, as it is kept. */
export function copyOfInfo({ client, user, info, roomInfo }: ClientInfo): ClientInfo {
  const copy = { client: own(client), user: own(user), info: info === undefined ? undefined : copyOf(info) }
  return roomInfo === undefined ? copy : { ...copy, roomInfo: copyOf(roomInfo) }
}

/** Tags, as they are kept. */
export function copyOfTags(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([name, tag]) => [own(name), own(tag)]))
}

/** How many bytes it is on the wire. */
export function byteLength(data: Data): number {
  return typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength
}
