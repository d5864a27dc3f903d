// This node's entries of presence in the store: entered and removed one by one, under a lease that is renewed. What failed
// or was lost meanwhile is put right by asserting all of them anew, so that no ghost outlives an outage.

import type { Clock } from './clock.ts'
import type { ClientInfo, Entry, Present, Store } from './port.ts'

/** A third of the lease: two renewals may fail. */
const LEASE_INTERVAL_MS = 5000

/** So many leaves are kept through an outage; the others are told as far as the store knows of them. */
const MAX_UNSURE = 10_000

/** Whom the keeper asks and tells. */
export interface PresenceOwner {
  /** Everybody who is to be in the store. */
  entries(): Entry[]
  /** Tells the members of a room, on every node, of somebody who came or went. */
  tell(kind: 'join' | 'leave', room: string, info: Present): void
}

/** Keeps the store's view of this node's members true. */
export class PresenceKeeper {
  readonly #store: Store
  readonly #clock: Clock
  readonly #owner: PresenceOwner
  #cancel: (() => void) | undefined
  #count = 0
  /** A call failed: the store may have too little or too much. */
  #dirty = false
  /** Others were told that our members went. */
  #swept = false
  #closed = false
  /** Removals that failed, and may have been carried out: their leaves are still to be told. */
  #unsure = new Map<string, Entry>()
  /** Settles with the removal that was asked for last; with it all others have. */
  #removed: Promise<void> = Promise.resolve()

  constructor(store: Store, clock: Clock, owner: PresenceOwner) {
    this.#store = store
    this.#clock = clock
    this.#owner = owner
  }

  /** Enters somebody. Resolves also when the store is away: it is put right later. */
  async enter(room: string, info: Present): Promise<void> {
    this.#count++
    // Its answer comes before that of the entry: calls are carried out in their order.
    if (this.#cancel === undefined) void this.#renew()
    await this.#store.enter(room, info).catch(() => this.#failed())
  }

  /** What is shown of somebody who is there has changed. */
  renew(room: string, info: Present): void {
    if (!this.#closed) this.#store.enter(room, info).catch(() => this.#failed())
  }

  /** Removes somebody. @param told whether its leave is told, once it is removed. */
  exit(room: string, info: ClientInfo, told: boolean): void {
    if (this.#closed) return
    this.#count--
    this.#removed = this.#store.exit(room, info.client).then(
      (removed) => {
        if (removed && told) this.#owner.tell('leave', room, info)
      },
      () => {
        this.#failed()
        if (told && this.#unsure.size < MAX_UNSURE) this.#unsure.set(`${room}\n${info.client}`, [room, info])
      },
    )
  }

  /** From now on nobody is removed one by one: the store gives up all entries of this node when it is closed. Resolves
   * when the leaves of those who went before are told. */
  close(): Promise<void> {
    this.#closed = true
    this.#cancel?.()
    return this.#removed
  }

  #failed(): void {
    this.#dirty = true
    this.#renewLater()
  }

  #renewLater(): void {
    if (this.#cancel !== undefined || this.#closed) return
    this.#cancel = this.#clock.after(LEASE_INTERVAL_MS, () => {
      this.#cancel = undefined
      if (this.#count > 0 || this.#dirty) void this.#renew()
    })
  }

  async #renew(): Promise<void> {
    this.#renewLater()
    try {
      const lease = await this.#store.lease()
      this.#swept ||= lease === 'swept'
      if (lease === 'kept' && !this.#dirty && !this.#swept) return
      if (this.#closed) return
      this.#dirty = false
      const unsure = this.#unsure
      this.#unsure = new Map()
      const { added, removed } = await this.#store.assert(this.#owner.entries())
      if (this.#closed) return
      const told = this.#swept
      this.#swept = false
      // Where we were swept, others have told what was there.
      const gone = told ? new Map<string, Entry>() : unsure
      for (const entry of removed) gone.set(`${entry[0]}\n${entry[1].client}`, entry)
      for (const [room, info] of gone.values()) this.#owner.tell('leave', room, info)
      if (told) for (const [room, info] of added) this.#owner.tell('join', room, info)
    } catch {
      this.#dirty = true
    }
  }
}
