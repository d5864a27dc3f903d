// Publications of one epoch in the order of their numbers, without a gap. There can be very many, so they are kept as
// columns: an object for each would take more than what most of them say.

import { byteLength } from './data.ts'
import type { ClientInfo, Data, Publication } from './port.ts'

/** What keeping a publication takes beside its data: its id, a body's header, its places in lists. */
const OVERHEAD_BYTES = 200

/** What a publication counts in every limit of bytes. */
function publicationBytes({ data, info, tags }: Pick<Publication, 'data' | 'info' | 'tags'>): number {
  let bytes = OVERHEAD_BYTES + byteLength(data)
  if (info !== undefined) bytes += infoBytes(info)
  if (tags !== undefined) for (const name of Object.keys(tags)) bytes += byteLength(name) + byteLength(tags[name]!)
  return bytes
}

function infoBytes({ client, user, info = '', roomInfo = '' }: ClientInfo): number {
  return byteLength(client) + byteLength(user) + byteLength(info) + byteLength(roomInfo)
}

/** What only some publications have. */
interface Extras {
  readonly info: ClientInfo | undefined
  readonly tags: Readonly<Record<string, string>> | undefined
}

/** A row of publications. */
export class Row {
  #epoch = ''
  #first = 0
  /** The first is that of the publication before the row. */
  #ids: string[] = []
  #data: Data[] = []
  /** By number. */
  #extras: Map<number, Extras> | undefined
  #bytes = 0

  get length(): number {
    return this.#data.length
  }

  /** The number of the first; of an empty row nothing. */
  get first(): number | undefined {
    return this.#data.length === 0 ? undefined : this.#first
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Adds the next publication, or begins a row. */
  push(publication: Publication): void {
    const { epoch, offset, previous, id, data, info, tags } = publication
    if (this.#data.length === 0) {
      this.#epoch = epoch
      this.#first = offset
      this.#ids = [previous]
    }
    this.#ids.push(id)
    this.#data.push(data)
    if (info !== undefined || tags !== undefined) {
      this.#extras ??= new Map()
      this.#extras.set(offset, { info, tags })
    }
    this.#bytes += publicationBytes(publication)
  }

  /** Drops the first. */
  shift(): void {
    this.#bytes -= this.#bytesAt(0)
    this.#extras?.delete(this.#first)
    this.#first++
    this.#data.shift()
    this.#ids.shift()
  }

  /** The id of a number, or of the one before the first; undefined when it is not in the row. */
  idOf(offset: number): string | undefined {
    return this.#ids[offset - this.#first + 1]
  }

  /** The publications from one place of the row up to another, as copies. */
  slice(from = 0, to: number = this.length): Publication[] {
    const all: Publication[] = []
    for (let i = from; i < to; i++) all.push(this.at(i))
    return all
  }

  /** The publication at a place of the row. */
  at(i: number): Publication {
    const offset = this.#first + i
    const common = { id: this.#ids[i + 1]!, data: this.#data[i]!, epoch: this.#epoch, offset, previous: this.#ids[i]! }
    const extras = this.#extras?.get(offset)
    return extras === undefined ? common : { ...common, ...extras }
  }

  #bytesAt(i: number): number {
    const extras = this.#extras?.get(this.#first + i)
    return publicationBytes({ data: this.#data[i]!, info: extras?.info, tags: extras?.tags })
  }
}
