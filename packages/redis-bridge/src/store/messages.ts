// What a store tells over the bus beside records: envelopes with the same header, of kinds of their own. A publication and
// the leaves of a dead node are made by the scripts that number and remove; here is how they are read.

import { Buffer } from 'node:buffer'
import type { Present, Publication, Top } from '@roomcast/rooms'
import { HEADER_BYTES, writeHeader } from '../bus/envelope.ts'
import { encodeTexts, publicationOf, Reader, readDraft, readInfo, reading } from './bytes.ts'

/** What an envelope of a store is for. */
export const StoreKind = {
  /** Numbered and kept: its number is the publication's. */
  PUBLICATION: 5,
  /** Where a room stands that was published to a moment ago. */
  TOP: 6,
  /** Clients whose node is gone. */
  LEAVES: 7,
  /** To every node. */
  REQUEST: 8,
  /** To the node that asked, with the number of the request. */
  ANSWER: 9,
} as const

/** Requests and answers are no larger; what is, is none. */
const MAX_JSON_BYTES = 8 * 1_048_576

/** Magic, version, kind and node: what a script puts before number, age and body. */
export function headOf(kind: number, node: Uint8Array): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  writeHeader(header, kind, node, 1, 0)
  return header.subarray(0, 12)
}

export function numberOf(envelope: Buffer): number {
  return envelope.readUInt32BE(12) * 0x1_0000_0000 + envelope.readUInt32BE(16)
}

export function decodePublication(envelope: Buffer): Publication | undefined {
  const offset = numberOf(envelope)
  if (offset < 1 || !Number.isSafeInteger(offset)) return undefined
  return reading(envelope, HEADER_BYTES, (reader) => {
    const [epoch, previous] = [reader.text(), reader.text()]
    return publicationOf(readDraft(reader), epoch, offset, previous)
  })
}

export function encodeTop(node: Uint8Array, { epoch, offset, lastId }: Top): Buffer {
  return envelopeOf(StoreKind.TOP, node, offset, encodeTexts(epoch, lastId))
}

export function decodeTop(envelope: Buffer): Top | undefined {
  const offset = numberOf(envelope)
  return reading(envelope, HEADER_BYTES, (reader) => ({ epoch: reader.text(), offset, lastId: reader.text() }))
}

export function decodeLeaves(envelope: Buffer): Present[] | undefined {
  return reading(envelope, HEADER_BYTES, (reader) => {
    const infos: Present[] = []
    while (!reader.isAtEnd) infos.push(readInfo(new Reader(reader.run())))
    return infos
  })
}

export function encodeJson(kind: number, node: Uint8Array, number: number, value: unknown): Buffer {
  return envelopeOf(kind, node, number, Buffer.from(JSON.stringify(value)))
}

/** An object, or undefined: it is none. */
export function decodeJson(envelope: Buffer): object | undefined {
  if (envelope.length > MAX_JSON_BYTES) return undefined
  try {
    const value: unknown = JSON.parse(envelope.toString('utf8', HEADER_BYTES))
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function envelopeOf(kind: number, node: Uint8Array, number: number, body: Uint8Array): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  writeHeader(header, kind, node, number, 0)
  return Buffer.concat([header, body])
}
