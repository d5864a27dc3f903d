// What callers pass, and its checks: their mistakes throw at the call, a TypeError for a wrong type and a RangeError for a
// wrong value. Nothing that a client can choose is judged here.

import { type Framed, frame, type Opcode, type Payload, type Socket } from '@roomcast/core'
import type { Broker } from './broker.ts'
import type { OnGap } from './gap.ts'

/** Options of `createChannels`. */
export interface ChannelsOptions {
  /** Carries broadcasts to other nodes. Default: none, this process only. */
  broker?: Broker | undefined
  /** How many channels one socket may be in. Over it: `'full'`. Default 128. */
  maxChannelsPerSocket?: number | undefined
  /** How long a name may be, in bytes of UTF-8. Over it: `'bad_name'`. Default 200; rooms, which stand on channels, have
   * names of 255. */
  maxNameBytes?: number | undefined
  /** Does a socket leave everything by itself when it starts closing? Without, whoever made the channels calls `leave` or
   * `leaveAll` from a closing listener of its own, and 200 bytes for each socket are saved. Default true. */
  autoLeave?: boolean | undefined
  /** What is done when the bus lost messages. Default `'event'`. */
  onGap?: OnGap | undefined
}

/** Options of `broadcast`. */
export interface BroadcastOptions<State = unknown> {
  /** What the message is. Default: as for `socket.write`. */
  opcode?: Opcode | undefined
  /** One socket that does not get it: the sender, mostly. */
  except?: Socket<State> | undefined
  /** `'local'`: not to other nodes. Default: to every member everywhere. */
  scope?: 'local' | undefined
}

const BROKER_METHODS = ['start', 'join', 'leave', 'ready', 'publish', 'close'] as const satisfies (keyof Broker)[]

/** Checks the options of `createChannels`. */
export function checkOptions(options: ChannelsOptions): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object')
  const { broker, maxChannelsPerSocket = 1, maxNameBytes = 1, autoLeave = true, onGap = 'event', ...unknown } = options
  for (const name of Object.keys(unknown)) throw new TypeError(`unknown option: ${name}`)
  if (broker !== undefined) {
    for (const name of BROKER_METHODS) {
      if (typeof broker?.[name] !== 'function') throw new TypeError(`broker must have a method ${name}`)
    }
  }
  for (const [name, value] of Object.entries({ maxChannelsPerSocket, maxNameBytes })) {
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number`)
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} must be a positive integer: ${value}`)
  }
  if (typeof autoLeave !== 'boolean') throw new TypeError('autoLeave must be a boolean')
  if (typeof onGap === 'string' && onGap !== 'event' && onGap !== 'close') {
    throw new RangeError(`onGap must be 'event', 'close' or a function: ${onGap}`)
  }
  if (typeof onGap !== 'string' && typeof onGap !== 'function') {
    throw new TypeError(`onGap must be 'event', 'close' or a function`)
  }
}

/** Checks that a channel is a string; which strings name one is name.ts. */
export function checkChannel(channel: string): void {
  if (typeof channel !== 'string') throw new TypeError('channel must be a string')
}

/** Checks that something is a socket, by the two methods that a registry lives on. */
export function checkSocket(socket: Socket<unknown>): void {
  if (typeof socket?.write !== 'function' || typeof socket.onClosing !== 'function') {
    throw new TypeError('socket must be a socket of @roomcast/core')
  }
}

/** Checks the options of `broadcast`; `opcode` is checked by the framing. */
export function checkBroadcast(options: BroadcastOptions<unknown>): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object')
  if (options.except !== undefined) checkSocket(options.except)
  if (options.scope !== undefined && options.scope !== 'local') {
    if (typeof options.scope !== 'string') throw new TypeError(`scope must be 'local'`)
    throw new RangeError(`scope must be 'local': ${options.scope}`)
  }
}

/** Fails where `frame` would, but frames nothing: nobody is there to get it. */
export function checkData(data: Payload | Framed, opcode: Opcode | undefined): void {
  const known = Array.isArray(data) ? data.every(isPiece) : isPiece(data)
  if (known && (opcode === undefined || opcode === 'text' || opcode === 'binary')) return
  // A Framed, which costs nothing, or a mistake, which throws what it always throws.
  frame(data, opcode)
}

function isPiece(data: unknown): boolean {
  return typeof data === 'string' || data instanceof Uint8Array || data instanceof ArrayBuffer
}

/** Checks the name of an event. */
export function checkEvent(event: 'gap'): void {
  if (event !== 'gap') throw new RangeError(`no such event: ${event}`)
}

/** Checks that a callback is a function. */
export function checkFunction(name: string, value: (...args: never[]) => unknown): void {
  if (typeof value !== 'function') throw new TypeError(`${name} must be a function`)
}
