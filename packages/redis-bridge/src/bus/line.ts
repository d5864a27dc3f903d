// One link while it lasts, shared by the partitions that its place carries: how much may be on its way, in which order
// answers are owed, and whether the other side is still there. Three things tell that it is not: no answer to what was
// written, no progress of subscriptions, and our own messages not coming back. That others' messages come does not tell:
// we might publish into the void.

import type { Attention } from './attention.ts'
import { backOff, type Clock } from './clock.ts'
import { Echoes } from './echoes.ts'
import type { Link, LinkEvents, PublishReply, RoutedMessage } from './link.ts'
import { Pace } from './pace.ts'

/** What may be written and unanswered. Little waits in kernels, where nobody could take it back or write past it. */
const MAX_UNANSWERED = 1000
const MAX_UNANSWERED_BYTES = 4 * 1_048_576

/** In attended time; all but the last begin anew with each sign of progress. */
const OPEN_MS = 10_000
const ANSWER_MS = 4000
const MEND_MS = 2000

/** The way out is made anew at once, and after up to so long where that was done within the last second. */
const MEND_PAUSE_MS = 50
const MEND_AGAIN_MS = 1000

/** So often in a row without a sign that it works; one message more than ends it has to be found among many. */
const MAX_MENDS = 6

/** A message with what is done about its answer. */
export interface Command extends RoutedMessage {
  replied(reply: PublishReply): void
  /** The other side ended the connection, and this is the first that it did not answer. */
  suspected?(): void
  /** There is a way out again, and what ended before has not answered this. */
  again?(): void
}

/** A partition that uses a line. */
export interface LineUser {
  up(line: Line): void
  down(error: Error): void
  /** What was written and not answered never will be, and nothing more can be written. */
  cut(): void
  /** It can. */
  mended(): void
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
  readonly #pace: Pace
  readonly #echoes: Echoes
  #state: 'opening' | 'up' | 'over' = 'opening'
  /** When the way out ended, in attended time; undefined while it is there. */
  #cutAt: number | undefined
  #mendedAt = Number.NEGATIVE_INFINITY
  /** Times that it was made anew since something was answered or came back. */
  #mends = 0
  #cancelMend: (() => void) | undefined
  /** What comes again when there is a way out. */
  #again: Command[] = []
  #unansweredBytes = 0
  #roomDue = false
  #operations = 0
  /** In attended time. */
  #openedAt: number
  #answeredAt = 0
  #confirmedAt = 0
  #probeDue = false

  constructor(options: LineOptions) {
    this.#options = options
    this.#openedAt = options.attention.now()
    // An unanswered probe is repeated by the same user: another's way back proves nothing of its.
    this.#echoes = new Echoes(options.attention, () => [...this.#users].some((user) => user.probe()))
    this.#pace = new Pace(options.clock, () => this.#offerRoom())
    this.#link = options.open({
      up: () => this.#up(),
      progress: () => {
        this.#openedAt = options.attention.now()
      },
      cut: () => this.#cut(),
      mended: () => this.#mended(),
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
    if (this.#state !== 'up' || this.#cutAt !== undefined || this.#unanswered.size >= MAX_UNANSWERED) return false
    return this.#unansweredBytes < MAX_UNANSWERED_BYTES && this.#pace.allows
  }

  publish(commands: readonly Command[]): void {
    if (this.#state !== 'up' || commands.length === 0) return
    if (this.#cutAt !== undefined) return void this.#again.push(...commands)
    if (this.#unanswered.size === 0) this.#answeredAt = this.#options.attention.now()
    let bytes = 0
    for (const command of commands) {
      this.#unanswered.add(command)
      bytes += costOf(command)
    }
    this.#unansweredBytes += bytes
    this.#link.publish(commands, (index, reply) => this.#replied(commands[index]!, reply))
    this.#pace.wrote(bytes)
  }

  subscribe(routes: readonly string[], done: (error?: Error) => void): void {
    if (this.#state === 'up') this.#link.subscribe(routes, this.#watched(done))
  }

  unsubscribe(routes: readonly string[], done: (error?: Error) => void): void {
    if (this.#state === 'up') this.#link.unsubscribe(routes, this.#watched(done))
  }

  /** Something of our own came back. */
  heard(): void {
    this.#mends = 0
    this.#echoes.heard()
    for (const user of [...this.#users]) user.heard()
  }

  /** A user listens from now on, and wants to know whether it is heard. */
  verify(): void {
    if (this.#probeDue || this.#state !== 'up') return
    this.#probeDue = true
    this.#options.clock.soon(() => {
      this.#probeDue = false
      if (this.#state !== 'up') return
      this.#echoes.verify()
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

  /** The way out has ended. It is made anew alone, so that nothing that comes in is lost: but not for ever. */
  #cut(): void {
    if (this.#state !== 'up' || this.#cutAt !== undefined) return
    if (++this.#mends > MAX_MENDS) return this.#down(new Error('the connection to publish on ends again and again'))
    const { clock, attention } = this.#options
    this.#cutAt = attention.now()
    const unanswered = [...this.#unanswered]
    this.#unanswered.clear()
    this.#unansweredBytes = 0
    this.#again.push(...unanswered)
    unanswered[0]?.suspected?.()
    for (const user of [...this.#users]) user.cut()
    const soon = clock.now() - this.#mendedAt < MEND_AGAIN_MS
    this.#cancelMend = clock.after(soon ? backOff(1, MEND_PAUSE_MS, MEND_PAUSE_MS, clock.random()) : 0, () => {
      this.#link.mend()
    })
  }

  #mended(): void {
    if (this.#state !== 'up' || this.#cutAt === undefined) return
    this.#cutAt = undefined
    this.#mendedAt = this.#options.clock.now()
    const again = this.#again
    this.#again = []
    this.#echoes.mended()
    for (const command of again) command.again?.()
    for (const user of [...this.#users]) if (this.#users.has(user)) user.mended()
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
    this.#pace.close()
    this.#cancelMend?.()
    this.#unanswered.clear()
    this.#again = []
    this.#users.clear()
    this.#options.over()
    this.#link.close()
  }

  #replied(command: Command, reply: PublishReply): void {
    if (!this.#unanswered.delete(command)) return
    this.#unansweredBytes -= costOf(command)
    this.#answeredAt = this.#options.attention.now()
    this.#mends = 0
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
    } else if (this.#cutAt !== undefined && now - this.#cutAt > MEND_MS) {
      this.fail(new Error('the connection to publish on was not there again in time'))
    } else if (this.#unanswered.size > 0 && now - this.#answeredAt > ANSWER_MS) {
      this.fail(new Error('what was published is not answered'))
    } else if (this.#operations > 0 && now - this.#confirmedAt > ANSWER_MS) {
      this.fail(new Error('subscriptions are not confirmed'))
    } else if (!this.#echoes.judge()) {
      this.fail(new Error('what was published does not come back'))
    }
  }
}

function costOf({ bytes, call }: Command): number {
  return call?.costBytes ?? bytes.length
}
