// Frames as tables of literal bytes. Spaces in the hexadecimal are for the reader. A masking key of zeros leaves the payload
// readable; the first rows, from RFC 6455 §5.7, have a real one.

import { Buffer } from 'node:buffer'
import { describeMessage } from '../support/splits.ts'

/** `'81 85 37fa213d'` → bytes. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

const KEY = '00000000'

/** What a payload of `count` bytes becomes in a client's and in a server's frame. */
interface SizeVector {
  count: number
  /** The client's second byte to its masking key; the server's second byte and further length. */
  client: string
  server: string
}

/** The edges of the three forms of the length (§5.2). */
export const SIZES: readonly SizeVector[] = [
  { count: 0, client: `80 ${KEY}`, server: '00' },
  { count: 1, client: `81 ${KEY}`, server: '01' },
  { count: 124, client: `fc ${KEY}`, server: '7c' },
  { count: 125, client: `fd ${KEY}`, server: '7d' },
  { count: 126, client: `fe 007e ${KEY}`, server: '7e 007e' },
  { count: 127, client: `fe 007f ${KEY}`, server: '7e 007f' },
  { count: 255, client: `fe 00ff ${KEY}`, server: '7e 00ff' },
  { count: 256, client: `fe 0100 ${KEY}`, server: '7e 0100' },
  { count: 32_767, client: `fe 7fff ${KEY}`, server: '7e 7fff' },
  { count: 32_768, client: `fe 8000 ${KEY}`, server: '7e 8000' },
  { count: 65_534, client: `fe fffe ${KEY}`, server: '7e fffe' },
  { count: 65_535, client: `fe ffff ${KEY}`, server: '7e ffff' },
  { count: 65_536, client: `ff 0000000000010000 ${KEY}`, server: '7f 0000000000010000' },
  { count: 65_537, client: `ff 0000000000010001 ${KEY}`, server: '7f 0000000000010001' },
  { count: 1_048_576, client: `ff 0000000000100000 ${KEY}`, server: '7f 0000000000100000' },
]

/** The failures, each in the words that the peer reads in our Close frame. */
export const Failure = {
  RSV23: 'failure 1002 §5.2 RSV2 or RSV3 is set',
  RSV1: 'failure 1002 §5.2 RSV1 is set',
  OPCODE: 'failure 1002 §5.2 reserved opcode',
  SHORTEST: 'failure 1002 §5.2 length is not minimal',
  TOP_BIT: 'failure 1002 §5.2 length has its top bit set',
  MASK: 'failure 1002 §5.1 frame is not masked',
  CONTROL_FIN: 'failure 1002 §5.5 fragmented control frame',
  CONTROL_LENGTH: 'failure 1002 §5.5 control frame over 125 bytes',
  NOTHING: 'failure 1002 §5.4 continuation of nothing',
  INSIDE: 'failure 1002 §5.4 message inside a message',
  CLOSE_BODY: 'failure 1002 §5.5.1 close body of one byte',
  CLOSE_CODE: 'failure 1002 §7.4 invalid close code',
  CLOSE_REASON: 'failure 1007 §8.1 close reason is not UTF-8',
  TEXT: 'failure 1007 §8.1 text is not UTF-8',
  SIZE: 'failure 1009 §10.4 message too big',
  FRAGMENTS: 'failure 1008 §10.4 too many fragments',
  EMPTY: 'failure 1008 §10.4 too many empty fragments',
} as const

/** Where bytes leave a connection: between messages, within one (or within a frame), or ended by a Close or a failure. */
type Ending = 'between' | 'midway' | 'over'

/** What a client sends, what it means, and where that leaves the connection. */
export type Vector = readonly [name: string, wire: string, events: readonly string[], ending: Ending]

const a125 = 'ab'.repeat(125)
const a126 = 'ab'.repeat(126)
const hello = '48656c6c6f'
/** "κόσμε" in 11 bytes: characters of 2 and of 3. */
const kosme = 'cebae1bdb9cf83cebcceb5'
const long = Buffer.from('Ἰδοὺ ἡ Ῥόδος, ἰδοὺ καὶ τὸ πήδημα. 🤸‍♀️ '.repeat(3))
const reason123 = `${'c3a9'.repeat(61)}21`

