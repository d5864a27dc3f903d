// Where a room with history stands on this node, and how it gets there: subscribe first, then read, then what came
// meanwhile, in the order of the numbers. A number that is missing is read from the store, once for all members. Every
// live member of a room has got exactly what the room has: the room's position is theirs.

import type { Clock } from './clock.ts'
import { Deadline } from './deadline.ts'
import { forkUntilHeard } from './fork.ts'
import { Kept } from './kept.ts'
import type { Since } from './member.ts'
import type { HistoryRule, Page, Publication, Store, Top } from './port.ts'
import { type Owed, owed } from './replay.ts'
import { Waiters } from './waiters.ts'
import { MAX_REPLAY, type Missed, Window, type WindowBudget } from './window.ts'

/** So many publications wait for a missing one; what comes on top is read again later. */
const MAX_HELD = 256

/** So long members wait for a missing number before they are told. */
const MAX_HOLE_MS = 1000

const MIN_RETRY_MS = 50
const MAX_RETRY_MS = 2000

/** Whom a track tells. */
interface TrackOwner {
  /** The next publication, for all live members. */
  deliver(kept: Kept): void
  /** Something cannot be had: the live members are told, and are out. */
  expel(): void
}

interface TrackOptions {
  room: string
  rule: HistoryRule
  store: Store
  clock: Clock
  budget: WindowBudget
  owner: TrackOwner
  enterTimeoutMs: number
}

/** The position of one room on this node. */
export class Track {
  readonly #options: TrackOptions
  readonly #window: Window
  readonly #waiters: Waiters
  readonly #hole: Deadline
  #epoch = ''
  #offset = 0
  /** The id of the publication there; the next one names it. */
  #lastId = ''
  #synced = false
  #subscribed = false
  /** The highest number of this epoch that is known of. */
  #top = 0
  /** Something was heard that only a read can tell: it must begin after that. */
  #askAgain = false
  #reading = false
  #forking: Promise<void> | undefined
  #closed = false
  #held: Publication[] = []
  #retryMs = MIN_RETRY_MS
  #cancelRetry: (() => void) | undefined

  constructor(options: TrackOptions) {
    this.#options = options
    this.#window = new Window(options.budget, options.rule)
    this.#waiters = new Waiters(options.clock, options.enterTimeoutMs)
    this.#hole = new Deadline(options.clock, MAX_HOLE_MS, () => this.#giveUp())
  }

