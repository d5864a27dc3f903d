// What an offer of permessage-deflate is answered with: RFC 7692 §7.1 on values, and what of a client's context is kept.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Agreement, negotiateDeflate } from '../../../packages/core/src/handshake/deflate-negotiation.ts'
import { type ExtensionOffer, parseExtensions } from '../../../packages/core/src/handshake/extension.ts'

const D = 'permessage-deflate'
const BASE = `${D}; server_no_context_takeover`
const NO_CONTEXT = `${BASE}; client_no_context_takeover`

/** A client that keeps its context, in a window of its own choice: 32 KiB. */
const kept: Agreement = { windowBits: 15, clientWindowBytes: 32_768, answer: BASE }
/** One that keeps it in the window that it was told. */
const keptIn = (bits: number): Agreement => ({
  windowBits: 15,
  clientWindowBytes: 2 ** Math.max(bits, 9),
  answer: `${BASE}; client_max_window_bits=${bits}`,
})
/** One that keeps none. */
const none: Agreement = { windowBits: 15, clientWindowBytes: 0, answer: NO_CONTEXT }
/** With a window for our frames. */
const ours = (bits: number, other = kept): Agreement => ({
  ...other,
  windowBits: bits === 15 ? 15 : 9,
  answer: `${other.answer}; server_max_window_bits=${bits}`,
})

test.each<readonly [string, Agreement | null]>([
  [D, kept],
  [`${D}; server_no_context_takeover`, kept],
  // Netty refuses `client_no_context_takeover` where it did not offer it, and who offers it keeps none.
  [`${D}; client_no_context_takeover`, none],
  [`${D}; server_no_context_takeover; client_no_context_takeover`, none],
  [`${D}; client_no_context_takeover; client_max_window_bits`, none],
  // Who lets us choose gets 12 bits, who can do less that.
  [`${D}; client_max_window_bits`, keptIn(12)],
  [`${D}; client_max_window_bits=15`, keptIn(12)],
  [`${D}; client_max_window_bits=12`, keptIn(12)],
  [`${D}; client_max_window_bits=11`, keptIn(11)],
  [`${D}; client_max_window_bits="10"`, keptIn(10)],
  [`${D}; client_max_window_bits=9`, keptIn(9)],
  [`${D}; client_max_window_bits=8`, keptIn(8)],
  [`${D}; server_max_window_bits=15`, ours(15)],
  [`${D}; server_max_window_bits="15"`, ours(15)],
  [`${D}; server_max_window_bits="1\\5"`, ours(15)],
  [
    `${D}; server_max_window_bits=10; client_max_window_bits`,
    {
      windowBits: 9,
      clientWindowBytes: 4096,
      answer: `${BASE}; server_max_window_bits=9; client_max_window_bits=12`,
    },
  ],
  [`${D};server_max_window_bits = "8" ;client_no_context_takeover`, ours(8, none)],
  // Others are passed over, the first that can be agreed to is taken.
  [`x-webkit-deflate-frame, ${D}; server_max_window_bits=9, ${D}`, ours(9)],
  [`${D}; server_max_window_bits=7, ${D}; server_max_window_bits=12, ${D}`, ours(9)],
  [`${D}; server_max_window_bits=99, ${D}`, kept],
  // Declined: unknown, repeated, out of range, a value too many or too few.
  ...[
    'x-webkit-deflate-frame',
    'Permessage-Deflate',
    'permessage-deflate-2',
    `${D}; unknown`,
    `${D}; unknown=1`,
    `${D}; SERVER_NO_CONTEXT_TAKEOVER`,
    `${D}; __proto__`,
    `${D}; server_no_context_takeover; server_no_context_takeover`,
    `${D}; client_no_context_takeover; client_no_context_takeover`,
    `${D}; server_max_window_bits=10; server_max_window_bits=10`,
    `${D}; server_max_window_bits=10; server_max_window_bits=12`,
    `${D}; client_max_window_bits; client_max_window_bits`,
    `${D}; client_max_window_bits; client_max_window_bits=10`,
    `${D}; server_no_context_takeover=1`,
    `${D}; client_no_context_takeover=true`,
    `${D}; server_max_window_bits`,
  ].map((offer) => [offer, null] as const),
  ...[
    '08',
    '015',
    '15x',
    'x15',
    '+9',
    '-9',
    '9.0',
    '1e1',
    '0x9',
    '0',
    '7',
    '16',
    '256',
    '999999999999999999999',
  ].flatMap((value) => [
    [`${D}; server_max_window_bits=${value}`, null] as const,
    [`${D}; client_max_window_bits=${value}`, null] as const,
  ]),
])('%s', (header, agreed) => {
  expect(negotiateDeflate(parseExtensions(header)!)).toEqual(agreed)
})