const messages: readonly Vector[] = [
  ['text "Hello", RFC 6455 §5.7', '81 85 37fa213d 7f9f4d5158', [`text ${hello}`], 'between'],
  ['text in two fragments', `01 83 ${KEY} 48656c 80 82 37fa213d 5b95`, [`text ${hello}`], 'between'],
  ['text, empty', `81 80 ${KEY}`, ['text '], 'between'],
  ['text, empty, under a key', '81 80 deadbeef', ['text '], 'between'],
  ['text of one character of 4 bytes', `81 84 ${KEY} f09f98ba`, ['text f09f98ba'], 'between'],
  ['text with NUL, BOM and the last code point', `81 88 ${KEY} 00efbbbff48fbfbf`, ['text 00efbbbff48fbfbf'], 'between'],
  [
    'text that is over the native threshold',
    `81 fe 00${long.length.toString(16)} ${KEY} ${long.toString('hex')}`,
    [describeMessage('text', long)],
    'between',
  ],
  ['binary of 4 bytes under a key', '82 84 ffeeddcc 00112233', ['binary ffffffff'], 'between'],
  ['binary, empty', `82 80 ${KEY}`, ['binary '], 'between'],
  ['binary that is not UTF-8', `82 83 ${KEY} ff00c0`, ['binary ff00c0'], 'between'],
  ['binary of 125 bytes', `82 fd ${KEY} ${a125}`, [`binary ${a125}`], 'between'],
  ['binary of 126 bytes', `82 fe 007e ${KEY} ${a126}`, [`binary ${a126}`], 'between'],
  ['binary in three fragments', `02 81 ${KEY} 01 00 81 ${KEY} 02 80 81 ${KEY} 03`, ['binary 010203'], 'between'],
  [
    'binary in three fragments, a key for each',
    '02 82 0f0e0d0c 0e0c 00 81 f0000000 f3 80 82 11223344 1527',
    ['binary 0102030405'],
    'between',
  ],
  ['a first fragment that is empty', `01 80 ${KEY} 80 82 ${KEY} 6869`, ['text 6869'], 'between'],
  ['a last fragment that is empty', `01 82 ${KEY} 6869 80 80 ${KEY}`, ['text 6869'], 'between'],
  ['an empty fragment in the middle', `02 81 ${KEY} 01 00 80 ${KEY} 80 81 ${KEY} 02`, ['binary 0102'], 'between'],
  ['three fragments, all empty', `01 80 ${KEY} 00 80 ${KEY} 80 80 ${KEY}`, ['text '], 'between'],
  [
    'characters cut by fragments',
    `01 81 ${KEY} ce 00 83 ${KEY} bae1bd 00 80 ${KEY} 80 87 ${KEY} b9cf83cebcceb5`,
    [`text ${kosme}`],
    'between',
  ],
  ['a large fragment, then a small one', `02 fe 007e ${KEY} ${a126} 80 81 ${KEY} cd`, [`binary ${a126}cd`], 'between'],
  ['two messages', `81 81 ${KEY} 61 82 81 ${KEY} 62`, ['text 61', 'binary 62'], 'between'],
  [
    'two messages in fragments',
    `01 81 ${KEY} 61 80 81 ${KEY} 62 02 81 ${KEY} 63 80 81 ${KEY} 64`,
    ['text 6162', 'binary 6364'],
    'between',
  ],
]

const controls: readonly Vector[] = [
  ['ping, empty', `89 80 ${KEY}`, ['ping, owes 8a00'], 'between'],
  ['ping "Hello"', '89 85 37fa213d 7f9f4d5158', [`ping, owes 8a05${hello}`], 'between'],
  ['ping that is not UTF-8', `89 86 ${KEY} 00fffefdfcfb`, ['ping, owes 8a0600fffefdfcfb'], 'between'],
  ['ping of 125 bytes', `89 fd ${KEY} ${a125}`, [`ping, owes 8a7d${a125}`], 'between'],
  ['pong that nobody asked for', `8a 80 ${KEY}`, ['pong'], 'between'],
  ['pong "Hello"', '8a 85 37fa213d 7f9f4d5158', ['pong'], 'between'],
  ['pong of 125 bytes', `8a fd ${KEY} ${a125}`, ['pong'], 'between'],
  [
    'ten pings',
    Array.from({ length: 10 }, (_, i) => `89 81 ${KEY} 0${i}`).join(' '),
    Array.from({ length: 10 }, (_, i) => `ping, owes 8a010${i}`),
    'between',
  ],
  [
    'ping between fragments',
    `01 83 ${KEY} 48656c 89 82 ${KEY} 7069 80 82 ${KEY} 6c6f`,
    ['ping, owes 8a027069', `text ${hello}`],
    'between',
  ],
  [
    'pong between fragments',
    `01 83 ${KEY} 48656c 8a 82 ${KEY} 7069 80 82 ${KEY} 6c6f`,
    ['pong', `text ${hello}`],
    'between',
  ],
  [
    'ping within a character',
    `01 81 ${KEY} c3 89 81 ${KEY} ff 80 81 ${KEY} a9`,
    ['ping, owes 8a01ff', 'text c3a9'],
    'between',
  ],
  [
    'a ping between any two of five fragments, a pong before the last',
    `02 81 ${KEY} 01 89 80 ${KEY} 00 81 ${KEY} 02 89 81 ${KEY} 0a 00 80 ${KEY} 89 fd ${KEY} ${a125} 8a 81 ${KEY} 0b 80 81 ${KEY} 03`,
    ['ping, owes 8a00', 'ping, owes 8a010a', `ping, owes 8a7d${a125}`, 'pong', 'binary 010203'],
    'between',
  ],
]

