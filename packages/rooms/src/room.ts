// A room with somebody in it, or on the way in, on this node; and a place in it. There is one of these for each client and
// room, so they are lean: no list, no copy, no map of their own.

import type { Member, Place } from './member.ts'
import type { RoomRule } from './options.ts'
import type { ClientInfo, Data, Present } from './port.ts'
import type { Track } from './track.ts'

/** A room. */
export interface Room {
  readonly name: string
  readonly rule: RoomRule
  /** Of a room with history. */
  readonly track: Track | undefined
  /** How many are in it, or on the way in. */
  count: number
}

/** A client's place in a room. */
export class Membership {
  readonly client: Client
  readonly room: Room
  roomInfo: Data | undefined
  readonly hearsJoinLeave: boolean
  /** Is it among those who are there? */
  readonly isPresent: boolean
  /** Is it told that it comes and goes? */
  readonly isAnnounced: boolean
  state: 'entering' | 'live' | 'gone' = 'entering'
  /** The place that its client took before. */
  next: Membership | undefined

  constructor(client: Client, room: Room, place: Place) {
    const { roomInfo, hearsJoinLeave = true, presence = true, joinLeave = true } = place
    this.client = client
    this.room = room
    this.roomInfo = roomInfo
    this.hearsJoinLeave = hearsJoinLeave
    this.isPresent = presence && room.rule.presence
    this.isAnnounced = joinLeave && room.rule.joinLeave
  }

  /** Who it is, as others in the room are told. */
  get info(): ClientInfo {
    const { client, user, info } = this.client.member
    const { roomInfo } = this
    return roomInfo === undefined ? { client, user, info } : { client, user, info, roomInfo }
  }

  /** The same, as presence is to keep it. */
  get present(): Present {
    return this.isAnnounced || !this.room.rule.joinLeave ? this.info : { ...this.info, isUnannounced: true }
  }
}

/** Somebody whose coming and going may be told. */
export type Announced = Pick<Membership, 'info' | 'isAnnounced'> & { readonly room: Pick<Room, 'name'> }

/** A connected client. */
export class Client {
  readonly member: Member
  #first: Membership | undefined

  constructor(member: Member) {
    this.member = member
  }

  /** Its places, the newest first. */
  *memberships(): Generator<Membership> {
    for (let one = this.#first; one !== undefined; one = one.next) yield one
  }

  /** Its place in a room, if it has one. */
  in(room: string): Membership | undefined {
    let one = this.#first
    while (one !== undefined && one.room.name !== room) one = one.next
    return one
  }

  add(membership: Membership): void {
    membership.next = this.#first
    this.#first = membership
  }

  /** What is removed still leads on to the others, so that going through them can go on. */
  remove(membership: Membership): void {
    if (this.#first === membership) {
      this.#first = membership.next
      return
    }
    for (const one of this.memberships()) if (one.next === membership) one.next = membership.next
  }
}
