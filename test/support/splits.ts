// Cuts bytes as TCP might, feeds them to a `Protocol`, and says what came of it in the words of describe.ts.

import { Buffer } from 'node:buffer'
import { Protocol } from '../../packages/core/src/protocol/protocol.ts'
import { describeEvent } from './describe.ts'

export { describeMessage } from './describe.ts'

/** One chunk for each byte. */
export function bytewise(wire: Buffer): Buffer[] {
  return Array.from(wire, (byte) => Buffer.of(byte))
}

/** `wire` cut at these places, in any order; what is outside of it does not count. */
export function cutAt(wire: Buffer, places: readonly number[]): Buffer[] {
  const inside = places.filter((place) => place > 0 && place < wire.length)
  const edges = [0, ...[...new Set(inside)].sort((a, b) => a - b), wire.length]
  return edges.slice(1).map((edge, i) => wire.subarray(edges[i], edge))
}

/** Every way to cut `wire` in two. */
export function* inTwo(wire: Buffer): Generator<Buffer[]> {
  for (let place = 1; place < wire.length; place++) yield cutAt(wire, [place])
}

export interface Feeding {
  /** Default 1 MiB. */
  maxMessageBytes?: number
  /** Our side has sent its Close before anything comes. */
  closeFirst?: boolean
  /** When events are taken out: all after each chunk, one after each chunk, or all after the last. Default 'each'. */
  drain?: 'each' | 'one' | 'late'
}

/** What a connection that got these chunks has come to: its events, and the protocol itself. */
export function run(chunks: Iterable<Buffer>, options: Feeding = {}): { events: string[]; protocol: Protocol } {
  const { maxMessageBytes = 1024 * 1024, closeFirst = false, drain = 'each' } = options
  const protocol = new Protocol({ maxMessageBytes })
  if (closeFirst) protocol.close(1000, '')
  const events: string[] = []
  const take = (limit: number): void => {
    for (let taken = 0; taken < limit; taken++) {
      const event = protocol.next()
      if (event === null) return
      events.push(describeEvent(event))
    }
  }
  for (const chunk of chunks) {
    // The protocol owns what it is given, and unmasks it in place.
    protocol.receive(Buffer.from(chunk))
    if (drain !== 'late') take(drain === 'one' ? 1 : Number.POSITIVE_INFINITY)
  }
  take(Number.POSITIVE_INFINITY)
  return { events, protocol }
}

/** The events of a connection that got these chunks. */
export function observe(chunks: Iterable<Buffer>, options: Feeding = {}): string[] {
  return run(chunks, options).events
}

/** Runs a loop that makes very many errors: without their stack traces it is several times as fast. */
export function withoutStackTraces(work: () => void): void {
  const before = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    work()
  } finally {
    Error.stackTraceLimit = before
  }
}
