// Frames by the byte, after a correct handshake, and what comes back: reserved bits, masking, lengths, limits, control frames
// between fragments, what comes in the head's own segment. A key of zeros (`K`) leaves a payload readable.

import { deflateRawSync } from 'node:zlib'
import { type FrameVector, frames, type ServerName } from './vector.ts'

const K = '00000000'
const RSV1 = 'close 1002 RSV1 is set'
const RSV23 = 'close 1002 RSV2 or RSV3 is set'
const RSV1_WRONG = 'close 1002 RSV1 on a wrong frame'
const UNMASKED = 'close 1002 frame is not masked'
const NOT_MINIMAL = 'close 1002 length is not minimal'
const TOP_BIT = 'close 1002 length has its top bit set'
const CONTROL_LENGTH = 'close 1002 control frame over 125 bytes'
const CONTROL_FIN = 'close 1002 fragmented control frame'
const RESERVED = 'close 1002 reserved opcode'
const TOO_BIG = 'close 1009 message too big'
const NOTHING = 'close 1002 continuation of nothing'
const INSIDE = 'close 1002 message inside a message'

const OPCODES = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const

function byte(value: number): string {
  return value.toString(16).padStart(2, '0')
}

/** `count` bytes of `a`. */
function as(count: number): string {
  return '61'.repeat(count)
}

/** A payload as a compressed message has it. RFC 7692 §7.2.1. */
function deflated(text: string): string {
  return deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4).toString('hex')
}

function frame(byte0: number, payload: string): string {
  return `${byte(byte0)} ${byte(0x80 | (payload.length / 2))} ${K} ${payload}`
}

/** Each reserved bit on each opcode, a continuation being within a message. */
function reservedBits(server: ServerName): (readonly [string, string, ...string[]])[] {
  return Object.entries(OPCODES).flatMap(([name, opcode]) =>
    [0x40, 0x20, 0x10].map((bit): readonly [string, string, ...string[]] => {
      const begins = opcode === OPCODES.continuation ? `01 80 ${K} ` : ''
      const isData = opcode === OPCODES.text || opcode === OPCODES.binary
      const wire = `${begins}${byte(0x80 | bit | opcode)} 80 ${K}`
      const what = `RSV${{ 64: 1, 32: 2, 16: 3 }[bit]} on a ${name} frame`
      if (bit !== 0x40) return [what, wire, RSV23, 'end']
      if (server === 'plain') return [what, wire, RSV1, 'end']
      return isData ? [what, wire, `${name} `, 'open'] : [what, wire, RSV1_WRONG, 'end']
    }),
  )
}

const bits = [
  ...frames('F-rsv', { clause: 'RFC 6455 §5.2' }, reservedBits('plain')),
  ...frames('F-rsv-deflate', { clause: 'RFC 7692 §6.1', server: 'deflate' }, reservedBits('deflate')),
  ...frames('F-opcode', { clause: 'RFC 6455 §5.2' }, [
    ...[3, 7, 11, 15].map((opcode) => [`opcode ${opcode}`, `${byte(0x80 | opcode)} 80 ${K}`, RESERVED, 'end'] as const),
    ['opcode 11 within a message', `01 81 ${K} 61 8b 80 ${K}`, RESERVED, 'end'],
    ['an HTTP request where a frame is due', Buffer.from('GET / HTTP/1.1\r\n').toString('hex'), RSV1, 'end'],
    ['a TLS ClientHello where a frame is due', '160301', RSV23, 'end'],
  ]),
]

