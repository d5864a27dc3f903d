// What others are shown beside a client: how much it may be, and what is done when it changes.

import { byteLength } from './data.ts'
import type { RoomRule } from './options.ts'
import type { ClientInfo, Data, Present } from './port.ts'
import type { PresenceKeeper } from './presence.ts'
import type { Client } from './room.ts'

/** The most that a client's info, of its own and in one room together, may take in a room in which others are shown it. */
export const MAX_INFO_BYTES = 2048
/** What a protocol may put around the info of one room, to tell whose words it is, does not count. */
const WRAPPING_BYTES = 16

/** What others are to be shown of a client in one room. */
export interface RoomInfo {
  readonly room: string
  readonly roomInfo: Data | undefined
}

/** May a client with that info be in a room of that rule? */
export function fits({ presence, joinLeave }: RoomRule, info: Data = '', roomInfo: Data = ''): boolean {
  const most = roomInfo.length === 0 ? MAX_INFO_BYTES : MAX_INFO_BYTES + WRAPPING_BYTES
  return !(presence || joinLeave) || byteLength(info) + byteLength(roomInfo) <= most
}

/** Are members told that it comes and goes? */
export function isTold({ joinLeave }: RoomRule, { isUnannounced = false }: Present): boolean {
  return joinLeave && !isUnannounced
}

/** What those who ask who is there are told. */
export function shown(present: Present): ClientInfo {
  if (!present.isUnannounced) return present
  const { isUnannounced: _, ...info } = present
  return info
}

/** The info of a client's member has changed, or with `place` what is shown of it in one room. False: it is too large, and
 * nothing is changed. */
export function renewInfo(client: Client | undefined, presence: PresenceKeeper, place: RoomInfo | undefined): boolean {
  if (client === undefined) return true
  const all = [...client.memberships()].filter(({ room }) => place === undefined || room.name === place.room)
  const { info } = client.member
  if (!all.every(({ room, roomInfo }) => fits(room.rule, info, place ? place.roomInfo : roomInfo))) return false
  for (const membership of all) {
    if (place !== undefined) membership.roomInfo = place.roomInfo
    if (membership.isPresent) presence.renew(membership.room.name, membership.present)
  }
  return true
}
