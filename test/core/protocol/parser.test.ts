// Frames out of chunks: what is read of each header and when, what is refused before any payload, and what is kept.

import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../../packages/core/src/protocol/errors.ts'
import { FrameParser } from '../../../packages/core/src/protocol/parser.ts'
import { type ClientFrame, clientFrame, fragmentFrames, Op } from '../../support/client-frames.ts'
import { DEFLATE_FIRST_BYTES, FIRST_BYTES } from '../../support/reference.ts'
import { bytewise, cutAt, inTwo } from '../../support/splits.ts'
import { hex } from '../../vectors/frames.ts'

const MIB = 1024 * 1024

/** The frames in these chunks, `FIN RSV1 opcode payload`; one that is not whole ends in `…`, an error ends it all.
 * @param perChunk how many pieces are taken after each chunk before the next is pushed; the rest after the last. */
function frames(
  chunks: Iterable<Buffer>,
  parser: FrameParser = new FrameParser(MIB, false),
  perChunk: number = Number.POSITIVE_INFINITY,
): string[] {
  const seen: string[] = []
  let payload = ''
  let inside = false
  const take = (limit: number): void => {
    for (let taken = 0; taken < limit && parser.next(); taken++) {
      if (parser.first === inside) throw new Error('a first piece within a frame, or a frame without one')
      payload += parser.chunk.toString('hex', parser.start, parser.end)
      inside = !parser.last
      if (inside) continue
      seen.push(`${parser.fin ? 'FIN ' : ''}${parser.rsv1 ? 'RSV1 ' : ''}${parser.opcode} ${payload}`)
      payload = ''
    }
  }
  try {
    for (const chunk of chunks) {
      parser.push(Buffer.from(chunk))
      take(perChunk)
    }
    take(Number.POSITIVE_INFINITY)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return [...seen, `${error.code} §${error.section}`]
  }
  return inside ? [...seen, `${parser.opcode} ${payload}… ${parser.remaining}`] : seen
}

/** How many bytes of `wire` it takes until the parser refuses them; null: it does not. */
function refusedAfter(wire: Buffer, parser: FrameParser): { bytes: number; code: number } | null {
  for (const [i, byte] of wire.entries()) {
    parser.push(Buffer.of(byte))
    try {
      while (parser.next());
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return { bytes: i + 1, code: error.code }
    }
  }
  return null
}

