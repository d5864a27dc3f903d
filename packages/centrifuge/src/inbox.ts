// The commands of one connection that have come and are not carried out yet: when the next one may start. In their order;
// of one room one after the other, else beside each other, up to a number; and no faster than the bucket has tokens.

import type { Clock } from '@roomcast/rooms'
import type { Alarm } from './alarm.ts'
import type { Limits } from './options.ts'
import type { Raw } from './wire/format.ts'
import type { Command } from './wire/schema.ts'

export interface InboxOptions {
  readonly alarm: Alarm
  readonly clock: Clock
  readonly limits: Pick<Limits, 'commandsPerSecond' | 'commandBurst' | 'maxCommandsUnderWay'>
}

/** What carries commands out. */
export interface Worker {
  /** Reads a command; undefined: it is none, and nothing more is read. */
  decode(raw: Raw): Command | undefined
  /** Which commands it must not overtake; undefined: it goes its own way. */
  laneOf(command: Command): string | undefined
  /** Carries one out. When it returns a promise, the next of its lane waits. */
  start(command: Command): Promise<void> | undefined
  /** More came than may be started for now, for the first time. */
  throttled(): void
  /** As many as possible were started for now. */
  pumped(): void
}

/** So many places before the line are let go of at the latest. */
const MAX_GAP = 1024

/** The waiting line of one connection. */
export class Inbox {
  readonly #options: InboxOptions
  readonly #worker: Worker
  #waiting: Raw[] = []
  /** Where in `#waiting` the line begins. */
  #first = 0
  #head: Command | undefined
  #bytes = 0
  /** Those that are occupied: few. */
  #lanes: string[] = []
  #underWay = 0
  #tokens: number
  #filledAt: number
  #isHeld = false
  #isStopped = false
  #isPumping = false
  #wasThrottled = false

  constructor(options: InboxOptions, worker: Worker) {
    this.#options = options
    this.#worker = worker
    this.#tokens = options.limits.commandBurst
    this.#filledAt = options.clock.now()
  }

  /** Bytes (of text: characters) that wait. */
  get bytes(): number {
    return this.#bytes
  }

  add(raw: Raw): void {
    if (this.#isStopped) return
    this.#waiting.push(raw)
    this.#bytes += raw.length
  }

  /** Starts what may start. */
  pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (this.#startNext()) {}
    } finally {
      this.#isPumping = false
    }
    if (this.#first === this.#waiting.length || this.#first >= MAX_GAP) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
    this.#worker.pumped()
  }

  /** Nothing starts until `release`. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    this.pump()
  }

  /** Nothing starts any more, and nothing is kept. */
  stop(): void {
    this.#isStopped = true
    this.#waiting = []
    this.#first = 0
    this.#bytes = 0
    this.#head = undefined
  }

  /** Something else is under way beside the lanes: it counts until the promise is settled. */
  track(work: Promise<unknown>): void {
    this.#underWay++
    const done = (): void => {
      this.#underWay--
      this.pump()
    }
    work.then(done, done)
  }

  #startNext(): boolean {
    if (this.#isStopped || this.#isHeld || this.#first === this.#waiting.length) return false
    if (this.#underWay >= this.#options.limits.maxCommandsUnderWay || !this.#hasToken()) return false
    const raw = this.#waiting[this.#first]!
    const command = (this.#head ??= this.#worker.decode(raw))
    if (command === undefined) return false
    const lane = this.#worker.laneOf(command)
    if (lane !== undefined && this.#lanes.includes(lane)) return false
    this.#waiting[this.#first++] = ''
    this.#bytes -= raw.length
    this.#head = undefined
    this.#tokens--
    const work = this.#worker.start(command)
    if (work !== undefined) this.#occupy(lane, work)
    return true
  }

  #occupy(lane: string | undefined, work: Promise<void>): void {
    if (lane !== undefined) {
      this.#lanes = this.#lanes.concat(lane)
      const free = (): void => {
        this.#lanes = this.#lanes.filter((other) => other !== lane)
      }
      work.then(free, free)
    }
    this.track(work)
  }

  #hasToken(): boolean {
    const { clock, limits, alarm } = this.#options
    const { commandsPerSecond, commandBurst } = limits
    const at = clock.now()
    if (this.#tokens < commandBurst) {
      this.#tokens = Math.min(commandBurst, this.#tokens + ((at - this.#filledAt) * commandsPerSecond) / 1000)
    }
    this.#filledAt = at
    if (this.#tokens >= 1) return true
    if (!this.#wasThrottled) this.#worker.throttled()
    this.#wasThrottled = true
    alarm.set('tokens', Math.ceil(((1 - this.#tokens) * 1000) / commandsPerSecond), () => this.pump())
    return false
  }
}
