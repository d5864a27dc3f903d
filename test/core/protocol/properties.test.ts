// Properties of the whole protocol. Whatever a well-behaved client sends is understood, however TCP cuts it. Whatever
// else comes is a close code or nothing, never a throw, and the same one however it is cut, and the one the reference finds.
// A failing run prints its seed; `fc.assert(…, { seed, path })` brings it back.

import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clientFrame, closeBody, fragmentFrames, Op } from '../../support/client-frames.ts'
import { byCode, reference } from '../../support/reference.ts'
import { bytewise, cutAt, describeMessage, type Feeding, observe, run } from '../../support/splits.ts'

/** Small, so that random sizes fall on both sides of it. */
const LIMIT = 400

/** Part of a session: its bytes and what they mean. */
interface Part {
  wire: Buffer
  events: string[]
}

const key = fc.nat(0xffff_ffff)
const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))

const control: fc.Arbitrary<Part> = fc
  .record({ ping: fc.boolean(), payload: fc.oneof(bytes(6), bytes(125)), key })
  .map(({ ping, payload, key }) => ({
    wire: clientFrame({ opcode: ping ? Op.PING : Op.PONG, payload, key }),
    events: [ping ? `ping, owes 8a${Buffer.of(payload.length).toString('hex')}${payload.toString('hex')}` : 'pong'],
  }))

const text = fc
  .oneof(fc.string({ unit: 'binary', maxLength: 30 }), fc.string({ unit: 'grapheme', maxLength: 90 }))
  .map((string) => Buffer.from(string))
  .filter((payload) => payload.length <= LIMIT)

/** A message in any number of fragments, cut anywhere, with any number of control frames before each. */
const message: fc.Arbitrary<Part> = fc
  .record({
    body: fc.oneof(
      text.map((payload) => ({ opcode: 'text' as const, payload })),
      fc.oneof(bytes(20), bytes(LIMIT)).map((payload) => ({ opcode: 'binary' as const, payload })),
    ),
    cuts: fc.array(fc.nat(LIMIT), { maxLength: 6 }),
    controls: fc.array(fc.tuple(fc.nat(6), control), { maxLength: 3 }),
    key,
  })
  .map(({ body: { opcode, payload }, cuts, controls, key }) => {
    // Places may repeat: then a fragment is empty.
    const edges = [0, ...cuts.map((cut) => cut % (payload.length + 1)).sort((a, b) => a - b), payload.length]
    const pieces = edges.slice(1).map((edge, i) => payload.subarray(edges[i], edge))
    const frames = fragmentFrames(opcode === 'text' ? Op.TEXT : Op.BINARY, pieces, { key })
    const parts = frames.flatMap((wire, i): Part[] => [
      ...controls.filter(([place]) => place % frames.length === i).map(([, part]) => part),
      { wire, events: i === frames.length - 1 ? [describeMessage(opcode, payload)] : [] },
    ])
    return join(parts)
  })

const close: fc.Arbitrary<Part> = fc
  .record({
    code: fc.constantFrom(1000, 1001, 1003, 1011, 3000, 4999),
    reason: fc.string({ unit: 'binary', maxLength: 20 }),
    key,
  })
  .map(({ code, reason, key }) => ({
    wire: clientFrame({ opcode: Op.CLOSE, payload: closeBody(code, reason), key }),
    events: [`close ${code} ${JSON.stringify(reason)}`],
  }))

function join(parts: readonly Part[]): Part {
  return { wire: Buffer.concat(parts.map(({ wire }) => wire)), events: parts.flatMap(({ events }) => events) }
}

const session: fc.Arbitrary<Part> = fc
  .tuple(
    fc.array(fc.oneof({ weight: 3, arbitrary: message }, { weight: 1, arbitrary: control }), { maxLength: 6 }),
    fc.option(close),
  )
  .map(([parts, last]) => join(last === null ? parts : [...parts, last]))

/** How a session comes in: where it is cut, and when events are taken out. */
const feeding = fc.record({
  cuts: fc.oneof(fc.array(fc.nat(3000), { maxLength: 12 }), fc.constant(null)),
  drain: fc.constantFrom<NonNullable<Feeding['drain']>>('each', 'one', 'late'),
})

function chunksOf(wire: Buffer, cuts: number[] | null): Buffer[] {
  return cuts === null
    ? bytewise(wire)
    : cutAt(
        wire,
        cuts.map((cut) => cut % (wire.length + 1)),
      )
}

/** Mostly `usual`; `odd` once in 40. */
function seldom<T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 39, arbitrary: usual }, { weight: 1, arbitrary: odd })
}

/** Frames that follow one another as they must, but for an odd one here and there: with another opcode or FIN, reserved
 * bits, no mask, a longer form of the length, or a payload that does not come. */
const frameLike: fc.Arbitrary<Buffer> = fc
  .array(
    fc.record({
      control: fc.option(fc.constantFrom(Op.PING, Op.PONG, Op.PING, Op.PONG, Op.PING, Op.PONG, Op.CLOSE), { freq: 2 }),
      type: fc.constantFrom(Op.TEXT, Op.BINARY),
      fin: fc.boolean(),
      odd: seldom(fc.constant(null), fc.record({ opcode: fc.nat(15), fin: fc.boolean() })),
      rsv: seldom(fc.constant(0), fc.nat(7)),
      key: seldom<number | null>(key, fc.constant(null)),
      form: seldom<7 | 16 | 64>(fc.constant(7), fc.constantFrom(16, 64)),
      excess: seldom(fc.constant(0n), fc.bigInt(0n, 2n ** 64n - 200n)),
      payload: fc.oneof(text, text, fc.constant(Buffer.alloc(0)), bytes(3), bytes(125)),
    }),
    { maxLength: 14 },
  )
  .map((specs) => {
    let within = false
    const frames = specs.map(({ control, type, odd, form, excess, payload: long, ...rest }) => {
      const data = control === null
      const payload = data ? long : long.subarray(0, 125)
      const declared = BigInt(payload.length) + excess
      const shortest = declared < 126n ? 7 : declared < 65_536n ? 16 : 64
      const opcode = control ?? (within ? Op.CONTINUATION : type)
      if (data) within = !rest.fin
      const frame = {
        ...rest,
        opcode,
        fin: rest.fin || !data,
        payload,
        declared,
        form: form < shortest ? shortest : form,
      }
      return clientFrame({ ...frame, ...odd })
    })
    return Buffer.concat(frames)
  })

