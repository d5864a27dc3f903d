// The calls of a store in one partition, in their order, each with a fate of its own: it settles by its own answer, or with a
// StoreUnavailableError. What was written on a line that is lost may have been carried out: only what can be carried out
// twice is written again, once there is another. Nothing waits for long, and not much waits. Before anything else a line is
// asked which Redis it leads to: numbers of another one are not those that were given out before.

import { StoreUnavailableError } from '@roomcast/rooms'
import type { Attention } from '../bus/attention.ts'
import type { Clock } from '../bus/clock.ts'
import { Lane } from '../bus/lane.ts'
import type { Command, Line } from '../bus/line.ts'
import type { Lines } from '../bus/lines.ts'
import type { Call, PublishReply } from '../bus/link.ts'
import { ADOPT, NO_LINEAGE } from './history-scripts.ts'

/** A call waits so long to be written. */
const WAIT_MS = 3000

/** What all calls of a store may take together that are not answered. */
const MAX_CALLS = 10_000
const MAX_BYTES = 16 * 1_048_576

/** Where it cannot be found out which Redis it is, it is tried again after so long. */
const ADOPT_AGAIN_MS = 1000

/** So many connections may end with the same call unanswered. */
const MAX_STRIKES = 2

const CALL_COST_BYTES = 400
const NOTHING = new Uint8Array(0)

/** What all partitions of a store share. */
export interface CallsBudget {
  calls: number
  bytes: number
}

/** A call, and how it may be written. */
export interface Request extends Omit<Call, 'costBytes'> {
  /** It may be carried out twice, and after what was asked for later. */
  readonly again: boolean
  /** Its first argument is an epoch for a room that begins, another one each time that it is written: a Redis that was
   * emptied after the first time has not seen that one. */
  readonly mayBegin?: boolean
}

interface Pending extends Call {
  readonly again: boolean
  readonly mayBegin: boolean
  readonly order: number
  /** When it was asked for, in attended time. */
  readonly since: number
  strikes: number
  resolve(answer: unknown): void
  reject(error: Error): void
}

export interface CallsOptions {
  partition: number
  clock: Clock
  attention: Attention
  lines: Lines
  budget: CallsBudget
  /** Of this partition. */
  lineageKey: string
  newEpoch(): string
  /** This Redis is another one than before, or went back: what it has is not what it had. */
  changed(): void
  /** It can be worked with, for the first time or again. */
  up(): void
  /** It cannot: it refuses what is needed. */
  refused(error: Error): void
}

/** The calls of one partition. */
export class Calls {
  readonly #options: CallsOptions
  readonly #lane: Lane
  #waiting: Pending[] = []
  readonly #inFlight = new Set<Pending>()
  #order = 0
  /** The line is there, and leads to a Redis that is known. */
  #isOpen = false
  #isCut = false
  #scheduled = false
  #adopting = false
  #lineage = ''
  #cancelAdopt: (() => void) | undefined
  /** Redis is there, and refuses what is needed. */
  #refusal: StoreUnavailableError | undefined
  #closed = false