describe('reads', () => {
  const payload = Buffer.from(Array.from({ length: 300 }, (_, i) => i & 0xff))
  const cases: [name: string, wire: Buffer, seen: string[]][] = [
    [
      'a frame of each opcode',
      hex('81 80 00000000 82 80 00000000 89 80 00000000 8a 80 00000000 88 80 00000000'),
      ['FIN 1 ', 'FIN 2 ', 'FIN 9 ', 'FIN 10 ', 'FIN 8 '],
    ],
    [
      'fragments with a ping between',
      Buffer.concat([
        clientFrame({ opcode: 2, fin: false, payload: 'ab' }),
        clientFrame({ opcode: 9, payload: 'p' }),
        clientFrame({ opcode: 0, payload: 'c' }),
      ]),
      ['2 6162', 'FIN 9 70', 'FIN 0 63'],
    ],
    ['a length of 16 bits', clientFrame({ opcode: 2, payload }), [`FIN 2 ${payload.toString('hex')}`]],
    ['a frame that is not whole', clientFrame({ opcode: 2, payload: 'abcd', declared: 6n }), ['2 61626364… 2']],
    ['a header alone', clientFrame({ opcode: 2, declared: 70_000n }), ['2 … 70000']],
  ]

  it.each(cases)('%s: whole, bytewise and in two at every place', (_name, wire, seen) => {
    expect(frames([wire])).toEqual(seen)
    expect(frames(bytewise(wire))).toEqual(seen)
    for (const chunks of inTwo(wire)) expect(frames(chunks), `cut at ${chunks[0]!.length}`).toEqual(seen)
  })

  it('the longest header in three chunks at every two places', () => {
    const body = Buffer.alloc(65_536, 0x5a)
    const wire = clientFrame({ opcode: 2, payload: body, key: 0x0102_0304 })
    const seen = [`FIN 2 ${body.toString('hex')}`]
    for (let a = 1; a < 18; a++) {
      for (let b = a; b < 18; b++) expect(frames(cutAt(wire, [a, b])), `cut at ${a} and ${b}`).toEqual(seen)
    }
  })

  it('every form of the length with every key byte in its place', () => {
    for (const size of [5, 200, 70_000]) {
      const body = Buffer.alloc(size, 'abc')
      for (const key of [0xff00_0000, 0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0x8040_2010, 0]) {
        expect(frames([clientFrame({ opcode: 2, payload: body, key })])).toEqual([`FIN 2 ${body.toString('hex')}`])
      }
    }
  })

  it('empty chunks', () => {
    const wire = clientFrame({ opcode: 1, payload: 'hi' })
    const chunks = bytewise(wire).flatMap((chunk) => [Buffer.alloc(0), chunk, Buffer.alloc(0)])
    expect(frames(chunks)).toEqual(['FIN 1 6869'])
  })

  it('chunks that were pushed before the last was used up', () => {
    const wire = Buffer.concat(fragmentFrames(Op.BINARY, ['abc', '', 'defg', Buffer.alloc(130, 0x31)]))
    const seen = frames([wire])
    expect(seen).toHaveLength(4)
    for (const perChunk of [0, 1]) {
      expect(frames(bytewise(wire), undefined, perChunk)).toEqual(seen)
      for (const chunks of inTwo(wire)) {
        expect(frames(chunks, undefined, perChunk), `cut at ${chunks[0]!.length}`).toEqual(seen)
      }
    }
  })
})

describe('F2: all 256 first bytes', () => {
  const states = [
    { deflate: false, within: false, allowed: [...FIRST_BYTES.between] as number[] },
    { deflate: false, within: true, allowed: [...FIRST_BYTES.within] as number[] },
    { deflate: true, within: false, allowed: [...FIRST_BYTES.between, ...DEFLATE_FIRST_BYTES] as number[] },
    { deflate: true, within: true, allowed: [...FIRST_BYTES.within] as number[] },
  ]

  it.each(states)('deflate $deflate, within a message $within', ({ deflate, within, allowed }) => {
    const before = within ? clientFrame({ opcode: Op.BINARY, fin: false }) : Buffer.alloc(0)
    for (let byte0 = 0; byte0 < 256; byte0++) {
      const parser = new FrameParser(MIB, deflate)
      frames([before], parser)
      const refused = refusedAfter(Buffer.of(byte0, 0x80, 0, 0, 0, 0), parser)
      const name = byte0.toString(16)
      if (!allowed.includes(byte0)) {
        expect(refused, name).toEqual({ bytes: 2, code: 1002 })
        continue
      }
      expect(refused, name).toBeNull()
      expect([parser.fin, parser.rsv1, parser.opcode], name).toEqual([
        (byte0 & 0x80) !== 0,
        (byte0 & 0x40) !== 0,
        byte0 & 0x0f,
      ])
    }
  })
})

