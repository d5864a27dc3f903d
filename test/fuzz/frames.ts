// The protocol: the same bytes at once and cut at every place must come to the same events, owed bytes and close codes, and
// to those that the reference finds. It never throws, holds no more than its limits allow, and no input takes long.

import { Buffer } from 'node:buffer'
import type { Protocol, ProtocolEvent } from '../../packages/core/dist/protocol/protocol.js'
import { describeEvent } from '../support/describe.ts'
import { byCode, reference } from '../support/reference.ts'
import { SESSIONS } from './corpus.ts'
import { framesOf, mutateSession } from './mutate.ts'
import type { Random } from './random.ts'
import { shrinkBytes, type Target } from './target.ts'

/** The class under test: from the sources or from the built package. */
export type ProtocolClass = typeof Protocol

/** What one connection gets. */
export interface FramesInput {
  readonly wire: Buffer
  readonly maxMessageBytes: number
  /** permessage-deflate is negotiated. */
  readonly deflate: boolean
  /** Our own Close went out before anything came. */
  readonly closeFirst: boolean
}

/** Up to this length an input is cut at every place; above it, at random ones, and always into single bytes. */
const EVERY_PLACE_TO = 48
const RANDOM_CUTS = 3
/** The context that is kept of a client with permessage-deflate. */
const CLIENT_WINDOW_BYTES = 512
/** A shared machine may stop us for longer than any input takes: only the fastest of so many tries counts. */
const MAX_INPUT_MS = 50
const TRIES = 5
/** The longest header that may be kept besides a message, the first allocation for one, and the context. */
const HELD_BESIDES = 14 + 256 + CLIENT_WINDOW_BYTES
const FAILURES = [1002, 1007, 1008, 1009]

const ALL = SESSIONS.map((session) => ({ ...session, frames: framesOf(session.wire) }))
const PLAIN = ALL.filter(({ deflate }) => !deflate)
const DEFLATED = ALL.filter(({ deflate }) => deflate)

/** @param everyPlace cut at every place, however long the input is. */
export function framesTarget(Class: ProtocolClass, options: { everyPlace?: boolean } = {}): Target<FramesInput> {
  const check = (input: FramesInput, random: Random): string | null => {
    try {
      return checkInput(Class, input, { random, everyPlace: options.everyPlace === true })
    } catch (error) {
      return `threw ${error instanceof Error ? error.stack : String(error)}`
    }
  }
  return {
    name: 'frames',
    about: 'the protocol: at once = cut anywhere = the reference; no throw, bounded memory and time',
    inputs: 1_000_000,
    make(random) {
      const deflate = random.oneIn(6)
      return {
        wire: mutateSession(deflate ? DEFLATED : PLAIN, random),
        maxMessageBytes: random.pick([1024 * 1024, 1024 * 1024, 400, 126, 60, 5]),
        deflate,
        closeFirst: random.oneIn(16),
      }
    },
    check,
    show: ({ wire, maxMessageBytes, deflate, closeFirst }) =>
      `{ name: '', wire: '${wire.toString('hex')}', maxMessageBytes: ${maxMessageBytes}, deflate: ${deflate}, closeFirst: ${closeFirst} }`,
    shrink: (input, fails) => ({ ...input, wire: shrinkBytes(input.wire, (wire) => fails({ ...input, wire })) }),
  }
}

function checkInput(
  Class: ProtocolClass,
  input: FramesInput,
  { random, everyPlace }: { random: Random; everyPlace: boolean },
): string | null {
  const { wire } = input
  const began = performance.now()
  const whole = new Run(Class, input)
  whole.feed(0, wire.length)
  if (performance.now() - began > MAX_INPUT_MS && fastestMs(Class, input) > MAX_INPUT_MS) {
    return `took over ${MAX_INPUT_MS} ms`
  }
  const wrong = whole.wrong() ?? againstReference(input, whole.events)
  if (wrong !== null) return wrong

  const compare = (cuts: readonly number[], how: string): string | null => {
    const run = new Run(Class, input)
    let from = 0
    for (const cut of cuts) {
      run.feed(from, cut)
      from = cut
    }
    run.feed(from, wire.length)
    const difference = run.differs(whole)
    return difference && `${how}: ${difference}`
  }
  const bytewise = compare(
    Array.from({ length: wire.length }, (_, at) => at),
    'in single bytes',
  )
  if (bytewise !== null) return bytewise
  if (everyPlace || wire.length <= EVERY_PLACE_TO) {
    for (let at = 1; at < wire.length; at++) {
      const difference = compare([at], `cut at ${at}`)
      if (difference !== null) return difference
    }
    return null
  }
  for (let i = 0; i < RANDOM_CUTS; i++) {
    const cuts = Array.from({ length: random.between(1, 5) }, () => random.below(wire.length)).sort((a, b) => a - b)
    const difference = compare(cuts, `cut at ${cuts}`)
    if (difference !== null) return difference
  }
  return null
}

