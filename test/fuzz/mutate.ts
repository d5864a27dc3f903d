// Inputs out of the corpus: a few frames of a real session, changed as frames (so that most of what follows still means
// something), then as bytes (so that nothing has to).

import { Buffer } from 'node:buffer'
import { type ClientFrame, clientFrame, masked, Op } from '../support/client-frames.ts'
import type { Session } from './corpus.ts'
import type { Random } from './random.ts'

/** A frame of a client, with its payload in the clear. */
type Frame = Omit<ClientFrame, 'payload'> & { payload: Buffer }

/** The frames of a session that keeps all rules. */
export function framesOf(wire: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at < wire.length; ) {
    const byte0 = wire[at]!
    const short = wire[at + 1]! & 0x7f
    const start = at + (short === 126 ? 4 : short === 127 ? 10 : 2) + 4
    const length = short === 126 ? wire.readUInt16BE(at + 2) : short === 127 ? wire.readUInt32BE(at + 6) : short
    frames.push({
      opcode: byte0 & 15,
      fin: byte0 >= 0x80,
      rsv: (byte0 >> 4) & 7,
      key: wire.readUInt32BE(start - 4),
      payload: masked(wire.subarray(start, start + length), wire.subarray(start - 4, start)),
    })
    at = start + length
  }
  return frames
}

/** Lengths at the edges of the three forms, of control frames, and of what a number can say. */
const LENGTHS = [
  0n,
  1n,
  125n,
  126n,
  127n,
  255n,
  256n,
  65_535n,
  65_536n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
]

/** Whole, cut, overlong, surrogate, too large, alone. */
const TEXTS = [
  'c3a9',
  'f09f98ba',
  'f48fbfbf',
  'ed9fbf',
  'efbbbf',
  'c3',
  'e282',
  'f09f',
  'c080',
  'eda080',
  'f4908080',
  'e09fbf',
  'f08fbfbf',
  '80',
]
  .concat('ff', 'e0', 'c328')
  .map((text) => Buffer.from(text, 'hex'))

const WHOLE_TEXTS = ['a', 'é', '世', '🤸'].map((text) => Buffer.from(text))

/** Bodies of a Close. */
const CLOSES = ['', '03', '03e8', '03e9627965', '03ec', '03ed', '03ee', '03f6', '03f7', '0bb8', '1387', '1388', '0000']
  .concat('ffff', '03e8c328', '03e8e282', '03e8c3a9')
  .map((text) => Buffer.from(text, 'hex'))

const OPCODES = [0, 0, 1, 1, 2, 2, 8, 9, 10, 3, 7, 11, 15]
const INTERESTING = [0x00, 0x01, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x88, 0x89, 0x8a, 0xc1, 0xfe, 0xff]

const FRAME_CHANGES: readonly ((frames: Frame[], at: number, random: Random) => void)[] = [
  (frames, at, random) => void (frames[at] = { ...frames[at]!, opcode: random.pick(OPCODES) }),
  (frames, at) => void (frames[at] = { ...frames[at]!, fin: frames[at]!.fin === false }),
  (frames, at, random) => void (frames[at] = { ...frames[at]!, rsv: random.pick([0, 4, 4, 1, 2, 7]) }),
  (frames, at, random) => void (frames[at] = { ...frames[at]!, key: random.pick([0, random.uint32(), null]) }),
  (frames, at, random) => void (frames[at] = { ...frames[at]!, payload: changedPayload(frames[at]!.payload, random) }),
  (frames, at, random) => void (frames[at] = { ...frames[at]!, payload: random.pick(TEXTS) }),
  (frames, at, random) => frames.splice(at, 0, { opcode: Op.CLOSE, payload: random.pick(CLOSES) }),
  (frames, at, random) =>
    frames.splice(at, 0, { opcode: random.pick([9, 10]), payload: random.bytes(random.below(9)) }),
  (frames, at, random) => frames.splice(at, 0, frames[random.below(frames.length)]!),
  (frames, at) => frames.splice(at, 1),
  // A whole message becomes fragments.
  (frames, at, random) => {
    const frame = frames[at]!
    const cut = random.below(frame.payload.length + 1)
    const [first, rest] = [frame.payload.subarray(0, cut), frame.payload.subarray(cut)]
    frames.splice(at, 1, { ...frame, fin: false, payload: first }, { ...frame, opcode: 0, rsv: 0, payload: rest })
  },
  // Another length than the payload's, in a form that can carry it.
  (frames, at, random) => {
    const declared = random.oneIn(2)
      ? BigInt(Math.max(0, frames[at]!.payload.length + random.between(-2, 3)))
      : random.pick(LENGTHS)
    const forms = [7, 16, 64] as const
    const form = random.pick(declared < 126n ? forms : declared < 65_536n ? forms.slice(1) : forms.slice(2))
    frames[at] = { ...frames[at]!, declared, form }
  },
  (frames, at, random) => {
    const { opcode, payload } = frames[at]!
    const form = payload.length < 126 ? random.pick([16, 64] as const) : 64
    frames[at] = { opcode, payload, form }
  },
]