/** Bytes changed, taken out, put in, doubled, or cut off. */
const mutation = fc.record({
  kind: fc.constantFrom('set', 'flip', 'delete', 'insert', 'double', 'cut'),
  place: fc.nat(3000),
  value: fc.nat(255),
  count: fc.integer({ min: 1, max: 9 }),
})

function mutate(wire: Buffer, changes: readonly (typeof mutation extends fc.Arbitrary<infer T> ? T : never)[]): Buffer {
  let bytes = Buffer.from(wire)
  for (const { kind, place, value, count } of changes) {
    const at = place % (bytes.length + 1)
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
    if (kind === 'set' || kind === 'flip') {
      if (at < bytes.length) bytes[at] = kind === 'set' ? value : bytes[at]! ^ (1 << (value & 7))
    } else if (kind === 'delete') bytes = Buffer.concat([before, after.subarray(count)])
    else if (kind === 'insert') bytes = Buffer.concat([before, Buffer.alloc(count, value), after])
    else if (kind === 'double') bytes = Buffer.concat([before, after.subarray(0, count), after])
    else bytes = before
  }
  return bytes
}

const CODES = /^failure (1002|1007|1008|1009) /

/** That these bytes mean one thing, however they come, and the one the reference finds. Says how they ended. */
function checkBytes(
  wire: Buffer,
  { cuts, drain }: { cuts: number[] | null; drain: NonNullable<Feeding['drain']> },
): string {
  const { events, protocol } = run([wire], { maxMessageBytes: LIMIT })
  expect(byCode(events)).toEqual(reference(wire, { maxMessageBytes: LIMIT }))
  expect(observe(bytewise(wire), { maxMessageBytes: LIMIT })).toEqual(events)
  expect(observe(chunksOf(wire, cuts), { maxMessageBytes: LIMIT, drain })).toEqual(events)
  const failures = events.filter((event) => event.startsWith('failure'))
  for (const failure of failures) expect(failure).toMatch(CODES)
  expect(protocol.next()).toBeNull()
  expect(protocol.heldBytes).toBeLessThanOrEqual(2 * LIMIT + 256)
  return failures[0]?.slice(0, 'failure 1002'.length) ?? 'no failure'
}

describe('properties', () => {
  it('any valid session, cut anywhere, gives exactly what was sent', () => {
    fc.assert(
      fc.property(session, feeding, ({ wire, events }, { cuts, drain }) => {
        expect(observe([wire], { maxMessageBytes: LIMIT })).toEqual(events)
        expect(observe(chunksOf(wire, cuts), { maxMessageBytes: LIMIT, drain })).toEqual(events)
      }),
      { numRuns: 1000 },
    )
  })

  it('the reference understands any valid session', () => {
    fc.assert(
      fc.property(session, ({ wire, events }) => {
        expect(reference(wire, { maxMessageBytes: LIMIT })).toEqual(events)
      }),
      { numRuns: 300 },
    )
  })

  it('between whole messages nothing is held, and after the end neither', () => {
    fc.assert(
      fc.property(session, feeding, ({ wire }, { cuts }) => {
        const { protocol } = run(chunksOf(wire, cuts), { maxMessageBytes: LIMIT })
        expect([protocol.heldBytes, protocol.midway, protocol.midMessage]).toEqual([0, false, false])
      }),
      { numRuns: 500 },
    )
  })

  it('after our own Close a session means the same, and its end owes nothing', () => {
    fc.assert(
      fc.property(session, feeding, ({ wire, events }, { cuts, drain }) => {
        const answered = events.map((event) => (event.startsWith('close') ? `${event}, owes nothing` : event))
        const options = { maxMessageBytes: LIMIT, drain, closeFirst: true }
        expect(observe(chunksOf(wire, cuts), options)).toEqual(answered)
      }),
      { numRuns: 300 },
    )
  })

  it('random bytes: a close code or nothing', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), feeding, (array, feeding) => {
        seen.add(checkBytes(Buffer.from(array), feeding))
      }),
      { numRuns: 1000 },
    )
    expect([...seen]).toContain('failure 1002')
  })

  it('random frames: a close code or nothing', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(frameLike, feeding, (wire, feeding) => {
        seen.add(checkBytes(wire, feeding))
      }),
      { numRuns: 2000 },
    )
    // The frames are such that each of these really comes.
    expect([...seen].sort()).toEqual(['failure 1002', 'failure 1007', 'failure 1009', 'no failure'])
  })

  it('mutations of valid sessions: a close code or nothing, the same however they are cut', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(
        session,
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        feeding,
        ({ wire }, changes, feeding) => {
          seen.add(checkBytes(mutate(wire, changes), feeding))
        },
      ),
      { numRuns: 2000 },
    )
    expect([...seen]).toEqual(expect.arrayContaining(['failure 1002', 'failure 1007', 'no failure']))
  })
})
