// Which rooms can be named in this protocol.

/** What rooms allow; Centrifugo has 255. */
const MAX_LENGTH = 200

/** ASCII without control characters, 1 to 200 of them. */
const ROOM = new RegExp(`^[\\x20-\\x7e]{1,${MAX_LENGTH}}$`)

export function isRoomName(name: string): boolean {
  return ROOM.test(name)
}