  constructor(options: CallsOptions) {
    this.#options = options
    this.#lane = new Lane(options.partition, options.clock, options.lines, {
      up: () => this.#adopt(),
      down: () => this.#down(new StoreUnavailableError('Redis was lost before it answered')),
      cut: () => {
        this.#isCut = true
        this.#adopting = false
        this.#again(new StoreUnavailableError('the connection to Redis ended before it answered'))
      },
      mended: () => {
        this.#isCut = false
        this.#adopt()
      },
      room: () => this.#flush(),
      heard: () => {},
      probe: () => false,
    })
  }

  /** The lineage of the Redis that it is connected to; `''` while it is not known. */
  get lineage(): string {
    return this.#isOpen ? this.#lineage : ''
  }

  /** What a message of the store's own is published on; undefined while there is none. */
  get line(): Line | undefined {
    return this.#isOpen && !this.#isCut ? this.#lane.line : undefined
  }

  open(): void {
    this.#lane.open()
  }

  call(request: Request): Promise<unknown> {
    const { script, keys, args, again, mayBegin = false } = request
    const { budget, attention } = this.#options
    if (this.#closed) return Promise.reject(new StoreUnavailableError('the store is closed'))
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal)
    const costBytes = CALL_COST_BYTES + args.reduce<number>((sum, arg) => sum + sizeOf(arg), 0)
    if (budget.calls >= MAX_CALLS || budget.bytes + costBytes > MAX_BYTES) {
      return Promise.reject(new StoreUnavailableError('too much waits for Redis already'))
    }
    budget.calls++
    budget.bytes += costBytes
    return new Promise((resolve, reject) => {
      const [order, since] = [++this.#order, attention.now()]
      this.#waiting.push({ script, keys, args, again, mayBegin, costBytes, order, since, strikes: 0, resolve, reject })
      this.#schedule()
    })
  }

  /** Gives up what waited too long. */
  expire(): void {
    const before = this.#options.attention.now() - WAIT_MS
    while (this.#waiting.length > 0 && this.#waiting[0]!.since < before) {
      this.#settle(this.#waiting.shift()!, new StoreUnavailableError('Redis could not be reached in time'))
    }
  }

  /** Looks anew which Redis it is: something tells that it may be another one. */
  doubt(): void {
    if (this.#isOpen) this.#adopt()
  }

  close(): void {
    this.#closed = true
    this.#lane.close()
    this.#cancelAdopt?.()
    const error = new StoreUnavailableError('the store is closed')
    for (const pending of [...this.#inFlight, ...this.#waiting.splice(0)]) this.#settle(pending, error)
  }

  #adopt(): void {
    const { line } = this.#lane
    if (this.#adopting || line === undefined) return
    this.#isOpen = false
    this.#adopting = true
    const { lineageKey, newEpoch, refused } = this.#options
    const call: Call = { script: ADOPT, keys: [lineageKey], args: [newEpoch()], costBytes: CALL_COST_BYTES }
    const replied = (reply: PublishReply): void => {
      if (this.#lane.line !== line || this.#closed) return
      this.#adopting = false
      if ('answer' in reply) return this.#adopted(String(reply.answer))
      const error = 'refused' in reply ? reply.refused : new Error('no answer')
      refused(error)
      const refusal = new StoreUnavailableError(`Redis refuses: ${error.message}`, { cause: error })
      this.#down(refusal)
      this.#refusal = refusal
      for (const pending of this.#waiting.splice(0)) this.#settle(pending, refusal)
      this.#cancelAdopt?.()
      this.#cancelAdopt = this.#options.clock.after(ADOPT_AGAIN_MS, () => this.#adopt())
    }
    line.publish([{ route: '', bytes: NOTHING, call, replied }])
  }

  #adopted(lineage: string): void {
    const before = this.#lineage
    this.#lineage = lineage
    this.#refusal = undefined
    this.#lane.establish()
    this.#isOpen = true
    if (before !== '' && before !== lineage) this.#options.changed()
    this.#options.up()
    this.#flush()
  }

  #down(error: Error): void {
    this.#isOpen = false
    this.#isCut = false
    this.#adopting = false
    this.#refusal = undefined
    this.#again(error)
  }

  /** What was written and is not answered never will be. */
  #again(error: Error): void {
    const unanswered = [...this.#inFlight]
    this.#inFlight.clear()
    const again: Pending[] = []
    for (const pending of unanswered) {
      if (pending.again && pending.strikes < MAX_STRIKES && !this.#closed) again.push(pending)
      else this.#settle(pending, error)
    }
    this.#waiting = [...again, ...this.#waiting].sort((a, b) => a.order - b.order)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#options.clock.soon(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    const { line } = this
    if (line === undefined) return
    while (this.#waiting.length > 0 && line.room) {
      const pendings = this.#waiting.splice(0, 50)
      for (const pending of pendings) this.#inFlight.add(pending)
      line.publish(pendings.map((pending) => this.#command(pending)))
    }
  }

  #command(pending: Pending): Command {
    const { script, keys, args, costBytes, mayBegin } = pending
    const call = mayBegin ? { script, keys, args: [this.#options.newEpoch(), ...args], costBytes } : pending
    return {
      route: '',
      bytes: NOTHING,
      call,
      replied: (reply) => this.#replied(pending, reply),
      suspected: () => void pending.strikes++,
    }
  }

  #replied(pending: Pending, reply: PublishReply): void {
    if (!this.#inFlight.delete(pending)) return
    if ('answer' in reply) return this.#settle(pending, undefined, reply.answer)
    const error = 'refused' in reply ? reply.refused : new Error('no answer')
    if (error.message.startsWith(NO_LINEAGE)) {
      // Nothing was done. It comes first when it is known which Redis this is.
      this.#waiting.push(pending)
      this.#waiting.sort((a, b) => a.order - b.order)
      return this.#adopt()
    }
    this.#settle(pending, new StoreUnavailableError(`Redis refuses: ${error.message}`, { cause: error }))
  }

  #settle(pending: Pending, error: Error | undefined, answer?: unknown): void {
    this.#inFlight.delete(pending)
    this.#options.budget.calls--
    this.#options.budget.bytes -= pending.costBytes
    if (error === undefined) pending.resolve(answer)
    else pending.reject(error)
  }
}

function sizeOf(arg: string | Uint8Array | number): number {
  return typeof arg === 'number' ? 8 : arg.length
}
