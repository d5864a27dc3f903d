// Revoked means out. A command that puts a user out reaches whoever is in; but somebody may just be on the way in: a hook
// or a key is still being asked, and what it answers was decided before. Such a decision does not count any more.

import type { NodeRequest } from '@roomcast/rooms'

/** So many commands are kept for decisions that take long. Whoever takes longer than that is refused. */
const MAX_KEPT = 10_000

/** A decision that is being made. */
interface Pending {
  readonly since: number
}

/** Whom and what a decision is for. */
export interface DecidedFor {
  readonly user: string
  readonly client: string
  /** Absent: it is about the connection. */
  readonly room: string | undefined
}

type Revoked = NodeRequest & { readonly do: 'disconnect' | 'unsubscribe' }

/** What was revoked while decisions are being made. */
export class Revocations {
  /** The number of the next command. */
  #next = 0
  /** The latest commands, the last of which is number `#next - 1`. */
  #kept: Revoked[] = []
  readonly #pending = new Set<Pending>()
  readonly #revoked = new WeakSet<object>()
  /** Somebody was let in, and may not have arrived. */
  #isArriving = false

  /** Makes a decision, unless it is revoked meanwhile.
   * @param who whom and what for it is made, once that is known.
   * @param request what was asked: `wasRevoked` knows it then.
   * @returns undefined when it was. */
  async decide<T>(make: () => Promise<T>, who: (made: T) => DecidedFor, request: object = {}): Promise<T | undefined> {
    const pending = { since: this.#next }
    this.#pending.add(pending)
    try {
      const made = await make()
      const decided = who(made)
      const first = this.#next - this.#kept.length
      const later = this.#kept.slice(Math.max(0, pending.since - first))
      const isLost = pending.since < first
      if (isLost || later.some((revoked) => means(revoked, decided))) {
        this.#revoked.add(request)
        return undefined
      }
      this.#arrive()
      return made
    } finally {
      this.#pending.delete(pending)
      if (this.#pending.size === 0) this.#kept = []
    }
  }

  /** Was nothing granted because somebody was put out meanwhile? */
  wasRevoked(request: object): boolean {
    return this.#revoked.has(request)
  }

  /** Hears what all nodes are asked, before this one carries it out.
   * @param again carries it out once more: called when those who were let in have arrived. */
  hear(request: NodeRequest, again: () => void): void {
    if (request.do !== 'disconnect' && request.do !== 'unsubscribe') return
    this.#next++
    if (this.#pending.size > 0) {
      this.#kept.push(request)
      if (this.#kept.length > MAX_KEPT) this.#kept.shift()
    }
    if (this.#isArriving) setImmediate(again)
  }

  /** From the decision to the room it takes some promises, and no more than the event loop's turn. */
  #arrive(): void {
    if (this.#isArriving) return
    this.#isArriving = true
    setImmediate(() => {
      this.#isArriving = false
    })
  }
}

/** Does a command take back what was decided? */
function means(revoked: Revoked, { user, client, room }: DecidedFor): boolean {
  const isFor = revoked.client === undefined || revoked.client === client
  if (revoked.user !== user || !isFor || revoked.except?.includes(client)) return false
  return revoked.do === 'disconnect' || revoked.room === room
}
