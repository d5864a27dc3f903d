// What happens in rooms, in the words of this server: frames that are made once for all members that speak them.

import { type Framed, txt } from '@roomcast/core'
import type { Codec, Data } from '@roomcast/rooms'
import { textOf } from './who/data.ts'

/** What a publication says, as JSON text. */
export const WORDS: Codec<string> = {
  body: ({ data }) => jsonOf(data),
  push: (room, json) => txt(`{"said":${json},"in":${JSON.stringify(room)}}`),
  // The words have none for these, and no member asks to hear them.
  join: (room) => out(room, {}),
  leave: (room) => out(room, {}),
  unsubscribed: (room, code, reason) => out(room, { code, reason }),
}

function out(room: string, why: { code?: number; reason?: string }): Framed {
  return txt(JSON.stringify({ left: room, ...why }))
}

/** JSON as it is. A program may publish what is none: text is a string then, and bytes are one in base64. */
function jsonOf(data: Data): string {
  const text = textOf(data)
  if (text === undefined) return JSON.stringify(Buffer.from(data as Uint8Array).toString('base64'))
  try {
    JSON.parse(text)
    return text
  } catch {
    return JSON.stringify(text)
  }
}