const closes: readonly Vector[] = [
  ['close without a body', `88 80 ${KEY}`, ['close 1005 ""'], 'over'],
  ['close 1000', `88 82 ${KEY} 03e8`, ['close 1000 ""'], 'over'],
  ['close 1000 under a key', '88 82 ffff0000 fc17', ['close 1000 ""'], 'over'],
  ['close 1001 "bye"', `88 85 ${KEY} 03e9 627965`, ['close 1001 "bye"'], 'over'],
  ['close 3000', `88 82 ${KEY} 0bb8`, ['close 3000 ""'], 'over'],
  ['close 4999 "é"', `88 84 ${KEY} 1387 c3a9`, ['close 4999 "é"'], 'over'],
  ['close with a BOM in its reason', `88 85 ${KEY} 03e8 efbbbf`, ['close 1000 "\ufeff"'], 'over'],
  ['close with a reason of 123 bytes', `88 fd ${KEY} 03e8 ${reason123}`, [`close 1000 "${'é'.repeat(61)}!"`], 'over'],
  ['close within a message', `01 82 ${KEY} 6869 88 82 ${KEY} 0fa1`, ['close 4001 ""'], 'over'],
  ['close within a character', `01 81 ${KEY} c3 88 80 ${KEY}`, ['close 1005 ""'], 'over'],
  ['a message and a ping after close', `88 82 ${KEY} 03e8 81 81 ${KEY} 61 89 80 ${KEY}`, ['close 1000 ""'], 'over'],
  ['another close after close', `88 82 ${KEY} 03e8 88 82 ${KEY} 03e9`, ['close 1000 ""'], 'over'],
  ['garbage after close', `88 82 ${KEY} 03e8 ffffffffffffffffffff`, ['close 1000 ""'], 'over'],
  ['close with a body of one byte', `88 81 ${KEY} 03`, [Failure.CLOSE_BODY], 'over'],
  ['close with a code of 0', `88 82 ${KEY} 0000`, [Failure.CLOSE_CODE], 'over'],
  ['close with 1005 in its body', `88 82 ${KEY} 03ed`, [Failure.CLOSE_CODE], 'over'],
  ['close with a reason that is not UTF-8', `88 84 ${KEY} 03e8 c328`, [Failure.CLOSE_REASON], 'over'],
  ['close with a reason that is cut', `88 84 ${KEY} 03e8 e282`, [Failure.CLOSE_REASON], 'over'],
  ['close with neither code nor reason valid', `88 83 ${KEY} ffff ff`, [Failure.CLOSE_CODE], 'over'],
  ['a bad close within a message', `01 82 ${KEY} 6869 88 81 ${KEY} 03`, [Failure.CLOSE_BODY], 'over'],
]

