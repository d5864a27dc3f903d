// RFC 7692 on values: what a frame becomes, and what a peer's compressed message comes to, correct, cut anywhere, corrupt,
// or a bomb. No socket.

import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Framed, frame, txt } from '../../../packages/core/src/protocol/framed.ts'
import { checkCompression, Deflater, inflate } from '../../../packages/core/src/protocol/permessage-deflate.ts'
import { Protocol } from '../../../packages/core/src/protocol/protocol.ts'
import { type ClientFrame, clientFrame, Op, serverFrame } from '../../support/client-frames.ts'
import { bytewise, inTwo } from '../../support/splits.ts'

const TAIL = Buffer.of(0, 0, 0xff, 0xff)
const RSV1 = 4
const KIB = 1024
const MIB = 1024 * KIB

/** As a client compresses: flushed, without the tail; `before` is what it remembers of earlier messages. */
function compressed(payload: string | Uint8Array, level = 6, before = ''): Buffer {
  const dictionary = before === '' ? undefined : Buffer.from(before)
  const flushed = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH, level, dictionary })
  expect(flushed.subarray(-4)).toEqual(TAIL)
  return flushed.subarray(0, -4)
}

/** As a client decompresses, with a window that may be too small. */
function decompressed(payload: Buffer, windowBits = 15): Buffer {
  return inflateRawSync(Buffer.concat([payload, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH, windowBits })
}

/** Bytes that shrink to about three quarters and do not repeat. */
const grainy = (length: number): Buffer => randomBytes(length).map((byte) => byte & 63) as Buffer
/** Text that shrinks a lot, with matches near and far. */
const wordy = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => `${(i * 7919) % 997} leto `).join('')).subarray(0, length)

describe('options', () => {
  test.each([
    undefined,
    true,
    false,
    {},
    { thresholdBytes: 0 },
    { maxBytes: Number.POSITIVE_INFINITY, level: 9 },
    { clientContextTakeover: false },
  ])('%j is right', (option) => expect(() => checkCompression(option)).not.toThrow())
  test.each([
    ['yes', TypeError],
    [1, TypeError],
    [null, TypeError],
    [{ treshold: 1 }, TypeError],
    [{ windowBits: 9 }, TypeError],
    [{ level: '1' }, TypeError],
    [{ level: 0 }, RangeError],
    [{ level: 10 }, RangeError],
    [{ level: Number.NaN }, RangeError],
    [{ thresholdBytes: -1 }, RangeError],
    [{ maxBytes: Number.NaN }, RangeError],
    [{ clientContextTakeover: 1 }, TypeError],
  ])('%j throws', (option, error) => expect(() => checkCompression(option as never)).toThrow(error))
})

