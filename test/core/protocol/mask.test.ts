// Unmasking: the same bytes as RFC 6455 §5.3 to the letter, whichever way it takes, and not one byte besides.

import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { unmask } from '../../../packages/core/src/protocol/mask.ts'
import { masked } from '../../support/client-frames.ts'

const KEYS = [0x37fa_213d, 0xff00_0000, 0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0x8001_7ffe, 0, 0xffff_ffff]

function keyBytes(key: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(key >>> 0)
  return bytes
}

describe('unmask', () => {
  it('RFC 6455 §5.7: "Hello"', () => {
    const bytes = Buffer.from('7f9f4d5158', 'hex')
    unmask(bytes, 0, 5, 0x37fa_213d, 0)
    expect(bytes.toString()).toBe('Hello')
  })

  const source = Buffer.from(Array.from({ length: 320 }, (_, i) => (i * 73 + 5) & 0xff))

  it.each([0, 1, 2, 3])('every length of 0–300 at every alignment, phase %i', (phase) => {
    const wrong: string[] = []
    const memory = Buffer.alloc(512)
    for (let offset = 0; offset < 8; offset++) {
      for (let length = 0; length <= 300; length++) {
        const key = KEYS[(offset + length) % 3 === 0 ? length % KEYS.length : 0]!
        // The bytes lie within others, and within memory that begins elsewhere.
        memory.fill(0xee)
        const view = memory.subarray(offset)
        source.copy(view, 3, 0, length)
        unmask(view, 3, 3 + length, key, phase)
        const right = masked(source.subarray(0, length), keyBytes(key), phase)
        const around =
          view.subarray(3 + length).every((byte) => byte === 0xee) &&
          memory.subarray(0, offset + 3).every((byte) => byte === 0xee)
        if (!view.subarray(3, 3 + length).equals(right)) wrong.push(`offset ${offset}, length ${length}`)
        if (!around) wrong.push(`offset ${offset}, length ${length}: bytes around it`)
      }
    }
    expect(wrong).toEqual([])
  })

  it.each(KEYS)('key %i, in pieces of every size, the phase carried on', (key) => {
    for (let size = 1; size <= source.length; size++) {
      const bytes = Buffer.from(source)
      for (let at = 0; at < bytes.length; at += size) unmask(bytes, at, Math.min(at + size, bytes.length), key, at)
      expect(bytes.equals(masked(source, keyBytes(key))), `pieces of ${size}`).toBe(true)
    }
  })

  it('a key given as a signed number is the same key', () => {
    const [a, b] = [Buffer.from(source), Buffer.from(source)]
    unmask(a, 0, a.length, 0xa1b2_c3d4, 1)
    unmask(b, 0, b.length, 0xa1b2_c3d4 | 0, 1)
    expect(a.equals(b)).toBe(true)
  })

  it('any phase counts by its remainder', () => {
    for (const phase of [4, 7, 1_048_577, 2 ** 31 - 1]) {
      const bytes = Buffer.from(source)
      unmask(bytes, 0, bytes.length, 0x0102_0304, phase)
      expect(bytes.equals(masked(source, keyBytes(0x0102_0304), phase % 4))).toBe(true)
    }
  })

  it('twice is not at all', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 700 }),
        fc.nat(0xffff_ffff),
        fc.nat(3),
        fc.nat(8),
        (bytes, key, phase, start) => {
          const work = Buffer.from(bytes)
          const from = Math.min(start, work.length)
          unmask(work, from, work.length, key, phase)
          expect(work.subarray(from).equals(masked(bytes.subarray(from), keyBytes(key), phase))).toBe(true)
          unmask(work, from, work.length, key, phase)
          expect(work.equals(bytes)).toBe(true)
        },
      ),
      { numRuns: 500 },
    )
  })
})
