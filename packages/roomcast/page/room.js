// One channel as this page knows it: whether we are in it, what was said, and what became of each message of our own.
// A message is kept until the server has it: sent again by itself once, after that when the person says so.

import { element, Log } from './log.js'
import { closeText, errorText } from './words.js'

const MAX_UNSENT = 100
const MAX_SEEN = 500
/** Close codes that name our own message as the cause: saying it again would end the next connection, too. */
const OUR_FAULT = [1002, 1003, 1007, 1008, 1009, 3000]

export class Room {
  #connection
  #on
  /** 'new' until the server said yes for the first time, then 'joined', 'waiting' for the connection, or 'refused'. */
  #state = 'new'
  #unsent = new Map()
  #seen = new Set()

  /** `on.refused(room, error)`: the server does not let us in at all. */
  constructor(name, connection, on) {
    this.name = name
    this.log = new Log(name)
    this.unread = 0
    this.draft = ''
    this.#connection = connection
    this.#on = on
  }

  get unsentCount() {
    return this.#unsent.size
  }

  get isFull() {
    return this.#unsent.size >= MAX_UNSENT
  }

  /** Joins, at first or again after the connection came back. */
  join() {
    const isBack = this.#state !== 'new'
    this.#connection.ask({ join: this.name }, ({ error, lost }) => {
      if (lost) return
      if (error) return this.#refuse(error)
      this.#state = 'joined'
      const joined = `You joined at ${clock()}.`
      this.log.addEvent(isBack ? `Back at ${clock()}. What was said meanwhile is not shown here.` : joined)
      for (const entry of this.#unsent.values()) if (entry.isWaiting) this.#transmit(entry)
    })
  }

  leave() {
    if (this.#connection.isOpen) this.#connection.ask({ leave: this.name }, () => {})
  }

  connectionLost() {
    if (this.#state !== 'joined') return
    this.#state = 'waiting'
    this.log.addEvent(`Connection lost at ${clock()}.`)
  }

  /** Takes what was said in the channel.
   * @returns whether it is news: our own messages and repeats are not. */
  hear(said) {
    const id = typeof said?.id === 'string' ? said.id : undefined
    const mine = this.#unsent.get(id)
    if (mine) this.#delivered(mine, performance.now() - mine.sentAt)
    // A message that was sent again after a lost connection may come twice; its id tells.
    if (mine || this.#seen.has(id)) return false
    if (id !== undefined) this.#remember(id)
    this.log.addMessage(said)
    return true
  }

  say(said) {
    const entry = { said, sentAt: 0, tries: 0, isWaiting: true, element: this.log.addMessage(said, { mine: true }) }
    this.#unsent.set(said.id, entry)
    this.log.toEnd()
    if (this.#state === 'joined') this.#transmit(entry)
    else this.#wait(entry, 'Not sent yet: waiting for the connection.')
  }

  #refuse(error) {
    if (this.#state === 'new') return this.#on.refused(this, error)
    this.#state = 'refused'
    this.log.addEvent(errorText(error))
    for (const entry of this.#unsent.values()) if (entry.isWaiting) this.#fail(entry, errorText(error))
  }

  #transmit(entry) {
    entry.isWaiting = false
    entry.sentAt = performance.now()
    entry.tries++
    this.log.setFate(entry.element, 'Sending…', { kind: 'sending' })
    this.#connection.ask({ say: entry.said, to: this.name }, ({ ms, error, lost }) => {
      if (!this.#unsent.has(entry.said.id)) return
      if (error) this.#fail(entry, errorText(error))
      else if (!lost) this.#delivered(entry, ms)
      else if (OUR_FAULT.includes(lost) || entry.tries > 1) this.#fail(entry, closeText(lost))
      else this.#wait(entry, 'Perhaps not sent: the connection was lost. It will be sent again.')
    })
  }

  #wait(entry, text) {
    entry.isWaiting = true
    this.log.setFate(entry.element, text, { kind: 'waiting' })
  }

  #delivered(entry, ms) {
    this.#unsent.delete(entry.said.id)
    this.#remember(entry.said.id)
    this.log.setFate(entry.element, `✓ ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`)
  }

  /** Not sent, and not by itself again. */
  #fail(entry, why) {
    entry.isWaiting = false
    const button = element('button', 'quiet', 'Send again')
    button.type = 'button'
    button.onclick = () => {
      entry.tries = 0
      if (this.#state === 'joined') return this.#transmit(entry)
      this.#wait(entry, 'Not sent yet: waiting for the channel.')
      if (this.#connection.isOpen) this.join()
    }
    this.log.setFate(entry.element, `Not sent. ${why}`, { kind: 'failed', button })
  }

  #remember(id) {
    this.#seen.add(id)
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.values().next().value)
  }
}

function clock() {
  return new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
}
