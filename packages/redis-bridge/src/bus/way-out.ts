// The way out of a line: what is on its way, in which order answers are owed, how much may be written and whose turn it
// is. When the other side ends it, what had no answer is suspected and isolated (isolation.ts).

import type { Attention } from './attention.ts'
import type { Clock } from './clock.ts'
import { firstSuspect, Isolation, type SuspectQueue } from './isolation.ts'
import type { PublishReply, RoutedMessage } from './link.ts'
import { Pace } from './pace.ts'

/** What may be written and unanswered. Little waits in kernels, where nobody could take it back or write past it. */
const MAX_UNANSWERED = 1000
const MAX_UNANSWERED_BYTES = 4 * 1_048_576

/** A message with what is done about its answer. */
export interface Command extends RoutedMessage {
  replied(reply: PublishReply): void
  /** The other side ended the way out, and has not answered this. @param alone nor was there anything else. */
  suspected?(alone: boolean): void
  /** It may be written again, and what ended before has not answered this. */
  again?(): void
}

/** What a partition has to write. */
export interface OutQueue extends SuspectQueue {
  /** Writes as much as there is room for. */
  flush(): void
  /** What was written and not answered never will be. */
  cut(): void
  /** The first suspect, to be written now. */
  takeSuspect(): Command
}

export interface WayOutOptions {
  clock: Clock
  attention: Attention
  write(commands: readonly Command[], replied: (index: number, reply: PublishReply) => void): void
  /** Something was answered. */
  answered(): void
}

export class WayOut {
  readonly #options: WayOutOptions
  readonly #pace: Pace
  readonly #isolation = new Isolation()
  readonly #queues = new Set<OutQueue>()
  readonly #unanswered = new Set<Command>()
  #unansweredBytes = 0
  /** In attended time. */
  #answeredAt = 0
  /** The last answer says why it ends, if it does. */
  #isExplained = false
  #isOpen = false
  /** What is written when that may be. */
  #again: Command[] = []
  #roomDue = false

  constructor(options: WayOutOptions) {
    this.#options = options
    this.#pace = new Pace(options.clock, () => this.#offerRoom())
  }

  add(queue: OutQueue): void {
    this.#queues.add(queue)
  }

  remove(queue: OutQueue): void {
    this.#queues.delete(queue)
  }

  /** How long nothing was answered of what is on its way, in attended ms. */
  get silentMs(): number {
    return this.#unanswered.size === 0 ? 0 : this.#options.attention.now() - this.#answeredAt
  }

  /** How many messages may be written. What cannot wait is written regardless. */
  get room(): number {
    return this.#takesBytes && !this.#isolation.isOn ? MAX_UNANSWERED - this.#unanswered.size : 0
  }

  /** Writes in order: now, or when there is a way out and no suspect on it. */
  publish(commands: readonly Command[]): void {
    if (!this.#isOpen || this.#isolation.isBusy) this.#again.push(...commands)
    else this.#write(commands)
  }

  /** A queue has suspects. */
  isolate(): void {
    if (!this.#isolation.isOn) this.#isolation.begin()
    this.#offerRoom()
  }

  /** It is there, or there again. */
  open(): void {
    this.#isOpen = true
    this.#writeAgain()
    this.#offerRoom()
  }

  /** The other side has ended it. */
  cut(): void {
    this.suspect()
    this.#isOpen = false
    this.#again.unshift(...this.#unanswered)
    this.#unanswered.clear()
    this.#unansweredBytes = 0
    this.#isolation.begin()
    for (const queue of this.#queues) queue.cut()
  }

  /** Suspects what is not answered. */
  suspect(): void {
    const alone = this.#unanswered.size === 1
    if (!this.#isExplained) for (const command of this.#unanswered) command.suspected?.(alone)
    this.#isExplained = false
  }

  /** Nothing of it is left. */
  close(): void {
    this.#isOpen = false
    this.#pace.close()
    this.#queues.clear()
    this.#unanswered.clear()
    this.#again = []
  }

  get #takesBytes(): boolean {
    return this.#isOpen && this.#unansweredBytes < MAX_UNANSWERED_BYTES && this.#pace.allows
  }

  #write(commands: readonly Command[]): void {
    if (this.#unanswered.size === 0) this.#answeredAt = this.#options.attention.now()
    let bytes = 0
    for (const command of commands) {
      this.#unanswered.add(command)
      bytes += costOf(command)
    }
    this.#unansweredBytes += bytes
    this.#options.write(commands, (index, reply) => this.#replied(commands[index]!, reply))
    this.#pace.wrote(bytes)
  }

  #replied(command: Command, reply: PublishReply): void {
    if (!this.#unanswered.delete(command)) return
    this.#unansweredBytes -= costOf(command)
    this.#answeredAt = this.#options.attention.now()
    this.#isExplained = 'refused' in reply && reply.divisible
    this.#options.answered()
    command.replied(reply)
    this.#offerRoom()
  }

  #writeAgain(): void {
    const again = this.#again
    this.#again = []
    for (const command of again) command.again?.()
  }

  #offerRoom(): void {
    if (this.#roomDue || !this.#isOpen) return
    this.#roomDue = true
    this.#options.clock.soon(() => {
      this.#roomDue = false
      if (this.#isolation.isOn) this.#offerSuspects()
      for (const queue of [...this.#queues]) {
        if (this.room <= 0) return
        // Who was asked is asked last the next time.
        if (this.#queues.delete(queue)) this.#queues.add(queue)
        queue.flush()
      }
    })
  }

  /** Writes as many suspects as may be on their way together. */
  #offerSuspects(): void {
    const isolation = this.#isolation
    if (!this.#isOpen) return
    if (this.#unanswered.size === 0) {
      isolation.answered()
      this.#writeAgain()
    }
    // What is none of them is answered first.
    if (this.#unanswered.size > 0 && !isolation.isBusy) return
    while (isolation.takes && this.#takesBytes) {
      const queue = firstSuspect(this.#queues)
      if (queue === undefined) {
        if (!isolation.isBusy) isolation.end()
        return
      }
      isolation.wrote()
      this.#write([queue.takeSuspect()])
    }
  }
}

function costOf({ bytes, call }: Command): number {
  return call?.costBytes ?? bytes.length
}
