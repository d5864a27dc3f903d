// A ref comes back as it was written, whatever a double can hold of it.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readRequest } from '../../packages/roomcast/src/protocol.ts'
import { numberRef } from '../../packages/roomcast/src/ref.ts'

const NUMBERS = [
  '0',
  '-0',
  '7',
  '9007199254740991',
  '9007199254740993',
  '-9007199254740993',
  '18446744073709551615',
  '1.0',
  '1.00000000000000000001',
  '0.12345678901234567890123',
  '1e2',
  '1E+2',
  '-1.5e-7',
  '1e300',
  '123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890',
]

describe.each(NUMBERS)('%s', (number) => {
  test.each([
    (ref: string) => `{"leave":"a","ref":${ref}}`,
    (ref: string) => `{"ref":${ref},"leave":"a"}`,
    (ref: string) => ` {\n "ref" :\t${ref} ,"leave":"a"}`,
    (ref: string) => ` {"leave":"a", "ref" : ${ref} } `,
    (ref: string) => `{"say":{"ref":5,"a":[{"ref":6}]},"ref":${ref},"to":"a"}`,
    (ref: string) => `{"ref":${ref},"to":"a","say":{"ref":5}}`,
    (ref: string) => `{"ref":${ref},"to":"a","say":"\\"ref\\":5}"}`,
    (ref: string) => `{"ref":${ref},"to":"a","say":"}\\\\"}`,
    (ref: string) => `{"say":"ref","ref":${ref},"to":"a"}`,
    (ref: string) => `{"ref":5,"ref":${ref},"leave":"a"}`,
    (ref: string) => `{"\\u0072ef":${ref},"leave":"a"}`,
    (ref: string) => `{"leave":"a","extra":1,"ref":${ref}}`,
  ])('in %s', (write) => {
    expect(readRequest(write(number))).toMatchObject({ ref: number })
  })
})

test('in any message, wherever it stands', () => {
  const value = fc.json({ maxDepth: 3 })
  const space = fc.constantFrom('', ' ', '\n\t')
  fc.assert(
    fc.property(fc.constantFrom(...NUMBERS), value, fc.string(), space, fc.boolean(), (number, say, to, gap, first) => {
      const rest = `"say"${gap}:${say},${gap}"to":${JSON.stringify(to)}`
      const ref = `"ref"${gap}:${gap}${number}${gap}`
      expect(numberRef(first ? `{${gap}${ref},${rest}}` : `{${rest},${ref}}${gap}`)).toBe(number)
    }),
  )
})

test('long messages take no longer than their length', () => {
  for (const say of [`"${'x'.repeat(2 ** 20)}"`, `[${'1,'.repeat(2 ** 18)}1]`, `"${'\\"'.repeat(2 ** 18)}"`]) {
    expect(numberRef(`{"ref":12345678901234567890,"say":${say}}`)).toBe('12345678901234567890')
  }
})