test.each(Array.from({ length: 21 }, (_, value) => value))('windows of %i bits', (value) => {
  const inRange = value >= 8 && value <= 15
  const of = (param: string): Agreement | null => negotiateDeflate(parseExtensions(`${D}; ${param}=${value}`)!)
  expect(of('server_max_window_bits')).toEqual(inRange ? ours(value === 15 ? 15 : Math.min(value, 9)) : null)
  expect(of('client_max_window_bits')).toEqual(inRange ? keptIn(Math.min(value, 12)) : null)
})

test.each(['', ' 9', '9 ', '９', '9\n', true] as const)('a value no header can carry: %j', (value) => {
  expect(negotiateDeflate([{ name: D, params: [['server_max_window_bits', value]] }])).toBeNull()
})

describe('clientContextTakeover: false', () => {
  const options = { clientContextTakeover: false }
  test.each<readonly [string, Agreement | null]>([
    [D, none],
    [`${D}; client_no_context_takeover`, none],
    [`${D}; client_max_window_bits`, none],
    [`${D}; client_max_window_bits=8; server_max_window_bits=15`, ours(15, none)],
    [`${D}; client_max_window_bits=7`, null],
  ])('%s', (header, agreed) => {
    expect(negotiateDeflate(parseExtensions(header)!, options)).toEqual(agreed)
  })
})

test('any offers: no throw, and an answer that answers an offer that can be agreed to', () => {
  const name = fc.oneof(fc.constantFrom(D, 'x'), fc.string())
  const param = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('server_max_window_bits', 'client_max_window_bits') },
    { weight: 2, arbitrary: fc.constantFrom('server_no_context_takeover', 'client_no_context_takeover') },
    fc.string(),
  )
  const value = fc.oneof(fc.constant(true as const), fc.integer({ min: 0, max: 20 }).map(String), fc.string())
  const offer = fc.record({ name, params: fc.array(fc.tuple(param, value), { maxLength: 4 }) })
  const RANGE = [8, 9, 10, 11, 12, 13, 14, 15].map(String)

  /** The first offer that is right, by another way of deciding. */
  const taken = (offers: readonly ExtensionOffer[]): ExtensionOffer | undefined =>
    offers.find(({ name, params }) => {
      const keys = params.map(([key]) => key)
      return (
        name === D &&
        new Set(keys).size === keys.length &&
        params.every(([key, val]) => {
          if (key === 'server_max_window_bits') return RANGE.includes(String(val))
          if (key === 'client_max_window_bits') return val === true || RANGE.includes(val)
          return (key === 'server_no_context_takeover' || key === 'client_no_context_takeover') && val === true
        })
      )
    })

  fc.assert(
    fc.property(fc.array(offer, { maxLength: 4 }), fc.boolean(), (offers, clientContextTakeover) => {
      const agreed = negotiateDeflate(offers, { clientContextTakeover })
      const offered = taken(offers)
      expect(agreed === null).toBe(offered === undefined)
      if (agreed === null || offered === undefined) return
      const asked = new Map(offered.params)
      const [answer, ...more] = parseExtensions(agreed.answer)!
      const said = new Map(answer!.params)
      expect(more).toEqual([])
      expect(said.size).toBe(answer!.params.length)
      expect(said.get('server_no_context_takeover')).toBe(true)
      // Nothing of the client's is answered that it did not offer, but for what the user forbade.
      const keeps = clientContextTakeover && !asked.has('client_no_context_takeover')
      expect(said.has('client_no_context_takeover')).toBe(!keeps)
      expect(said.has('server_max_window_bits')).toBe(asked.has('server_max_window_bits'))
      expect(said.has('client_max_window_bits')).toBe(keeps && asked.has('client_max_window_bits'))
      // Both windows are what was said, and no larger than asked for.
      const bits = (of: Map<string, string | true>, key: string): number => {
        const text = of.get(key)
        return text === undefined || text === true ? 15 : Number(text)
      }
      const server = bits(said, 'server_max_window_bits')
      expect(server).toBeLessThanOrEqual(bits(asked, 'server_max_window_bits'))
      expect(agreed.windowBits).toBe(Math.max(server, 9))
      const client = bits(said, 'client_max_window_bits')
      if (keeps) expect(client).toBeLessThanOrEqual(bits(asked, 'client_max_window_bits'))
      expect(agreed.clientWindowBytes).toBe(keeps ? 2 ** Math.max(client, 9) : 0)
    }),
    { numRuns: 2000 },
  )
})
