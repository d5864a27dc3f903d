// The header rules as they are: every pair of first bytes in every state, every edge of the length, and our own headers.

import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../../packages/core/src/protocol/errors.ts'
import { checkHeader, checkLength, headerLength, writeHeader } from '../../../packages/core/src/protocol/frame.ts'
import { DEFLATE_FIRST_BYTES, FIRST_BYTES } from '../../support/reference.ts'
import { withoutStackTraces } from '../../support/splits.ts'
import { SIZES } from '../../vectors/frames.ts'

/** `1002 §5.2 why`, or '' where nothing is wrong. */
function verdict(check: () => void): string {
  try {
    check()
    return ''
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return `${error.code} §${error.section} ${error.message}`
  }
}

function headerVerdict(byte0: number, byte1: number, state: { fragmented?: boolean; deflate?: boolean } = {}): string {
  const { fragmented = false, deflate = false } = state
  return verdict(() => checkHeader(byte0, byte1, { fragmented, deflate }))
}

describe('the first two bytes', () => {
  const states = [
    { fragmented: false, deflate: false, allowed: [...FIRST_BYTES.between] },
    { fragmented: true, deflate: false, allowed: [...FIRST_BYTES.within] },
    { fragmented: false, deflate: true, allowed: [...FIRST_BYTES.between, ...DEFLATE_FIRST_BYTES] },
    { fragmented: true, deflate: true, allowed: [...FIRST_BYTES.within] },
  ]

  it.each(states)('F1, F2, F9, F10: all 65,536 pairs, fragmented $fragmented, deflate $deflate', (state) => {
    const wrong: string[] = []
    withoutStackTraces(() => {
      for (let pair = 0; pair < 65_536; pair++) {
        const byte0 = pair >> 8
        const byte1 = pair & 0xff
        const control = (byte0 & 0x08) !== 0
        const legal = (state.allowed as number[]).includes(byte0) && byte1 >= 0x80 && !(control && byte1 > 0xfd)
        const said = headerVerdict(byte0, byte1, state)
        if (legal ? said !== '' : !said.startsWith('1002 §5.')) wrong.push(`${byte0} ${byte1}: ${said}`)
      }
    })
    expect(wrong).toEqual([])
  })

  const rules: [
    name: string,
    byte0: number,
    byte1: number,
    state: { fragmented?: boolean; deflate?: boolean },
    said: string,
  ][] = [
    ['RSV2', 0xa1, 0x80, {}, '1002 §5.2 RSV2 or RSV3 is set'],
    ['RSV3, deflate or not', 0x91, 0x80, { deflate: true }, '1002 §5.2 RSV2 or RSV3 is set'],
    ['RSV1 without deflate', 0xc1, 0x80, {}, '1002 §5.2 RSV1 is set'],
    ['RSV1 on a continuation', 0xc0, 0x80, { fragmented: true, deflate: true }, '1002 §5.2 RSV1 on a wrong frame'],
    ['RSV1 on a ping', 0xc9, 0x80, { deflate: true }, '1002 §5.2 RSV1 on a wrong frame'],
    ['RSV1 on a close', 0xc8, 0x80, { deflate: true }, '1002 §5.2 RSV1 on a wrong frame'],
    ['a reserved data opcode', 0x83, 0x80, {}, '1002 §5.2 reserved opcode'],
    ['a reserved control opcode', 0x8b, 0x80, {}, '1002 §5.2 reserved opcode'],
    ['a ping without FIN', 0x09, 0x80, {}, '1002 §5.5 fragmented control frame'],
    ['a continuation of nothing', 0x80, 0x80, {}, '1002 §5.4 continuation of nothing'],
    ['a message in a message', 0x81, 0x80, { fragmented: true }, '1002 §5.4 message inside a message'],
    ['no mask', 0x81, 0x00, {}, '1002 §5.1 frame is not masked'],
    ['a control frame of 126', 0x89, 0xfe, {}, '1002 §5.5 control frame over 125 bytes'],
    ['a control frame of 64 bits', 0x88, 0xff, { fragmented: true }, '1002 §5.5 control frame over 125 bytes'],
    ['the first rule of several', 0xff, 0x7f, {}, '1002 §5.2 RSV2 or RSV3 is set'],
  ]
  it.each(rules)('%s is named by its clause', (_name, byte0, byte1, state, said) => {
    expect(headerVerdict(byte0, byte1, state)).toBe(said)
  })
})

describe('an extended length', () => {
  const SHORTEST = '1002 §5.2 length is not minimal'
  const TOP_BIT = '1002 §5.2 length has its top bit set'
  const lengths: [form: 16 | 64, length: bigint, said: string][] = [
    [16, 0n, SHORTEST],
    [16, 1n, SHORTEST],
    [16, 125n, SHORTEST],
    [16, 126n, ''],
    [16, 65_535n, ''],
    [64, 0n, SHORTEST],
    [64, 125n, SHORTEST],
    [64, 126n, SHORTEST],
    [64, 65_535n, SHORTEST],
    [64, 65_536n, ''],
    [64, 2n ** 31n, ''],
    [64, 2n ** 32n - 1n, ''],
    [64, 2n ** 32n, ''],
    [64, 2n ** 32n + 1n, ''],
    [64, 2n ** 53n, ''],
    [64, 2n ** 53n + 1n, ''],
    [64, 2n ** 63n - 1n, ''],
    [64, 2n ** 63n, TOP_BIT],
    [64, 2n ** 63n + 1n, TOP_BIT],
    [64, 2n ** 64n - 1n, TOP_BIT],
  ]
  it.each(lengths)('F3, F4: in %i bits, %i', (form, length, said) => {
    const high = Number(length >> 32n)
    const low = Number(length & 0xffff_ffffn)
    expect(verdict(() => checkLength(form === 16 ? 126 : 127, high, low))).toBe(said)
  })

  it('F4: every length under 65,536, in both forms', () => {
    const wrong: string[] = []
    withoutStackTraces(() => {
      for (let length = 0; length < 65_536; length++) {
        if ((verdict(() => checkLength(126, 0, length)) === '') !== length >= 126) wrong.push(`16: ${length}`)
        if (verdict(() => checkLength(127, 0, length)) !== SHORTEST) wrong.push(`64: ${length}`)
      }
    })
    expect(wrong).toEqual([])
  })
})

describe('our own header', () => {
  const lengths: [length: number, header: string][] = [
    ...SIZES.map(({ count, server }): [number, string] => [count, server.replaceAll(' ', '')]),
    [2 ** 31 - 1, '7f000000007fffffff'],
    [2 ** 31, '7f0000000080000000'],
    [2 ** 32 - 1, '7f00000000ffffffff'],
    [2 ** 32, '7f0000000100000000'],
    [2 ** 32 + 1, '7f0000000100000001'],
    [Number.MAX_SAFE_INTEGER, '7f001fffffffffffff'],
  ]
  it.each(lengths)('for %i bytes', (length, header) => {
    expect(headerLength(length)).toBe(1 + header.length / 2)
    const bytes = Buffer.alloc(14, 0xaa)
    writeHeader(bytes, 0x82, length)
    expect(bytes.toString('hex')).toBe(`82${header}`.padEnd(28, 'a'))
  })
})