const masks = frames('F-mask', { clause: 'RFC 6455 §5.1, §5.3' }, [
  ...Object.entries(OPCODES)
    .filter(([, opcode]) => opcode !== OPCODES.continuation)
    .map(([name, opcode]) => [`${name}, not masked`, `${byte(0x80 | opcode)} 00`, UNMASKED, 'end'] as const),
  ['a continuation, not masked', `01 80 ${K} 80 00`, UNMASKED, 'end'],
  ['16 bits of length, not masked, before they came', '82 7e', UNMASKED, 'end'],
  ['64 bits of length, not masked, before they came', '82 7f', UNMASKED, 'end'],
  ['the second message not masked', `82 81 ${K} 61 82 01 62`, 'binary 61', UNMASKED, 'end'],
  ['a key of ones', '81 82 ffffffff 9796', 'text 6869', 'open'],
  ['a key of which one byte is used', '81 81 68000000 00', 'text 68', 'open'],
  ['five bytes: the key begins again', '82 85 01020304 0000000000', 'binary 0102030401', 'open'],
  ['a key for each fragment', '02 83 01020304 000000 80 83 05060708 000000', 'binary 010203050607', 'open'],
  ['a ping under a key', '89 83 0a0b0c0d 000000', 'pong 0a0b0c', 'open'],
  ['a close under a key', '88 82 03e80000 0000', 'close 1000', 'end'],
  ['a long payload under a key: all of it', `82 fe 0100 6161 6161 ${'00'.repeat(256)}`, 'binary of 256', 'open'],
])

const lengths = [
  ...frames('F-length', { clause: 'RFC 6455 §5.2' }, [
    ...[0, 1, 64, 124, 125].map(
      (size) => [`${size} bytes in 16 bits`, `82 fe 00${byte(size)} ${K} ${as(size)}`, NOT_MINIMAL, 'end'] as const,
    ),
    ['126 bytes in 16 bits', `82 fe 007e ${K} ${as(126)}`, 'binary of 126', 'open'],
    ['65,535 bytes in 16 bits', `82 fe ffff ${K} ${as(65_535)}`, 'binary of 65535', 'open'],
    ...['0000', '007d', '007e', 'fffe', 'ffff'].map(
      (low) => [`0x${low} bytes in 64 bits`, `82 ff 000000000000${low} ${K}`, NOT_MINIMAL, 'end'] as const,
    ),
    ['65,536 bytes in 64 bits', `82 ff 0000000000010000 ${K} ${as(65_536)}`, 'binary of 65536', 'open'],
    ['2^63', '82 ff 8000000000000000', TOP_BIT, 'end'],
    ['2^64 − 1', '82 ff ffffffffffffffff', TOP_BIT, 'end'],
    ['125 bytes in 16 bits, before the key', '82 fe 007d', NOT_MINIMAL, 'end'],
    ['a fragment in a form too long', `02 81 ${K} 61 80 fe 0001 ${K} 61`, NOT_MINIMAL, 'end'],
  ]),
  ...frames('F-control', { clause: 'RFC 6455 §5.5' }, [
    ...(['close', 'ping', 'pong'] as const).flatMap((name) => [
      [`${name} in 16 bits`, `${byte(0x80 | OPCODES[name])} fe`, CONTROL_LENGTH, 'end'] as const,
      [`${name} in 64 bits`, `${byte(0x80 | OPCODES[name])} ff`, CONTROL_LENGTH, 'end'] as const,
      [`${name} without FIN`, `${byte(OPCODES[name])} 80 ${K}`, CONTROL_FIN, 'end'] as const,
    ]),
    ['a ping of 125 bytes', `89 fd ${K} ${as(125)}`, 'pong of 125', 'open'],
    ['a ping of bytes that are no text', `89 83 ${K} 00fffe`, 'pong 00fffe', 'open'],
    ['a pong that nobody asked for', `8a 81 ${K} 61`, 'open'],
  ]),
]

