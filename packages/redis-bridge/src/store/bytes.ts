// Drafts, infos and records as bytes: neutral, in no protocol's words. A string or a run of bytes has its length in four
// bytes before it; what comes last has none. Whoever can publish on Redis can put anything there: what does not read to its
// end is undefined.

import { Buffer } from 'node:buffer'
import type { BusRecord, Data, Draft, Present, Publication } from '@roomcast/rooms'

/** What a draft has, beside its id and its data. */
const Has = { TEXT: 1, WHO: 2, TAGS: 4 } as const

/** What an info has, beside client and user; text is that one more. The last: members are not told of it. */
const Shown = { INFO: 1, INFO_TEXT: 2, ROOM_INFO: 4, ROOM_INFO_TEXT: 8, UNANNOUNCED: 16 } as const

const RECORDS = ['publication', 'join', 'leave'] as const

type Parts = (Buffer | Uint8Array)[]

function length(n: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(n)
  return bytes
}

function put(parts: Parts, data: Data): void {
  const bytes = asBytes(data)
  parts.push(length(bytes.length), bytes)
}

function asBytes(data: Data): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data) : data
}

/** Some strings, each with its length. */
export function encodeTexts(...texts: string[]): Buffer {
  const parts: Parts = []
  for (const text of texts) put(parts, text)
  return Buffer.concat(parts)
}

export function encodeDraft({ id, data, info, tags }: Draft): Buffer {
  const parts: Parts = [Buffer.alloc(1)]
  let has = typeof data === 'string' ? Has.TEXT : 0
  put(parts, id)
  if (info !== undefined) {
    has |= Has.WHO
    put(parts, encodeInfo(info))
  }
  if (tags !== undefined) {
    has |= Has.TAGS
    const names = Object.keys(tags)
    parts.push(length(names.length))
    for (const name of names) {
      put(parts, name)
      put(parts, tags[name]!)
    }
  }
  parts.push(asBytes(data))
  parts[0]![0] = has
  return Buffer.concat(parts)
}

export function encodeInfo({ client, user, info, roomInfo, isUnannounced }: Present): Buffer {
  const parts: Parts = [Buffer.alloc(1)]
  let shown = isUnannounced ? Shown.UNANNOUNCED : 0
  put(parts, client)
  put(parts, user)
  if (info !== undefined) {
    shown |= typeof info === 'string' ? Shown.INFO | Shown.INFO_TEXT : Shown.INFO
    put(parts, info)
  }
  if (roomInfo !== undefined) {
    shown |= typeof roomInfo === 'string' ? Shown.ROOM_INFO | Shown.ROOM_INFO_TEXT : Shown.ROOM_INFO
    put(parts, roomInfo)
  }
  parts[0]![0] = shown
  return Buffer.concat(parts)
}

export function encodeRecord(record: BusRecord): Buffer {
  const body = record.kind === 'publication' ? encodeDraft(record.publication) : encodeInfo(record.info)
  return Buffer.concat([Buffer.of(RECORDS.indexOf(record.kind)), body])
}

/** Reads bytes from front to back; throws a RangeError where they end too early. */
export class Reader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  byte(): number {
    return this.#take(1)[0]!
  }

  count(): number {
    return this.#take(4).readUInt32BE()
  }

  run(): Buffer {
    return this.#take(this.count())
  }

  text(): string {
    return this.run().toString()
  }

  rest(): Buffer {
    return this.#take(this.#bytes.length - this.#at)
  }

  #take(count: number): Buffer {
    const end = this.#at + count
    if (end > this.#bytes.length) throw new RangeError('it ends too early')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}

/** What a reader makes of bytes, or undefined: they are not that. */
export function reading<T>(bytes: Buffer, at: number, read: (reader: Reader) => T): T | undefined {
  const reader = new Reader(bytes, at)
  try {
    const result = read(reader)
    return reader.isAtEnd ? result : undefined
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

export function readDraft(reader: Reader): Draft {
  const has = reader.byte()
  const id = reader.text()
  const info = has & Has.WHO ? readInfo(new Reader(reader.run())) : undefined
  let tags: Record<string, string> | undefined
  if (has & Has.TAGS) {
    // Names are anybody's: `__proto__` is one of them.
    const pairs: [string, string][] = []
    for (let left = reader.count(); left > 0; left--) pairs.push([reader.text(), reader.text()])
    tags = Object.fromEntries(pairs)
  }
  return { id, data: dataOf(reader.rest(), has & Has.TEXT), info, tags }
}

export function readInfo(reader: Reader): Present {
  const shown = reader.byte()
  const [client, user] = [reader.text(), reader.text()]
  const info = shown & Shown.INFO ? dataOf(reader.run(), shown & Shown.INFO_TEXT) : undefined
  const roomInfo = shown & Shown.ROOM_INFO ? dataOf(reader.run(), shown & Shown.ROOM_INFO_TEXT) : undefined
  return shown & Shown.UNANNOUNCED
    ? { client, user, info, roomInfo, isUnannounced: true }
    : { client, user, info, roomInfo }
}

export function readRecord(reader: Reader): BusRecord {
  const kind = RECORDS[reader.byte()]
  if (kind === undefined) throw new RangeError('no such record')
  if (kind !== 'publication') return { kind, info: readInfo(reader) }
  const { id, data, info, tags } = readDraft(reader)
  return { kind, publication: { id, data, info, tags, epoch: '', offset: 0, previous: '' } }
}

/** A publication of a room with history. */
export function publicationOf(
  { id, data, info, tags }: Draft,
  epoch: string,
  offset: number,
  previous: string,
): Publication {
  // Written out: what a spread makes takes half as much again.
  return { id, data, info, tags, epoch, offset, previous }
}

/** Text, or bytes of their own: they may be kept for long, and what they came in is larger. */
function dataOf(bytes: Buffer, isText: number): Data {
  return isText ? bytes.toString() : new Uint8Array(bytes)
}
