// Rooms: what join, leave and broadcast decide, and how a broker is kept informed. Who is where is registry.ts; what
// happens to lost messages is gap.ts. A channel name that clients can choose is answered with a value, never a throw.

import { type Framed, frame, type Payload, type Socket } from '@roomcast/core'
import type { Broker, GapInfo } from './broker.ts'
import { GAP_CLOSE_CODE, type GapEvent, type GapListener, guarded, type OnGap } from './gap.ts'
import { isChannelName, MAX_NAME_BYTES } from './name.ts'
import {
  type BroadcastOptions,
  type ChannelsOptions,
  checkBroadcast,
  checkChannel,
  checkData,
  checkEvent,
  checkFunction,
  checkOptions,
  checkSocket,
} from './options.ts'
import { type Channel, Registry } from './registry.ts'

/** What a join came to. `'member'`: it was one before. `'closed'`: the socket is not open, or the channels were closed.
 * `'full'`: the socket is in `maxChannelsPerSocket` channels. `'bad_name'`: see `isChannelName` and `maxNameBytes`. */
export type JoinResult = 'joined' | 'member' | 'closed' | 'full' | 'bad_name'

/** The meta argument of `join`: it must be given unless `Meta` admits undefined. */
export type MetaArguments<Meta> = undefined extends Meta ? [meta?: Meta] : [meta: Meta]

/** Makes a set of channels, for sockets of any core server in this process.
 * @typeParam Meta what is kept with each member. @typeParam State the `state` of the sockets.
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a wrong value; what the broker's
 * `start` throws when it serves others already. */
export function createChannels<Meta = unknown, State = unknown>(options: ChannelsOptions = {}): Channels<Meta, State> {
  checkOptions(options)
  return new Channels(options)
}

/** Channels: names, and the sockets that joined them. Made by `createChannels`. A channel begins with its first member
 * and is gone with its last. A socket leaves everything by itself the moment it starts closing.
 * Every method throws a TypeError for an argument of the wrong type, and never for a string that names no channel. */
export class Channels<Meta = unknown, State = unknown> {
  readonly #registry: Registry<Meta, State>
  readonly #broker: Broker | undefined
  readonly #maxChannelsPerSocket: number
  readonly #maxNameBytes: number
  readonly #onGap: OnGap
  #listeners: readonly GapListener[] = []
  #closed: Promise<void> | undefined

  constructor(options: ChannelsOptions) {
    const {
      broker,
      maxChannelsPerSocket = 128,
      maxNameBytes = MAX_NAME_BYTES,
      autoLeave = true,
      onGap = 'event',
    } = options
    this.#registry = new Registry(autoLeave ? (socket) => this.leaveAll(socket) : undefined)
    this.#broker = broker
    this.#maxChannelsPerSocket = maxChannelsPerSocket
    this.#maxNameBytes = maxNameBytes
    this.#onGap = onGap
    broker?.start({
      deliver: (channel, framed) => this.#writeAll(this.#registry.get(channel), framed, undefined),
      gap: (channel, info) => this.#gap(channel, info),
    })
  }

  /** How many channels have local members. */
  get channelCount(): number {
    return this.#registry.size
  }

