// UTF-8 in text messages (threat F8): every sequence, every split of it, refused with exactly the byte that makes it
// impossible, alone, within a frame and across fragments; and the same answer as two references on very many strings.

import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { advanceUtf8, isWholeUtf8, UTF8_COMPLETE, UTF8_INVALID } from '../../../packages/core/src/protocol/utf8.ts'
import { clientFrame, fragmentFrames, inParts, Op } from '../../support/client-frames.ts'
import { type Utf8Verdict, utf8Verdict } from '../../support/reference.ts'
import { bytewise, cutAt, describeMessage, inTwo, observe, run } from '../../support/splits.ts'
import { Failure, hex } from '../../vectors/frames.ts'
import { INVALID, SEQUENCES } from '../../vectors/utf8.ts'

/** The state after each byte of `bytes`, told as the reference does. */
function verdictOf(state: number): Utf8Verdict {
  return state === UTF8_COMPLETE ? 'whole' : state === UTF8_INVALID ? 'bad' : 'cut'
}

describe('sequences', () => {
  it.each(SEQUENCES)('%s: by itself, however it is cut', (_name, text, bad) => {
    const bytes = hex(text)
    const verdict = bad === null ? 'whole' : bad === 'end' ? 'cut' : 'bad'
    expect(utf8Verdict(bytes), 'reference').toBe(verdict)
    expect(isWholeUtf8(bytes, 0, bytes.length)).toBe(bad === null)
    for (let a = 0; a <= bytes.length; a++) {
      for (let b = a; b <= bytes.length; b++) {
        let state = advanceUtf8(UTF8_COMPLETE, bytes, 0, a)
        if (state !== UTF8_INVALID) state = advanceUtf8(state, bytes, a, b)
        if (state !== UTF8_INVALID) state = advanceUtf8(state, bytes, b, bytes.length)
        expect(verdictOf(state), `cut at ${a} and ${b}`).toBe(verdict)
      }
    }
    let state = UTF8_COMPLETE
    const at = [...bytes.keys()].find((i) => (state = advanceUtf8(state, bytes, i, i + 1)) === UTF8_INVALID)
    expect(at).toBe(typeof bad === 'number' ? bad : undefined)
  })

  it.each(SEQUENCES)('%s: in a message, however it is cut', (_name, text, bad) => {
    const payload = hex(text)
    const events = [bad === null ? describeMessage('text', payload) : Failure.TEXT]
    const wire = clientFrame({ opcode: Op.TEXT, payload })
    expect(observe([wire])).toEqual(events)
    for (const chunks of inTwo(wire)) expect(observe(chunks), `cut at ${chunks[0]!.length}`).toEqual(events)
    for (let place = 0; place <= payload.length; place++) {
      const frames = fragmentFrames(Op.TEXT, [payload.subarray(0, place), payload.subarray(place)])
      expect(observe(frames), `fragment of ${place}`).toEqual(events)
      const withPing = [frames[0]!, clientFrame({ opcode: Op.PONG }), frames[1]!]
      const inFirst = typeof bad === 'number' && bad < place
      expect(observe(withPing), `fragment of ${place}, pong`).toEqual(inFirst ? events : ['pong', ...events])
    }
    expect(observe([clientFrame({ opcode: Op.BINARY, payload })])).toEqual([describeMessage('binary', payload)])
  })

  it.each(INVALID)('%s: refused with exactly that byte, in a frame and in fragments', (_name, text, bad) => {
    const payload = hex(text)
    // Two more bytes are declared, so that nothing but the bad byte can end it; 'end' must go on waiting.
    const frame = clientFrame({ opcode: Op.TEXT, payload, declared: BigInt(payload.length + 2) })
    const header = frame.length - payload.length
    const endOf = (chunks: Buffer[]): number => {
      const { protocol } = run([])
      return chunks.findIndex((chunk) => {
        protocol.receive(Buffer.from(chunk))
        return protocol.next() !== null
      })
    }
    expect(endOf(bytewise(frame))).toBe(bad === 'end' ? -1 : header + Number(bad))
    const fragments = fragmentFrames(Op.TEXT, [...bytewise(payload), ''])
    expect(endOf(fragments)).toBe(bad === 'end' ? payload.length : bad)
    // Bytewise within these too: 6 bytes of header and the byte itself.
    if (bad !== 'end') expect(endOf(bytewise(Buffer.concat(fragments)))).toBe(7 * Number(bad) + 6)
  })

  it.each(SEQUENCES)('%s: in the reason of a Close frame', (_name, text, bad) => {
    const reason = hex(text)
    if (reason.length > 123) return
    const wire = clientFrame({ opcode: Op.CLOSE, payload: Buffer.concat([hex('03e8'), reason]) })
    const words = `close 1000 ${JSON.stringify(reason.toString())}`
    expect(observe([wire])).toEqual([bad === null ? words : Failure.CLOSE_REASON])
    expect(observe(bytewise(wire))).toEqual([bad === null ? words : Failure.CLOSE_REASON])
  })
})

