// One link while it lasts, shared by the partitions that its place carries: how much may be on its way, in which order
// answers are owed, and whether the other side is still there. Three things tell that it is not: no answer to what was
// written, no progress of subscriptions, and our own messages not coming back. That others' messages come does not tell:
// we might publish into the void.

import type { Attention } from './attention.ts'
import type { Clock } from './clock.ts'
import type { Link, LinkEvents, PublishReply, RoutedMessage } from './link.ts'

/** What may be written and unanswered. Little waits in kernels, where nobody could take it back or write past it. */
const MAX_UNANSWERED = 1000
const MAX_UNANSWERED_BYTES = 4 * 1_048_576

/** What is written in the long run, and at once: a receiver for whom too much waits is cut off (by Redis at 32 MiB), so that
 * node queued in bad times must not come in one flood. */
const BYTES_PER_MS = (16 * 1_048_576) / 1000
const BURST_BYTES = 4 * 1_048_576

/** In attended time; all but the first begin anew with each sign of progress. */
const OPEN_MS = 10_000
const ANSWER_MS = 4000

/** Silence until a probe, and after each of two: with a tick for each, 9 s at most. */
const QUIET_MS = 3450
const ECHO_MS = 2450
const PROBES = 2

/** A message with what is done about its answer. */
export interface Command extends RoutedMessage {
  replied(reply: PublishReply): void
  /** The other side ended the connection, and this is the first that it did not answer. */
  suspected?(): void
}

/** A partition that uses a line. */
export interface LineUser {
  up(line: Line): void
  down(error: Error): void
  /** More may be written. */
  room(): void
  /** One of our own messages came back. */
  heard(): void
  /** Publishes a probe on a route that it listens to; false: it does not listen yet. */
  probe(): boolean
}

export interface LineOptions {
  clock: Clock
  attention: Attention
  open(events: LinkEvents): Link
  message(line: Line, route: string, bytes: Buffer): void
  /** Nobody can use it any more. */
  over(): void
}

export class Line {
  readonly #options: LineOptions
  readonly #link: Link
  readonly #users = new Set<LineUser>()
  readonly #unanswered = new Set<Command>()
  readonly #unwatch: () => void
  #state: 'opening' | 'up' | 'over' = 'opening'
  #unansweredBytes = 0
  /** Bytes that may be written now, as of `#refilledAt`. */
  #tokens = BURST_BYTES
  #refilledAt: number
  #cancelPace: (() => void) | undefined
  #roomDue = false
  #operations = 0
  /** In attended time. */
  #openedAt: number
  #answeredAt = 0
  #confirmedAt = 0
  #heardAt = 0
  #probedAt = 0
  /** Probes since something of our own came back. */
  #probes = 0
  #probing = false
  #probeDue = false