const failures: readonly Vector[] = [
  ['RSV1', `c1 80 ${KEY}`, [Failure.RSV1], 'over'],
  ['RSV2', `a1 80 ${KEY}`, [Failure.RSV23], 'over'],
  ['RSV3 on a ping', `99 80 ${KEY}`, [Failure.RSV23], 'over'],
  ['RSV1 on a continuation', `01 80 ${KEY} c0 80 ${KEY}`, [Failure.RSV1], 'over'],
  ['opcode 3', `83 80 ${KEY}`, [Failure.OPCODE], 'over'],
  ['opcode 15', `8f 80 ${KEY}`, [Failure.OPCODE], 'over'],
  ['a message, then opcode 11', `81 81 ${KEY} 61 8b 80 ${KEY}`, ['text 61', Failure.OPCODE], 'over'],
  ['ping, then a fragment of a ping', `89 80 ${KEY} 09 80 ${KEY}`, ['ping, owes 8a00', Failure.CONTROL_FIN], 'over'],
  ['close without FIN', `08 82 ${KEY} 03e8`, [Failure.CONTROL_FIN], 'over'],
  ['ping of 126 bytes', `89 fe 007e ${KEY} ${a126}`, [Failure.CONTROL_LENGTH], 'over'],
  ['pong with a length of 64 bits', `8a ff 0000000000000001 ${KEY} 00`, [Failure.CONTROL_LENGTH], 'over'],
  ['continuation of nothing', `80 81 ${KEY} 61`, [Failure.NOTHING], 'over'],
  ['continuation of nothing, not the last', `00 81 ${KEY} 61`, [Failure.NOTHING], 'over'],
  ['continuation after a whole message', `81 81 ${KEY} 61 80 81 ${KEY} 62`, ['text 61', Failure.NOTHING], 'over'],
  ['continuation after the last', `01 80 ${KEY} 80 80 ${KEY} 80 80 ${KEY}`, ['text ', Failure.NOTHING], 'over'],
  ['a message within a message', `01 81 ${KEY} 61 81 81 ${KEY} 62`, [Failure.INSIDE], 'over'],
  ['a fragment of another within a message', `01 81 ${KEY} 61 02 81 ${KEY} 62`, [Failure.INSIDE], 'over'],
  [
    'ping, then a message within a message',
    `02 81 ${KEY} 61 89 80 ${KEY} 82 81 ${KEY} 62`,
    ['ping, owes 8a00', Failure.INSIDE],
    'over',
  ],
  ['text not masked', '81 02 6869', [Failure.MASK], 'over'],
  ['ping not masked', '89 00', [Failure.MASK], 'over'],
  ['a message, then one not masked', `81 81 ${KEY} 61 81 02 6869`, ['text 61', Failure.MASK], 'over'],
  ['125 bytes in 16 bits', `82 fe 007d ${KEY} ${a125}`, [Failure.SHORTEST], 'over'],
  ['1 byte in 64 bits', `82 ff 0000000000000001 ${KEY} 00`, [Failure.SHORTEST], 'over'],
  ['a length of 2^63', `82 ff 8000000000000000 ${KEY} 00`, [Failure.TOP_BIT], 'over'],
  ['a length of 2^62', `82 ff 4000000000000000 ${KEY} 00`, [Failure.SIZE], 'over'],
  ['text that is not UTF-8', `81 83 ${KEY} 61ff62`, [Failure.TEXT], 'over'],
  ['text that ends within a character', `81 82 ${KEY} 61c3`, [Failure.TEXT], 'over'],
  ['text that is not UTF-8 in its second fragment', `01 81 ${KEY} c3 80 81 ${KEY} 28`, [Failure.TEXT], 'over'],
  ['fragments that end within a character', `01 81 ${KEY} c3 80 80 ${KEY}`, [Failure.TEXT], 'over'],
  [
    'ping, then the rest of a bad character',
    `01 81 ${KEY} ed 89 80 ${KEY} 80 82 ${KEY} a080`,
    ['ping, owes 8a00', Failure.TEXT],
    'over',
  ],
]

const unfinished: readonly Vector[] = [
  ['a first byte', '81', [], 'midway'],
  ['a header without its key', '82 fe 007e 0000', [], 'midway'],
  ['a header without its payload', `82 81 ${KEY}`, [], 'midway'],
  ['half a message', `82 82 ${KEY} 00`, [], 'midway'],
  ['a first fragment', `01 81 ${KEY} 61`, [], 'midway'],
  ['a first fragment and a ping', `01 80 ${KEY} 89 80 ${KEY}`, ['ping, owes 8a00'], 'midway'],
  ['half a ping', `89 82 ${KEY} 00`, [], 'midway'],
  ['half a close', `88 82 ${KEY} 03`, [], 'midway'],
  ['text that may become a character', `81 82 ${KEY} c3`, [], 'midway'],
  ['text that cannot become a character', `81 85 ${KEY} eda0`, [Failure.TEXT], 'over'],
]

/** What a client may send and what it must not, in every kind. */
export const CLIENT_VECTORS: readonly Vector[] = [...messages, ...controls, ...closes, ...failures, ...unfinished]