const limits = [
  ...frames('F-limit', { clause: 'RFC 6455 §10.4', server: 'small' }, [
    ['16 bytes', frame(0x82, as(16)), `binary ${as(16)}`, 'open'],
    ['17 bytes, from the header', `82 91 ${K}`, TOO_BIG, 'end'],
    ['17 bytes of text, before the key', '81 91', TOO_BIG, 'end'],
    ['126 bytes, before the key', '82 fe 007e', TOO_BIG, 'end'],
    ['2^32 bytes', '82 ff 0000000100000000', TOO_BIG, 'end'],
    ['2^53 + 1 bytes', '82 ff 0020000000000001', TOO_BIG, 'end'],
    ['2^63 − 1 bytes', '82 ff 7fffffffffffffff', TOO_BIG, 'end'],
    ['8 and 8 in fragments', `${frame(0x02, as(8))} ${frame(0x80, as(8))}`, `binary ${as(16)}`, 'open'],
    ['8 and 9 in fragments, from the header', `${frame(0x02, as(8))} 80 89 ${K}`, TOO_BIG, 'end'],
    ['16 and none in fragments', `${frame(0x02, as(16))} ${frame(0x80, '')}`, `binary ${as(16)}`, 'open'],
    ['16 and 1 in fragments, not the last', `${frame(0x02, as(16))} 00 81 ${K}`, TOO_BIG, 'end'],
    ['16 and 2^63 − 1 in fragments', `${frame(0x02, as(16))} 80 ff 7fffffffffffffff`, TOO_BIG, 'end'],
    [
      '16 bytes twice: each message counts anew',
      `${frame(0x82, as(16))} ${frame(0x82, as(16))}`,
      `binary ${as(16)}`,
      `binary ${as(16)}`,
      'open',
    ],
    [
      '16 in fragments, then 16: each counts anew',
      `${frame(0x02, as(16))} ${frame(0x80, '')} ${frame(0x82, as(16))}`,
      `binary ${as(16)}`,
      `binary ${as(16)}`,
      'open',
    ],
    ['a ping of 125 bytes is no message', `89 fd ${K} ${as(125)}`, 'pong of 125', 'open'],
    [
      'a ping between fragments is not counted',
      `${frame(0x02, as(8))} ${frame(0x89, as(20))} ${frame(0x80, as(8))}`,
      `pong ${as(20)}`,
      `binary ${as(16)}`,
      'open',
    ],
    [
      'a message, then one too big: the first is answered',
      `${frame(0x82, '61')} 82 91 ${K}`,
      'binary 61',
      TOO_BIG,
      'end',
    ],
    ['a length that is not minimal goes before the limit', '82 ff 0000000000000011', NOT_MINIMAL, 'end'],
    ['compressed, 16 bytes inflated', frame(0xc2, deflated('a'.repeat(16))), `binary ${as(16)}`, 'open'],
    ['compressed, 17 bytes inflated', frame(0xc2, deflated('a'.repeat(17))), TOO_BIG, 'end'],
    ['compressed, a million bytes inflated', `c2 fe ${byte(0x03)}${byte(0xf0)} ${K}`, TOO_BIG, 'end'],
  ]),
]

const fragments = frames('F-fragment', { clause: 'RFC 6455 §5.4' }, [
  [
    'a ping between two fragments: its pong is first',
    `01 81 ${K} 61 89 81 ${K} 70 80 81 ${K} 62`,
    'pong 70',
    'text 6162',
    'open',
  ],
  ['a pong between two fragments', `01 81 ${K} 61 8a 80 ${K} 80 81 ${K} 62`, 'text 6162', 'open'],
  [
    'three pings between two fragments',
    `01 80 ${K} 89 81 ${K} 01 89 81 ${K} 02 89 81 ${K} 03 80 80 ${K}`,
    'pong 01',
    'pong 02',
    'pong 03',
    'text ',
    'open',
  ],
  ['a ping within a character', `01 81 ${K} c3 89 80 ${K} 80 81 ${K} a9`, 'pong ', 'text c3a9', 'open'],
  ['a ping, then nothing more of the message', `01 81 ${K} 61 89 81 ${K} 70`, 'pong 70', 'open'],
  ['an empty first fragment', `02 80 ${K} 80 81 ${K} 61`, 'binary 61', 'open'],
  ['a ping, then a continuation of nothing', `89 81 ${K} 70 80 80 ${K}`, 'pong 70', NOTHING, 'end'],
  ['a continuation of nothing that is not the last', `00 80 ${K}`, NOTHING, 'end'],
  ['a continuation after the last', `01 80 ${K} 80 80 ${K} 80 80 ${K}`, 'text ', NOTHING, 'end'],
  ['binary within text', `01 81 ${K} 61 82 81 ${K} 62`, INSIDE, 'end'],
  ['text within text, a ping between', `01 81 ${K} 61 89 81 ${K} 70 01 81 ${K} 62`, 'pong 70', INSIDE, 'end'],
  ['a ping after the failure is not answered', `00 80 ${K} 89 81 ${K} 70`, NOTHING, 'end'],
])

