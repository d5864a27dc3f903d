// Rooms with history in Redis: numbering, reading, another epoch. What the scripts answer becomes positions and pages.

import type { Draft, HistoryRule, Page, Position, Publication, Range, Top } from '@roomcast/rooms'
import { encodeDraft, publicationOf, readDraft, reading } from './bytes.ts'
import { CLAIM, FORK, PUBLISH, READ, REMOVE_HISTORY } from './history-scripts.ts'
import { headOf, StoreKind } from './messages.ts'
import type { Place, Places } from './places.ts'

/** A repeat of an idempotency key is known for so long. */
const KEY_MS = 300_000

/** A room that somebody is in is touched so often that its epoch never lives less than it is to. */
export const TOUCHED_WITHIN_MS = 60_000

const ALL = 1_000_000_000

export interface HistoriesOptions {
  places: Places
  home: Uint8Array
  /** Makes what was never made before. */
  newEpoch(): string
  /** A publication got a number. */
  numbered(room: string, top: Top): void
}

/** The histories of all rooms. */
export class Histories {
  readonly #options: HistoriesOptions
  readonly #head: Buffer

  constructor(options: HistoriesOptions) {
    this.#options = options
    this.#head = headOf(StoreKind.PUBLICATION, options.home)
  }

  async publish(room: string, draft: Draft, rule: HistoryRule, key: string | undefined): Promise<Position> {
    const { places, numbered } = this.#options
    const place = places.of(room)
    const keys = keysOf(place, room)
    if (key !== undefined) keys.push(place.keys.idempotency(room, key))
    const [epoch, number, isNew] = (await place.calls.call({
      script: PUBLISH,
      keys,
      args: [
        place.route(room),
        this.#head,
        draft.id,
        encodeDraft(draft),
        rule.size,
        rule.maxBytes,
        rule.ttlMs,
        rule.ttlMs + rule.metaTtlMs,
        places.publishCommand,
        KEY_MS,
      ],
      // Without a key a second time would be a second publication.
      again: key !== undefined,
      mayBegin: true,
    })) as [Buffer, number, number]
    const position = { epoch: epoch.toString(), offset: number }
    if (isNew === 1) numbered(room, { ...position, lastId: draft.id })
    return position
  }

  async read(room: string, rule: HistoryRule, { after = 0, before, limit, newest = false }: Range): Promise<Page> {
    const { places } = this.#options
    const place = places.of(room)
    const first = `${after + 1}-0`
    const last = before === undefined ? '+' : `${Math.max(before - 1, 0)}-0`
    const [epoch, offset, lastId, oldest, entries] = (await place.calls.call({
      script: READ,
      keys: keysOf(place, room),
      args: [rule.metaTtlMs + TOUCHED_WITHIN_MS, first, last, Math.min(Math.max(limit, 0), ALL), newest ? 1 : 0],
      again: true,
      mayBegin: true,
    })) as [Buffer, number, Buffer, Buffer, [Buffer, Buffer[]][]]
    const name = epoch.toString()
    const publications = entries.map((entry) => publicationIn(entry, name))
    if (newest) publications.reverse()
    return {
      epoch: name,
      offset,
      lastId: lastId.toString(),
      first: oldest.length === 0 ? offset + 1 : Number.parseInt(oldest.toString(), 10),
      publications,
    }
  }

  async removeHistory(room: string): Promise<void> {
    const place = this.#options.places.of(room)
    await place.calls.call({ script: REMOVE_HISTORY, keys: keysOf(place, room), args: [], again: false })
  }

  async fork(room: string, epoch: string): Promise<void> {
    const place = this.#options.places.of(room)
    await place.calls.call({ script: FORK, keys: keysOf(place, room), args: [epoch], again: true })
  }

  async claim(room: string, key: string): Promise<boolean> {
    const { places, newEpoch } = this.#options
    const { calls, keys } = places.of(room)
    const mine = newEpoch()
    // Whoever claims again what is his has it.
    const owner = await calls.call({
      script: CLAIM,
      keys: [keys.idempotency(room, key)],
      args: [mine, KEY_MS],
      again: true,
    })
    return String(owner) === mine
  }
}

function keysOf({ keys }: Place, room: string): string[] {
  return [keys.lineage, keys.top(room), keys.history(room)]
}

/** An entry of the stream. */
function publicationIn([id, fields]: [Buffer, Buffer[]], epoch: string): Publication {
  const offset = Number.parseInt(id.toString(), 10)
  const draft = reading(fields[1]!, 0, readDraft) ?? { id: '', data: '' }
  return publicationOf(draft, epoch, offset, fields[3]!.toString())
}
