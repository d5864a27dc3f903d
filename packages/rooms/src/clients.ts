// The clients of this node: by socket, because a socket's end ends everything of it, and by user, because commands name
// users.

import type { Socket } from '@roomcast/core'
import type { Member } from './member.ts'
import { Client } from './room.ts'

/** Who is connected. */
export class Clients {
  readonly #bySocket = new Map<Socket, Client>()
  /** Most users have one client. */
  readonly #byUser = new Map<string, Client | Set<Client>>()
  /** Bound to a client, it is its closing listener: less than half of what a closure would take. */
  readonly #closing: (this: Client) => void

  /** @param onClosing called when a client's socket starts closing. */
  constructor(onClosing: (client: Client) => void) {
    const forget = (client: Client): void => this.#forget(client)
    this.#closing = function (): void {
      forget(this)
      onClosing(this)
    }
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
    const client = new Client(member)
    this.#bySocket.set(socket, client)
    const others = this.#byUser.get(user)
    if (others === undefined) this.#byUser.set(user, client)
    else if (others instanceof Set) others.add(client)
    else this.#byUser.set(user, new Set([others, client]))
    socket.onClosing(this.#closing.bind(client))
    return this.#bySocket.get(socket)
  }

  #forget(client: Client): void {
    const { socket, user } = client.member
    this.#bySocket.delete(socket)
    const others = this.#byUser.get(user)
    if (others instanceof Set) others.delete(client)
    if (others === client || (others instanceof Set && others.size === 0)) this.#byUser.delete(user)
  }
}
