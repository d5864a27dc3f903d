// A connection that speaks the words of this server: who it is, and what rooms know it by.

import type { Admission, Client } from '@roomcast/centrifuge'
import type { Socket } from '@roomcast/core'
import type { Data, Member, MemberCommand } from '@roomcast/rooms'
import { Expiry } from './expiry.ts'
import { Pace } from './pace.ts'
import { WORDS } from './words-codec.ts'

/** How a connection ends whose user was sent away. */
export const SENT_AWAY = [3503, 'force disconnect'] as const

/** How one ends that has expired. */
const EXPIRED = [3005, 'connection expired'] as const

/** What a client needs of the server around it. */
export interface ClientSurroundings {
  isMember(room: string, socket: Socket): boolean
  /** Carries out what the rooms tell a member. */
  commanded(client: WordsClient, command: MemberCommand): void
  /** It outlives its token by so long. */
  readonly expiredCloseDelayMs: number
}

/** One connection, from its handshake on. */
export class WordsClient implements Client {
  readonly id: string
  readonly user: string
  readonly info: Data | undefined
  readonly remoteAddress: string
  readonly protocol = 'json'
  readonly state = undefined
  readonly pace: Pace = new Pace()
  /** It counts as one of its user's connections. */
  isAdmitted = false
  readonly #around: ClientSurroundings
  readonly #admission: Admission
  #expiry: Expiry | undefined
  #member: (Member & { socket: Socket<WordsClient> }) | undefined

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

  /** @param at when its token expires, in Unix seconds; undefined: never. */
  expire(at: number | undefined): void {
    if (at !== undefined) this.#expiry ??= new Expiry(() => this.member.socket.close(...EXPIRED))
    this.#expiry?.set(at === undefined ? undefined : at * 1000 + this.#around.expiredCloseDelayMs)
  }

  closed(): void {
    this.#expiry?.set(undefined)
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