  /** Resolves when a member with that `since` can be answered by `owed`; false when the store could not be asked. What a
   * client has seen is compared with the store by a read that begins after it came, shared by all that came meanwhile;
   * who brings nothing is answered from where the room stands. */
  confirm(since: Since | undefined): Promise<boolean> {
    if (this.#synced && since === undefined) return Promise.resolve(true)
    const confirmed = this.#waiters.wait(since)
    this.#pump()
    return confirmed
  }

  /** What a member with that `since` is owed at this moment: all of it, or nothing and the truth. Undefined: it is not
   * known any more where the room stands; `confirm` again. */
  owed(since: Since | undefined): Owed | undefined {
    if (!this.#synced) return undefined
    return owed({ epoch: this.#epoch, offset: this.#offset }, since, (offset) => this.#missed(offset))
  }

  /** A publication came on the bus. */
  receive(publication: Publication): void {
    if (this.#closed) return
    if (!this.#synced || publication.epoch !== this.#epoch) {
      this.#hold(publication)
      this.#askAgain = true
    } else if (publication.offset <= this.#offset) {
      return this.#repeated(publication)
    } else if (publication.offset === this.#offset + 1) {
      this.#advance(publication)
      if (this.#held.length > 0) this.#drain()
    } else {
      this.#hold(publication)
      this.#top = Math.max(this.#top, publication.offset)
    }
    this.#pump()
  }

  /** The store stands there: a number that never came is missing. */
  mark({ epoch, offset, lastId }: Top): void {
    if (this.#closed) return
    const known = this.#synced && epoch === this.#epoch
    if (known && offset === this.#offset) {
      if (lastId !== this.#lastId) this.#forked()
      return
    }
    // A mark that is behind us came late, or the store went back.
    if (known && offset > this.#offset) this.#top = Math.max(this.#top, offset)
    else this.#askAgain = true
    this.#pump()
  }

  /** Something may have been lost: only a read can tell. */
  doubt(): void {
    this.#askAgain = true
    this.#pump()
  }

  close(): void {
    this.#closed = true
    this.#cancelRetry?.()
    this.#hole.watch(undefined)
    this.#window.clear()
    this.#waiters.answer(false)
  }

  #missed(since: number): Missed | undefined {
    return this.#window.after(since, this.#offset)
  }

  #hold(publication: Publication): void {
    if (this.#held.length < MAX_HELD) this.#held.push(publication)
    else this.#askAgain = true
  }

  /** A number that was delivered comes again: the same publication is dropped, another one is a fork. */
  #repeated(publication: Publication): void {
    const known = publication.offset === this.#offset ? this.#lastId : this.#window.idOf(publication.offset)
    if (known !== undefined && known !== publication.id) this.#forked()
  }

  #advance(publication: Publication): void {
    // The last member can go while it is delivered to.
    if (this.#closed) return
    if (publication.previous !== this.#lastId) return this.#forked()
    const kept = new Kept(publication)
    this.#offset = publication.offset
    this.#lastId = publication.id
    this.#top = Math.max(this.#top, this.#offset)
    this.#options.owner.deliver(kept)
    // With it the bodies that were just made. By now the last member may be gone.
    if (!this.#closed) this.#window.append(kept)
  }

  /** Delivers what waited and is next by now; what is behind goes. */
  #drain(): void {
    const held = this.#held.sort((a, b) => a.offset - b.offset)
    this.#held = []
    for (const publication of held) {
      if (!this.#synced || publication.epoch !== this.#epoch) this.#held.push(publication)
      else if (publication.offset === this.#offset + 1) this.#advance(publication)
      else if (publication.offset > this.#offset) this.#held.push(publication)
      else this.#repeated(publication)
    }
  }

  /** One read at a time, for whatever is wanted by then. */
  #pump(): void {
    if (this.#closed) return
    const hole = this.#synced && (this.#top > this.#offset || this.#askAgain)
    // While numbers come, the hole is another one each time.
    this.#hole.watch(hole ? this.#offset + 1 : undefined)
    if (this.#reading || this.#cancelRetry !== undefined) return
    if (this.#waiters.size === 0 && !hole) return
    this.#reading = true
    const { room, store } = this.#options
    const subscribed = this.#subscribed ? Promise.resolve() : store.ready(room)
    subscribed
      .then(() => {
        this.#subscribed = true
        return this.#read()
      })
      .then(
        (behind) => this.#next(behind),
        () => this.#failed(),
      )
  }

  /** @returns whether the store is ahead of what could be had. */
  async #read(): Promise<boolean> {
    await this.#forking
    if (this.#closed) return false
    const { room, rule, store } = this.#options
    let after = this.#synced ? this.#offset : Number.MAX_SAFE_INTEGER
    for (const { offset } of this.#waiters.ask()) {
      if (!this.#synced || this.#missed(offset) === undefined) after = Math.min(after, offset)
    }
    this.#askAgain = false
    const { epoch, offset } = { epoch: this.#epoch, offset: this.#offset }
    const nothing = after === Number.MAX_SAFE_INTEGER
    const page = await store.read(room, rule, {
      after: nothing ? 0 : after,
      limit: nothing ? 0 : MAX_REPLAY,
      newest: true,
    })
    if (this.#closed) return false
    this.#merge(page, epoch === page.epoch ? offset : 0)
    if (!this.#synced) return false
    if (this.#epoch === page.epoch && this.#offset < page.offset) return true
    this.#waiters.answer(true)
    return false
  }

  /** Takes what was read. @param floor what the store had given out, in this epoch, before it was asked. */
  #merge(page: Page, floor: number): void {
    if (this.#synced && page.epoch === this.#epoch) {
      const other = page.offset === this.#offset && page.lastId !== this.#lastId
      if (page.offset < floor || other) return this.#forked()
      this.#window.prepend(page.publications, this.#offset)
      this.#window.dropBefore(page.first)
      for (const publication of page.publications) {
        if (publication.offset <= this.#offset) this.#repeated(publication)
        else if (publication.offset === this.#offset + 1) this.#advance(publication)
        if (!this.#synced) return
      }
      // What is missing was trimmed. It may still be on its way on the bus, which is another connection.
      if (page.offset > this.#offset) this.#top = Math.max(this.#top, page.offset)
    } else {
      this.#startOver(page)
    }
    // What waits of another epoch, and came before the read began, is of one that is over.
    if (!this.#askAgain) this.#held = this.#held.filter(({ epoch }) => epoch === this.#epoch)
    this.#drain()
  }

  /** The live members, if any, are told; the room stands where the store stands. */
  #startOver({ epoch, offset, lastId, publications }: Page): void {
    if (this.#synced) this.#options.owner.expel()
    if (this.#closed) return
    this.#epoch = epoch
    this.#offset = offset
    this.#lastId = lastId
    this.#synced = true
    this.#window.clear()
    this.#window.prepend(publications, offset)
    this.#top = offset
    for (const held of this.#held) if (held.epoch === epoch) this.#top = Math.max(this.#top, held.offset)
  }

  /** What was delivered here is not what the store has under these numbers: nobody may take it for one history. */
  #forked(): void {
    const { owner, store, clock, room } = this.#options
    this.#synced = false
    this.#askAgain = true
    this.#window.clear()
    this.#forking = forkUntilHeard(store, clock, room, this.#epoch)
    owner.expel()
    this.#pump()
  }

  #next(behind: boolean): void {
    this.#reading = false
    if (behind) this.#retryLater()
    else this.#retryMs = MIN_RETRY_MS
    this.#pump()
  }

  #failed(): void {
    this.#reading = false
    this.#waiters.answer(false)
    this.#retryLater()
    this.#pump()
  }

  #retryLater(): void {
    if (this.#closed) return
    this.#cancelRetry = this.#options.clock.after(this.#retryMs, () => {
      this.#cancelRetry = undefined
      this.#pump()
    })
    this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS)
  }

  /** Members waited for a hole to be filled, and cannot wait for longer. */
  #giveUp(): void {
    this.#synced = false
    this.#askAgain = true
    this.#options.owner.expel()
    this.#pump()
  }
}
