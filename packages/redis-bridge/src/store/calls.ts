// The calls of a store in one partition, in their order, each with a fate of its own: it settles by its own answer, or with a
// StoreUnavailableError. What was written on a line that is lost may have been carried out: only what can be carried out
// twice is written again, once there is another. Nothing waits for long, and not much waits. Before anything else a line is
// asked which Redis it leads to: numbers of another one are not those that were given out before.

import { StoreUnavailableError } from '@roomcast/rooms'
import type { Attention } from '../bus/attention.ts'
import type { Clock } from '../bus/clock.ts'
import { Lane } from '../bus/lane.ts'
import type { Lines } from '../bus/lines.ts'
import type { Call, PublishReply } from '../bus/link.ts'
import type { Command, OutQueue, WayOut } from '../bus/way-out.ts'
import { ADOPT, NO_LINEAGE } from './history-scripts.ts'

/** A call waits so long to be written. */
const WAIT_MS = 3000

/** What all calls of a store may take together that are not answered. */
const MAX_CALLS = 10_000
const MAX_BYTES = 16 * 1_048_576

/** Where it cannot be found out which Redis it is, it is tried again after so long. */
const ADOPT_AGAIN_MS = 1000

/** So many connections may end with the same call unanswered. */
const MAX_STRIKES = 3

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
export class Calls implements OutQueue {
  readonly #options: CallsOptions
  readonly #lane: Lane
  #waiting: Pending[] = []
  readonly #inFlight = new Set<Pending>()
  #order = 0
  /** The line is there, and leads to a Redis that is known. */
  #isOpen = false
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
      queue: this,
      up: () => this.flush(),
      down: () => this.#lost(new StoreUnavailableError('Redis was lost before it answered')),
      heard: () => {},
      probe: () => false,
    })
  }

  /** Where a message of the store's own is published; undefined while that is not possible. */
  get out(): WayOut | undefined {
    return this.#isOpen ? this.#lane.line?.out : undefined
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

  /** Something was answered under a lineage: where that is not the one that is known, it is looked anew which Redis it is.
   * Returns whether it is the one. */
  compare(lineage: string): boolean {
    const isKnown = lineage === this.#lineage
    if (!isKnown && this.#isOpen) this.#doubt()
    return isKnown
  }

  /** Writes as much as there is room for. */
  flush(): void {
    const out = this.#lane.line?.out
    if (out === undefined || this.#refusal !== undefined) return
    if (!this.#isOpen) return this.#adopt(out)
    while (this.#waiting.length > 0 && out.room > 0) {
      const pendings = this.#waiting.splice(0, Math.min(50, out.room))
      for (const pending of pendings) this.#inFlight.add(pending)
      out.publish(pendings.map((pending) => this.#command(pending)))
    }
  }

  /** The way out ended. It may lead elsewhere when it is there again. */
  cut(): void {
    this.#lost(new StoreUnavailableError('the connection to Redis ended before it answered'))
  }

  /** What may have ended it is not looked for among calls: those that were there too often are given up. */
  suspect(): undefined {
    return undefined
  }

  takeSuspect(): Command {
    throw new Error('no call is suspected')
  }

  close(): void {
    this.#closed = true
    this.#lane.close()
    this.#cancelAdopt?.()
    const error = new StoreUnavailableError('the store is closed')
    for (const pending of [...this.#inFlight, ...this.#waiting.splice(0)]) this.#settle(pending, error)
  }

  #doubt(): void {
    this.#isOpen = false
    this.#schedule()
  }

  #adopt(out: WayOut): void {
    if (this.#adopting || out.room <= 0) return
    this.#adopting = true
    const { line } = this.#lane
    const { lineageKey, newEpoch } = this.#options
    const call: Call = { script: ADOPT, keys: [lineageKey], args: [newEpoch()], costBytes: CALL_COST_BYTES }
    const replied = (reply: PublishReply): void => {
      if (this.#lane.line !== line || this.#closed) return
      this.#adopting = false
      if ('answer' in reply) this.#adopted(String(reply.answer))
      else this.#refused('refused' in reply ? reply.refused : new Error('no answer'))
    }
    out.publish([{ route: '', bytes: NOTHING, call, replied }])
  }

  /** Redis is there, and does not do what is needed: whoever asks is told why, and it is tried again. */
  #refused(error: Error): void {
    const refusal = new StoreUnavailableError(`Redis refuses: ${error.message}`, { cause: error })
    this.#options.refused(error)
    this.#lost(refusal)
    this.#refusal = refusal
    for (const pending of this.#waiting.splice(0)) this.#settle(pending, refusal)
    this.#cancelAdopt?.()
    this.#cancelAdopt = this.#options.clock.after(ADOPT_AGAIN_MS, () => {
      this.#refusal = undefined
      this.flush()
    })
  }

  #adopted(lineage: string): void {
    const before = this.#lineage
    this.#lineage = lineage
    this.#lane.establish()
    this.#isOpen = true
    if (before !== '' && before !== lineage) this.#options.changed()
    this.#options.up()
    this.flush()
  }

  /** What was written and is not answered never will be. */
  #lost(error: Error): void {
    this.#isOpen = false
    this.#adopting = false
    this.#refusal = undefined
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
      this.flush()
    })
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
      return this.#doubt()
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
