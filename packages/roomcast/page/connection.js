// The connection: npm's SDK, and what it leaves to its user: it asks for a sign of life when there is doubt, and tells in
// four words how the connection stands. What the words look like is the page's business.

import { isLost } from './words.js'

/** No command takes longer on a line that works, and no handshake: the SDK gives up an attempt that nobody answers. */
const ANSWER_MS = 5_000
/** How the SDK calls the end by a message over the server's limit. */
const TOO_LARGE = 3
const MAX_DELAY_MS = 10_000
/** The round trips that the median is taken of. */
const ROUND_TRIPS = 9

export class Connection {
  #on
  #state = 'connecting'
  #hasConnected = false
  #isRenewing = false
  #isAsking = false
  #roundTrips = []
  /** The last connection ended because of a message over the server's limit. */
  wasTooLarge = false

  /** `on.state(state, code)` hears 'connecting', 'open', 'waiting' (it comes back by itself) and 'stopped' (it does not);
   * `on.failed()` hears of each attempt that failed. */
  constructor(url, on, { Centrifuge = globalThis.Centrifuge, WebSocket = globalThis.WebSocket } = {}) {
    this.url = url
    this.#on = on
    this.client = new Centrifuge(url, {
      websocket: WebSocket,
      timeout: ANSWER_MS,
      maxReconnectDelay: MAX_DELAY_MS,
      name: 'page',
    })
    this.client.on('connecting', ({ code }) => this.#enter(this.#hasConnected ? 'waiting' : 'connecting', code))
    this.client.on('connected', ({ client }) => {
      this.#hasConnected = true
      this.wasTooLarge = false
      this.id = client
      this.#enter('open', 0)
    })
    this.client.on('disconnected', ({ code }) => {
      if (this.#isRenewing) return
      this.wasTooLarge = code === TOO_LARGE
      // The fault of one message: the connection is as good as before.
      if (this.wasTooLarge) this.client.connect()
      else this.#enter('stopped', code)
    })
    this.client.on('error', ({ error }) => {
      if (this.#state !== 'open') this.#on.failed(error.code)
    })
  }

  get state() {
    return this.#state
  }

  get isOpen() {
    return this.#state === 'open'
  }

  /** The median of the last round trips, in ms; undefined: none yet. */
  get roundTripMs() {
    return this.#roundTrips.toSorted((a, b) => a - b)[this.#roundTrips.length >> 1]
  }

  measured(ms) {
    this.#roundTrips = [...this.#roundTrips.slice(1 - ROUND_TRIPS), ms]
  }

  connect() {
    this.client.connect()
  }

  /** Connects anew, now: what there is counts for nothing. Rooms keep their place in what is said. */
  renew() {
    this.#isRenewing = true
    this.client.disconnect()
    this.#isRenewing = false
    this.client.connect()
  }

  /** The network may be gone without a word: asks for any answer, and connects anew when there is none. */
  async doubt() {
    if (!this.isOpen || this.#isAsking) return
    this.#isAsking = true
    try {
      // A refusal is an answer, too.
      await this.client.presenceStats('lobby')
    } catch (error) {
      if (isLost(error.code) && this.isOpen) this.renew()
    } finally {
      this.#isAsking = false
    }
  }

  #enter(state, code) {
    this.#state = state
    this.#on.state(state, code)
  }
}
