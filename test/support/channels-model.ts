// A reference model of channels, so simple that it is plainly right: one list of memberships in the order of joining,
// and for each socket the list of what it was sent. Operations run against the model and the real thing alike.

import type { Channels, JoinResult } from '@roomcast/channels'
import type { Socket, WriteResult } from '@roomcast/core'
import fc from 'fast-check'

export const SOCKETS = 4
/** Names that channels are made with; the last is no legal name. */
const NAMES: readonly string[] = ['a', 'b', '__proto__', 'constructor', '']
export const MAX_CHANNELS_PER_SOCKET = 3

/** One step. Sockets and names are given by index. */
export type Operation =
  | { do: 'join' | 'leave'; socket: number; name: number }
  | { do: 'leaveAll' | 'write' | 'close' | 'terminate'; socket: number }
  | { do: 'broadcast'; name: number; except: number | undefined }
  /** What the socket's next writes answer (fake sockets only). */
  | { do: 'answer'; socket: number; answer: WriteResult }
  /** The rest of the turn passes (real sockets only). */
  | { do: 'turn' }

const socket = fc.nat({ max: SOCKETS - 1 })
const name = fc.nat({ max: NAMES.length - 1 })
const some = <T>(weight: number, arbitrary: fc.Arbitrary<T>): fc.WeightedArbitrary<T> => ({ weight, arbitrary })

/** Operations that both kinds of sockets can do. Closing is rare: a closed socket does nothing of interest any more. */
export const COMMON: readonly fc.WeightedArbitrary<Operation>[] = [
  some(8, fc.record({ do: fc.constant('join' as const), socket, name })),
  some(3, fc.record({ do: fc.constant('leave' as const), socket, name })),
  some(1, fc.record({ do: fc.constant('leaveAll' as const), socket })),
  some(9, fc.record({ do: fc.constant('broadcast' as const), name, except: fc.option(socket, { nil: undefined }) })),
  some(4, fc.record({ do: fc.constant('write' as const), socket })),
  some(1, fc.record({ do: fc.constant('close' as const), socket })),
]

/** Any operation on fake sockets. */
export const ANSWER: fc.WeightedArbitrary<Operation> = some(
  2,
  fc.record({
    do: fc.constant('answer' as const),
    socket,
    answer: fc.constantFrom<WriteResult>('ok', 'ok', 'ok', 'backpressure', 'dropped', 'closed'),
  }),
)

export interface ModelSocket {
  open: boolean
  answer: WriteResult
  /** What it was sent, in order. */
  got: string[]
}

export class Model {
  readonly sockets: ModelSocket[] = Array.from({ length: SOCKETS }, () => ({ open: true, answer: 'ok', got: [] }))
  #memberships: { name: string; socket: number }[] = []
  #said = 0

  /** Does one operation, on the model and on the real thing; returns what both returned, to be compared. */
  both(operation: Operation, channels: Channels, real: readonly Socket[]): { expected: unknown; actual: unknown } {
    switch (operation.do) {
      case 'join': {
        const [to, who] = [NAMES[operation.name]!, operation.socket]
        return { expected: this.#join(to, who), actual: channels.join(to, real[who]!) }
      }
      case 'leave': {
        const [from, who] = [NAMES[operation.name]!, operation.socket]
        const expected = this.#remove((one) => one.name === from && one.socket === who) === 1
        return { expected, actual: channels.leave(from, real[who]!) }
      }
      case 'leaveAll': {
        const expected = this.#remove((one) => one.socket === operation.socket)
        return { expected, actual: channels.leaveAll(real[operation.socket]!) }
      }
      case 'broadcast': {
        const [to, except, text] = [NAMES[operation.name]!, operation.except, `broadcast ${this.#said++}`]
        const members = this.members(to).filter((member) => member !== except)
        const expected = members.map((member) => this.#write(member, text)).filter(accepted).length
        return { expected, actual: channels.broadcast(to, text, { except: real[except ?? -1] }) }
      }
      case 'write': {
        const text = `write ${this.#said++}`
        return { expected: this.#write(operation.socket, text), actual: real[operation.socket]!.write(text) }
      }
      case 'close':
      case 'terminate':
        this.#close(operation.socket)
        return { expected: undefined, actual: real[operation.socket]![operation.do]() }
      case 'answer':
        this.sockets[operation.socket]!.answer = operation.answer
        return { expected: undefined, actual: undefined }
      case 'turn':
        return { expected: undefined, actual: undefined }
    }
  }

  /** Who is where, as the model and as the real thing say. */
  whereabouts(channels: Channels, real: readonly Socket[]): { expected: unknown; actual: unknown } {
    const legal = NAMES.filter((one) => one !== '')
    return {
      expected: {
        count: legal.filter((one) => this.members(one).length > 0).length,
        members: NAMES.map((one) => this.members(one)),
        counts: NAMES.map((one) => this.members(one).length),
        channels: real.map((_, who) => this.#memberships.filter((one) => one.socket === who).map((one) => one.name)),
      },
      actual: {
        count: channels.channelCount,
        members: NAMES.map((one) => Array.from(channels.members(one), ([member]) => real.indexOf(member))),
        counts: NAMES.map((one) => channels.memberCount(one)),
        channels: real.map((one) => channels.channelsOf(one)),
      },
    }
  }

  members(channel: string): number[] {
    return this.#memberships.filter((one) => one.name === channel).map((one) => one.socket)
  }

  #join(to: string, who: number): JoinResult {
    if (to === '') return 'bad_name'
    if (!this.sockets[who]!.open) return 'closed'
    if (this.members(to).includes(who)) return 'member'
    if (this.#memberships.filter((one) => one.socket === who).length === MAX_CHANNELS_PER_SOCKET) return 'full'
    this.#memberships.push({ name: to, socket: who })
    return 'joined'
  }

  #write(who: number, text: string): WriteResult {
    const model = this.sockets[who]!
    if (!model.open) return 'closed'
    if (accepted(model.answer)) model.got.push(text)
    if (model.answer === 'closed') this.#close(who)
    return model.answer
  }

  #close(who: number): void {
    this.sockets[who]!.open = false
    this.#remove((one) => one.socket === who)
  }

  #remove(which: (one: { name: string; socket: number }) => boolean): number {
    const before = this.#memberships.length
    this.#memberships = this.#memberships.filter((one) => !which(one))
    return before - this.#memberships.length
  }
}

function accepted(result: WriteResult): boolean {
  return result === 'ok' || result === 'backpressure'
}
