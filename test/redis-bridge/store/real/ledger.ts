// What every client was told and shown of rooms on real nodes, and the judgement. What the store did is not asked for: it
// shows. Each number of an epoch is one publication, whoever saw it; a stay is without holes, repeats and jumps; `recovered`
// goes on exactly where the client was, and reaches at least what had been acknowledged when it came.

import type { Heard, Said } from '../../../rooms/codecs.ts'

interface Seen {
  epoch: string
  offset: number
}

/** A client in a room, from its reply to its end. */
export interface Stay {
  readonly who: string
  readonly room: string
  readonly since: Seen | undefined
  /** By epoch, the highest number that anybody was told of before it came. */
  readonly known: ReadonlyMap<string, number>
  at: Seen | undefined
  recovered: boolean
}

export class Ledger {
  readonly faults: string[] = []
  /** What somebody wanted to be published. */
  readonly #asked = new Map<string, string>()
  /** By room, epoch and number: what is there. */
  readonly #log = new Map<string, string>()
  /** By data: where it is, in each epoch. */
  readonly #placed = new Map<string, Map<string, number>>()
  /** By room and epoch: the highest number known of. */
  readonly #known = new Map<string, Map<string, number>>()
  /** By room, who told, client: leaves told. */
  readonly leaves = new Map<string, number>()
  /** Epochs that there were, by room. */
  readonly epochs = new Map<string, Set<string>>()
  deliveries = 0
  acknowledged = 0
  failed = 0
  recovered = 0
  unrecovered = 0
  told = 0
  /** Of rooms that keep everything: how often one was told that something is missing, or did not recover. */
  lost = 0
  readonly #keepsAll: (room: string) => boolean

  constructor(keepsAll: (room: string) => boolean) {
    this.#keepsAll = keepsAll
  }

  asked(room: string, data: string): void {
    this.#asked.set(data, room)
  }

  came(room: string, who: string, since: Seen | undefined): Stay {
    const known = new Map(this.#known.get(room))
    return { who, room, since, known, at: undefined, recovered: false }
  }

  acknowledge(data: string, seen: Seen): void {
    this.acknowledged++
    this.#place(this.#asked.get(data)!, data, seen)
  }

  /** Returns false when the stay is over. */
  hear(stay: Stay, heard: Heard): boolean {
    const name = `${stay.who} in ${stay.room}`
    if (heard.is === 'join' || heard.is === 'leave') {
      const key = `${stay.room} ${stay.who} ${heard.client}`
      if (heard.is === 'leave') this.leaves.set(key, (this.leaves.get(key) ?? 0) + 1)
      if (stay.at === undefined) this.#fault(`${name} is told of a ${heard.is} before its reply`)
      return true
    }
    if (heard.is === 'out') {
      this.told++
      this.#miss(stay)
      return false
    }
    if (heard.is === 'said') this.#shown(stay, heard, name)
    else this.#replied(stay, heard, name)
    return true
  }

  /** At the end, when everything is quiet: who is in is where the room is. */
  quiet(stay: Stay, top: Seen): void {
    const { at, who, room } = stay
    if (at?.epoch !== top.epoch || at.offset !== top.offset) {
      this.#fault(
        `silent loss: ${who} in ${room} is at ${at?.epoch}/${at?.offset}, the room at ${top.epoch}/${top.offset}`,
      )
    }
  }

  #replied(stay: Stay, { epoch, offset, recovered, missed }: Heard & { is: 'reply' }, name: string): void {
    if (stay.at !== undefined) this.#fault(`a second reply to ${name}`)
    const { since, known } = stay
    stay.recovered = recovered
    if (!recovered) {
      if (since !== undefined) {
        this.unrecovered++
        this.#miss(stay)
      }
      if (missed.length > 0) this.#fault(`${name} did not recover and got publications`)
      stay.at = { epoch, offset }
      this.#know(stay.room, stay.at)
      return
    }
    this.recovered++
    if (since?.epoch !== epoch) this.#fault(`${name} recovered out of nothing`)
    // What a later epoch has, this one does not reach.
    if (offset < (known.get(epoch) ?? 0))
      this.#fault(`${name} recovered up to ${offset}, and ${known.get(epoch)} was known`)
    stay.at = { epoch, offset: since?.offset ?? 0 }
    for (const said of missed) this.#shown(stay, said, name)
    if (stay.at.offset !== offset) this.#fault(`${name} stands at ${offset}, and got up to ${stay.at.offset}`)
  }

  #shown(stay: Stay, { data, epoch, offset }: Said, name: string): void {
    this.deliveries++
    this.#place(stay.room, data, { epoch, offset })
    const { at } = stay
    if (at === undefined) return this.#fault(`${data} for ${name} before the reply`)
    if (at.epoch !== epoch || offset !== at.offset + 1) {
      this.#fault(`${name} was at ${at.epoch}/${at.offset} and got ${epoch}/${offset}`)
    }
    stay.at = { epoch, offset }
  }

  #place(room: string, data: string, seen: Seen): void {
    if (this.#asked.get(data) !== room) return this.#fault(`phantom ${data} in ${room}`)
    const key = `${room} ${seen.epoch} ${seen.offset}`
    const there = this.#log.get(key)
    if (there !== undefined && there !== data) this.#fault(`${key} is ${there} and ${data}`)
    this.#log.set(key, data)
    const placed = this.#placed.get(data) ?? new Map<string, number>()
    this.#placed.set(data, placed)
    if ((placed.get(seen.epoch) ?? seen.offset) !== seen.offset) this.#fault(`${data} is twice in ${seen.epoch}`)
    placed.set(seen.epoch, seen.offset)
    this.#know(room, seen)
  }

  #know(room: string, { epoch, offset }: Seen): void {
    const known = this.#known.get(room) ?? new Map<string, number>()
    this.#known.set(room, known)
    known.set(epoch, Math.max(known.get(epoch) ?? 0, offset))
    this.epochs.set(room, (this.epochs.get(room) ?? new Set()).add(epoch))
  }

  #miss({ room }: Stay): void {
    if (this.#keepsAll(room)) this.lost++
  }

  #fault(what: string): void {
    if (this.faults.length < 50) this.faults.push(what)
  }
}
