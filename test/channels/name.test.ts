import { isChannelName } from '@roomcast/channels'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HOSTILE_NAMES } from '../support/broker-suite.ts'

describe('legal names', () => {
  const legal = [
    'lobby',
    ' ',
    '~',
    '\u00a0',
    'é',
    '\u07ff',
    '\u0800',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '\u{10000}',
    '\u{10ffff}',
    ...HOSTILE_NAMES,
    'x'.repeat(200),
    'é'.repeat(100),
    `${'€'.repeat(66)}xx`,
    '🦀'.repeat(50),
  ]
  test.each(legal.map((name) => [JSON.stringify(name), name]))('%s', (_, name) => {
    expect(isChannelName(name!)).toBe(true)
  })
})

describe('illegal names', () => {
  const illegal = [
    '',
    '\u0000',
    'a\u0000',
    '\u001f',
    'a\r\nb',
    '\t',
    '\u007f',
    '\u0080',
    '\u009f',
    'x'.repeat(201),
    'é'.repeat(101),
    `${'é'.repeat(100)}x`,
    '€'.repeat(67),
    `${'🦀'.repeat(50)}x`,
    '🦀'.repeat(51),
    'x'.repeat(1_000_000),
    '\ud800',
    '\udbff',
    '\udc00',
    '\udfff',
    'a\ud83e',
    'a\ud83eb',
    '\udd80\ud83e',
    '\udc00\udc00',
    '\udfff\udd80',
    '\ud83e\ud83e\udd80',
    '\ud83e\udd80\udd80',
  ]
  test.each(illegal.map((name) => [JSON.stringify(name.slice(0, 120)), name]))('%s', (_, name) => {
    expect(isChannelName(name!)).toBe(false)
  })
})

test('the rule, said another way, agrees on any string of UTF-16 units', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are the point
  const control = /[\u0000-\u001f\u007f-\u009f]/
  const byTheBook = (name: string): boolean => {
    const bytes = Buffer.from(name)
    return name !== '' && bytes.length <= 200 && bytes.toString() === name && !control.test(name)
  }
  const unit = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
    { weight: 1, arbitrary: fc.integer({ min: 0xd7f0, max: 0xe00f }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 0x8ff }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }) },
  )
  const units = fc.array(unit, { maxLength: 12 }).map((codes) => String.fromCharCode(...codes))
  const long = fc
    .tuple(fc.string({ unit: 'grapheme', minLength: 30, maxLength: 230 }), units)
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.oneof(units, long, fc.string({ unit: 'binary' })), (name) => {
      expect(isChannelName(name)).toBe(byTheBook(name))
    }),
    { numRuns: 2_000 },
  )
})
