// UTF-8 sequences, valid and not, each with the byte that makes it impossible: every boundary of the code space, every byte
// that begins nothing, characters that are cut, overlong forms, surrogates, and code points beyond the last.

import { Buffer } from 'node:buffer'

/** `bad`: which byte makes it impossible, from 0; 'end': it is only cut; null: it is whole. */
type Sequence = readonly [name: string, bytes: string, bad: number | 'end' | null]

const VALID: readonly Sequence[] = [
  ['nothing', '', null],
  ['ASCII', '48656c6c6f', null],
  ['letters of 2 bytes', '48656c6c6f2dc2b540c39fc3b6c3a4c3bcc3a0c3a1', null],
  ['letters of 2 and 3 bytes', 'cebae1bdb9cf83cebcceb5', null],
  ['U+0000, the first of 1 byte', '00', null],
  ['U+007F, the last of 1 byte', '7f', null],
  ['U+0080, the first of 2 bytes', 'c280', null],
  ['U+07FF, the last of 2 bytes', 'dfbf', null],
  ['U+0800, the first of 3 bytes', 'e0a080', null],
  ['U+0FFF', 'e0bfbf', null],
  ['U+1000', 'e18080', null],
  ['U+CFFF', 'ecbfbf', null],
  ['U+D000', 'ed8080', null],
  ['U+D7FF, the last before the surrogates', 'ed9fbf', null],
  ['U+E000, the first after the surrogates', 'ee8080', null],
  ['U+FEFF, the byte order mark', 'efbbbf', null],
  ['U+FFFD, the replacement character', 'efbfbd', null],
  ['U+FFFE, not a character', 'efbfbe', null],
  ['U+FFFF, the last of 3 bytes', 'efbfbf', null],
  ['U+10000, the first of 4 bytes', 'f0908080', null],
  ['U+3FFFF', 'f0bfbfbf', null],
  ['U+40000', 'f1808080', null],
  ['U+FFFFF', 'f3bfbfbf', null],
  ['U+100000', 'f4808080', null],
  ['U+10FFFF, the last of all', 'f48fbfbf', null],
  ...Array.from({ length: 16 }, (_, plane): Sequence[] =>
    [0xfffe, 0xffff].map((low): Sequence => {
      const codePoint = (plane + 1) * 0x1_0000 + low
      return [
        `U+${codePoint.toString(16)}, not a character`,
        Buffer.from(String.fromCodePoint(codePoint)).toString('hex'),
        null,
      ]
    }),
  ).flat(),
  ['every boundary in a row', '007fc280dfbfe0a080ed9fbfee8080efbfbff0908080f48fbfbf', null],
]

/** Surrogates alone and in pairs: CESU-8, and what a careless encoder makes of a half. */
const surrogates = ['eda080', 'edadbf', 'edae80', 'edafbf', 'edb080', 'edbe80', 'edbfbf']
const pairs = [
  'eda080edb080',
  'eda080edbfbf',
  'edadbfedb080',
  'edadbfedbfbf',
  'edae80edb080',
  'edafbfedb080',
  'edafbfedbfbf',
]

