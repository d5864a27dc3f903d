// A connection that speaks the words of this server: who it is, and what rooms know it by.

import type { Admission, Client } from '@roomcast/centrifuge'
import type { Socket } from '@roomcast/core'
import type { Data, Member, MemberCommand } from '@roomcast/rooms'
import { Expiry } from './expiry.ts'
import { Pace } from './pace.ts'
import { warn } from './warn.ts'
import { WORDS } from './words-codec.ts'

/** How a connection ends whose user was sent away. */
export const SENT_AWAY = [3503, 'force disconnect'] as const

/** How one ends that has expired. */
export const EXPIRED = [3005, 'connection expired'] as const

/** What a client needs of the server around it. */
export interface ClientSurroundings {
  isMember(room: string, socket: Socket): boolean
  /** What others are shown of it has changed; false: it is too large. */
  renew(socket: Socket): boolean
  /** Carries out what the rooms tell a member. */
  commanded(client: WordsClient, command: MemberCommand): void
  /** It outlives its token by so long. */
  readonly expiredCloseDelayMs: number
  /** A stay in a room outlives what was granted by so long. */
  readonly expiredSubCloseDelayMs: number
  /** Its token has run out. */
  ended(client: WordsClient): void
  /** What was granted it in a room has run out. */
  expired(client: WordsClient, room: string): void
}

/** One connection, from its handshake on. */
export class WordsClient implements Client {
  readonly id: string
  readonly user: string
  info: Data | undefined
  readonly remoteAddress: string
  readonly protocol = 'json'
  readonly state = undefined
  readonly pace: Pace = new Pace()
  wasThrottled = false
  /** It counts as one of its user's connections. */
  isAdmitted = false
  readonly #around: ClientSurroundings
  readonly #admission: Admission
  #expiry: Expiry | undefined
  /** When its stays in rooms end, where they do. */
  readonly #stays = new Map<string, Expiry>()
  #member: (Omit<Member, 'info'> & { socket: Socket<WordsClient>; info: Data | undefined }) | undefined

  constructor(id: string, admission: Admission, remoteAddress: string, around: ClientSurroundings) {
    this.id = id
    this.user = admission.user
    this.info = admission.info
    this.remoteAddress = remoteAddress
    this.#admission = admission
    this.#around = around
  }

  get expiresAt(): number | undefined {
    return this.#admission.expiresAt
  }

  /** Rooms that it is put into at once. */
  get rooms(): Admission['rooms'] {
    return this.#admission.rooms
  }

  /** What rooms know it by, from `open` on. */
  get member(): Member & { socket: Socket<WordsClient> } {
    return this.#member!
  }

  /** The socket is there. */
  open(socket: Socket<WordsClient>): void {
    const { id: client, user, info } = this
    const commanded = (command: MemberCommand): void => this.#around.commanded(this, command)
    this.#member = { socket, client, user, info, codec: WORDS, commanded }
    this.expire(this.expiresAt)
  }

  /** The server prolongs it, and may say what others are shown of it from now on. */
  refresh({ expiresAt, info }: { expiresAt: number | undefined; info?: string | undefined }): void {
    this.expire(expiresAt)
    if (info === undefined) return
    const before = this.info
    this.#show(info)
    if (this.#around.renew(this.member.socket)) return
    this.#show(before)
    warn(new RangeError('the info is too large to be shown'))
  }

  #show(info: Data | undefined): void {
    this.info = info
    this.#member!.info = info
  }

  /** @param at when its token expires, in Unix seconds; undefined: never. */
  expire(at: number | undefined): void {
    if (at !== undefined) this.#expiry ??= new Expiry(() => this.#around.ended(this))
    this.#expiry?.set(at === undefined ? undefined : at * 1000 + this.#around.expiredCloseDelayMs)
  }

  /** It has come into a room, or left it.
   * @param until when what was granted runs out, in Unix seconds; undefined: never. */
  stay(room: string, until: number | undefined): void {
    this.#stays.get(room)?.set(undefined)
    this.#stays.delete(room)
    if (until === undefined) return
    const stay = new Expiry(() => {
      this.#stays.delete(room)
      this.#around.expired(this, room)
    })
    this.#stays.set(room, stay)
    stay.set(until * 1000 + this.#around.expiredSubCloseDelayMs)
  }

  closed(): void {
    this.#expiry?.set(undefined)
    for (const stay of this.#stays.values()) stay.set(undefined)
  }

  isIn(room: string): boolean {
    return this.#around.isMember(room, this.member.socket)
  }

  /** The words have none for data that belongs to no room. */
  send(): void {}

  disconnect(code: number = SENT_AWAY[0], reason: string = SENT_AWAY[1]): void {
    this.member.socket.close(code, reason)
  }
}
