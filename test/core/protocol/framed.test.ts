// Our own frames, as literal bytes: what each payload becomes, what is refused, and that every byte of a frame is one we
// meant (threat F14): all memory that is not cleared is poisoned here.

import { Buffer } from 'node:buffer'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  bin,
  closeFrame,
  Framed,
  frame,
  frameBytes,
  type Opcode,
  type Payload,
  pingFrame,
  pongFrame,
  txt,
} from '../../../packages/core/src/protocol/framed.ts'
import { serverFrame } from '../../support/client-frames.ts'
import { SIZES } from '../../vectors/frames.ts'

/** Every allocation that is not cleared gives this byte. */
let poison = 0xaa
const poisoned = (size: number): Buffer<ArrayBuffer> => Buffer.alloc(size, poison)

beforeEach(() => {
  poison = 0xaa
  vi.spyOn(Buffer, 'allocUnsafe').mockImplementation(poisoned)
  vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation(poisoned)
})

afterEach(() => {
  vi.restoreAllMocks()
})

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
/** Bytes that lie within others. */
const within = Buffer.from('__abc__').subarray(2, 5)

describe('each payload', () => {
  const payloads: [name: string, data: Payload, opcode: Opcode, body: string][] = [
    ['an empty string', '', 'text', '00'],
    ['ASCII', 'Hello', 'text', '05 48656c6c6f'],
    ['letters of 1 to 4 bytes', 'aé€😺', 'text', '0a 61c3a9e282acf09f98ba'],
    ['NUL and the byte order mark', '\u0000\ufeff', 'text', '04 00efbbbf'],
    ['a high surrogate alone', '\ud800', 'text', '03 efbfbd'],
    ['a low surrogate alone', 'a\udc00b', 'text', '05 61efbfbd62'],
    ['surrogates in the wrong order', '\ude3a\ud83d', 'text', '06 efbfbdefbfbd'],
    // One message is one text: the halves of a character may be in two pieces of it, but not in text and bytes.
    ['a pair of surrogates in two pieces', ['\ud83d', '\ude3a'], 'text', '04 f09f98ba'],
    ['a pair of surrogates around an empty piece', ['\ud83d', '', '\ude3a'], 'text', '04 f09f98ba'],
    ['a pair of surrogates around bytes', ['\ud83d', bytes(), '\ude3a'], 'binary', '06 efbfbdefbfbd'],
    ['no bytes', bytes(), 'binary', '00'],
    ['a Uint8Array', bytes(0, 255, 128), 'binary', '03 00ff80'],
    ['a Buffer that lies within another', within, 'binary', '03 616263'],
    ['a Uint8Array that lies within another', bytes(1, 2, 3, 4).subarray(1, 3), 'binary', '02 0203'],
    ['an ArrayBuffer', bytes(1, 2).buffer as ArrayBuffer, 'binary', '02 0102'],
    ['an empty ArrayBuffer', new ArrayBuffer(0), 'binary', '00'],
    ['a view of 16-bit numbers', new Uint16Array(bytes(1, 2, 3, 4).buffer, 2), 'binary', '02 0304'],
    ['a DataView', new DataView(bytes(1, 2, 3, 4).buffer, 1, 2), 'binary', '02 0203'],
    ['floating-point numbers', new Float64Array(1), 'binary', `08 ${'00'.repeat(8)}`],
    [
      'an ArrayBuffer of another realm',
      runInNewContext('new Uint8Array([1, 2]).buffer') as ArrayBuffer,
      'binary',
      '02 0102',
    ],
    [
      'a view of another realm',
      runInNewContext('new Uint8Array([1, 2, 3]).subarray(1)') as Uint8Array,
      'binary',
      '02 0203',
    ],
    ['an array of another realm', runInNewContext("['a', 'b']") as string[], 'text', '02 6162'],
    ['an empty array', [], 'text', '00'],
    ['an array of strings', ['a', 'é', ''], 'text', '03 61c3a9'],
    ['an array of bytes', [bytes(1), bytes(), bytes(2, 3)], 'binary', '03 010203'],
    ['an array of all kinds', ['é', bytes(1, 2), new ArrayBuffer(1), within, ''], 'binary', '08 c3a9010200616263'],
    ['an array of one empty string', [''], 'text', '00'],
    ['an array that ends in empty pieces', [bytes(7), '', bytes(), new ArrayBuffer(0)], 'binary', '01 07'],
  ]

  it.each(payloads)('%s', (_name, data, opcode, text) => {
    const body = text.replaceAll(' ', '')
    for (poison of [0xaa, 0x55]) {
      const made = { txt: txt(data), bin: bin(data), frame: frame(data) }
      const own = opcode === 'text' ? '81' : '82'
      expect(made.txt.bytes.toString('hex')).toBe(`81${body}`)
      expect(made.bin.bytes.toString('hex')).toBe(`82${body}`)
      expect(made.frame.bytes.toString('hex')).toBe(`${own}${body}`)
      expect(frame(data, 'text').bytes.toString('hex')).toBe(`81${body}`)
      expect(frame(data, 'binary').bytes.toString('hex')).toBe(`82${body}`)
      expect(frameBytes(data, undefined).toString('hex')).toBe(`${own}${body}`)
      expect(frameBytes(data, 'binary').toString('hex')).toBe(`82${body}`)
    }
  })

  it.each(SIZES)('$count bytes, as a string, bytes, and an array of both', ({ count, server }) => {
    const payload = Buffer.alloc(count, 'Roomcast')
    const header = server.replaceAll(' ', '')
    const text = payload.toString()
    const half = count >> 1
    for (poison of [0xaa, 0x55]) {
      for (const data of [
        text,
        payload,
        [text.slice(0, half), payload.subarray(half)],
        Array.from(text.slice(0, 300)).concat(text.slice(300)),
      ]) {
        const framed = txt(data).bytes
        expect(framed.length).toBe(1 + header.length / 2 + count)
        expect(framed.toString('hex', 0, 1 + header.length / 2)).toBe(`81${header}`)
        expect(framed.subarray(1 + header.length / 2).equals(payload)).toBe(true)
        expect(bin(data).bytes.subarray(1).equals(framed.subarray(1))).toBe(true)
      }
      // Length is counted in bytes, not in letters.
      if (count % 2 === 0) expect(txt('é'.repeat(half)).bytes.equals(serverFrame(0x81, 'é'.repeat(half)))).toBe(true)
    }
  })

  it('is copied at the call', () => {
    const data = bytes(1, 2, 3)
    const framed = [bin(data), bin([data]), bin(data.buffer as ArrayBuffer)]
    data.fill(9)
    for (const { bytes } of framed) expect(bytes.toString('hex')).toBe('8203010203')
  })

  it('frames that were made do not share memory that can be seen', () => {
    vi.restoreAllMocks()
    const framed = Array.from({ length: 500 }, (_, i) => bin(Buffer.alloc(i % 40, i)))
    for (const [i, { bytes }] of framed.entries())
      expect(bytes.equals(serverFrame(0x82, Buffer.alloc(i % 40, i)))).toBe(true)
  })
})

