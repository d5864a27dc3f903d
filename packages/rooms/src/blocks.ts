// Users that were sent away for some time, and with what words. Bounded: who was sent away first comes back early.

import type { Clock } from './clock.ts'
import type { Command } from './port.ts'

type Disconnect = Command & { do: 'disconnect' }

/** So many users can be blocked at once. */
const MAX_BLOCKED = 100_000

/** Who is blocked, and until when. */
export class Blocks {
  readonly #clock: Clock
  readonly #blocked = new Map<string, { until: number; command: Disconnect }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#blocked.size
  }

  /** Blocks a user for the command's `blockMs`, or for what is left of an earlier one if that is longer. Where both hold, and
   * except different clients, none is spared by a node that learns of it later: each may have been meant by one of them. */
  add(command: Disconnect): void {
    if (command.blockMs <= 0) return
    const { user, blockMs, except } = command
    const now = this.#clock.now()
    const before = this.#blocked.get(user)
    const until = Math.max(before?.until ?? 0, now + blockMs)
    const isOther = before !== undefined && before.until > now && `${before.command.except}` !== `${except}`
    this.#blocked.delete(user)
    this.#blocked.set(user, { until, command: isOther ? { ...command, except: undefined } : command })
    for (const [first, { until: over }] of this.#blocked) {
      if (over > now && this.#blocked.size <= MAX_BLOCKED) return
      this.#blocked.delete(first)
    }
  }

  has(user: string): boolean {
    if (this.#blocked.size === 0) return false
    const until = this.#blocked.get(user)?.until
    if (until === undefined) return false
    if (until > this.#clock.now()) return true
    this.#blocked.delete(user)
    return false
  }

  /** What to tell a node that knows of none: the commands, with the time that is left of them. */
  commands(): Disconnect[] {
    const now = this.#clock.now()
    return [...this.#blocked.values()].flatMap(({ until, command }) =>
      until > now ? { ...command, blockMs: until - now } : [],
    )
  }
}
