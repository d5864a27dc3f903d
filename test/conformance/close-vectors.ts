// Closes and text by the byte: a Close in mid-message, codes and reasons that Autobahn does not send, and UTF-8 at its edges,
// refused with the byte that makes it impossible though more was announced.

import { type FrameVector, frames } from './vector.ts'

const K = '00000000'
const CODE = 'close 1002 invalid close code'
const REASON = 'close 1007 close reason is not UTF-8'
const TEXT = 'close 1007 text is not UTF-8'

function byte(value: number): string {
  return value.toString(16).padStart(2, '0')
}

function frame(byte0: number, payload: string): string {
  return `${byte(byte0)} ${byte(0x80 | (payload.length / 2))} ${K} ${payload}`
}

function code(value: number): string {
  return value.toString(16).padStart(4, '0')
}

const closes = frames('F-close', { clause: 'RFC 6455 §5.5.1, §7.4' }, [
  ...[1012, 1013, 1014].map((value) => [`${value}`, frame(0x88, code(value)), `close ${value}`, 'end'] as const),
  ...[1, 998, 1015, 1017, 1999, 2001, 5001, 9999, 32_768, 65_535].map(
    (value) => [`${value}`, frame(0x88, code(value)), CODE, 'end'] as const,
  ),
  ['an invalid code goes before its reason', frame(0x88, `${code(1005)}ff`), CODE, 'end'],
  ['a reason of one character of 4 bytes', frame(0x88, '03e8f09f98ba'), 'close 1000 😺', 'end'],
  ['a reason with NUL', frame(0x88, '03e8610062'), 'close 1000 a\0b', 'end'],
  ['a reason with a byte order mark', frame(0x88, '03e8efbbbf61'), 'close 1000 \ufeffa', 'end'],
  [
    'a reason of 123 bytes, all of 3',
    frame(0x88, `0bb8${'e4b896'.repeat(41)}`),
    `close 3000 ${'世'.repeat(41)}`,
    'end',
  ],
  ['a reason that is cut', frame(0x88, '03e861f09f98'), REASON, 'end'],
  ['a reason in an overlong form', frame(0x88, '03e8c0af'), REASON, 'end'],
  ['a reason with a surrogate', frame(0x88, '03e8eda080'), REASON, 'end'],
  ['a reason beyond the last code point', frame(0x88, '03e8f4908080'), REASON, 'end'],
  ['a reason that begins within a character', frame(0x88, '03e880'), REASON, 'end'],
])

const midMessage = frames('F-close-mid', { clause: 'RFC 6455 §5.4, §5.5.1, §7.1.4' }, [
  ['after a first fragment', `${frame(0x01, '61')} ${frame(0x88, '03e8')}`, 'close 1000', 'end'],
  ['after a first fragment, without a code', `${frame(0x01, '61')} ${frame(0x88, '')}`, 'close 1005', 'end'],
  [
    'after three fragments',
    `${frame(0x02, '61')} ${frame(0x00, '62')} ${frame(0x00, '')} ${frame(0x88, '0fa0')}`,
    'close 4000',
    'end',
  ],
  ['within a character', `${frame(0x01, 'c3')} ${frame(0x88, '03e8')}`, 'close 1000', 'end'],
  [
    'the rest of the message behind it',
    `${frame(0x01, '61')} ${frame(0x88, '03e8')} ${frame(0x80, '62')}`,
    'close 1000',
    'end',
  ],
  [
    'a ping before it',
    `${frame(0x01, '61')} ${frame(0x89, '70')} ${frame(0x88, '03e8')}`,
    'pong 70',
    'close 1000',
    'end',
  ],
  ['a ping behind it', `${frame(0x01, '61')} ${frame(0x88, '03e8')} ${frame(0x89, '70')}`, 'close 1000', 'end'],
  ['an invalid code', `${frame(0x01, '61')} ${frame(0x88, '03ed')}`, CODE, 'end'],
  ['one byte', `${frame(0x01, '61')} ${frame(0x88, '03')}`, 'close 1002 close body of one byte', 'end'],
  ['a reason that is not UTF-8', `${frame(0x01, '61')} ${frame(0x88, '03e8ff')}`, REASON, 'end'],
  [
    'whole messages before it are answered',
    `${frame(0x81, '61')} ${frame(0x01, '62')} ${frame(0x88, '03e8')}`,
    'text 61',
    'close 1000',
    'end',
  ],
  ['a second Close behind it', `${frame(0x88, '03e8')} ${frame(0x88, '03e9')}`, 'close 1000', 'end'],
  ['a broken frame behind it', `${frame(0x88, '03e8')} ffffffff`, 'close 1000', 'end'],
  ['a message behind it', `${frame(0x88, '0fa0')} ${frame(0x81, '61')}`, 'close 4000', 'end'],
  ['in a compressed message', `41 81 ${K} ca ${frame(0x88, '03e8')}`, 'close 1002 RSV1 is set', 'end'],
])

