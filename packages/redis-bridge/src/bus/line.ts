// One link while it lasts, shared by the partitions that its place carries, and whether the other side is still there.
// Three things tell that it is not: no answer to what was written, no progress of subscriptions, and our own messages not
// coming back. That others' messages come does not tell: we might publish into the void.

import type { Attention } from './attention.ts'
import { backOff, type Clock } from './clock.ts'
import { Echoes } from './echoes.ts'
import type { Link, LinkEvents } from './link.ts'
import { type OutQueue, WayOut } from './way-out.ts'

/** In attended time; all but the last begin anew with each sign of progress. */
const OPEN_MS = 10_000
const ANSWER_MS = 4000
const MEND_MS = 4000

/** The way out is made anew at once, and after up to so long where that was done within the last second. */
const MEND_PAUSE_MS = 50
const MEND_AGAIN_MS = 1000

/** So often in a row without a sign that it works; one message more than ends it has to be found among many. */
const MAX_MENDS = 6

/** A partition that uses a line. */
export interface LineUser {
  readonly queue: OutQueue
  /** There is a line, until `down`. */
  up(line: Line): void
  /** It is lost, or there was none. */
  down(error: Error): void
  /** One of our own messages came back. It was on its way at `sentAt`, or later. */
  heard(sentAt: number): void
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
  readonly out: WayOut
  readonly #users = new Set<LineUser>()
  readonly #unwatch: () => void
  readonly #echoes: Echoes
  #state: 'opening' | 'up' | 'over' = 'opening'
  /** When the way out ended, in attended time; undefined while it is there. */
  #cutAt: number | undefined
  #mendedAt = Number.NEGATIVE_INFINITY
  /** Times that it was made anew since something was answered or came back, or it lasted. */
  #mends = 0
  #cancelMend: (() => void) | undefined
  #operations = 0
  /** In attended time. */
  #openedAt: number
  #confirmedAt = 0
  #probeDue = false

  constructor(options: LineOptions) {
    this.#options = options
    this.#openedAt = options.attention.now()
    // An unanswered probe is repeated by the same user: another's way back proves nothing of its.
    this.#echoes = new Echoes(options.attention, () => [...this.#users].some((user) => user.probe()))
    this.out = new WayOut({
      clock: options.clock,
      attention: options.attention,
      write: (commands, replied) => this.#link.publish(commands, replied),
      answered: () => {
        this.#mends = 0
      },
    })
    this.#link = options.open({
      up: () => this.#up(),
      progress: () => {
        this.#openedAt = options.attention.now()
      },
      cut: () => this.#cut(),
      mended: () => this.#mended(),
      down: (error, isExplained) => (isExplained ? this.fail(error) : this.#down(error)),
      message: (route, bytes) => {
        if (this.#state === 'up') options.message(this, route, bytes)
      },
    })
    this.#unwatch = options.attention.watch(() => this.#judge())
  }

  add(user: LineUser): void {
    this.#users.add(user)
    this.out.add(user.queue)
    if (this.#state !== 'up') return
    this.#options.clock.soon(() => {
      if (this.#state === 'up' && this.#users.has(user)) user.up(this)
    })
  }

  /** The last one closes it. */
  remove(user: LineUser): void {
    if (!this.#users.delete(user)) return
    this.out.remove(user.queue)
    if (this.#users.size === 0) this.#end()
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
    const sentAt = this.#options.attention.sentAt()
    for (const user of [...this.#users]) user.heard(sentAt)
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
    this.out.open()
    for (const user of [...this.#users]) if (this.#users.has(user)) user.up(this)
  }

  /** The way out has ended. It is made anew alone, so that nothing that comes in is lost: but not for ever. */
  #cut(): void {
    if (this.#state !== 'up' || this.#cutAt !== undefined) return
    const { clock, attention } = this.#options
    const soon = clock.now() - this.#mendedAt < MEND_AGAIN_MS
    // Some servers end what is idle for a second.
    if (!soon) this.#mends = 0
    if (++this.#mends > MAX_MENDS) return this.#down(new Error('the connection to publish on ends again and again'))
    this.#cutAt = attention.now()
    this.out.cut()
    this.#cancelMend = clock.after(soon ? backOff(1, MEND_PAUSE_MS, MEND_PAUSE_MS, clock.random()) : 0, () => {
      this.#link.mend()
    })
  }

  #mended(): void {
    if (this.#state !== 'up' || this.#cutAt === undefined) return
    this.#cutAt = undefined
    this.#mendedAt = this.#options.clock.now()
    this.out.open()
    this.#echoes.mended()
  }

  #down(error: Error): void {
    if (this.#state === 'over') return
    this.out.suspect()
    this.fail(error)
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#unwatch()
    this.#cancelMend?.()
    this.out.close()
    this.#users.clear()
    this.#options.over()
    this.#link.close()
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

  #judge(): void {
    const now = this.#options.attention.now()
    if (this.#state === 'opening') {
      if (now - this.#openedAt > OPEN_MS) this.fail(new Error('the connection was not there in time'))
    } else if (this.#cutAt !== undefined && now - this.#cutAt > MEND_MS) {
      this.fail(new Error('the connection to publish on was not there again in time'))
    } else if (this.out.silentMs > ANSWER_MS) {
      this.fail(new Error('what was published is not answered'))
    } else if (this.#operations > 0 && now - this.#confirmedAt > ANSWER_MS) {
      this.fail(new Error('subscriptions are not confirmed'))
    } else if (!this.#echoes.judge()) {
      this.fail(new Error('what was published does not come back'))
    }
  }
}