  /** Puts a socket into a channel. Joining again changes nothing: the meta stays what it was.
   * @param meta kept with the member, for `members` and `reduce`. */
  join(channel: string, socket: Socket<State>, ...[meta]: MetaArguments<Meta>): JoinResult {
    checkChannel(channel)
    checkSocket(socket)
    const found = this.#registry.get(channel)
    if (found === undefined && !isChannelName(channel, this.#maxNameBytes)) return 'bad_name'
    if (this.#closed !== undefined || socket.readyState !== 'open') return 'closed'
    if (found?.members.has(socket)) return 'member'
    const count = this.#registry.channelsOf(socket)?.length ?? 0
    if (count >= this.#maxChannelsPerSocket) return 'full'
    const joined = this.#registry.join(channel, socket, meta as Meta)
    if (joined === undefined) return 'closed'
    if (joined.members.size === 1) this.#broker?.join(channel)
    return 'joined'
  }

  /** Takes a socket out of a channel; false when it was not in it. */
  leave(channel: string, socket: Socket<State>): boolean {
    checkChannel(channel)
    checkSocket(socket)
    const found = this.#registry.get(channel)
    if (found === undefined || !this.#registry.leave(found, socket)) return false
    if (found.members.size === 0) this.#broker?.leave(channel)
    return true
  }

  /** Takes a socket out of all its channels; returns how many these were. */
  leaveAll(socket: Socket<State>): number {
    checkSocket(socket)
    const left = this.#registry.leaveAll(socket)
    if (left === undefined) return 0
    // Only now, with the socket out of everything: a broker that throws leaves no dead member behind.
    if (this.#broker !== undefined) {
      for (const { name, members } of left) if (members.size === 0) this.#broker.leave(name)
    }
    return left.length
  }

  /** Whether a socket is in a channel. */
  isMember(channel: string, socket: Socket<State>): boolean {
    checkChannel(channel)
    checkSocket(socket)
    return this.#registry.get(channel)?.members.has(socket) ?? false
  }

  /** The names of the channels a socket is in, in the order of joining. */
  channelsOf(socket: Socket<State>): string[] {
    checkSocket(socket)
    return Array.from(this.#registry.channelsOf(socket) ?? [], ({ name }) => name)
  }

  /** Walks the local members of a channel, in the order of joining. The walk is live: whoever left is not met any more,
   * whoever joins during it may or may not be met. */
  members(channel: string): IterableIterator<[Socket<State>, Meta]> {
    checkChannel(channel)
    return (this.#registry.get(channel)?.members ?? new Map<Socket<State>, Meta>()).entries()
  }

  /** Folds the local members of a channel into one value, as `Array.prototype.reduce` does. */
  reduce<A>(channel: string, initial: A, step: (accumulator: A, socket: Socket<State>, meta: Meta) => A): A {
    checkFunction('step', step)
    let accumulator = initial
    for (const [socket, meta] of this.members(channel)) accumulator = step(accumulator, socket, meta)
    return accumulator
  }

  /** How many local members a channel has. */
  memberCount(channel: string): number {
    checkChannel(channel)
    return this.#registry.get(channel)?.members.size ?? 0
  }

  /** Sends a message to every member, here and (unless `scope` is `'local'`) on the other nodes. It is framed once, and
   * not at all when nobody is there. Calls no user code; every local member gets it in order with all else that was
   * written to it.
   * @param data as for `socket.write`: a string, bytes, an array of these, or a `Framed`.
   * @returns how many local members accepted it, by `'ok'` or `'backpressure'`.
   * @throws TypeError for data of another type, RangeError for another opcode or scope, members or not. */
  broadcast(channel: string, data: Payload | Framed, options: BroadcastOptions<State> = {}): number {
    checkChannel(channel)
    checkBroadcast(options)
    const { opcode, except, scope } = options
    const found = this.#registry.get(channel)
    const here = found !== undefined && (except === undefined || found.members.size > 1 || !found.members.has(except))
    const broker = scope === 'local' || this.#closed !== undefined ? undefined : this.#broker
    const there = broker !== undefined && (found !== undefined || isChannelName(channel, this.#maxNameBytes))
    if (!here && !there) {
      checkData(data, opcode)
      return 0
    }
    const framed = frame(data, opcode)
    const accepted = this.#writeAll(found, framed, except)
    if (there) broker.publish(channel, framed)
    return accepted
  }

  /** Resolves when no later message of another node can be missed in a channel that was joined: at once without a
   * broker. What was said before is not sent again, so load it after this. */
  ready(channel: string): Promise<void> {
    checkChannel(channel)
    if (this.#broker === undefined || this.#closed !== undefined || !isChannelName(channel, this.#maxNameBytes))
      return Promise.resolve()
    return this.#broker.ready(channel)
  }

  /** Calls `listener` whenever the bus lost messages of a channel, before `onGap` acts. What it throws becomes a process
   * warning. */
  on(event: 'gap', listener: GapListener): this {
    checkEvent(event)
    checkFunction('listener', listener)
    this.#listeners = [...this.#listeners, listener]
    return this
  }

  /** Takes a listener back; if it was given several times, the latest. */
  off(event: 'gap', listener: GapListener): this {
    checkEvent(event)
    checkFunction('listener', listener)
    const last = this.#listeners.lastIndexOf(listener)
    this.#listeners = this.#listeners.filter((_, index) => index !== last)
    return this
  }

  /** Forgets all memberships (the sockets stay open) and releases the broker. From then on joins are `'closed'` and
   * broadcasts reach nobody. Again: the same promise. */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#registry.clear()
      this.#closed = (async () => this.#broker?.close())()
    }
    return this.#closed
  }

  /** The loop that everything is about: nothing is allocated for a member. */
  #writeAll(channel: Channel<Meta, State> | undefined, framed: Framed, except: Socket<State> | undefined): number {
    if (channel === undefined) return 0
    let accepted = 0
    for (const socket of channel.members.keys()) {
      if (socket === except) continue
      const result = socket.write(framed)
      if (result === 'ok' || result === 'backpressure') accepted++
    }
    return accepted
  }

  #gap(channel: string, info: GapInfo): void {
    if (this.#closed !== undefined) return
    const gap: GapEvent = { ...info, channel }
    for (const listener of this.#listeners) guarded(`a 'gap' listener`, () => listener(gap))
    const onGap = this.#onGap
    const found = this.#registry.get(channel)
    if (onGap === 'event' || found === undefined) return
    if (onGap === 'close') {
      for (const socket of found.members.keys()) socket.close(GAP_CLOSE_CODE, 'gap')
      return
    }
    const data = guarded('onGap', () => onGap(channel, info))
    if (data !== undefined) guarded('onGap', () => this.broadcast(channel, data, { scope: 'local' }))
  }
}