const compressed = frames('F-deflate', { clause: 'RFC 7692 §6, §7.2', server: 'deflate' }, [
  ['a compressed text', frame(0xc1, deflated('hi')), 'text 6869', 'open'],
  ['a plain text beside it', `${frame(0xc1, deflated('hi'))} ${frame(0x81, '6869')}`, 'text 6869', 'text 6869', 'open'],
  [
    'two fragments, RSV1 on the first',
    `${frame(0x41, deflated('hi').slice(0, 4))} ${frame(0x80, deflated('hi').slice(4))}`,
    'text 6869',
    'open',
  ],
  ['RSV1 on the second alone', `${frame(0x01, '61')} ${frame(0xc0, '62')}`, RSV1_WRONG, 'end'],
  [
    'a ping between compressed fragments',
    `${frame(0x41, deflated('hi').slice(0, 4))} ${frame(0x89, '70')} ${frame(0x80, deflated('hi').slice(4))}`,
    'pong 70',
    'text 6869',
    'open',
  ],
  ['no compressed bytes', frame(0xc1, ''), 'text ', 'open'],
  ['one empty block', frame(0xc1, '00'), 'text ', 'open'],
  ['a block that is stored', frame(0xc1, '000200fdff6869'), 'text 6869', 'open'],
  ['a block marked as the last', frame(0xc1, '4bcec80400'), 'text 636869', 'open'],
  ['two streams, both marked as the last', frame(0xc1, '4bcec804004bcec80400'), 'text 636869636869', 'open'],
  ['no stream behind one marked as the last', frame(0xc1, '4bcec80400ff'), 'close 1007 corrupt compressed data', 'end'],
  ['a block that is cut', frame(0xc1, '4bcec8'), 'close 1007 corrupt compressed data', 'end'],
  [
    'a second message that refers to the first',
    `${frame(0xc1, '4acec80400')} ${frame(0xc1, '02220000')}`,
    'text 636869',
    'text 636869',
    'open',
  ],
  ['a block of the reserved type', frame(0xc1, '07'), 'close 1007 corrupt compressed data', 'end'],
  ['bytes that are no deflate data', frame(0xc2, 'ffffffff'), 'close 1007 corrupt compressed data', 'end'],
  ['a distance beyond what came', frame(0xc2, '4b04110000'), 'close 1007 corrupt compressed data', 'end'],
  ['text that is not UTF-8 when inflated', frame(0xc1, '000100feffff'), 'close 1007 text is not UTF-8', 'end'],
  ['binary of the same bytes', frame(0xc2, '000100feffff'), 'binary ff', 'open'],
])

const pipelined = frames('F-pipelined', { clause: 'RFC 6455 §4.2.2, §5.4', withHead: true }, [
  ['a message behind the head', frame(0x81, '6869'), 'text 6869', 'open'],
  [
    'three messages and a ping',
    `${frame(0x81, '61')} ${frame(0x82, '62')} ${frame(0x89, '70')} ${frame(0x81, '63')}`,
    'text 61',
    'binary 62',
    'pong 70',
    'text 63',
    'open',
  ],
  ['two fragments', `${frame(0x01, '61')} ${frame(0x80, '62')}`, 'text 6162', 'open'],
  ['a ping alone', frame(0x89, ''), 'pong ', 'open'],
  ['a Close', frame(0x88, '03e8'), 'close 1000', 'end'],
  ['a message and a Close', `${frame(0x81, '6869')} ${frame(0x88, '03e9')}`, 'text 6869', 'close 1001', 'end'],
  ['a frame that is not masked', '81 02 6869', UNMASKED, 'end'],
  ['a message, then a frame that is not masked', `${frame(0x81, '61')} 81 01 62`, 'text 61', UNMASKED, 'end'],
  ['a length too big', '82 ff 0000000100000000', TOO_BIG, 'end'],
  ['a second request', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n').toString('hex'), RSV1, 'end'],
  ['an empty line more', '0d0a', RESERVED, 'end'],
  ['text that is not UTF-8', frame(0x81, 'ff'), 'close 1007 text is not UTF-8', 'end'],
  ['70,000 bytes', `82 ff 0000000000011170 ${K} ${as(70_000)}`, 'binary of 70000', 'open'],
])

export const FRAME_VECTORS: readonly FrameVector[] = [
  ...bits,
  ...masks,
  ...lengths,
  ...limits,
  ...fragments,
  ...compressed,
  ...pipelined,
]