describe('Framed', () => {
  it('framing it again is a no-op, whatever else is asked', () => {
    const framed = txt('a', { compress: false })
    expect(txt(framed)).toBe(framed)
    expect(bin(framed)).toBe(framed)
    expect(frame(framed)).toBe(framed)
    expect(frame(framed, 'binary')).toBe(framed)
    expect(txt(framed, { compress: true }).compress).toBe(false)
    expect(framed).toBeInstanceOf(Framed)
  })

  it('may be compressed unless that was declined', () => {
    for (const make of [txt, bin]) {
      expect(make('a').compress).toBe(true)
      expect(make('a', {}).compress).toBe(true)
      expect(make('a', { compress: true }).compress).toBe(true)
      expect(make('a', { compress: false }).compress).toBe(false)
    }
    expect(frame('a').compress).toBe(true)
  })
})

/** Nothing of these is a payload. */
const WRONG: readonly unknown[] = [
  undefined,
  null,
  0,
  1000,
  true,
  10n,
  Symbol('x'),
  {},
  { length: 3 },
  { byteLength: 3 },
  () => 'a',
  new Date(),
  new Map(),
  new String('a'),
  new SharedArrayBuffer(2),
  Promise.resolve('a'),
]

describe('refuses', () => {
  it('every other type with a TypeError, alone and within an array', () => {
    for (const wrong of WRONG as Payload[]) {
      for (const data of [wrong, [wrong], ['a', wrong], [wrong, bytes(1)], [['a']], [[]]] as Payload[]) {
        for (const make of [txt, bin, frame]) expect(() => make(data), String(typeof wrong)).toThrow(TypeError)
        expect(() => frame(data, 'text')).toThrow(TypeError)
        expect(() => frameBytes(data, 'binary')).toThrow(TypeError)
      }
    }
    const holes: string[] = ['a']
    holes[2] = 'b'
    expect(() => txt(holes)).toThrow(TypeError)
    expect(() => txt([txt('a')] as unknown as Payload)).toThrow(TypeError)
  })

  it('an opcode of another value with a RangeError, of another type with a TypeError', () => {
    for (const opcode of ['', 'TEXT', 'bin', 'ping', 'close', 'toString'] as unknown as Opcode[]) {
      expect(() => frame('a', opcode)).toThrow(RangeError)
      expect(() => frameBytes('a', opcode)).toThrow(RangeError)
    }
    for (const opcode of [null, 0, 1, 2, true, {}, [], Symbol('text')] as unknown as Opcode[]) {
      expect(() => frame('a', opcode)).toThrow(TypeError)
      expect(() => frameBytes('a', opcode)).toThrow(TypeError)
    }
  })
})

