// The connection to the server: one WebSocket at a time, opened again when it ends, with every question matched to its
// answer. It decides how long to wait and which close codes to obey; what the words mean is the page's business.

import { closeText, REFUSED } from './words.js'

const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 30_000
/** A connection that lasted so long was a good one: waiting starts over from the shortest delay. */
const STABLE_MS = 10_000
/** Without an answer for so long the connection is taken for dead: a browser would notice only after minutes. */
const ANSWER_MS = 10_000

/** Full jitter: anything from nothing to the doubled delay, so that the clients of a restarted server spread out. */
export function retryDelayMs(attempt, random = Math.random) {
  return random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt)
}

/** Where waiting starts after a close code: a restart takes a moment, an overload takes longer. */
const FIRST_ATTEMPT = { 1012: 2, 1013: 4 }
/** The server said goodbye and nothing is wrong: coming back by itself would be an insult. */
const FINAL = [1000]

export class Connection {
  #url
  #on
  #socket
  #state = 'connecting'
  #attempt = 0
  #failures = 0
  #openedAt = 0
  #retryTimer
  #asked = new Map()
  #nextRef = 1

  /** `on.state(state, why)` hears 'connecting', 'open', 'waiting', 'stopped'; `on.said(channel, value)` every message;
   * `on.error(error)` a refusal that belongs to no question. */
  constructor(url, on) {
    this.#url = url
    this.#on = on
  }

  get state() {
    return this.#state
  }

  get isOpen() {
    return this.#state === 'open'
  }

  /** Connects now: at first, or when somebody does not want to wait. */
  connect() {
    if (this.#socket !== undefined) return
    clearTimeout(this.#retryTimer)
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    this.#openedAt = 0
    this.#enter('connecting')
    socket.onopen = () => {
      this.#openedAt = performance.now()
      this.#failures = 0
      this.#enter('open')
    }
    socket.onmessage = ({ data }) => this.#receive(data)
    socket.onclose = ({ code }) => this.#ended(code)
  }

  /** Sends `message` with a ref. `settle` hears once how it went: `{ ms }`, `{ error }`, or `{ lost: code }` when the
   * connection ended first. */
  ask(message, settle) {
    const ref = this.#nextRef++
    const timer = setTimeout(() => this.#abandon(), ANSWER_MS)
    this.#asked.set(ref, { settle, timer, askedAt: performance.now() })
    this.#socket.send(JSON.stringify({ ...message, ref }))
  }

  #receive(data) {
    const message = JSON.parse(data)
    if (Object.hasOwn(message, 'said')) return this.#on.said(message.in, message.said)
    const ref = message.ref ?? message.ok
    const question = this.#asked.get(ref)
    if (question === undefined) return message.error && this.#on.error(message.error)
    this.#asked.delete(ref)
    clearTimeout(question.timer)
    question.settle(message.error ? { error: message.error } : { ms: performance.now() - question.askedAt })
  }

  /** Gives up on a connection that does not answer, without waiting for its end: that may take minutes, too. */
  #abandon() {
    const socket = this.#socket
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
    this.#ended(1006)
  }

  #ended(code) {
    this.#socket = undefined
    const lasted = this.#openedAt === 0 ? 0 : performance.now() - this.#openedAt
    if (this.#openedAt === 0) this.#failures++
    if (lasted >= STABLE_MS) this.#attempt = 0
    this.#attempt = Math.max(this.#attempt, FIRST_ATTEMPT[code] ?? 0)
    // The state first: who hears that a question was lost may ask it again, and must find no connection.
    if (FINAL.includes(code)) {
      this.#enter('stopped', closeText(code))
    } else {
      this.#retryTimer = setTimeout(() => this.connect(), retryDelayMs(this.#attempt++))
      this.#enter('waiting', closeText(code))
      if (this.#failures === 2) this.#findReason().catch(() => {})
    }
    const lost = [...this.#asked.values()]
    this.#asked.clear()
    for (const { settle, timer } of lost) {
      clearTimeout(timer)
      settle({ lost: code })
    }
  }

  /** A browser does not say why an upgrade failed. If plain HTTP works, the server is there and says no. */
  async #findReason() {
    const response = await fetch('healthz', { cache: 'no-store' })
    if (response.ok && this.#failures > 0) this.#enter(this.#state, REFUSED)
  }

  #enter(state, why) {
    this.#state = state
    this.#on.state(state, why)
  }
}
