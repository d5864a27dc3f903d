// Who comes and goes, as lines in the log: one line for several who follow each other, none for somebody whose connection
// was lost for a moment, and none at all in a crowd.

import { labelOf } from './members.js'

const CROWD = 20
/** Who is back within this time has not left. */
const MOMENT_MS = 2_000
const MAX_PHRASES = 3

export class Arrivals {
  #log
  #line
  #phrases = []
  /** Those who left a moment ago: what they are called → the timer that tells. */
  #leaving = new Map()

  constructor(log) {
    this.#log = log
  }

  /** @param before what the member was called, if it was there. */
  came(info, before, count) {
    const label = labelOf(info)
    const left = this.#leaving.get(info.client) ?? [...this.#leaving.values()].find((gone) => gone.label === label)
    if (left !== undefined) {
      clearTimeout(left.timer)
      this.#leaving.delete(left.client)
    }
    const name = left?.label ?? before
    if (name === label) return
    if (name !== undefined) this.#tell(`${name} is now ${label}`, count)
    else this.#tell(`${label} came in`, count)
  }

  went(info, count) {
    const label = labelOf(info)
    const { client } = info
    const timer = setTimeout(() => {
      this.#leaving.delete(client)
      this.#tell(`${label} left`, count)
    }, MOMENT_MS)
    this.#leaving.set(client, { client, label, timer })
  }

  /** Something keeps us from joining; it is tried again. */
  trouble(text) {
    if (this.#line === undefined || !this.#log.isLast(this.#line)) this.#line = this.#log.addEvent(text)
  }

  #tell(phrase, count) {
    if (count > CROWD) return
    const goesOn = this.#line !== undefined && this.#log.isLast(this.#line)
    this.#phrases = goesOn ? [...this.#phrases, phrase] : [phrase]
    if (!goesOn) this.#line = this.#log.addEvent('')
    const more = this.#phrases.length - MAX_PHRASES
    const text = this.#phrases.slice(-MAX_PHRASES).join(' · ')
    this.#line.firstElementChild.textContent = more > 0 ? `… ${text}` : text
    this.#log.keepUp()
  }
}
