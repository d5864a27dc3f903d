// What one partition has to publish: batches of messages and marks in the order they came, written as far as the line has
// room, each settled by its own answer. What a lost line leaves unanswered is written again with the same numbers:
// receivers drop what they have seen. Nothing is written again for ever: not what was refused, not what waited too long,
// not what ended one connection after the other.

import type { Batch } from './batch.ts'
import type { Clock } from './clock.ts'
import type { Counter } from './counters.ts'
import type { Carried } from './envelope.ts'
import type { PublishReply } from './link.ts'
import type { Command, OutQueue, WayOut } from './way-out.ts'

/** A receiver that was deaf for longer has told its members, and later its memory of what it has seen fades: nothing older
 * is written. */
export const MAX_WAIT_MS = 60_000

/** So many ways out may end while a message alone is not answered, and while a batch is. */
const MAX_STRIKES = 3
const MAX_STRIKES_TOGETHER = 2

export interface PublishQueueOptions {
  clock: Clock
  carries: Carried
  /** Where the messages of a channel go. */
  routeOf(counter: Counter): string
  /** A mark, as it is to be written now. */
  markOf(counter: Counter, now: number): Uint8Array
  /** A batch came to its end: the bus has it, or it is lost. */
  settled(batch: Batch, error?: Error): void
  /** The bus has messages of a channel, up to a number. */
  published(counter: Counter, number: number, receivers: number): void
  /** The bus has a mark of a channel, with that number; undefined: it refused it. */
  told(counter: Counter, number: number, receivers: number | undefined): void
  /** Nothing waits and nothing is on its way. */
  idle(): void
}

export class PublishQueue implements OutQueue {
  readonly #options: PublishQueueOptions
  #out: WayOut | undefined
  #waiting: (Batch | Counter)[] = []
  /** How many of the first of `#waiting` are gone. */
  #gone = 0
  readonly #inFlight = new Set<Batch>()
  /** Marks that are not answered, one for each time. */
  readonly #marksInFlight = new Set<{ counter: Counter }>()
  /** Commands that are not answered. */
  #unanswered = 0
  #scheduled = false
  /** What has this place among all batches, or one before, is suspected of having ended a way out. */
  #suspectedTo = 0

  constructor(options: PublishQueueOptions) {
    this.#options = options
  }

  get isIdle(): boolean {
    return this.#gone === this.#waiting.length && this.#unanswered === 0 && this.#inFlight.size === 0
  }

  push(batch: Batch): void {
    batch.counter.waiting++
    this.#waiting.push(batch)
    this.schedule()
  }