describe('refuses from the header, before any payload', () => {
  /** Every header that claims `declared`, as a first frame and as a continuation. */
  function headers(declared: bigint, options: Partial<ClientFrame> = {}): [before: Buffer, header: Buffer][] {
    const started = clientFrame({ opcode: Op.BINARY, fin: false })
    return [
      [Buffer.alloc(0), clientFrame({ opcode: Op.TEXT, declared, ...options })],
      [Buffer.alloc(0), clientFrame({ opcode: Op.BINARY, fin: false, declared, ...options })],
      [started, clientFrame({ opcode: Op.CONTINUATION, declared, ...options })],
      [started, clientFrame({ opcode: Op.CONTINUATION, fin: false, declared, ...options })],
    ]
  }

  function refusals(vectors: [before: Buffer, header: Buffer][], limit: number): ReturnType<typeof refusedAfter>[] {
    return vectors.map(([before, header]) => {
      const parser = new FrameParser(limit, false)
      frames([before], parser)
      return refusedAfter(header, parser)
    })
  }

  const big: [name: string, length: bigint, code: number][] = [
    ['1 MiB and 1', 1_048_577n, 1009],
    ['2^31 − 1', 2n ** 31n - 1n, 1009],
    ['2^31', 2n ** 31n, 1009],
    ['2^32', 2n ** 32n, 1009],
    ['2^32 + 1', 2n ** 32n + 1n, 1009],
    ['2^53', 2n ** 53n, 1009],
    ['2^53 + 1', 2n ** 53n + 1n, 1009],
    ['2^63 − 1', 2n ** 63n - 1n, 1009],
    ['2^63', 2n ** 63n, 1002],
    ['2^63 + 1', 2n ** 63n + 1n, 1002],
    ['2^64 − 1', 2n ** 64n - 1n, 1002],
  ]
  it.each(big)('F3: a length of %s', (_name, length, code) => {
    expect(refusals(headers(length), MIB)).toEqual(Array(4).fill({ bytes: 10, code }))
  })

  it('F3: no bytes are allocated for it', () => {
    // What is measured is written once before, so that no first-time cost is in it.
    const wires = big.flatMap(([, length]) =>
      headers(length)
        .slice(0, 2)
        .map(([, header]) => header),
    )
    const parsers = Array.from({ length: 101 }, () => wires.map(() => new FrameParser(MIB, false)))
    const feed = (round: FrameParser[]): void => {
      for (const [i, parser] of round.entries()) {
        parser.push(wires[i]!)
        expect(() => parser.next()).toThrow(ProtocolError)
      }
    }
    feed(parsers[0]!)
    const before = process.memoryUsage().arrayBuffers
    for (const round of parsers.slice(1)) feed(round)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4096)
  })

  it('F3: lengths over the safe integers under no limit: waited for, not wrapped around', () => {
    for (const length of [2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n]) {
      const parser = new FrameParser(Number.POSITIVE_INFINITY, false)
      expect(frames([clientFrame({ opcode: Op.BINARY, declared: length }), Buffer.alloc(100)], parser)).toHaveLength(1)
      expect(parser.remaining).toBe(Number(length) - 100)
      expect(parser.last).toBe(false)
    }
  })

  it('F3: a limit over 2^32 is exact', () => {
    const limit = 2 ** 40
    expect(refusals(headers(BigInt(limit)), limit)).toEqual([null, null, null, null])
    expect(refusals(headers(BigInt(limit) + 1n), limit)).toEqual(Array(4).fill({ bytes: 10, code: 1009 }))
  })

  const notShortest: [form: 16 | 64, length: bigint][] = [
    [16, 0n],
    [16, 1n],
    [16, 64n],
    [16, 124n],
    [16, 125n],
    [64, 0n],
    [64, 1n],
    [64, 125n],
    [64, 126n],
    [64, 127n],
    [64, 32_768n],
    [64, 65_535n],
  ]
  it.each(notShortest)('F4: in %i bits, %i', (form, length) => {
    expect(refusals(headers(length, { form }), MIB)).toEqual(Array(4).fill({ bytes: form === 16 ? 4 : 10, code: 1002 }))
  })

  it('F4: the shortest forms are taken', () => {
    for (const [form, length] of [
      [7, 125n],
      [16, 126n],
      [16, 65_535n],
      [64, 65_536n],
    ] as const) {
      expect(refusals(headers(length, { form }), MIB)).toEqual([null, null, null, null])
    }
  })

  const opcodes = Array.from({ length: 16 }, (_, opcode) => opcode)
  it.each(opcodes)('F1: opcode %i not masked, each form of the length', (opcode) => {
    for (const [form, declared] of [
      [7, 0n],
      [7, 5n],
      [7, 125n],
      [16, 126n],
      [16, 65_535n],
      [64, 65_536n],
      [64, 2n ** 62n],
    ] as const) {
      for (const fin of [true, false]) {
        const parser = new FrameParser(MIB, false)
        const refused = refusedAfter(clientFrame({ opcode, fin, form, declared, key: null }), parser)
        expect(refused, `${form} bits, FIN ${fin}`).toEqual({ bytes: 2, code: 1002 })
      }
    }
  })

  it.each([Op.CLOSE, Op.PING, Op.PONG])('F9: control frame %i over 125 bytes, or without FIN', (opcode) => {
    const wrong = [
      clientFrame({ opcode, form: 16, declared: 126n }),
      clientFrame({ opcode, form: 16, declared: 5n }),
      clientFrame({ opcode, form: 64, declared: 65_536n }),
      clientFrame({ opcode, form: 64, declared: 2n ** 63n }),
      clientFrame({ opcode, fin: false }),
      clientFrame({ opcode, fin: false, payload: 'hi' }),
    ]
    for (const wire of wrong) expect(refusedAfter(wire, new FrameParser(MIB, false))).toEqual({ bytes: 2, code: 1002 })
    expect(frames([clientFrame({ opcode, payload: Buffer.alloc(125) })])).toHaveLength(1)
  })
})