export const INVALID: readonly Sequence[] = [
  ['a continuation byte, the first', '80', 0],
  ['a continuation byte, the last', 'bf', 0],
  ...[2, 3, 4, 5, 6].map((count): Sequence => [`${count} continuation bytes`, '80bf80bf80bf'.slice(0, 2 * count), 0]),
  ['all continuation bytes', Array.from({ length: 64 }, (_, i) => (0x80 + i).toString(16)).join(''), 0],
  ['a continuation byte after a letter', '6180', 1],
  ['one continuation byte too many, of 2', 'c3a980', 2],
  ['one continuation byte too many, of 3', 'e282ac80', 3],
  ['one continuation byte too many, of 4', 'f09f98ba80', 4],
  // The bytes that begin nothing.
  ...['c0', 'c1', 'f5', 'f6', 'f7', 'f8', 'f9', 'fa', 'fb', 'fc', 'fd', 'fe', 'ff'].flatMap((lead): Sequence[] => [
    [`${lead}, which begins nothing`, lead, 0],
    [`${lead} before continuation bytes`, `${lead}808080`, 0],
    [`${lead} after a letter, before a space`, `61${lead}20`, 1],
  ]),
  ['fe and ff', 'fefeffff', 0],
  // First bytes that stand alone.
  [
    'first bytes of 2, each before a space',
    Array.from({ length: 30 }, (_, i) => `${(0xc2 + i).toString(16)}20`).join(''),
    1,
  ],
  ['first bytes of 3, each before a space', Array.from({ length: 16 }, (_, i) => `e${i.toString(16)}20`).join(''), 1],
  ['first bytes of 4, each before a space', 'f020f120f220f320f420', 1],
  ['a letter where 2 bytes are due', 'e228a1', 1],
  ['a letter where 1 byte is due', 'e28228', 2],
  ['a first byte where 1 byte is due', 'e282e2', 2],
  ['4 bytes with a letter in place of the 2nd', 'f0288cbc', 1],
  ['4 bytes with a letter in place of the 3rd', 'f09028bc', 2],
  ['4 bytes with a letter in place of the 4th', 'f0908c28', 3],
  // Cut.
  ['1 of 2 bytes', 'c3', 'end'],
  ['1 of 2 bytes, the last of these', 'df', 'end'],
  ['1 of 3 bytes', 'e2', 'end'],
  ['2 of 3 bytes', 'e282', 'end'],
  ['2 of 3 bytes, from the lowest', 'e0a0', 'end'],
  ['2 of 3 bytes, to the highest', 'efbf', 'end'],
  ['1 of 4 bytes', 'f0', 'end'],
  ['2 of 4 bytes', 'f09f', 'end'],
  ['3 of 4 bytes', 'f09f98', 'end'],
  ['3 of 4 bytes, to the highest', 'f48fbf', 'end'],
  ['a letter and 1 of 2 bytes', '61c3', 'end'],
  ['several that are cut, in a row', 'c3e282f09f98', 1],
  // More bytes than are needed.
  ['"/" in 2 bytes', 'c0af', 0],
  ['"/" in 3 bytes', 'e080af', 1],
  ['"/" in 4 bytes', 'f08080af', 1],
  ['"/" in 5 bytes', 'f8808080af', 0],
  ['"/" in 6 bytes', 'fc80808080af', 0],
  ['U+0000 in 2 bytes', 'c080', 0],
  ['U+0000 in 3 bytes', 'e08080', 1],
  ['U+0000 in 4 bytes', 'f0808080', 1],
  ['U+0000 in 5 bytes', 'f880808080', 0],
  ['U+0000 in 6 bytes', 'fc8080808080', 0],
  ['U+007F in 2 bytes', 'c1bf', 0],
  ['U+07FF in 3 bytes', 'e09fbf', 1],
  ['U+FFFF in 4 bytes', 'f08fbfbf', 1],
  ['U+1FFFFF in 5 bytes', 'f887bfbfbf', 0],
  ['U+3FFFFFF in 6 bytes', 'fc83bfbfbfbf', 0],
  // Beyond the last code point.
  ['U+110000', 'f4908080', 1],
  ['U+13FFFF', 'f4bfbfbf', 1],
  ['U+140000', 'f5808080', 0],
  ['U+1FFFFF', 'f7bfbfbf', 0],
  ['U+200000', 'f888808080', 0],
  ['U+3FFFFFF', 'fbbfbfbfbf', 0],
  ['U+4000000', 'fc8480808080', 0],
  ['U+7FFFFFFF', 'fdbfbfbfbfbf', 0],
  // Surrogates.
  ...surrogates.map((bytes): Sequence => [`the surrogate ${bytes}`, bytes, 1]),
  ...pairs.map((bytes): Sequence => [`the surrogates ${bytes}`, bytes, 1]),
  ['a surrogate between letters', 'cebae1bdb9cf83cebcceb5eda080656469746564', 12],
  ['U+110000 between letters', 'cebae1bdb9cf83cebcceb5f4908080656469746564', 12],
  ['a byte that begins nothing after letters', 'cebae1bdb9cf83ff', 7],
  ['in the middle of letters', 'c3a9c3a9c3c3a9', 5],
]

export const SEQUENCES: readonly Sequence[] = [...VALID, ...INVALID]