describe.each([15, 9] as const)('the codec, window %i', (windowBits) => {
  const always = { thresholdBytes: 0, maxBytes: Number.POSITIVE_INFINITY }

  /** What a client has after this frame. */
  function opened(bytes: Buffer): { rsv1: boolean; payload: Buffer } {
    const payload = bytes.subarray(bytes[1]! < 126 ? 2 : bytes[1] === 126 ? 4 : 10)
    // The rest of the frame is exactly what a server has to send.
    expect(bytes.equals(serverFrame(bytes[0]!, payload))).toBe(true)
    const rsv1 = (bytes[0]! & 0x40) !== 0
    return { rsv1, payload: rsv1 ? decompressed(payload, windowBits) : payload }
  }

  test.each([0, 1, 2, 125, 126, 127, 255, 256, 257, 512, 1023, 1024, 65_535, 65_536, 300_000])('%i bytes', (length) => {
    for (const level of [1, 6, 9]) {
      const deflater = new Deflater({ ...always, level }, windowBits)
      for (const data of [wordy(length), grainy(length), randomBytes(length), Buffer.alloc(length)]) {
        const bytes = deflater.deflate(frame(data).bytes)
        const { rsv1, payload } = opened(bytes)
        expect(payload.equals(data)).toBe(true)
        expect(bytes[0]).toBe(rsv1 ? 0xc2 : 0x82)
        expect(bytes.length).toBeLessThanOrEqual(frame(data).bytes.length)
        if (rsv1) expect(bytes.length).toBeLessThan(frame(data).bytes.length)
      }
    }
  })

  test('text is text', () => {
    const { bytes } = txt('ü'.repeat(500))
    const small = new Deflater(always, windowBits).deflate(bytes)
    expect(small[0]).toBe(0xc1)
    expect(opened(small).payload.toString()).toBe('ü'.repeat(500))
  })

  test('output that just fills, or just misses, zlib’s 16 KiB steps keeps its end', () => {
    const deflater = new Deflater(always, windowBits)
    const data = grainy(22_400)
    const lengths = new Set<number>()
    for (let length = 21_300; length < 22_400; length += 2) {
      const bytes = deflater.deflate(frame(data.subarray(0, length)).bytes)
      lengths.add(bytes.length)
      expect(opened(bytes).payload.equals(data.subarray(0, length))).toBe(true)
    }
    expect(Math.min(...lengths)).toBeLessThan(16_380)
    expect(Math.max(...lengths)).toBeGreaterThan(16_390)
  })

  test('threshold and maximum', () => {
    const deflater = new Deflater({}, windowBits)
    const goes = (length: number): string =>
      deflater.deflate(txt('a'.repeat(length)).bytes)[0] === 0xc1 ? 'small' : 'plain'
    expect([1023, 1024, 1025, 262_143, 262_144, 262_145].map(goes)).toEqual([
      'plain',
      'small',
      'small',
      'small',
      'small',
      'plain',
    ])
    expect(deflater.count).toBe(4)
    const own = new Deflater({ thresholdBytes: 10, maxBytes: 20 }, windowBits)
    expect([9, 10, 20, 21].map((length) => own.deflate(txt('a'.repeat(length)).bytes)[0])).toEqual([
      0x81, 0xc1, 0xc1, 0x81,
    ])
    // Undefined is the default.
    const unset = new Deflater({ thresholdBytes: undefined, maxBytes: undefined } as never, windowBits)
    expect([1023, 1024, 262_145].map((length) => unset.deflate(txt('a'.repeat(length)).bytes)[0])).toEqual([
      0x81, 0xc1, 0x81,
    ])
  })

  test('what does not shrink goes as it is, the same bytes', () => {
    const { bytes } = frame(randomBytes(5000))
    expect(new Deflater({}, windowBits).deflate(bytes)).toBe(bytes)
  })

  test('a Framed is compressed once, or never where that was declined', () => {
    const deflater = new Deflater({}, windowBits)
    const framed = txt('a'.repeat(5000))
    const small = framed.deflated(deflater)
    expect(small[0]).toBe(0xc1)
    for (let i = 0; i < 500; i++) expect(framed.deflated(deflater)).toBe(small)
    expect(deflater.count).toBe(1)
    expect(framed.bytes.equals(serverFrame(0x81, 'a'.repeat(5000)))).toBe(true)
    const noise = new Framed(frame(randomBytes(5000)).bytes, true)
    for (let i = 0; i < 500; i++) expect(noise.deflated(deflater)).toBe(noise.bytes)
    expect(deflater.count).toBe(2)
    const declined = txt('a'.repeat(5000), { compress: false })
    expect(declined.deflated(deflater)).toBe(declined.bytes)
    expect(deflater.count).toBe(2)
  })

  test('any payload comes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 1, max: 40 }), (unit, times) => {
        const data = Buffer.concat(Array.from({ length: times }, () => unit))
        expect(opened(new Deflater(always, windowBits).deflate(frame(data).bytes)).payload.equals(data)).toBe(true)
      }),
    )
  })
})

test('window 9 reaches back at most 256 bytes, so an 8-bit window decodes it', () => {
  const far = { 9: 0, 15: 0 }
  const pool = wordy(20_000)
  const noise = randomBytes(250)
  for (const bits of [9, 15] as const) {
    for (let level = 1; level <= 9; level++) {
      const deflater = new Deflater({ thresholdBytes: 0, level }, bits)
      for (const data of [pool, ...[240, 249, 250, 251, 255, 256, 257, 300].map((gap) => spaced(noise, gap))]) {
        const payload = deflater.deflate(frame(data).bytes).subarray(4)
        const { bytes, distance } = farthestDistance(Buffer.concat([payload, TAIL]))
        expect(Buffer.from(bytes).equals(data)).toBe(true)
        far[bits] = Math.max(far[bits], distance)
      }
    }
  }
  expect(far[9]).toBeGreaterThan(200)
  expect(far[9]).toBeLessThanOrEqual(256)
  expect(far[15]).toBeGreaterThan(512)
})

/** The same bytes again and again at this distance. */
function spaced(noise: Buffer, gap: number): Buffer {
  const unit = Buffer.concat([noise, randomBytes(50)]).subarray(0, gap)
  return Buffer.concat([unit, unit, unit, Buffer.alloc(400), unit, unit])
}

