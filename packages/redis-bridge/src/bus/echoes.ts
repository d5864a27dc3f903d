// Whether what we publish comes back to us. That others' messages come does not tell: we might publish into the void. So
// after a silence of our own a probe is sent, and one more.

import type { Attention } from './attention.ts'

/** Silence until a probe, and after each of two: with a tick for each, 9 s at most. */
const QUIET_MS = 3450
const ECHO_MS = 2450
const PROBES = 2

/** Silence in all, also where the way out was made anew meanwhile. */
const SILENT_MS = QUIET_MS + PROBES * ECHO_MS

export class Echoes {
  readonly #attention: Attention
  readonly #publish: () => boolean
  /** In attended time. */
  #heardAt = 0
  #probedAt = 0
  /** Probes since something of our own came back. */
  #probes = 0
  #isProbing = false

  /** @param publish publishes a probe; false: nobody listens yet. */
  constructor(attention: Attention, publish: () => boolean) {
    this.#attention = attention
    this.#publish = publish
  }

  /** Something of our own came back. */
  heard(): void {
    this.#probes = 0
    this.#heardAt = this.#attention.now()
  }

  /** Silence counts from now, and a probe is sent. */
  verify(): void {
    this.heard()
    this.#probe()
  }

  /** There is another way out: whether what goes out on it comes back is not known before it does. */
  mended(): void {
    if (this.#isProbing) this.#probe()
  }

  /** Sends a probe when one is due; false: nothing comes back. */
  judge(): boolean {
    if (!this.#isProbing) return true
    const now = this.#attention.now()
    if (now - this.#heardAt >= SILENT_MS) return false
    if (this.#probes === 0 ? now - this.#heardAt < QUIET_MS : now - this.#probedAt < ECHO_MS) return true
    if (this.#probes >= PROBES) return false
    this.#probe()
    return true
  }

  #probe(): void {
    this.#probes++
    this.#probedAt = this.#attention.now()
    if (this.#publish()) this.#isProbing = true
    else this.#probes = 0
  }
}