  /** Queues a mark, unless one waits already or there is no line for it. */
  mark(counter: Counter): void {
    if (this.#out === undefined || counter.isMarkQueued) return
    counter.isMarkQueued = true
    this.#waiting.push(counter)
    this.schedule()
  }

  up(out: WayOut): void {
    this.#out = out
    if (this.suspect() !== undefined) out.isolate()
    this.schedule()
  }

  /** The line is gone. Marks were for that line. */
  down(): void {
    this.#out = undefined
    this.#marksInFlight.clear()
    for (const item of this.#rest()) if (isMark(item)) item.isMarkQueued = false
    this.#replace(this.#rest().filter((item) => !isMark(item)))
    this.cut()
  }

  cut(): void {
    this.#unanswered = 0
    const again = [...this.#inFlight].flatMap((batch) => this.#judged(batch))
    this.#inFlight.clear()
    for (const { counter } of again) counter.waiting++
    const batches = this.#rest().filter((item): item is Batch => !isMark(item))
    const marks = new Set(this.#rest().filter(isMark))
    for (const { counter } of this.#marksInFlight) marks.add(counter)
    this.#marksInFlight.clear()
    for (const counter of marks) counter.isMarkQueued = true
    // Parts of a batch that was split come in its place.
    const inOrder = [...again, ...batches].sort((a, b) => a.order - b.order || a.first - b.first)
    this.#replace([...inOrder, ...marks])
    this.#tellIdle()
  }

  suspect(): number | undefined {
    if (this.#out === undefined) return undefined
    this.expire()
    const head = this.#waiting[this.#gone]
    return head !== undefined && !isMark(head) && head.order <= this.#suspectedTo ? head.order : undefined
  }

  takeSuspect(): Command {
    this.#unanswered++
    return this.#take(this.#waiting[this.#gone] as Batch, this.#out!, this.#options.clock.now())
  }

  /** Gives up what waited too long. */
  expire(): void {
    const before = this.#options.clock.now() - MAX_WAIT_MS
    for (;;) {
      const head = this.#waiting[this.#gone]
      if (head === undefined || isMark(head) || head.since >= before) break
      this.#giveUp(head)
    }
    this.#tellIdle()
  }

  /** Everything that is left is lost. */
  close(error: Error): void {
    this.#out = undefined
    const left = [...this.#inFlight, ...this.#rest()]
    this.#inFlight.clear()
    this.#marksInFlight.clear()
    this.#unanswered = 0
    this.#replace([])
    for (const item of left) if (!isMark(item)) this.#options.settled(item, error)
  }

  /** Writes when this turn ends. */
  schedule(): void {
    if (this.#scheduled || this.#out === undefined) return
    this.#scheduled = true
    this.#options.clock.soon(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  /** Writes as much as the line takes. */
  flush(): void {
    const out = this.#out
    if (out === undefined) return
    const now = this.#options.clock.now()
    for (let room = out.room; room > 0; room = out.room) {
      const commands: Command[] = []
      // A part at a time, as only what is written counts against the room.
      while (commands.length < Math.min(64, room)) {
        const command = this.#next(out, now)
        if (command === undefined) break
        commands.push(command)
        if (command.bytes.length > 65_536) break
      }
      if (commands.length === 0) break
      this.#unanswered += commands.length
      out.publish(commands)
    }
    this.#tellIdle()
  }

  #next(out: WayOut, now: number): Command | undefined {
    for (;;) {
      const item = this.#waiting[this.#gone]
      if (item === undefined) return undefined
      if (isMark(item)) {
        this.#shift()
        item.isMarkQueued = false
        // A message that waits behind it tells more, and a mark before it would tell of one that nobody could have.
        if (item.waiting > 0) continue
        const { last } = item
        const inFlight = { counter: item }
        this.#marksInFlight.add(inFlight)
        return this.#command(out, item, this.#options.markOf(item, now), (reply) => {
          this.#marksInFlight.delete(inFlight)
          this.#options.told(item, last, 'receivers' in reply ? reply.receivers : undefined)
        })
      }
      if (item.since < now - MAX_WAIT_MS) {
        this.#giveUp(item)
        continue
      }
      return this.#take(item, out, now)
    }
  }

  /** The first that waits, to be written now. */
  #take(batch: Batch, out: WayOut, now: number): Command {
    this.#shift()
    const { counter } = batch
    counter.waiting--
    if (counter.open === batch) counter.open = undefined
    counter.touchedAt = now
    this.#inFlight.add(batch)
    const command = this.#command(out, counter, batch.encode(now, this.#options.carries), (reply) =>
      this.#settled(batch, reply),
    )
    command.suspected = (alone) => {
      if (this.#out !== out) return
      this.#suspectedTo = Math.max(this.#suspectedTo, batch.order)
      if (alone) batch.strikes++
    }
    return command
  }

  #command(out: WayOut, counter: Counter, bytes: Uint8Array, done: (reply: PublishReply) => void): Command {
    return {
      route: this.#options.routeOf(counter),
      bytes,
      replied: (reply) => {
        if (this.#out !== out) return
        this.#unanswered--
        done(reply)
        this.#tellIdle()
      },
    }
  }

  /** What is to be written again of what was not answered. */
  #judged(batch: Batch): Batch[] {
    if (batch.count > 1) return batch.strikes >= MAX_STRIKES_TOGETHER ? batch.split() : [batch]
    if (batch.strikes < MAX_STRIKES) return [batch]
    this.#lose(batch, new Error('connection after connection ended with this message unanswered'))
    return []
  }

  #settled(batch: Batch, reply: PublishReply): void {
    this.#inFlight.delete(batch)
    if ('refused' in reply) {
      this.#refused(batch, reply.refused, reply.divisible)
    } else if ('receivers' in reply) {
      this.#options.settled(batch)
      this.#options.published(batch.counter, batch.first + batch.count - 1, reply.receivers)
    }
  }

  /** What is too large as a whole may be so because of one of its messages. */
  #refused(batch: Batch, error: Error, divisible: boolean): void {
    if (!divisible || batch.count === 1) return this.#lose(batch, error)
    const parts = batch.split()
    batch.counter.waiting += parts.length
    this.#replace([...parts, ...this.#rest()])
    this.#suspectedTo = Math.max(this.#suspectedTo, batch.order)
    this.#out?.isolate()
  }

  #giveUp(head: Batch): void {
    this.#shift()
    head.counter.waiting--
    this.#lose(head, new Error('the message waited too long'))
  }

  /** @param batch neither waits nor is on its way. */
  #lose(batch: Batch, error: Error): void {
    const { counter } = batch
    if (counter.open === batch) counter.open = undefined
    counter.touchedAt = this.#options.clock.now()
    this.#options.settled(batch, error)
  }

  #shift(): void {
    this.#gone++
    if (this.#gone >= 1024 && this.#gone * 2 > this.#waiting.length) this.#replace(this.#rest())
  }

  #rest(): (Batch | Counter)[] {
    return this.#waiting.slice(this.#gone)
  }

  #replace(items: (Batch | Counter)[]): void {
    this.#waiting = items
    this.#gone = 0
  }

  #tellIdle(): void {
    if (this.isIdle) this.#options.idle()
  }
}

function isMark(item: Batch | Counter): item is Counter {
  return 'numbering' in item
}