describe('keeps', () => {
  it('nothing of a chunk that is used up', () => {
    const parser = new FrameParser(MIB, false)
    frames([clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(60_000) })], parser)
    expect(parser.chunk.length).toBe(0)
    // Not even an empty view of it.
    expect(parser.chunk.buffer.byteLength).toBeLessThanOrEqual(Buffer.allocUnsafe(1).buffer.byteLength)
    expect(parser.keptBytes).toBe(0)
    expect(parser.midway).toBe(false)
  })

  it('at most 13 bytes of a header that is cut, whatever chunk it was in', () => {
    const header = clientFrame({ opcode: Op.BINARY, declared: 65_536n })
    for (let have = 1; have < header.length; have++) {
      const parser = new FrameParser(MIB, false)
      frames(
        [Buffer.concat([clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(60_000) }), header.subarray(0, have)])],
        parser,
      )
      expect(parser.keptBytes).toBe(have)
      expect(parser.chunk.length).toBe(0)
      expect(parser.midway).toBe(true)
      frames([header.subarray(have)], parser)
      expect(parser.keptBytes).toBe(0)
      expect(parser.remaining).toBe(65_536)
    }
  })

  it('account of what was pushed and not passed on', () => {
    const parser = new FrameParser(MIB, false)
    const frame = clientFrame({ opcode: Op.BINARY, payload: 'abc' })
    parser.push(Buffer.concat([frame, frame]))
    expect(parser.keptBytes).toBe(2 * frame.length)
    expect(parser.next()).toBe(true)
    expect(parser.keptBytes).toBe(frame.length)
    parser.push(Buffer.from(frame))
    expect(parser.keptBytes).toBe(2 * frame.length)
    parser.drop()
    expect(parser.keptBytes).toBe(0)
    expect(parser.next()).toBe(false)
  })

  it('nothing after drop, in the middle of a header too', () => {
    const parser = new FrameParser(MIB, false)
    frames([Buffer.of(0x81)], parser)
    parser.drop()
    expect(parser.keptBytes).toBe(0)
  })

  it('track of messages: midway within a frame, and between the frames of one', () => {
    const parser = new FrameParser(MIB, false)
    const [first, last] = fragmentFrames(Op.TEXT, ['ab', 'cd'])
    expect(parser.midway).toBe(false)
    frames([first!.subarray(0, 1)], parser)
    expect([parser.midway, parser.fragmented]).toEqual([true, false])
    frames([first!.subarray(1)], parser)
    expect([parser.midway, parser.fragmented]).toEqual([true, true])
    frames([clientFrame({ opcode: Op.PING })], parser)
    expect([parser.midway, parser.fragmented]).toEqual([true, true])
    frames([last!], parser)
    expect([parser.midway, parser.fragmented]).toEqual([false, false])
  })
})
