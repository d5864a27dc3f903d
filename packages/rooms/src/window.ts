// The newest publications of a room, as this node delivered them: an unbroken row that ends where the room stands. Whoever
// missed some is answered from here, so that bodies are made once however many come back.

import type { Codec } from './member.ts'
import type { ClientInfo, HistoryRule, Publication } from './port.ts'

/** At most so many publications are replayed to a member. */
export const MAX_REPLAY = 300

/** At most so many bytes of publications are replayed to a member. */
export const MAX_REPLAY_BYTES = 1_048_576

/** What keeping a publication takes beside its data: objects, a body's header, its place in a list. */
const OVERHEAD_BYTES = 200

/** What a publication counts in every limit of bytes. */
export function publicationBytes({ data, info, tags }: Publication): number {
  let bytes = OVERHEAD_BYTES + data.length
  if (info !== undefined) bytes += infoBytes(info)
  if (tags !== undefined) for (const name of Object.keys(tags)) bytes += name.length + tags[name]!.length
  return bytes
}

function infoBytes({ client, user, info, roomInfo }: ClientInfo): number {
  return client.length + user.length + (info?.length ?? 0) + (roomInfo?.length ?? 0)
}

/** A publication with its bodies, each made when it is first needed. */
export class Kept {
  readonly publication: Publication
  readonly bytes: number
  #codec: Codec | undefined
  #body: unknown
  #others: Map<Codec, unknown> | undefined

  constructor(publication: Publication) {
    this.publication = publication
    this.bytes = publicationBytes(publication)
  }

  body(codec: Codec): unknown {
    if (this.#codec === codec) return this.#body
    if (this.#codec === undefined) {
      this.#body = codec.body(this.publication)
      this.#codec = codec
      return this.#body
    }
    this.#others ??= new Map()
    if (!this.#others.has(codec)) this.#others.set(codec, codec.body(this.publication))
    return this.#others.get(codec)
  }
}

/** The bytes of all windows of a node. Over the limit, the windows that were used least recently are emptied. */
export class WindowBudget {
  readonly #maxBytes: number
  readonly #windows = new Map<Window, number>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** A window has so many bytes now. */
  count(window: Window, bytes: number): void {
    this.#bytes += bytes - (this.#windows.get(window) ?? 0)
    this.#windows.delete(window)
    if (bytes > 0) this.#windows.set(window, bytes)
    for (const oldest of this.#windows.keys()) {
      if (this.#bytes <= this.#maxBytes) break
      oldest.clear()
    }
  }
}

/** The row itself: at most 300 publications and 1 MiB, and no more than the room remembers. */
export class Window {
  readonly #budget: WindowBudget
  readonly #maxCount: number
  readonly #maxBytes: number
  #row: Kept[] = []
  #bytes = 0

  /** @param rule what the room remembers: no more of it is kept here. */
  constructor(budget: WindowBudget, { size, maxBytes }: HistoryRule) {
    this.#budget = budget
    this.#maxCount = Math.min(size, MAX_REPLAY)
    this.#maxBytes = Math.min(maxBytes, MAX_REPLAY_BYTES)
  }

  /** Adds the next publication. */
  append(kept: Kept): void {
    this.#row.push(kept)
    this.#bytes += kept.bytes
    this.#trim()
  }

  /** Adds what came before the row, or begins it. `before` ends where the row begins, or overlaps it.
   * @param offset where the room stands: the row must end there. */
  prepend(before: readonly Publication[], offset: number): void {
    const first = this.#row[0]?.publication.offset ?? offset + 1
    const older = before.filter((publication) => publication.offset < first)
    if (older.length === 0 || older.at(-1)!.offset !== first - 1) return
    const kept = older.map((publication) => new Kept(publication))
    this.#row = [...kept, ...this.#row]
    for (const { bytes } of kept) this.#bytes += bytes
    this.#trim()
  }

  /** What is below a number is not kept any more. */
  dropBefore(first: number): void {
    while (this.#row.length > 0 && this.#row[0]!.publication.offset < first) this.#bytes -= this.#row.shift()!.bytes
    this.#budget.count(this, this.#bytes)
  }

  /** Everything after a number, oldest first; undefined when the row does not reach back so far.
   * @param offset where the room stands. */
  after(since: number, offset: number): readonly Kept[] | undefined {
    if (since >= offset) return []
    const first = this.#row[0]
    if (first === undefined || first.publication.offset > since + 1) return undefined
    return this.#row.slice(since + 1 - first.publication.offset)
  }

  /** The publication of that number, if it is here. */
  at(offset: number): Publication | undefined {
    const first = this.#row[0]
    return first === undefined ? undefined : this.#row[offset - first.publication.offset]?.publication
  }

  clear(): void {
    this.#row = []
    this.#bytes = 0
    this.#budget.count(this, 0)
  }

  #trim(): void {
    while (this.#row.length > this.#maxCount || this.#bytes > this.#maxBytes) this.#bytes -= this.#row.shift()!.bytes
    this.#budget.count(this, this.#bytes)
  }
}