function changedPayload(payload: Buffer, random: Random): Buffer {
  const cut = random.below(payload.length + 1)
  switch (random.below(5)) {
    case 0:
      return payload.subarray(0, cut)
    case 1:
      return Buffer.concat([payload, payload.subarray(0, cut), random.bytes(random.below(4))])
    case 2:
      return Buffer.concat([payload.subarray(0, cut), random.pick(TEXTS), payload.subarray(cut)])
    case 3:
      // Long enough for every path of the UTF-8 check, with characters of every size to be cut in.
      return Buffer.concat(Array.from({ length: random.between(20, 60) }, () => random.pick(WHOLE_TEXTS)))
    default:
      return Buffer.alloc(random.pick([0, 1, 124, 125, 126, 127, 128, 200]), payload.length > 0 ? payload : 'a')
  }
}

/** One change to bytes: a bit, a byte, some left out, put in, doubled, or the end cut off. */
export function changeBytes(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length + 1)
  const count = random.between(1, 6)
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
  const kind = random.below(7)
  if (kind < 3) {
    const changed = Buffer.from(bytes)
    if (at < changed.length) {
      if (kind === 0) changed[at] = changed[at]! ^ (1 << random.below(8))
      else changed[at] = kind === 1 ? random.below(256) : random.pick(INTERESTING)
    }
    return changed
  }
  if (kind === 3) return Buffer.concat([before, after.subarray(count)])
  if (kind === 4) return Buffer.concat([before, random.bytes(count), after])
  if (kind === 5) return Buffer.concat([before, after.subarray(0, count), after])
  return before
}

/** Most inputs are short, so that they can be cut at every place; long ones keep more of a session's course. */
export function mutateSession(sessions: readonly (Session & { frames: Frame[] })[], random: Random): Buffer {
  const { frames } = random.pick(sessions)
  const count = random.oneIn(4) ? random.between(1, frames.length) : random.between(1, 4)
  const from = random.below(frames.length)
  const some = frames.slice(from, from + count)
  for (let changes = random.below(4); changes > 0 && some.length > 0; changes--) {
    if (random.oneIn(8)) {
      const other = random.pick(sessions).frames
      some.splice(random.below(some.length + 1), 0, random.pick(other))
    } else {
      random.pick(FRAME_CHANGES)(some, random.below(some.length), random)
    }
  }
  // The rare flood: as many fragments, or empty ones in a row, as the limits begin to count.
  if (random.oneIn(5_000)) {
    const again: Frame = { opcode: 0, fin: false, payload: Buffer.alloc(random.below(2)) }
    const many = Array<Frame>(random.between(1020, 1100)).fill(again)
    some.splice(random.oneIn(2) ? 0 : random.below(some.length + 1), 0, { ...again, opcode: 2 }, ...many)
  }
  let bytes: Buffer = Buffer.concat(some.map(clientFrame))
  for (let changes = random.pick([0, 0, 0, 1, 1, 2]); changes > 0; changes--) bytes = changeBytes(bytes, random)
  return bytes
}
