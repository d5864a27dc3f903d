// The clients of this node: by socket, because a socket's end ends everything of it, and by user, because commands name
// users.

import type { Socket } from '@roomcast/core'
import type { Member } from './member.ts'
import type { ClientInfo, Data } from './port.ts'

/** A client's place in a room. */
export interface Membership {
  readonly client: Client
  readonly room: string
  state: 'entering' | 'live' | 'gone'
  /** Was it entered into the room's presence? */
  present: boolean
  readonly roomInfo: Data | undefined
  readonly hearsJoinLeave: boolean
}

/** A connected client. */
export interface Client {
  readonly member: Member
  /** Most clients are in few rooms, and an empty Map is 200 bytes. */
  memberships: Membership[]
}

/** A client's place in a room, if it has one. */
export function membershipIn({ memberships }: Client, room: string): Membership | undefined {
  return memberships.find((membership) => membership.room === room)
}

/** Who a client is, as those in the room see it. */
export function infoOf({ client: { member }, roomInfo }: Membership): ClientInfo {
  const { client, user, info } = member
  return roomInfo === undefined ? { client, user, info } : { client, user, info, roomInfo }
}

/** Who is connected. */
export class Clients {
  readonly #bySocket = new Map<Socket, Client>()
  /** Most users have one client. */
  readonly #byUser = new Map<string, Client | Set<Client>>()
  readonly #onClosing: (client: Client) => void

  /** @param onClosing called when a client's socket starts closing. */
  constructor(onClosing: (client: Client) => void) {
    this.#onClosing = onClosing
  }

  get size(): number {
    return this.#bySocket.size
  }

  /** How many users they are of. */
  get users(): number {
    return this.#byUser.size
  }

  get(socket: Socket): Client | undefined {
    return this.#bySocket.get(socket)
  }

  of(user: string): Client[] {
    const clients = this.#byUser.get(user)
    return clients instanceof Set ? [...clients] : clients === undefined ? [] : [clients]
  }

  all(): Iterable<Client> {
    return this.#bySocket.values()
  }

  /** The client of that member; undefined when its socket is not open. */
  connect(member: Member): Client | undefined {
    const { socket, user } = member
    const known = this.#bySocket.get(socket)
    if (known !== undefined) return known
    if (socket.readyState !== 'open') return undefined
    const client: Client = { member, memberships: [] }
    this.#bySocket.set(socket, client)
    const others = this.#byUser.get(user)
    if (others === undefined) this.#byUser.set(user, client)
    else if (others instanceof Set) others.add(client)
    else this.#byUser.set(user, new Set([others, client]))
    socket.onClosing(() => this.#forget(client))
    return this.#bySocket.get(socket)
  }

  #forget(client: Client): void {
    const { socket, user } = client.member
    this.#bySocket.delete(socket)
    const others = this.#byUser.get(user)
    if (others instanceof Set) others.delete(client)
    if (others === client || (others instanceof Set && others.size === 0)) this.#byUser.delete(user)
    this.#onClosing(client)
  }
}
