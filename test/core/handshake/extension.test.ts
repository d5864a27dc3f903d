// The grammar of Sec-WebSocket-Extensions: what is read, what is a syntax error, and that reading is linear (threat H2).

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ExtensionOffer, parseExtensions } from '../../../packages/core/src/handshake/extension.ts'

type Params = ExtensionOffer['params']

function offer(name: string, ...params: Params): ExtensionOffer {
  return { name, params }
}

describe('reads', () => {
  const vectors: [value: string, offers: ExtensionOffer[]][] = [
    ['foo', [offer('foo')]],
    ['permessage-deflate', [offer('permessage-deflate')]],
    ['permessage-deflate; client_max_window_bits', [offer('permessage-deflate', ['client_max_window_bits', true])]],
    [
      'permessage-deflate; server_max_window_bits=10, permessage-deflate',
      [offer('permessage-deflate', ['server_max_window_bits', '10']), offer('permessage-deflate')],
    ],
    ['deflate-stream', [offer('deflate-stream')]],
    [
      'mux; max-channels=4; flow-control, deflate-stream',
      [offer('mux', ['max-channels', '4'], ['flow-control', true]), offer('deflate-stream')],
    ],
    ['private-extension', [offer('private-extension')]],
    ['a;b="8"', [offer('a', ['b', '8'])]],
    ['a;b="\\8"', [offer('a', ['b', '8'])]],
    ['a;b="x\\y\\z"', [offer('a', ['b', 'xyz'])]],
    ['a;b="1\\5";c', [offer('a', ['b', '15'], ['c', true])]],
    ['a;b=1;b=2;b', [offer('a', ['b', '1'], ['b', '2'], ['b', true])]],
    ['a,a,A', [offer('a'), offer('a'), offer('A')]],
    ['  a\t;\tb =  c  ,\td  ', [offer('a', ['b', 'c']), offer('d')]],
    ['a;b = "c" ;d', [offer('a', ['b', 'c'], ['d', true])]],
    [',a', [offer('a')]],
    ['a,', [offer('a')]],
    ['a, ,,b', [offer('a'), offer('b')]],
    ["!#$%&'*+-.^_`|~0aZ", [offer("!#$%&'*+-.^_`|~0aZ")]],
    ['a;__proto__=1;constructor', [offer('a', ['__proto__', '1'], ['constructor', true])]],
    ['__proto__', [offer('__proto__')]],
    ['a;b=15x;c=08;d=999999999999999999999', [offer('a', ['b', '15x'], ['c', '08'], ['d', '999999999999999999999'])]],
  ]
  it.each(vectors)('%j', (value, offers) => {
    expect(parseExtensions(value)).toEqual(offers)
  })
})

describe('calls a syntax error', () => {
  const vectors = [
    '',
    ' ',
    '\t',
    ',',
    ' , ,',
    ';',
    'a;',
    'a; ',
    'a;;b',
    'a;,b',
    ';a',
    '=',
    'a=',
    'a=b',
    'a;=b',
    'a;b=',
    'a;b=,c',
    'a;b=;c',
    'a;b==c',
    'a;b=c=d',
    'a b',
    'a;b c',
    'a;b=c d',
    'a;b=c"d"',
    'a;b="c"d',
    'a;b="c""d"',
    '"a"',
    'a;"b"',
    'a;b="',
    'a;b="c',
    'a;b="c\\',
    'a;b="c\\"',
    'a;b="\\"',
    'a;b="\\\\"',
    'a;b=""',
    'a;b="c d"',
    'a;b="c,d"',
    'a;b="c;d"',
    'a;b="\\ "',
    'a;b="c\0"',
    'a;b=\\c',
    "a;b='c d'",
    'a\0',
    'a\r\nb',
    'a\n',
    'a/b',
    'a(b)',
    'a{b}',
    'a@b',
    'é',
    'a;b=é',
    'a\u00a0;b',
    'a\u2003;b',
    '\ufeffa',
  ]
  it.each(vectors)('%j', (value) => {
    expect(parseExtensions(value)).toBeNull()
  })
})

