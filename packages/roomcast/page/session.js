// What outlives a reload: the rooms, what was typed and not sent, what was sent and not answered, the name. Of this tab
// alone, but for the name. A browser may forbid storage; everything then lasts as long as the page.

import { randomId } from './dom.js'

const KEY = 'roomcast.tab'
const NAME_KEY = 'roomcast.name'
const MAX_ROOMS = 100
const MAX_DRAFTS = 100
/** The ids of our connections: so many breaks back, a message in the history is known as our own. */
const MAX_CLIENTS = 100

const EMPTY = { rooms: [], current: '', drafts: {}, unsent: {}, clients: [], guest: '' }

export class Session {
  #tab
  #local
  #kept

  constructor(tab = storage('sessionStorage'), local = storage('localStorage')) {
    this.#tab = tab
    this.#local = local
    this.#kept = { ...EMPTY, ...read(tab) }
    this.#kept.guest ||= `guest-${randomId(2)}`
    this.name = local?.getItem(NAME_KEY) ?? ''
    /** What the server calls us; undefined: it is not known to know us. */
    this.given = undefined
  }

  get rooms() {
    return this.#kept.rooms
  }

  get current() {
    return this.#kept.current
  }

  get guest() {
    return this.#kept.guest
  }

  /** What others are shown. */
  get shownName() {
    return this.given ?? (this.name || this.guest)
  }

  setRooms(names, current) {
    this.#put({ rooms: names.slice(-MAX_ROOMS), current })
  }

  rename(name) {
    this.name = name
    attempt(() => this.#local?.setItem(NAME_KEY, name))
  }

  draft(room) {
    return own(this.#kept.drafts, room) ?? ''
  }

  /** What is typed for a room stays until it is sent, even when the room is left. */
  setDraft(room, text) {
    this.#put({ drafts: withEntry(this.#kept.drafts, room, text || undefined) })
  }

  unsent(room) {
    return own(this.#kept.unsent, room) ?? []
  }

  setUnsent(room, entries) {
    this.#put({ unsent: withEntry(this.#kept.unsent, room, entries.length > 0 ? entries : undefined) })
  }

  /** A connection of ours. */
  addClient(id) {
    this.#put({ clients: [...this.#kept.clients, id].slice(-MAX_CLIENTS) })
  }

  /** Did one of our connections say it? The server tells whose a message is, so nobody can pretend. */
  isMine(info) {
    return info !== undefined && this.#kept.clients.includes(info.client)
  }

  #put(changed) {
    Object.assign(this.#kept, changed)
    attempt(() => this.#tab?.setItem(KEY, JSON.stringify(this.#kept)))
  }
}

function storage(name) {
  try {
    return globalThis[name]
  } catch {
    return undefined
  }
}

function read(tab) {
  try {
    return JSON.parse(tab?.getItem(KEY) ?? '{}')
  } catch {
    return {}
  }
}

function attempt(act) {
  try {
    act()
  } catch {}
}

function own(object, key) {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

function withEntry(object, key, value) {
  const entries = Object.entries(object).filter(([name]) => name !== key)
  // fromEntries, because a room may be called __proto__.
  return Object.fromEntries(value === undefined ? entries : [...entries.slice(1 - MAX_DRAFTS), [key, value]])
}