describe('control frames', () => {
  const a125 = 'a'.repeat(125)
  const cases: [name: string, make: () => Buffer, wire: string][] = [
    ['ping without a payload', () => pingFrame(''), '8900'],
    ['ping of a string', () => pingFrame('é!'), '8903c3a921'],
    ['ping of bytes', () => pingFrame(bytes(0, 255)), '890200ff'],
    ['ping of a part of other bytes', () => pingFrame(within), '8903616263'],
    ['ping of 125 bytes', () => pingFrame(a125), `897d${'61'.repeat(125)}`],
    ['pong without a payload', () => pongFrame(bytes()), '8a00'],
    ['pong of bytes', () => pongFrame(bytes(1, 2)), '8a020102'],
    ['pong of 125 bytes', () => pongFrame(Buffer.from(a125)), `8a7d${'61'.repeat(125)}`],
    ['close 1000', () => closeFrame(1000, ''), '880203e8'],
    ['close 1001 with a reason', () => closeFrame(1001, 'bye'), '880503e9627965'],
    ['close 4999 with letters of 2 and 4 bytes', () => closeFrame(4999, 'é😺'), '88081387c3a9f09f98ba'],
    ['close with half a surrogate pair', () => closeFrame(1000, '\ud83d'), '880503e8efbfbd'],
    ['close with 123 bytes', () => closeFrame(1000, 'a'.repeat(123)), `887d03e8${'61'.repeat(123)}`],
    ['close with 123 bytes in letters of 3', () => closeFrame(1000, '€'.repeat(41)), `887d03e8${'e282ac'.repeat(41)}`],
    ['close without a code', () => closeFrame(1005, ''), '8800'],
    ['close without a code has no reason either', () => closeFrame(1005, 'ignored'), '8800'],
  ]
  it.each(cases)('%s', (_name, make, wire) => {
    for (poison of [0xaa, 0x55]) expect(make().toString('hex')).toBe(wire)
  })

  it('a payload over 125 bytes is a RangeError', () => {
    expect(() => pingFrame('a'.repeat(126))).toThrow(RangeError)
    expect(() => pingFrame('é'.repeat(63))).toThrow(RangeError)
    expect(() => pingFrame(Buffer.alloc(70_000))).toThrow(RangeError)
    expect(() => pongFrame(Buffer.alloc(126))).toThrow(RangeError)
  })

  it('a ping of another type is a TypeError', () => {
    for (const wrong of [...WRONG, [], ['a'], new ArrayBuffer(2), txt('a')] as string[]) {
      expect(() => pingFrame(wrong)).toThrow(TypeError)
    }
  })
})

describe('F14: 10,000 odd calls', () => {
  type Piece = string | ArrayBufferView | ArrayBuffer

  function isPiece(value: unknown): value is Piece {
    return typeof value === 'string' || ArrayBuffer.isView(value) || value instanceof ArrayBuffer
  }

  function bytesOf(piece: Exclude<Piece, string>): Uint8Array {
    return piece instanceof ArrayBuffer
      ? new Uint8Array(piece)
      : new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)
  }

  /** The payload's bytes, or null when it must be refused. */
  function payloadOf(data: unknown): Buffer | null {
    const pieces: unknown[] = Array.isArray(data) ? Array.from(data) : [data]
    if (!pieces.every(isPiece)) return null
    // Text that follows text is one text.
    const joined: Piece[] = []
    for (const piece of pieces) {
      const last = joined.at(-1)
      if (typeof piece === 'string' && typeof last === 'string') joined[joined.length - 1] = last + piece
      else joined.push(piece)
    }
    const encoder = new TextEncoder()
    return Buffer.concat(joined.map((piece) => (typeof piece === 'string' ? encoder.encode(piece) : bytesOf(piece))))
  }

  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 90 }),
    fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 60 }),
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 200 }).map((array) => array.slice().buffer),
    fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array).subarray(array.length >> 2)),
  )
  const anything = fc.anything({ withTypedArray: true, withDate: true, withBigInt: true, withSparseArray: true })
  const data = fc.oneof(
    piece,
    fc.array(piece, { maxLength: 6 }),
    fc.array(fc.oneof(piece, anything), { maxLength: 4 }),
    anything,
  )

  it('give the frame that was meant, or a TypeError, or a RangeError for its size', () => {
    fc.assert(
      fc.property(data, fc.constantFrom(0xaa, 0x55), (value, byte) => {
        poison = byte
        const payload = payloadOf(value)
        const calls: [number, () => Buffer][] = [
          [0x81, () => txt(value as Payload).bytes],
          [0x82, () => bin(value as Payload).bytes],
          [0x82, () => frame(value as Payload, 'binary').bytes],
        ]
        for (const [byte0, call] of calls) {
          if (payload === null) expect(call).toThrow(TypeError)
          else expect(call().equals(serverFrame(byte0, payload))).toBe(true)
        }
        const ping = (): Buffer => pingFrame(value as string)
        if (typeof value !== 'string' && !ArrayBuffer.isView(value)) expect(ping).toThrow(TypeError)
        else if (payload!.length > 125) expect(ping).toThrow(RangeError)
        else expect(ping().equals(serverFrame(0x89, payload!))).toBe(true)
      }),
      { numRuns: 2500 },
    )
  })
})