  constructor(options: LineOptions) {
    this.#options = options
    this.#openedAt = options.attention.now()
    this.#refilledAt = options.clock.now()
    this.#link = options.open({
      up: () => this.#up(),
      progress: () => {
        this.#openedAt = options.attention.now()
      },
      down: (error) => this.#down(error),
      message: (route, bytes) => {
        if (this.#state === 'up') options.message(this, route, bytes)
      },
    })
    this.#unwatch = options.attention.watch(() => this.#judge())
  }

  add(user: LineUser): void {
    this.#users.add(user)
    if (this.#state !== 'up') return
    this.#options.clock.soon(() => {
      if (this.#state === 'up' && this.#users.has(user)) user.up(this)
    })
  }

  /** The last one closes it. */
  remove(user: LineUser): void {
    if (this.#users.delete(user) && this.#users.size === 0) this.#end()
  }

  /** Whether more may be written. What cannot wait is written regardless. */
  get room(): boolean {
    if (this.#state !== 'up' || this.#unanswered.size >= MAX_UNANSWERED) return false
    return this.#unansweredBytes < MAX_UNANSWERED_BYTES && this.#refill() > 0
  }

  publish(commands: readonly Command[]): void {
    if (this.#state !== 'up' || commands.length === 0) return
    if (this.#unanswered.size === 0) this.#answeredAt = this.#options.attention.now()
    this.#refill()
    for (const command of commands) {
      this.#unanswered.add(command)
      this.#unansweredBytes += command.bytes.length
      this.#tokens -= command.bytes.length
    }
    this.#link.publish(commands, (index, reply) => this.#replied(commands[index]!, reply))
    if (this.#tokens <= 0) {
      this.#cancelPace ??= this.#options.clock.after(1 - this.#tokens / BYTES_PER_MS, () => {
        this.#cancelPace = undefined
        this.#offerRoom()
      })
    }
  }

  subscribe(routes: readonly string[], done: (error?: Error) => void): void {
    if (this.#state === 'up') this.#link.subscribe(routes, this.#watched(done))
  }

  unsubscribe(routes: readonly string[], done: (error?: Error) => void): void {
    if (this.#state === 'up') this.#link.unsubscribe(routes, this.#watched(done))
  }

  /** Something of our own came back. */
  heard(): void {
    this.#probes = 0
    this.#heardAt = this.#options.attention.now()
    for (const user of [...this.#users]) user.heard()
  }

  /** A user listens from now on, and wants to know whether it is heard. */
  verify(): void {
    if (this.#probeDue || this.#state !== 'up') return
    this.#probeDue = true
    this.#options.clock.soon(() => {
      this.#probeDue = false
      if (this.#state !== 'up') return
      this.#probes = 0
      this.#probe()
    })
  }

  /** It cannot be believed any more. */
  fail(error: Error): void {
    if (this.#state === 'over') return
    const users = [...this.#users]
    this.#end()
    for (const user of users) user.down(error)
  }

  #up(): void {
    if (this.#state !== 'opening') return
    this.#state = 'up'
    this.#confirmedAt = this.#options.attention.now()
    for (const user of [...this.#users]) if (this.#users.has(user)) user.up(this)
  }

  #down(error: Error): void {
    if (this.#state === 'over') return
    const [first] = this.#unanswered
    first?.suspected?.()
    this.fail(error)
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#unwatch()
    this.#cancelPace?.()
    this.#unanswered.clear()
    this.#users.clear()
    this.#options.over()
    this.#link.close()
  }

  #replied(command: Command, reply: PublishReply): void {
    if (!this.#unanswered.delete(command)) return
    this.#unansweredBytes -= command.bytes.length
    this.#answeredAt = this.#options.attention.now()
    command.replied(reply)
    this.#offerRoom()
  }

  #watched(done: (error?: Error) => void): (error?: Error) => void {
    if (this.#operations++ === 0) this.#confirmedAt = this.#options.attention.now()
    return (error) => {
      if (this.#state === 'over') return
      this.#operations--
      this.#confirmedAt = this.#options.attention.now()
      done(error)
    }
  }

  #refill(): number {
    const now = this.#options.clock.now()
    this.#tokens = Math.min(BURST_BYTES, this.#tokens + (now - this.#refilledAt) * BYTES_PER_MS)
    this.#refilledAt = now
    return this.#tokens
  }

  #offerRoom(): void {
    if (this.#roomDue || this.#state !== 'up') return
    this.#roomDue = true
    this.#options.clock.soon(() => {
      this.#roomDue = false
      for (const user of [...this.#users]) {
        if (!this.room) return
        // Who was asked is asked last the next time.
        if (this.#users.delete(user)) this.#users.add(user)
        user.room()
      }
    })
  }

  #judge(): void {
    const now = this.#options.attention.now()
    if (this.#state === 'opening') {
      if (now - this.#openedAt > OPEN_MS) this.fail(new Error('the connection was not there in time'))
    } else if (this.#unanswered.size > 0 && now - this.#answeredAt > ANSWER_MS) {
      this.fail(new Error('what was published is not answered'))
    } else if (this.#operations > 0 && now - this.#confirmedAt > ANSWER_MS) {
      this.fail(new Error('subscriptions are not confirmed'))
    } else if (this.#probing) {
      this.#judgeEchoes(now)
    }
  }

  #judgeEchoes(now: number): void {
    if (this.#probes === 0 ? now - this.#heardAt < QUIET_MS : now - this.#probedAt < ECHO_MS) return
    if (this.#probes < PROBES) this.#probe()
    else this.fail(new Error('what was published does not come back'))
  }

  #probe(): void {
    this.#probes++
    this.#probedAt = this.#options.attention.now()
    // An unanswered probe is repeated by the same user: another's way back proves nothing of its.
    for (const user of this.#users) {
      if (!user.probe()) continue
      this.#probing = true
      return
    }
    this.#probes = 0
  }
}