/** More is announced than comes: the answer must not wait for it. */
const announced = (bytes: string): string => `81 ${byte(0x80 | 40)} ${K} ${bytes}`

const utf8 = frames('F-utf8', { clause: 'RFC 6455 §8.1, RFC 3629 §4' }, [
  ['U+0000', frame(0x81, '00'), 'text 00', 'open'],
  ['the byte order mark stays', frame(0x81, 'efbbbf61'), 'text efbbbf61', 'open'],
  ['U+10FFFF', frame(0x81, 'f48fbfbf'), 'text f48fbfbf', 'open'],
  ['U+FFFE and U+FFFF', frame(0x81, 'efbfbeefbfbf'), 'text efbfbeefbfbf', 'open'],
  [
    'a character in a frame for each byte',
    `${frame(0x01, 'f0')} ${frame(0x00, '9f')} ${frame(0x00, '98')} ${frame(0x80, 'ba')}`,
    'text f09f98ba',
    'open',
  ],
  [
    'characters cut in both fragments',
    `${frame(0x01, '61e4b8')} ${frame(0x80, '96c3a9')}`,
    'text 61e4b896c3a9',
    'open',
  ],
  ['a text that ends within a character', frame(0x81, '61e4b8'), TEXT, 'end'],
  ['an empty last fragment within a character', `${frame(0x01, 'c3')} ${frame(0x80, '')}`, TEXT, 'end'],
  ['a new character where one is not done', `${frame(0x01, 'e4')} ${frame(0x80, '61')}`, TEXT, 'end'],
  ['0xFF at once', announced('ff'), TEXT, 'end'],
  ['0xC0 at once', announced('61c0'), TEXT, 'end'],
  ['0xC1 at once', announced('c1'), TEXT, 'end'],
  ['0xF5 at once', announced('f5'), TEXT, 'end'],
  ['a tail without a lead, at once', announced('6180'), TEXT, 'end'],
  ['an overlong form of 3, with its second byte', announced('e09f'), TEXT, 'end'],
  ['an overlong form of 4, with its second byte', announced('f08f'), TEXT, 'end'],
  ['a surrogate, with its second byte', announced('eda0'), TEXT, 'end'],
  ['beyond the last code point, with its second byte', announced('f490'), TEXT, 'end'],
  ['a bad third byte', announced('e4b861'), TEXT, 'end'],
  ['a bad fourth byte', announced('f09f9861'), TEXT, 'end'],
  ['a bad byte in the second fragment, which is announced longer', `${frame(0x01, '61')} 80 a8 ${K} ff`, TEXT, 'end'],
  [
    'a ping before the bad byte is answered',
    `${frame(0x01, '61')} ${frame(0x89, '70')} 80 a8 ${K} ff`,
    'pong 70',
    TEXT,
    'end',
  ],
  ['binary of the same bytes', frame(0x82, 'ffc0eda0'), 'binary ffc0eda0', 'open'],
  ['a ping of the same bytes', frame(0x89, 'ffc0eda0'), 'pong ffc0eda0', 'open'],
])

export const CLOSE_VECTORS: readonly FrameVector[] = [...closes, ...midMessage, ...utf8]