describe('a client’s compressed messages', () => {
  const TEXT = 'leto atreides '.repeat(40)

  /** What a connection with the extension comes to. */
  function receive(chunks: Iterable<Buffer>, options: { deflate?: boolean; maxMessageBytes?: number } = {}) {
    const protocol = new Protocol({ maxMessageBytes: MIB, deflate: true, ...options })
    const events: string[] = []
    for (const chunk of chunks) {
      protocol.receive(Buffer.from(chunk))
      for (let event = protocol.next(); event !== null; event = protocol.next()) {
        if (event.type === 'message') events.push(`${event.opcode} ${event.data.toString('latin1')}`)
        else if (event.type === 'failure') events.push(`failure ${event.error.code}`)
        else events.push(event.type)
      }
    }
    return { events, protocol }
  }

  /** A compressed message in frames of these parts. */
  function frames(opcode: number, payload: Buffer, parts: number): ClientFrame[] {
    const size = Math.ceil(payload.length / parts)
    return Array.from({ length: parts }, (_, i) => ({
      opcode: i === 0 ? opcode : Op.CONTINUATION,
      rsv: i === 0 ? RSV1 : 0,
      fin: i === parts - 1,
      payload: payload.subarray(i * size, (i + 1) * size),
    }))
  }

  const wire = (...list: ClientFrame[]): Buffer => Buffer.concat(list.map(clientFrame))

  test('whole, fragmented, with pings between, beside plain ones, cut anywhere', () => {
    const ping = { opcode: Op.PING, payload: 'are you there' }
    const [a, b, c] = frames(Op.TEXT, compressed(TEXT), 3)
    const all = wire(
      ...frames(Op.TEXT, compressed(TEXT), 1),
      { opcode: Op.TEXT, payload: 'plain' },
      a!,
      ping,
      b!,
      ping,
      c!,
      { opcode: Op.BINARY, payload: 'half', fin: false },
      { opcode: Op.CONTINUATION, payload: ' plain' },
      ...frames(Op.BINARY, compressed(Buffer.of(0xff, 0, 0xff)), 2),
      // §7.2.3.6: an empty message, and one with an empty last fragment.
      { opcode: Op.TEXT, rsv: RSV1, payload: Buffer.of(0) },
      { opcode: Op.TEXT, rsv: RSV1, fin: false, payload: compressed('end') },
      { opcode: Op.CONTINUATION, payload: '' },
    )
    const expected = [
      `text ${TEXT}`,
      'text plain',
      'ping',
      'ping',
      `text ${TEXT}`,
      'binary half plain',
      'binary \xff\x00\xff',
      'text ',
      'text end',
    ]
    expect(receive([all]).events).toEqual(expected)
    const { events, protocol } = receive(bytewise(all))
    expect(events).toEqual(expected)
    expect(protocol.heldBytes).toBe(0)
    for (const chunks of inTwo(all)) expect(receive(chunks).events).toEqual(expected)
  })

  test.each([
    ['§7.2.3.1 one block', 'f248cdc9c90700'],
    ['§7.2.3.3 not compressed', '000500faff48656c6c6f00'],
    ['§7.2.3.4 BFINAL', 'f348cdc9c9070000'],
    ['§7.2.3.5 two blocks', 'f248050000 00ffffcac9c90700'],
  ])('the RFC’s own: %s', (_, hex) => {
    const payload = Buffer.from(hex.replace(' ', ''), 'hex')
    for (const parts of [1, 2, payload.length]) {
      expect(receive([wire(...frames(Op.TEXT, payload, parts))]).events).toEqual(['text Hello'])
    }
  })

  test.each<[string, ClientFrame[], number, boolean?]>([
    ['RSV1 that was not negotiated', frames(Op.TEXT, compressed(TEXT), 1), 1002, false],
    [
      'RSV1 on an only continuation',
      [
        { opcode: Op.TEXT, fin: false },
        { opcode: 0, rsv: RSV1 },
      ],
      1002,
    ],
    ['RSV1 on every fragment', frames(Op.TEXT, compressed(TEXT), 2).map((part) => ({ ...part, rsv: RSV1 })), 1002],
    ...[Op.PING, Op.PONG, Op.CLOSE].map((opcode): [string, ClientFrame[], number] => [
      `RSV1 on opcode ${opcode}`,
      [{ opcode, rsv: RSV1, payload: opcode === Op.CLOSE ? Buffer.of(3, 232) : 'x' }],
      1002,
    ]),
    ['RSV2', [{ opcode: Op.TEXT, rsv: 2 }], 1002],
    ['RSV1 and RSV3', [{ opcode: Op.TEXT, rsv: 5, payload: compressed('x') }], 1002],
    ['text that is not UTF-8', frames(Op.TEXT, compressed(Buffer.of(0x61, 0xff)), 1), 1007],
    ['text that ends in a character', frames(Op.TEXT, compressed(Buffer.from('ü').subarray(0, 1)), 2), 1007],
    ['no deflate data: block type 3', frames(Op.BINARY, Buffer.of(7), 1), 1007],
    [
      'a client that keeps its context, although it offered not to',
      frames(Op.BINARY, compressed('leto atreides', 6, 'leto atreides'), 1),
      1007,
    ],
    ['a stored block whose length is wrong', frames(Op.BINARY, Buffer.from('000500000048656c6c6f', 'hex'), 1), 1007],
  ])('%s', (_, list, code, deflate = true) => {
    for (const chunks of [[wire(...list)], bytewise(wire(...list))]) {
      const { events, protocol } = receive(chunks, { deflate })
      expect(events).toEqual([`failure ${code}`])
      expect(protocol.heldBytes).toBe(0)
      expect(protocol.midway).toBe(false)
    }
  })

  test.each([1, 1000, 16_384, 65_536, MIB])('the limit %i counts inflated bytes', (maxMessageBytes) => {
    for (const data of [Buffer.alloc(maxMessageBytes + 1, 'a'), wordy(maxMessageBytes + 1)]) {
      for (const [length, expected] of [
        [maxMessageBytes - 1, 'b'],
        [maxMessageBytes, 'b'],
        [maxMessageBytes + 1, 'f'],
      ] as const) {
        const payload = compressed(data.subarray(0, length), 9)
        if (payload.length > maxMessageBytes) continue
        const { events } = receive([wire(...frames(Op.BINARY, payload, 1))], { maxMessageBytes })
        expect(events.length).toBe(1)
        if (expected === 'b') expect(events[0]).toBe(`binary ${data.toString('latin1', 0, length)}`)
        else expect(events[0]).toBe('failure 1009')
      }
    }
  })

  test('compressed bytes over the limit: 1009 from the header', () => {
    const header = clientFrame({ opcode: Op.BINARY, rsv: RSV1, declared: BigInt(MIB + 1) })
    expect(receive([header]).events).toEqual(['failure 1009'])
  })

  test('M6: a bomb, 100 KiB that want to be 100 MiB, costs what the limit allows', () => {
    const mebibyte = deflateRawSync(Buffer.alloc(MIB), { level: 9, finishFlush: constants.Z_FULL_FLUSH })
    const bomb = Buffer.concat(Array.from({ length: 100 }, () => mebibyte)).subarray(0, -4)
    expect(bomb.length).toBeLessThan(110 * KIB)
    const times: number[] = []
    const growth: number[] = []
    for (let i = 0; i < 20; i++) {
      const bytes = wire(...frames(Op.TEXT, bomb, 1 + (i % 2)))
      const protocol = new Protocol({ maxMessageBytes: MIB, deflate: true })
      const before = process.memoryUsage()
      const began = performance.now()
      protocol.receive(bytes)
      const event = protocol.next()
      times.push(performance.now() - began)
      const after = process.memoryUsage()
      growth.push(after.external + after.heapUsed - before.external - before.heapUsed)
      expect(event).toMatchObject({ type: 'failure', error: { code: 1009, limit: 'maxMessageBytes' } })
      expect(protocol.heldBytes).toBe(0)
    }
    const worst = { ms: Math.max(...times), MiB: Math.max(...growth) / MIB }
    console.info(`a bomb took ${worst.ms.toFixed(1)} ms and ${worst.MiB.toFixed(2)} MiB at worst`)
    expect(worst.ms).toBeLessThan(50)
    expect(worst.MiB).toBeLessThan(2)
  })

  test('M7: a bit flipped in any byte of 200 messages: a message, 1007 or 1009, and nothing left behind', () => {
    const seen = new Map<string, number>()
    for (let n = 0; n < 200; n++) {
      const data = n % 3 === 0 ? grainy(60) : wordy(20 + n * 2)
      const payload = compressed(data, 1 + (n % 9))
      for (let at = 0; at < payload.length; at++) {
        const broken = Buffer.from(payload)
        broken[at] = broken[at]! ^ (1 << ((at + n) % 8))
        const chunks = [wire(...frames(n % 2 === 0 ? Op.TEXT : Op.BINARY, broken, 1 + (n % 2)))]
        const { events, protocol } = receive(chunks, { maxMessageBytes: data.length })
        expect(events.length).toBe(1)
        const kind = events[0]!.split(' ', 2)[0] === 'failure' ? events[0]! : 'message'
        seen.set(kind, (seen.get(kind) ?? 0) + 1)
        expect(protocol.heldBytes).toBe(0)
        expect(protocol.midway).toBe(false)
      }
    }
    expect([...seen.keys()].sort()).toEqual(['failure 1007', 'failure 1009', 'message'])
  })

  test('any bytes as a compressed message: one event, never a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, text) => {
        const list = frames(text ? Op.TEXT : Op.BINARY, Buffer.from(bytes), 1)
        const { events } = receive([wire(...list)], { maxMessageBytes: 5000 })
        expect(events.length).toBe(1)
        expect(events[0]).toMatch(/^(text|binary|failure 1007$|failure 1009$)/)
      }),
      { numRuns: 2000 },
    )
  })

  test('a small message does not pin the buffer it was inflated in', () => {
    for (const length of [1, 100, 5000, 16_384, 20_000]) {
      const data = inflate(compressed(wordy(length)), MIB)
      expect(data.length).toBe(length)
      expect(data.buffer.byteLength).toBeLessThanOrEqual(Math.max(2 * length, Buffer.allocUnsafe(1).buffer.byteLength))
    }
  })
})

