// Who listens to losses between nodes. Their code runs outside of any call that sends, and harms nobody.

import { guarded } from './guarded.ts'
import type { GapInfo } from './port.ts'

/** What a 'gap' listener is given. */
export interface GapEvent extends GapInfo {
  /** The room whose members missed something. */
  readonly room: string
}

/** Listens to 'gap'. */
export type GapListener = (gap: GapEvent) => void

/** The listeners of 'gap'. */
export class GapListeners {
  #all: readonly GapListener[] = []

  add(event: 'gap', listener: GapListener): void {
    check(event, listener)
    this.#all = [...this.#all, listener]
  }

  /** Takes a listener back; if it was given several times, the latest. */
  remove(event: 'gap', listener: GapListener): void {
    check(event, listener)
    const last = this.#all.lastIndexOf(listener)
    this.#all = this.#all.filter((_, index) => index !== last)
  }

  tell(room: string, info: GapInfo): void {
    for (const listener of this.#all) guarded(`a 'gap' listener`, () => listener({ ...info, room }))
  }
}

function check(event: 'gap', listener: GapListener): void {
  if (event !== 'gap') throw new RangeError(`no such event: ${event}`)
  if (typeof listener !== 'function') throw new TypeError('listener must be a function')
}