describe('all of Unicode', () => {
  /** `value` in `size` bytes, whether that is right or not. */
  function encode(into: Buffer, value: number, size: number): void {
    for (let i = size - 1; i > 0; i--) {
      into[i] = 0x80 | (value & 0x3f)
      value >>= 6
    }
    into[0] = size === 1 ? value : ((0xf00 >> size) & 0xff) | value
  }

  it.each([1, 2, 3, 4])('every value in %i bytes: valid when no shorter form, no surrogate, not too large', (size) => {
    const least = [0, 0x80, 0x800, 0x1_0000][size - 1]!
    const count = [0x80, 0x800, 0x1_0000, 0x20_0000][size - 1]!
    const bytes = Buffer.alloc(size)
    const wrong: string[] = []
    for (let value = 0; value < count; value++) {
      encode(bytes, value, size)
      const valid = value >= least && value <= 0x10_ffff && (value < 0xd800 || value > 0xdfff)
      const state = advanceUtf8(UTF8_COMPLETE, bytes, 0, size)
      if (valid ? state !== UTF8_COMPLETE : state !== UTF8_INVALID) wrong.push(value.toString(16))
    }
    expect(wrong.slice(0, 20)).toEqual([])
  })

  it('every pair of bytes, and every three of boundary bytes', () => {
    const edges = [
      0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
      0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
    ]
    const wrong: string[] = []
    const check = (...bytes: number[]): void => {
      const state = advanceUtf8(UTF8_COMPLETE, Buffer.from(bytes), 0, bytes.length)
      if (verdictOf(state) !== utf8Verdict(Buffer.from(bytes))) wrong.push(Buffer.from(bytes).toString('hex'))
    }
    for (let pair = 0; pair < 65_536; pair++) check(pair >> 8, pair & 0xff)
    for (const a of edges) for (const b of edges) for (const c of edges) check(a, b, c)
    for (const a of [0xf0, 0xf1, 0xf4])
      for (const b of edges) for (const c of edges) for (const d of edges) check(a, b, c, d)
    expect(wrong).toEqual([])
  })

  it('all of it as one text, in chunks of any size', () => {
    const text = Array.from({ length: 0x11_0000 / 0x400 }, (_, block) => {
      if (block * 0x400 >= 0xd800 && block * 0x400 < 0xe000) return ''
      return String.fromCodePoint(...Array.from({ length: 0x400 }, (_, i) => block * 0x400 + i))
    }).join('')
    const bytes = Buffer.from(text)
    expect(isWholeUtf8(bytes, 0, bytes.length)).toBe(true)
    for (const size of [1, 2, 3, 63, 64, 65, 66, 67, 1000, 65_536, bytes.length]) {
      let state = UTF8_COMPLETE
      for (let at = 0; at < bytes.length && state !== UTF8_INVALID; at += size) {
        state = advanceUtf8(state, bytes, at, Math.min(at + size, bytes.length))
      }
      expect(verdictOf(state), `chunks of ${size}`).toBe('whole')
    }
  })
})

describe('long strings', () => {
  const tails = [
    '',
    '00',
    'c3a9',
    'e282ac',
    'f09f98ba',
    'efbfbf',
    'f48fbfbf',
    'eda080',
    'f4908080',
    'c0af',
    '80',
    '8080',
    '808080',
    '80808080',
    'ff',
    'c328',
    'e28228',
    'f0908c28',
    'c3a980',
    'e282ac80',
    'f09f98ba80',
  ]

  it('around the native check’s threshold, with each tail whole and cut at each place', () => {
    const wrong: string[] = []
    for (const filler of ['a', 'é', '€', '😺']) {
      for (let length = 50; length < 140; length++) {
        const head = Buffer.from(filler.repeat(length / Buffer.byteLength(filler)))
        for (const tail of tails) {
          const bytes = Buffer.concat([head, hex(tail)])
          for (let end = head.length; end <= bytes.length; end++) {
            const part = bytes.subarray(0, end)
            const verdict = utf8Verdict(part)
            if (
              verdictOf(advanceUtf8(UTF8_COMPLETE, part, 0, end)) !== verdict ||
              isWholeUtf8(part, 0, end) !== (verdict === 'whole')
            ) {
              wrong.push(`${filler} × ${length}, ${tail}, ${end - head.length}`)
            }
          }
        }
      }
    }
    expect(wrong).toEqual([])
  })

  it('a bad byte at every place of 200', () => {
    for (const filler of ['a', 'é', '€', '😺']) {
      const good = Buffer.from(filler.repeat(200 / Buffer.byteLength(filler)))
      for (let place = 0; place < good.length; place++) {
        const bytes = Buffer.from(good)
        bytes[place] = 0xff
        expect(isWholeUtf8(bytes, 0, bytes.length)).toBe(false)
        expect(observe([clientFrame({ opcode: Op.TEXT, payload: bytes })])).toEqual([Failure.TEXT])
        let state = UTF8_COMPLETE
        const at = [...bytes.keys()].find((i) => (state = advanceUtf8(state, bytes, i, i + 1)) === UTF8_INVALID)
        expect(at).toBe(place)
        expect(advanceUtf8(UTF8_COMPLETE, bytes, 0, bytes.length)).toBe(UTF8_INVALID)
      }
    }
  })

  it('a view with an offset: only what lies between start and end counts', () => {
    const bytes = Buffer.concat([hex('ff80c3'), Buffer.from('é'.repeat(100)), hex('a9ff')])
    for (const [from, to] of [
      [3, 203],
      [4, 203],
      [3, 202],
      [3, 204],
      [2, 203],
      [5, 60],
      [3, 3],
    ] as const) {
      const verdict = utf8Verdict(bytes.subarray(from, to))
      expect(verdictOf(advanceUtf8(UTF8_COMPLETE, bytes, from, to)), `${from}–${to}`).toBe(verdict)
      expect(isWholeUtf8(bytes, from, to)).toBe(verdict === 'whole')
    }
  })

  it('in a message, in fragments and chunks of sizes around the threshold', () => {
    const payload = Buffer.from('aé€😺'.repeat(60))
    const events = [describeMessage('text', payload)]
    for (let count = 1; count < 30; count++) {
      const wire = Buffer.concat(fragmentFrames(Op.TEXT, inParts(payload, count)))
      expect(observe([wire]), `${count} fragments`).toEqual(events)
      expect(observe(inParts(wire, 13)), `${count} fragments in 13 chunks`).toEqual(events)
    }
    for (let place = 60; place < 72; place++) {
      expect(observe(cutAt(clientFrame({ opcode: Op.TEXT, payload }), [place, place + 64, place + 129]))).toEqual(
        events,
      )
    }
  })
})