// A second inflater, from RFC 1951, that tells how far back the data refers: zlib's own does not hold a stream to the
// window it was made for while its output buffer reaches farther.
const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
]
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

const FIXED = table([
  ...Array<number>(144).fill(8),
  ...Array<number>(112).fill(9),
  ...Array<number>(24).fill(7),
  ...Array<number>(8).fill(8),
])
const FIXED_DISTANCES = table(Array<number>(30).fill(5))

/** Codes by their length and value: §3.2.2. */
function table(lengths: readonly number[]): Map<string, number> {
  const codes = new Map<string, number>()
  let code = 0
  for (let length = 1; length <= 15; length++) {
    for (const [symbol, own] of lengths.entries()) {
      if (own === length) codes.set((code++).toString(2).padStart(length, '0'), symbol)
    }
    code <<= 1
  }
  return codes
}

/** Inflates `data`, which ends where its bytes end, and tells the largest distance in it. */
function farthestDistance(data: Uint8Array): { bytes: number[]; distance: number } {
  const out: number[] = []
  let distance = 0
  let at = 0
  const bit = (): number => (data[at >> 3]! >> (at++ & 7)) & 1
  const bits = (count: number): number => {
    let value = 0
    for (let i = 0; i < count; i++) value |= bit() << i
    return value
  }
  const symbol = (codes: Map<string, number>): number => {
    for (let code = ''; code.length <= 15; ) {
      code += bit()
      const found = codes.get(code)
      if (found !== undefined) return found
    }
    throw new Error('no such code')
  }
  const dynamic = (): [Map<string, number>, Map<string, number>] => {
    const [literals, distances, count] = [bits(5) + 257, bits(5) + 1, bits(4) + 4]
    const own = Array<number>(19).fill(0)
    for (let i = 0; i < count; i++) own[CODE_ORDER[i]!] = bits(3)
    const codes = table(own)
    const lengths: number[] = []
    while (lengths.length < literals + distances) {
      const code = symbol(codes)
      if (code < 16) lengths.push(code)
      else if (code === 16) lengths.push(...Array<number>(3 + bits(2)).fill(lengths.at(-1)!))
      else lengths.push(...Array<number>(code === 17 ? 3 + bits(3) : 11 + bits(7)).fill(0))
    }
    return [table(lengths.slice(0, literals)), table(lengths.slice(literals))]
  }
  while (at < data.length * 8) {
    bit()
    const type = bits(2)
    if (type === 0) {
      at = (at + 7) & ~7
      const length = bits(16)
      at += 16
      for (let i = 0; i < length; i++) out.push(bits(8))
      continue
    }
    const [literals, distances] = type === 1 ? [FIXED, FIXED_DISTANCES] : dynamic()
    for (let code = symbol(literals); code !== 256; code = symbol(literals)) {
      if (code < 256) {
        out.push(code)
        continue
      }
      const length = LENGTH_BASE[code - 257]! + bits(LENGTH_EXTRA[code - 257]!)
      const back = symbol(distances)
      const extra = back < 4 ? 0 : (back >> 1) - 1
      const from = back < 4 ? back + 1 : ((2 + (back & 1)) << extra) + 1 + bits(extra)
      if (from > out.length) throw new Error('a distance before the beginning')
      distance = Math.max(distance, from)
      for (let i = 0; i < length; i++) out.push(out[out.length - from]!)
    }
  }
  return { bytes: out, distance }
}
