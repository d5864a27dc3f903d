// What was said here and is not known to have arrived, of one room: sent, kept while there is no connection and over a
// reload, sent once more when no answer came, and given back to the person when the server refuses it.

import { element } from './dom.js'
import { errorText, isLost } from './words.js'

/** More wait for nobody: the connection is gone for good, or the server refuses everything. */
const MAX_UNSENT = 100

export class Outbox {
  #room
  #log
  #session
  #send
  #entries = new Map()
  /** Until the room is joined everything waits. */
  #isOpen = false

  /** @param send sends what was said, whose element is the second; resolves when the server has it.
   * @param session keeps what waits. */
  constructor(room, { log, session, send }) {
    this.#room = room
    this.#log = log
    this.#session = session
    this.#send = send
    for (const { said, tries } of session.unsent(room)) this.#add(said, tries)
  }

  get count() {
    return this.#entries.size
  }

  get isFull() {
    return this.#entries.size >= MAX_UNSENT
  }

  say(said) {
    const entry = this.#add(said, 0)
    this.#keep()
    this.#log.toEnd()
    if (this.#isOpen) this.#transmit(entry)
  }

  /** The room is joined, and what was missed is here: what waits goes out. */
  open() {
    this.#isOpen = true
    for (const entry of this.#entries.values()) if (entry.isWaiting) this.#transmit(entry)
  }

  shut() {
    this.#isOpen = false
  }

  /** The room will not be joined again. */
  refuse(why) {
    this.#isOpen = false
    for (const entry of this.#entries.values()) if (entry.isWaiting) this.#fail(entry, why)
  }

  /** The server has passed it on, whatever it answered. @param given what the room was given, if it is known.
   * @returns its element, if it waited here. */
  delivered(id, given) {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    this.#entries.delete(id)
    this.#keep()
    if (given !== undefined) this.#log.amend(entry.element, given)
    this.#log.settle(entry.element)
    return entry.element
  }

  #add(said, tries) {
    const entry = { said, tries, isWaiting: true, element: this.#log.addPending(said) }
    this.#entries.set(said.id, entry)
    this.#wait(entry)
    return entry
  }

  #transmit(entry) {
    entry.isWaiting = false
    entry.tries++
    this.#keep()
    this.#log.setFate(entry.element, 'Sending…', { kind: 'sending' })
    // Who hears it twice, because only the answer was lost, can tell by this mark and its id.
    const said = entry.tries > 1 ? { ...entry.said, again: true } : entry.said
    this.#send(said, entry.element).then(
      () => this.delivered(said.id),
      (error) => {
        if (this.#entries.get(said.id) !== entry) return
        if (!isLost(error.code)) return this.#fail(entry, errorText(error))
        this.#wait(entry)
        // The answer alone was lost, and the room was joined again meanwhile.
        if (this.#isOpen && entry.tries < 3) this.#transmit(entry)
      },
    )
  }

  #wait(entry) {
    entry.isWaiting = true
    const text =
      entry.tries === 0 ? 'Not sent yet: waiting for the connection.' : 'Perhaps not sent. It will be sent again.'
    this.#log.setFate(entry.element, text, { kind: 'waiting' })
  }

  /** Not sent, and not by itself again. */
  #fail(entry, why) {
    entry.isWaiting = false
    const button = element('button', 'quiet small', 'Send again')
    button.type = 'button'
    button.onclick = () => {
      entry.tries = 0
      this.#wait(entry)
      if (this.#isOpen) this.#transmit(entry)
    }
    this.#log.setFate(entry.element, `Not sent. ${why}`, { kind: 'failed', button })
  }

  #keep() {
    this.#session.setUnsent(
      this.#room,
      [...this.#entries.values()].map(({ said, tries }) => ({ said, tries })),
    )
  }
}
