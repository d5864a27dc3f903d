// The live members of all rooms on this node, by codec: one frame for each codec, written to its members by channels.

import { type Channels, createChannels } from '@roomcast/channels'
import type { Framed, Socket } from '@roomcast/core'
import type { Codec } from './member.ts'
import { MAX_ROOM_NAME_BYTES } from './name.ts'
import type { Membership } from './room.ts'

/** How many rooms a socket may be in is decided before. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER

/** Who hears what is said in a room. Whoever starts closing must be taken out. */
export class Audience {
  readonly #channels = new Map<Codec, Channels<Membership>>()
  readonly #onSent: (room: string, members: number) => void

  /** @param onSent hears of each `send` that had members. */
  constructor(onSent: (room: string, members: number) => void) {
    this.#onSent = onSent
  }

  join(room: string, membership: Membership): void {
    const { codec, socket } = membership.client.member
    let channels = this.#channels.get(codec)
    if (channels === undefined) {
      channels = createChannels<Membership>({
        maxChannelsPerSocket: NO_LIMIT,
        maxNameBytes: MAX_ROOM_NAME_BYTES,
        autoLeave: false,
      })
      this.#channels.set(codec, channels)
    }
    channels.join(room, socket, membership)
  }

  leave(room: string, { client: { member } }: Membership): void {
    const channels = this.#channels.get(member.codec)
    if (channels === undefined) return
    channels.leave(room, member.socket)
    if (channels.channelCount === 0) this.#channels.delete(member.codec)
  }

  /** Writes to every live member of a room what `make` makes for its codec. */
  send(room: string, make: (codec: Codec) => Framed): void {
    let members = 0
    for (const [codec, channels] of this.#channels) {
      const count = channels.memberCount(room)
      if (count === 0) continue
      members += count
      channels.broadcast(room, make(codec), { scope: 'local' })
    }
    if (members > 0) this.#onSent(room, members)
  }

  /** The same, to those who want to hear who comes and goes. */
  sendJoinLeave(room: string, make: (codec: Codec) => Framed): void {
    for (const [codec, channels] of this.#channels) {
      let frame: Framed | undefined
      for (const [socket, { hearsJoinLeave }] of channels.members(room)) {
        if (hearsJoinLeave) socket.write((frame ??= make(codec)))
      }
    }
  }

  /** The first socket of a room's live members that passes a test. */
  find(room: string, test: (socket: Socket) => boolean): Socket | undefined {
    for (const channels of this.#channels.values()) {
      for (const [socket] of channels.members(room)) if (test(socket)) return socket
    }
    return undefined
  }

  /** How many live members a room has. */
  count(room: string): number {
    let count = 0
    for (const channels of this.#channels.values()) count += channels.memberCount(room)
    return count
  }

  /** Is it a live member? */
  has(room: string, socket: Socket): boolean {
    for (const channels of this.#channels.values()) if (channels.isMember(room, socket)) return true
    return false
  }

  /** The live members of a room, as they are now. */
  members(room: string): Membership[] {
    const all: Membership[] = []
    for (const channels of this.#channels.values())
      for (const [, membership] of channels.members(room)) all.push(membership)
    return all
  }
}
