// Which message ended the way out. The other side ends it on a message that it does not take, and answers that were on
// their way can be lost with it: so the first message without an answer may have been carried out, and the one that did it
// is any of those without, of whichever partition. It is found in this order:
//
// 1. An end that follows the answer "too large" is explained by it, and blames nobody.
// 2. Else everything without an answer is suspected. It is written again before anything else, by all partitions in the
//    order of publication: one message, and when everything is answered, twice as many. Notices, which are small and
//    none of them, go before or between and never along.
// 3. What is alone without an answer when the way out ends has done it: once more, and a batch is taken apart; three times,
//    and the message is lost.
//
// As each part begins with the earliest, every end leaves fewer before the one that does it: among 1,000 it is alone after
// ten ends at most.

/** What the queue of a partition tells of its suspects. They are the first that it has. */
export interface SuspectQueue {
  /** The place of the first one among all that was published; undefined: there is none. */
  suspect(): number | undefined
}

/** How many suspects are on their way. */
export class Isolation {
  /** 0: nobody is suspected. */
  #window = 0
  #written = 0

  get isOn(): boolean {
    return this.#window > 0
  }

  /** Some of them are written, and not all answered. */
  get isBusy(): boolean {
    return this.#written > 0
  }

  get takes(): boolean {
    return this.#written < this.#window
  }

  begin(): void {
    this.#window = 1
    this.#written = 0
  }

  end(): void {
    this.#window = 0
    this.#written = 0
  }

  wrote(): void {
    this.#written++
  }

  /** Everything that was written is answered. */
  answered(): void {
    this.#window += this.#written
    this.#written = 0
  }
}

/** Whose suspect was published first; undefined: there is none. */
export function firstSuspect<Queue extends SuspectQueue>(queues: Iterable<Queue>): Queue | undefined {
  let first: Queue | undefined
  let order = Number.POSITIVE_INFINITY
  for (const queue of queues) {
    const found = queue.suspect()
    if (found === undefined || found > order) continue
    order = found
    first = queue
  }
  return first
}
