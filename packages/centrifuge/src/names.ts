// Which rooms can be named in this protocol.

/** As Centrifugo has it. */
const MAX_LENGTH = 255

/** ASCII without control characters, 1 to 255 of them. */
const ROOM = new RegExp(`^[\\x20-\\x7e]{1,${MAX_LENGTH}}$`)

export function isRoomName(name: string): boolean {
  return ROOM.test(name)
}