function fastestMs(Class: ProtocolClass, input: FramesInput): number {
  const times = Array.from({ length: TRIES }, () => {
    const began = performance.now()
    new Run(Class, input).feed(0, input.wire.length)
    return performance.now() - began
  })
  return Math.min(...times)
}

/** The reference does not know that our Close was first. */
function againstReference(
  { wire, maxMessageBytes, deflate, closeFirst }: FramesInput,
  events: readonly ProtocolEvent[],
) {
  if (closeFirst) return null
  const ours = byCode(events.map(describeEvent)).join(' | ')
  const theirs = reference(wire, { maxMessageBytes, deflate, clientWindowBytes: CLIENT_WINDOW_BYTES }).join(' | ')
  return ours === theirs ? null : `is ${ours}, by the reference ${theirs}`
}

/** One connection that gets the input's bytes in some pieces. */
class Run {
  readonly events: ProtocolEvent[] = []
  readonly #protocol: Protocol
  readonly #input: FramesInput
  /** The protocol owns what it is given, and unmasks it in place. */
  readonly #bytes: Buffer

  constructor(Class: ProtocolClass, input: FramesInput) {
    const { maxMessageBytes, deflate } = input
    this.#protocol = new Class({ maxMessageBytes, deflate, clientWindowBytes: CLIENT_WINDOW_BYTES })
    if (input.closeFirst) this.#protocol.close(1000, '')
    this.#input = input
    this.#bytes = Buffer.from(input.wire)
  }

  feed(from: number, to: number): void {
    this.#protocol.receive(this.#bytes.subarray(from, to))
    for (let event = this.#protocol.next(); event !== null; event = this.#protocol.next()) this.events.push(event)
  }

  /** What is wrong with it by itself. */
  wrong(): string | null {
    const { maxMessageBytes, closeFirst } = this.#input
    const last = this.events.at(-1)
    const ended = last?.type === 'close' || last?.type === 'failure'
    for (const event of this.events) {
      if ((event.type === 'close' || event.type === 'failure') && event !== last) return 'an event after the end'
      if (event.type === 'failure' && !FAILURES.includes(event.error.code)) return `fails with ${event.error.code}`
      if (event.type === 'message' && event.data.length > maxMessageBytes) return `a message of ${event.data.length}`
    }
    if (ended && (last.owed === null) !== closeFirst) return 'owes the wrong Close'
    const { heldBytes, midway } = this.#protocol
    if (ended && (heldBytes > 0 || midway)) return `holds ${heldBytes} bytes after the end`
    return heldBytes > 2 * maxMessageBytes + HELD_BESIDES ? `holds ${heldBytes} bytes` : null
  }

  /** What is not as in the other run. */
  differs(other: Run): string | null {
    const { heldBytes, midway, midMessage } = this.#protocol
    const differs =
      this.events.length !== other.events.length ||
      this.events.some((event, i) => !isSame(event, other.events[i]!)) ||
      midway !== other.#protocol.midway ||
      midMessage !== other.#protocol.midMessage
    if (differs) return `${this.#said()}, at once ${other.#said()}`
    if (heldBytes > 2 * this.#input.maxMessageBytes + HELD_BESIDES) return `holds ${heldBytes} bytes`
    return null
  }

  #said(): string {
    const { midway, midMessage } = this.#protocol
    return [...this.events.map(describeEvent), midMessage ? 'in a message' : midway ? 'in a frame' : 'between'].join(
      ' | ',
    )
  }
}

function isSame(a: ProtocolEvent, b: ProtocolEvent): boolean {
  switch (a.type) {
    case 'message':
      return b.type === 'message' && a.opcode === b.opcode && a.data.equals(b.data)
    case 'ping':
      return b.type === 'ping' && a.owed.equals(b.owed)
    case 'pong':
      return b.type === 'pong'
    case 'close':
      return b.type === 'close' && a.code === b.code && a.reason === b.reason && isSameOwed(a.owed, b.owed)
    case 'failure':
      return (
        b.type === 'failure' &&
        a.error.code === b.error.code &&
        a.error.message === b.error.message &&
        a.error.section === b.error.section &&
        a.error.limit === b.error.limit &&
        isSameOwed(a.owed, b.owed)
      )
  }
}

function isSameOwed(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b)
}
