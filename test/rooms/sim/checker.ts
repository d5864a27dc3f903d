// What was published, what every member was told and shown, and the judgement: one order, nothing twice, no hole that was
// not told, nothing that was never said, and `recovered` only where it is true.

import type { Heard, Said } from '../codecs.ts'

/** What a client remembers of a room between memberships, as an SDK does. */
export interface Seen {
  epoch: string
  offset: number
  /** What it was shown last, where it knows. */
  last?: string | undefined
}

/** One stay of a client in a room, from its reply to its end. */
export interface Stay {
  who: string
  room: string
  since: Seen | undefined
  /** Where the store stood when it came. */
  asOf: Seen
  /** Where it is, from its reply on. */
  at: Seen | undefined
  /** What it was told last of others, by client. */
  told: Map<string, 'join' | 'leave'>
}

/** Where the store put something, and what was before it there. */
interface Placed extends Said {
  room: string
  before: string | undefined
}

/** A record of everything. */
export class Checker {
  readonly faults: string[] = []
  /** Does nothing fail, and is nothing lost? */
  readonly calm: boolean
  /** Is a number of an epoch given once, however the store loses its memory? */
  numbersOnce = false
  /** Has the store lost keys, so that what is repeated is published again, in another epoch? */
  forgets = false
  /** By data: where the store put it, and what was before it there. */
  readonly #placed = new Map<string, Placed[]>()
  /** By room, epoch and number: what is there, as the store has it now. */
  readonly #log = new Map<string, string>()
  readonly #asked = new Map<string, string>()
  deliveries = 0
  recovered = 0
  unrecovered = 0
  told = 0

  constructor(calm: boolean) {
    this.calm = calm
  }

  /** Somebody wants that published. */
  asked(room: string, data: string): void {
    this.#asked.set(data, room)
  }

  /** The store has numbered something. */
  placed(room: string, said: Said): void {
    const { data, epoch, offset } = said
    if (this.#asked.get(data) !== room) this.#fault(`${data} was placed, and nobody asked for it`)
    const others = this.#placed.get(data) ?? []
    if (others.length > 0 && !(this.forgets && others.every((other) => other.epoch !== epoch)))
      this.#fault(`${data} was placed twice`)
    const before = this.#log.get(`${room} ${epoch} ${offset - 1}`)
    this.#placed.set(data, [...others, { ...said, room, before }])
    if (this.numbersOnce && this.#log.has(`${room} ${epoch} ${offset}`))
      this.#fault(`${epoch}/${offset} was given twice`)
    this.#log.set(`${room} ${epoch} ${offset}`, data)
  }

  acknowledged(data: string, { epoch, offset }: Seen): void {
    if (this.#placedAt(data, epoch)?.offset !== offset) this.#fault(`${data} was acknowledged at ${epoch}/${offset}`)
  }

  /** A member heard something. Returns false when its stay is over. */
  hear(stay: Stay, heard: Heard): boolean {
    const name = `${stay.who} in ${stay.room}`
    if (heard.is === 'join' || heard.is === 'leave') {
      this.#cameOrWent(stay, heard.client, heard.is, name)
      return true
    }
    if (heard.room !== stay.room) this.#fault(`${name} was told of ${heard.room}`)
    if (heard.is === 'out') {
      this.told++
      if (stay.at === undefined) this.#fault(`${name} is out before it was in`)
      return false
    }
    if (heard.is === 'said') {
      this.#shown(stay, heard, name)
      return true
    }
    if (stay.at !== undefined) this.#fault(`a second reply to ${name}`)
    const { since } = stay
    if (!heard.recovered) {
      if (since !== undefined) this.unrecovered++
      if (heard.missed.length > 0) this.#fault(`${name} did not recover and got publications`)
      stay.at = { epoch: heard.epoch, offset: heard.offset }
      return true
    }
    this.recovered++
    if (since === undefined || since.epoch !== heard.epoch) this.#fault(`${name} recovered out of nothing`)
    if (heard.epoch !== stay.asOf.epoch || heard.offset < stay.asOf.offset) {
      this.#fault(`${name} recovered up to ${heard.offset}, and the store was at ${stay.asOf.offset} when it came`)
    }
    stay.at = { epoch: heard.epoch, offset: since?.offset ?? 0, last: since?.last }
    for (const said of heard.missed) this.#shown(stay, said, name)
    if (stay.at.offset !== heard.offset)
      this.#fault(`${name} stands at ${heard.offset}, and got up to ${stay.at.offset}`)
    return true
  }

  /** At the end of a calm run: who is in was told last that the others came, and that those who went did. */
  knows(stay: Stay, present: ReadonlySet<string>): void {
    for (const [client, what] of stay.told) {
      if ((what === 'join') !== present.has(client))
        this.#fault(`${stay.who} in ${stay.room} thinks of ${client}: ${what}`)
    }
  }

  /** At the end, when everything is quiet: whoever is in stands where the store stands. */
  quiet(stay: Stay, { epoch, offset }: Seen): void {
    const { at } = stay
    if (at === undefined || at.epoch !== epoch || at.offset !== offset) {
      this.#fault(
        `silent loss: ${stay.who} in ${stay.room} is at ${at?.epoch}/${at?.offset}, the store at ${epoch}/${offset}`,
      )
    }
  }

  fault(what: string): void {
    this.#fault(what)
  }

  /** Where nothing is lost, joins and leaves of a client come in turns. */
  #cameOrWent(stay: Stay, client: string, what: 'join' | 'leave', name: string): void {
    if (stay.at === undefined) this.#fault(`${name} is told of a ${what} before its reply`)
    if (this.calm && stay.told.get(client) === what) this.#fault(`${name} is told twice of the ${what} of ${client}`)
    stay.told.set(client, what)
  }

  #shown(stay: Stay, { data, epoch, offset }: Said, name: string): void {
    this.deliveries++
    const placed = this.#placedAt(data, epoch)
    if (placed?.room !== stay.room) return this.#fault(`phantom ${data} for ${name}`)
    if (placed.offset !== offset) this.#fault(`${data} for ${name} under a wrong number`)
    const { at } = stay
    if (at === undefined) return this.#fault(`${data} for ${name} before the reply`)
    if (at.epoch !== epoch || offset !== at.offset + 1) {
      this.#fault(`${name} was at ${at.epoch}/${at.offset} and got ${epoch}/${offset}`)
    } else if (at.last !== undefined && at.last !== placed.before) {
      this.#fault(`${name} saw ${at.last} before ${data}, and the store has ${placed.before}`)
    }
    stay.at = { epoch, offset, last: data }
  }

  #placedAt(data: string, epoch: string): Placed | undefined {
    return this.#placed.get(data)?.find((placed) => placed.epoch === epoch)
  }

  #fault(what: string): void {
    this.faults.push(what)
  }
}