describe('random strings', () => {
  /** A small generator with a seed: the same strings in every run. */
  function random(seed: number): (below: number) => number {
    let state = seed
    return (below) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
  }

  const PIECES = SEQUENCES.map(([, text]) => hex(text)).filter((bytes) => bytes.length > 0 && bytes.length < 12)

  const LETTERS = ['a', 'é', '€', '😺', '\u07ff', '\uffff', '\u{10ffff}', '\u0000']

  /** Bytes at random, sequences at random, or good text with at most one byte wrong. */
  function randomBytes(pick: (below: number) => number): Buffer {
    const kind = pick(4)
    if (kind === 0) return Buffer.from(Array.from({ length: pick(12) }, () => pick(256)))
    if (kind === 1) return Buffer.concat(Array.from({ length: pick(5) }, () => PIECES[pick(PIECES.length)]!))
    const length = pick(4) === 0 ? 60 + pick(40) : pick(12)
    const characters = Array.from({ length }, () => LETTERS[pick(LETTERS.length)]!)
    const bytes = Buffer.from(characters.join(''))
    if (kind === 2 && bytes.length > 0) bytes[pick(bytes.length)] = pick(256)
    return bytes
  }

  it('120,000: as TextDecoder says, and as the reference says of what is cut', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true })
    const pick = random(6455)
    const wrong: string[] = []
    const tally = { whole: 0, cut: 0, bad: 0 }
    for (let i = 0; i < 120_000; i++) {
      const bytes = randomBytes(pick)
      let whole = true
      try {
        decoder.decode(bytes)
      } catch {
        whole = false
      }
      const cut = pick(bytes.length + 1)
      const once = advanceUtf8(UTF8_COMPLETE, bytes, 0, bytes.length)
      let twice = advanceUtf8(UTF8_COMPLETE, bytes, 0, cut)
      if (twice !== UTF8_INVALID) twice = advanceUtf8(twice, bytes, cut, bytes.length)
      const verdict = utf8Verdict(bytes)
      tally[verdict]++
      if (
        isWholeUtf8(bytes, 0, bytes.length) !== whole ||
        (verdict === 'whole') !== whole ||
        verdictOf(once) !== verdict ||
        verdictOf(twice) !== verdict
      ) {
        wrong.push(bytes.toString('hex'))
      }
    }
    expect(wrong).toEqual([])
    // The strings are of all kinds.
    for (const count of Object.values(tally)) expect(count).toBeGreaterThan(1000)
  })

  it('20,000: refused with the first byte after which no whole text is possible', () => {
    const pick = random(3629)
    const wrong: string[] = []
    for (let i = 0; i < 20_000; i++) {
      const bytes = randomBytes(pick)
      let state = UTF8_COMPLETE
      for (let end = 1; end <= bytes.length && state !== UTF8_INVALID; end++) {
        state = advanceUtf8(state, bytes, end - 1, end)
        if (verdictOf(state) !== utf8Verdict(bytes.subarray(0, end))) wrong.push(`${bytes.toString('hex')} at ${end}`)
      }
    }
    expect(wrong).toEqual([])
  })
})
