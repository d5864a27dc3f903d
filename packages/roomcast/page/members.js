// Who is in a room: what the server answers, kept up by those who come and go. Pure; people.js shows it.

import { shorten } from './dom.js'

const MAX_NAME = 60

/** What the server calls a client: the name that it gives it, else its user. Undefined: it knows nobody. What a client says
 * of itself stands in `meta`, and counts for nothing here. */
export function givenName({ user, connInfo, chanInfo } = {}) {
  const name = firstText(connInfo?.name, chanInfo?.name, user)
  return name && shorten(name, MAX_NAME)
}

/** What a member is called: as the server knows it, else as it calls itself. */
export function labelOf(info) {
  const said = firstText(info.chanInfo?.meta?.name) ?? `client ${info.client.slice(0, 4)}`
  return givenName(info) ?? shorten(said, MAX_NAME)
}

function firstText(...values) {
  return values.map((value) => (typeof value === 'string' ? value.trim() : '')).find(Boolean)
}

export class Members {
  #labels = new Map()
  /** What came while the server was asked. */
  #changes
  /** Does the server tell? */
  isKnown = false
  /** Has it been asked, and said so or not? */
  isAnswered = false

  /** The server is asked: what happens meanwhile counts, too. */
  asked() {
    this.#changes = []
  }

  /** @param clients the answer; undefined: the server does not tell. */
  answered(clients) {
    const changes = this.#changes ?? []
    this.#changes = undefined
    this.isKnown = clients !== undefined
    this.isAnswered = true
    this.#labels = new Map(Object.entries(clients ?? {}).map(([id, info]) => [id, labelOf({ ...info, client: id })]))
    for (const change of changes) change()
  }

  /** @returns what the member was called before, if it was there. */
  join(info) {
    const before = this.#labels.get(info.client)
    this.#change(() => this.#labels.set(info.client, labelOf(info)))
    return before
  }

  leave({ client }) {
    this.#change(() => this.#labels.delete(client))
  }

  get count() {
    return this.#labels.size
  }

  /** Everybody by name, those of one name together: `{ label, count, isMe }`. */
  list(me) {
    const byLabel = new Map()
    for (const [client, label] of this.#labels) {
      const entry = byLabel.get(label) ?? { label, count: 0, isMe: false }
      entry.count++
      entry.isMe ||= client === me
      byLabel.set(label, entry)
    }
    return [...byLabel.values()].sort((a, b) => b.isMe - a.isMe || a.label.localeCompare(b.label))
  }

  #change(change) {
    change()
    this.#changes?.push(change)
  }
}
