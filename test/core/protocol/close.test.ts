// The close-code table: every code, what a caller may close with, and what a peer's Close frame says.

import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  assertClose,
  CloseCode,
  isSendable,
  MAX_REASON_BYTES,
  readClose,
} from '../../../packages/core/src/protocol/close.ts'
import { ProtocolError } from '../../../packages/core/src/protocol/errors.ts'
import { closeFrame } from '../../../packages/core/src/protocol/framed.ts'
import { closeBody, serverFrame } from '../../support/client-frames.ts'
import { utf8Verdict } from '../../support/reference.ts'
import { withoutStackTraces } from '../../support/splits.ts'

/** RFC 6455 §7.4 and IANA's registry, the codes that may travel, as a list. */
const SENDABLE = new Set([
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014],
  ...Array.from({ length: 2000 }, (_, i) => 3000 + i),
])

const sendable = fc.oneof(fc.constantFrom(1000, 1001, 1002, 1003, 1007, 1014), fc.integer({ min: 3000, max: 4999 }))

function codeOf(call: () => unknown): number | string {
  try {
    call()
    return 'fine'
  } catch (error) {
    return error instanceof ProtocolError ? error.code : (error as Error).name
  }
}

describe('F12: codes', () => {
  it('all 65,536: which may travel, which may be closed with, which may be read', () => {
    const wrong: number[] = []
    withoutStackTraces(() => {
      for (let code = 0; code < 65_536; code++) {
        const right = SENDABLE.has(code)
        const asserted = codeOf(() => assertClose(code, ''))
        const read = codeOf(() => readClose(closeBody(code)))
        const sent = closeFrame(code, '').toString('hex')
        const wire = code === 1005 ? '8800' : `8802${code.toString(16).padStart(4, '0')}`
        if (
          isSendable(code) !== right ||
          asserted !== (right ? 'fine' : 'RangeError') ||
          read !== (right ? 'fine' : 1002) ||
          sent !== wire
        ) {
          wrong.push(code)
        }
      }
    })
    expect(wrong).toEqual([])
  })

  const ranges: [from: number, to: number, sendable: boolean][] = [
    [0, 999, false],
    [1000, 1003, true],
    [1004, 1006, false],
    [1007, 1014, true],
    [1015, 2999, false],
    [3000, 4999, true],
    [5000, 65_535, false],
  ]
  it.each(ranges)('%i–%i', (from, to, sendable) => {
    for (const code of [from, from + 1, to - 1, to].filter((code) => code >= from && code <= to)) {
      expect(isSendable(code), String(code)).toBe(sendable)
    }
  })

  it('by name: all may travel but the two that are only reported', () => {
    expect(CloseCode).toEqual({
      NORMAL: 1000,
      GOING_AWAY: 1001,
      PROTOCOL_ERROR: 1002,
      UNSUPPORTED_DATA: 1003,
      NO_STATUS: 1005,
      ABNORMAL: 1006,
      INVALID_PAYLOAD: 1007,
      POLICY_VIOLATION: 1008,
      MESSAGE_TOO_BIG: 1009,
      MANDATORY_EXTENSION: 1010,
      INTERNAL_ERROR: 1011,
      SERVICE_RESTART: 1012,
      TRY_AGAIN_LATER: 1013,
      BAD_GATEWAY: 1014,
      SLOW_CONSUMER: 4008,
    })
    const silent = Object.values(CloseCode).filter((code) => !isSendable(code))
    expect(silent).toEqual([1005, 1006])
  })
})

describe('what a caller closes with', () => {
  it('a code that is no whole number in range is a RangeError, of another type a TypeError', () => {
    for (const code of [Number.NaN, Number.POSITIVE_INFINITY, 1000.5, 3000.000_001, -1000, 66_536, 2 ** 32 + 1000]) {
      expect(() => assertClose(code, ''), String(code)).toThrow(RangeError)
    }
    for (const code of [
      undefined,
      null,
      '1000',
      '',
      true,
      {},
      [1000],
      1000n,
      Symbol('x'),
      new Number(1000),
    ] as number[]) {
      expect(() => assertClose(code, ''), typeof code).toThrow(TypeError)
    }
  })

  it('a reason is at most 123 bytes, not letters', () => {
    expect(MAX_REASON_BYTES).toBe(123)
    for (const reason of ['', 'a'.repeat(123), '€'.repeat(41), `${'é'.repeat(61)}a`, '\ud800'.repeat(41)]) {
      expect(() => assertClose(1000, reason)).not.toThrow()
      expect(closeFrame(1000, reason).equals(serverFrame(0x88, closeBody(1000, reason)))).toBe(true)
    }
    for (const reason of ['a'.repeat(124), '€'.repeat(42), 'é'.repeat(62), '😺'.repeat(31), '\ud800'.repeat(42)]) {
      expect(() => assertClose(1000, reason), reason).toThrow(RangeError)
    }
  })

  it('a reason of another type is a TypeError', () => {
    for (const reason of [
      undefined,
      null,
      0,
      true,
      {},
      [],
      Buffer.from('a'),
      Symbol('x'),
      new String('a'),
    ] as string[]) {
      expect(() => assertClose(1000, reason), typeof reason).toThrow(TypeError)
    }
  })
})

describe('what a peer’s Close says', () => {
  const bodies: [name: string, body: string, said: { code: number; reason: string } | number][] = [
    ['nothing', '', { code: 1005, reason: '' }],
    ['one byte', '03', 1002],
    ['one byte that begins no code', 'ff', 1002],
    ['a code', '03e8', { code: 1000, reason: '' }],
    ['a code and a reason', '0fa1 627965', { code: 4001, reason: 'bye' }],
    ['a reason that begins with a BOM', '03e8 efbbbf61', { code: 1000, reason: '\ufeffa' }],
    ['a reason of NUL', '03e8 00', { code: 1000, reason: '\u0000' }],
    ['a reason that is not UTF-8', '03e8 ff', 1007],
    ['a reason that is cut', '03e8 f09f98', 1007],
    ['a reason with a surrogate', '03e8 eda080', 1007],
    ['a wrong code with a wrong reason', '03ed ff', 1002],
  ]
  it.each(bodies)('%s', (_name, text, said) => {
    const body = Buffer.from(text.replaceAll(' ', ''), 'hex')
    if (typeof said === 'number') expect(codeOf(() => readClose(body))).toBe(said)
    else expect(readClose(body)).toEqual(said)
  })

  it('every reason comes back as it was sent', () => {
    const reason = fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => Buffer.byteLength(text) <= 123)
    fc.assert(
      fc.property(sendable, reason, (code, reason) => {
        assertClose(code, reason)
        expect(readClose(closeFrame(code, reason).subarray(2))).toEqual({ code, reason })
      }),
      { numRuns: 500 },
    )
  })

  it('any body is read or refused by its bytes alone', () => {
    fc.assert(
      fc.property(sendable, fc.uint8Array({ maxLength: 123 }), (code, reason) => {
        const said = codeOf(() => readClose(closeBody(code, reason)))
        expect(said).toBe(utf8Verdict(reason) === 'whole' ? 'fine' : 1007)
      }),
      { numRuns: 500 },
    )
  })
})