describe('is bounded', () => {
  const times = (count: number, text: string, join: string): string => Array(count).fill(text).join(join)

  it('to 4 KiB, 16 offers and 16 parameters of each', () => {
    expect(parseExtensions('a'.repeat(4096))).toEqual([offer('a'.repeat(4096))])
    expect(parseExtensions('a'.repeat(4097))).toBeNull()
    expect(parseExtensions(times(16, 'a', ','))).toHaveLength(16)
    expect(parseExtensions(times(17, 'a', ','))).toBeNull()
    expect(parseExtensions(`${times(16, 'a', ',')},,,`)).toHaveLength(16)
    expect(parseExtensions(`a;${times(16, 'b=1', ';')}`)?.[0]?.params).toHaveLength(16)
    expect(parseExtensions(`a;${times(17, 'b=1', ';')}`)).toBeNull()
    expect(parseExtensions(times(16, `a;${times(16, 'b', ';')}`, ','))).toHaveLength(16)
  })

  const shapes: [name: string, make: (length: number) => string][] = [
    ['spaces', (length) => ' '.repeat(length)],
    ['spaces after a name', (length) => `a${' '.repeat(length - 1)}`],
    ['spaces between names', (length) => `a${' '.repeat(length - 2)}b`],
    ['commas', (length) => ','.repeat(length)],
    ['spaced commas', (length) => ' ,'.repeat(length / 2)],
    ['semicolons', (length) => ';'.repeat(length)],
    ['quotes', (length) => `a;b=${'"'.repeat(length - 4)}`],
    ['an open quote', (length) => `a;b="${'c'.repeat(length - 5)}`],
    ['backslashes', (length) => `a;b="${'\\c'.repeat((length - 6) / 2)}"`],
    ['one long name', (length) => 'a'.repeat(length)],
    ['many names', (length) => 'a,'.repeat(length / 2)],
    ['a long name and another', (length) => `${'a'.repeat(length - 2)} b`],
    ['spaces before no value', (length) => `a;b${' '.repeat(length - 4)}=`],
    ['backslashes in an open quote', (length) => `a;b="${'\\c'.repeat((length - 6) / 2)}c`],
  ]
  it.each(shapes)('eight times the length is no more than eight times the work: %s (H2)', (_name, make) => {
    const work = (length: number): number => {
      const value = make(length)
      expect(value).toHaveLength(length)
      const times = Array.from({ length: 15 }, () => {
        const began = performance.now()
        for (let i = 0; i < 100; i++) parseExtensions(value)
        return performance.now() - began
      })
      return Math.min(...times)
    }
    // Work that grows with the square would be 64 times as much.
    work(512)
    expect(work(4096) / work(512)).toBeLessThan(24)
  })
})

describe('properties', () => {
  const token = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_.!~'), minLength: 1, maxLength: 8 })
  const space = fc.constantFrom('', ' ', '\t', '  ')
  const param = fc.tuple(token, fc.option(token, { nil: true as const }))
  const offers = fc.array(fc.record({ name: token, params: fc.array(param, { maxLength: 5 }) }), {
    minLength: 1,
    maxLength: 8,
  })

  it('gives back what was written, however it is spaced and quoted', () => {
    fc.assert(
      fc.property(
        offers,
        fc.array(space, { minLength: 1, maxLength: 9 }),
        fc.infiniteStream(fc.nat(2)),
        (list, spaces, how) => {
          let at = 0
          const gap = (): string => spaces[at++ % spaces.length] as string
          const quote = (value: string): string => {
            const kind = how.next().value
            if (kind === 0) return value
            return kind === 1 ? `"${value}"` : `"${[...value].map((character) => `\\${character}`).join('')}"`
          }
          const write = ([name, value]: [string, string | true]): string =>
            value === true ? name : `${name}${gap()}=${gap()}${quote(value)}`
          const value = list
            .map((one) => [one.name, ...one.params.map(write)].join(`${gap()};${gap()}`))
            .join(`${gap()},${gap()}`)
          expect(parseExtensions(value)).toEqual(list)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('never throws, and never lets through what is no token', () => {
    const piece = fc.oneof(
      fc.constantFrom('a', ';', '=', '"', '\\', ',', ' ', '\t'),
      fc.string({ unit: 'binary', maxLength: 2 }),
    )
    const isToken = (text: string): boolean => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text)
    let read = 0
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const result = parseExtensions(pieces.join(''))
        if (result === null) return true
        read += 1
        const texts = result.flatMap(({ name, params }) => [name, ...params.flat()])
        return texts.every((text) => text === true || isToken(text))
      }),
      { numRuns: 10_000 },
    )
    expect(read).toBeGreaterThan(100)
  })
})
