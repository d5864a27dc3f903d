// Who is in which channel: two indexes that mirror each other, channel → members and socket → its channels. The first
// makes a broadcast a plain loop, the second makes a closing socket leave in as many steps as it has channels.

import type { Socket } from '@roomcast/core'

/** A channel with at least one member: an empty one does not exist. */
export interface Channel<Meta, State> {
  readonly name: string
  readonly members: Map<Socket<State>, Meta>
}

/** The socket's side. It exists while the socket is in a channel, and with it its closing listener. */
interface Membership<Meta, State> {
  /** In the order of joining. Most sockets are in few channels, and a Set of one is 150 bytes. */
  channels: Channel<Meta, State>[]
  /** Takes the closing listener back. */
  release: (() => void) | undefined
}

/** The two indexes. It checks nothing: names, limits and the state of sockets are decided in channels.ts. */
export class Registry<Meta, State> {
  readonly #channels = new Map<string, Channel<Meta, State>>()
  readonly #memberships = new Map<Socket<State>, Membership<Meta, State>>()
  readonly #onClosing: ((socket: Socket<State>) => void) | undefined

  /** @param onClosing called when a socket that is in a channel starts closing; it must end in `leaveAll`. Without it
   * somebody else sees to that. */
  constructor(onClosing: ((socket: Socket<State>) => void) | undefined) {
    this.#onClosing = onClosing
  }

  /** How many channels there are. */
  get size(): number {
    return this.#channels.size
  }

  /** The channel of that name, if anybody is in it. */
  get(name: string): Channel<Meta, State> | undefined {
    return this.#channels.get(name)
  }

  /** The channels a socket is in, if it is in any. */
  channelsOf(socket: Socket<State>): readonly Channel<Meta, State>[] | undefined {
    return this.#memberships.get(socket)?.channels
  }

  /** Puts a socket into a channel where it is not yet.
   * @returns the channel, or undefined when the socket turned out to be closing. */
  join(name: string, socket: Socket<State>, meta: Meta): Channel<Meta, State> | undefined {
    const channel = this.#channels.get(name) ?? { name, members: new Map() }
    // The socket's side first: it is the one that guarantees clean-up, so no member may exist without it.
    const membership = this.#memberships.get(socket) ?? this.#enter(socket)
    if (membership === undefined) return undefined
    if (membership.channels.length === 0) membership.channels = [channel]
    else membership.channels.push(channel)
    if (channel.members.size === 0) this.#channels.set(name, channel)
    channel.members.set(socket, meta)
    return channel
  }

  /** Takes a socket out of a channel; false when it was not in it. */
  leave(channel: Channel<Meta, State>, socket: Socket<State>): boolean {
    if (!channel.members.delete(socket)) return false
    if (channel.members.size === 0) this.#channels.delete(channel.name)
    const membership = this.#memberships.get(socket)!
    membership.channels.splice(membership.channels.indexOf(channel), 1)
    if (membership.channels.length === 0) {
      this.#memberships.delete(socket)
      membership.release?.()
    }
    return true
  }

  /** Takes a socket out of all its channels.
   * @returns the channels it was in, if any. */
  leaveAll(socket: Socket<State>): readonly Channel<Meta, State>[] | undefined {
    const membership = this.#memberships.get(socket)
    if (membership === undefined) return undefined
    this.#memberships.delete(socket)
    for (const channel of membership.channels) {
      channel.members.delete(socket)
      if (channel.members.size === 0) this.#channels.delete(channel.name)
    }
    membership.release?.()
    return membership.channels
  }

  /** Forgets everybody. */
  clear(): void {
    for (const { members } of this.#channels.values()) members.clear()
    this.#channels.clear()
    for (const { release } of this.#memberships.values()) release?.()
    this.#memberships.clear()
  }

  #enter(socket: Socket<State>): Membership<Meta, State> | undefined {
    const membership: Membership<Meta, State> = { channels: [], release: undefined }
    this.#memberships.set(socket, membership)
    const onClosing = this.#onClosing
    if (onClosing === undefined) return membership
    membership.release = socket.onClosing(() => onClosing(socket))
    // The listener runs at once when the socket is not open any more: then it has left already.
    return this.#memberships.get(socket) === membership ? membership : undefined
  }
}
