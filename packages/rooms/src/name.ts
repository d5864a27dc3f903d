// Which strings may name a room: those that may name a channel, and somewhat longer ones, as protocols that others made
// have them.

import { isChannelName } from '@roomcast/channels'

/** The longest name of a room, in bytes of UTF-8. */
export const MAX_ROOM_NAME_BYTES = 255

/** Whether a string may name a room: 1–255 bytes of UTF-8, no control characters, no lone surrogates. */
export function isRoomName(name: string): boolean {
  return isChannelName(name, MAX_ROOM_NAME_BYTES)
}
