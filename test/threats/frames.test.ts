// F1–F6, F9, F10: single frames that break a rule or a limit.

import { expect } from 'vitest'
import { clientFrame, fragmentFrames, inParts, Op } from '../support/client-frames.ts'
import { closeCode } from './support/exchange.ts'
import { each, rows, type Threat, tally, until } from './support/threat.ts'

const MIB = 1024 * 1024
const CLOSE = clientFrame({ opcode: Op.CLOSE, payload: new Uint8Array([3, 232]) })
const PING = clientFrame({ opcode: Op.PING, payload: 'p' })

const f1: Threat = {
  id: 'F1',
  light: true,
  sent: 'frames without a mask: each opcode, each form of the length',
  async attack(t) {
    const frames = Array.from({ length: 16 }, (_, opcode) =>
      ([7, 16, 64] as const).map((form) => {
        const payload = 'x'.repeat(form === 7 ? 5 : form === 16 ? 126 : 65_536)
        return clientFrame({ opcode, payload, form, key: null })
      }),
    ).flat()
    const came = await each(frames, 4, (frame) => t.exchange(frame))
    for (const frames of came) expect(frames).toHaveLength(1)
    expect(new Set(came.map(closeCode))).toEqual(new Set(['1002']))
    return tally(came.map(closeCode))
  },
}

/** RFC 6455 §5.2, §5.4, §5.5 and RFC 7692 §6.1, for the first frame of a connection. */
function isLegal(byte0: number, deflate: boolean): boolean {
  const opcode = byte0 & 15
  if ((byte0 & 0x30) !== 0 || ![1, 2, 8, 9, 10].includes(opcode)) return false
  if ((byte0 & 0x40) !== 0 && (!deflate || opcode >= 8)) return false
  return opcode < 8 || (byte0 & 0x80) !== 0
}

const f2: Threat = {
  id: 'F2',
  sent: 'all 256 first bytes, with and without permessage-deflate',
  options: { compression: true },
  async attack(t) {
    const vectors = [false, true].flatMap((deflate) => Array.from({ length: 256 }, (_, byte0) => ({ byte0, deflate })))
    const codes = await each(vectors, 6, async ({ byte0, deflate }) => {
      const legal = isLegal(byte0, deflate)
      // An empty message: compressed, it is one byte (RFC 7692 §7.2.3.6).
      const frame = clientFrame({ opcode: 0, payload: legal && (byte0 & 0x40) !== 0 ? new Uint8Array([0]) : '' })
      frame[0] = byte0
      const headers = deflate ? { 'Sec-WebSocket-Extensions': 'permessage-deflate' } : {}
      const came = await t.exchange([frame, PING, CLOSE], { handshake: { headers } })
      const name = `byte 0x${byte0.toString(16)}, deflate ${deflate}`
      const isClose = (byte0 & 15) === Op.CLOSE
      expect(closeCode(came), name).toBe(legal ? (isClose ? '1005' : '1000') : '1002')
      if (legal && !isClose) expect(came, name).toContain('pong p')
      return closeCode(came)
    })
    return tally(codes)
  },
}

const f3: Threat = {
  id: 'F3',
  sent: 'headers that declare 2^31, 2^32, 2^53, 2^53+1, 2^63, 2^64−1, and not one byte more',
  async attack(t) {
    const lengths: [bigint, string][] = [
      [2n ** 31n, '1009'],
      [2n ** 32n, '1009'],
      [2n ** 53n, '1009'],
      [2n ** 53n + 1n, '1009'],
      [2n ** 63n - 1n, '1009'],
      [2n ** 63n, '1002'],
      [2n ** 64n - 1n, '1002'],
    ]
    // The first of a kind warms up what stays.
    for (const [declared] of lengths) await t.exchange(clientFrame({ opcode: Op.BINARY, form: 64, declared }))
    const before = await t.victim.memory()
    const rounds = t.count(20, 60)
    const codes: string[] = []
    for (const [declared, expected] of Array(rounds).fill(lengths).flat() as typeof lengths) {
      const came = await t.exchange(clientFrame({ opcode: Op.BINARY, form: 64, declared }))
      expect(closeCode(came), `${declared}`).toBe(expected)
      codes.push(closeCode(came))
    }
    const each1 = ((await t.victim.memory()).used - before.used) / codes.length
    expect(each1, 'bytes kept for each').toBeLessThan(4096)
    return `${tally(codes)}, before any payload; ${each1.toFixed(0)} B each`
  },
}

const f4: Threat = {
  id: 'F4',
  light: true,
  sent: 'lengths in more bytes than they need',
  async attack(t) {
    const vectors = ([16, 64] as const).flatMap((form) =>
      (form === 16 ? [0, 1, 124, 125] : [0, 1, 125, 126, 127, 65_534, 65_535, 256]).map((length) => ({ form, length })),
    )
    expect(vectors).toHaveLength(12)
    const came = await each(vectors, 4, ({ form, length }) =>
      t.exchange(clientFrame({ opcode: Op.BINARY, form, payload: new Uint8Array(length) })),
    )
    for (const frames of came) expect(frames).toHaveLength(1)
    expect(new Set(came.map(closeCode))).toEqual(new Set(['1002']))
    return tally(came.map(closeCode))
  },
}

const f5: Threat = {
  id: 'F5',
  sent: 'messages of 1 MiB −1, ±0, +1 in 1, 2 and 1,000 fragments',
  async attack(t) {
    const came: string[] = []
    for (const extra of [-1, 0, 1]) {
      for (const fragments of [1, 2, 1000]) {
        const payload = Buffer.alloc(MIB + extra, 'm')
        const frames = fragmentFrames(Op.TEXT, inParts(payload, fragments))
        const answer = await t.exchange([Buffer.concat(frames), CLOSE])
        expect(answer, `${payload.length} in ${fragments}`).toEqual(
          extra > 0 ? ['close 1009 message too big'] : [`text of ${payload.length}`, 'close 1000'],
        )
        came.push(closeCode(answer))
      }
    }
    expect((await t.victim.stats()).limits).toEqual({ maxMessageBytes: 3 })
    return tally(came)
  },
}

const f6: Threat = {
  id: 'F6',
  sent: 'the header of 1 MiB and one byte of it, on thousands of sockets',
  async attack(t) {
    const count = t.count(1200, 5000)
    const clients = await each(Array.from({ length: count }), 50, () => t.connect())
    await t.victim.memory()
    const before = await t.victim.memory()
    const start = Buffer.concat([clientFrame({ opcode: Op.BINARY, declared: BigInt(MIB) }), Buffer.of(1)])
    const { bytesIn } = await t.victim.stats()
    for (const client of clients) client.write(start)
    const all = async (): Promise<boolean> => (await t.victim.stats()).bytesIn >= bytesIn + count * start.length
    await until(all, 'the last byte', 10_000)
    const after = await t.victim.memory()
    const rss = (after.rss - before.rss) / count
    const used = (after.used - before.used) / count
    expect((await t.victim.stats()).sockets).toBe(count + 1)
    expect(rss, 'RSS for each').toBeLessThan(8192)
    expect(used, 'heap and external for each').toBeLessThan(2 * start.length + 16_384)
    return `${count} open; RSS ${rss.toFixed(0)} B, heap and external ${used.toFixed(0)} B each`
  },
}

const f9: Threat = {
  id: 'F9',
  light: true,
  sent: 'control frames of 126 bytes and more, or fragmented',
  async attack(t) {
    const opcodes = [Op.CLOSE, Op.PING, Op.PONG]
    const frames = opcodes.flatMap((opcode) => [
      clientFrame({ opcode, payload: 'x'.repeat(126) }),
      clientFrame({ opcode, payload: 'x'.repeat(65_536) }),
      clientFrame({ opcode, declared: 126n }),
      clientFrame({ opcode, declared: 2n ** 40n }),
      clientFrame({ opcode, fin: false }),
      clientFrame({ opcode, fin: false, payload: 'x'.repeat(125) }),
    ])
    const codes = (await each(frames, 4, (frame) => t.exchange(frame))).map(closeCode)
    expect(new Set(codes)).toEqual(new Set(['1002']))
    const longest = await t.exchange([clientFrame({ opcode: Op.PING, payload: 'x'.repeat(125) }), CLOSE])
    expect(longest).toEqual(['pong of 125', 'close 1000'])
    return `${tally(codes)}; 125 bytes are answered`
  },
}

const f10: Threat = {
  id: 'F10',
  light: true,
  sent: 'continuations of nothing, messages inside of messages',
  async attack(t) {
    const whole = clientFrame({ opcode: Op.TEXT, payload: 'whole' })
    const start = clientFrame({ opcode: Op.TEXT, payload: 'start', fin: false })
    const binary = clientFrame({ opcode: Op.BINARY, payload: 'start', fin: false })
    const more = clientFrame({ opcode: Op.CONTINUATION, payload: 'more', fin: false })
    const end = clientFrame({ opcode: Op.CONTINUATION, payload: 'end' })
    const vectors: [Buffer[], string[]][] = [
      [[end], []],
      [[more], []],
      [[whole, end], ['text whole']],
      [[start, end, end], ['text startend']],
      [[start, end, more, end], ['text startend']],
      [[start, whole], []],
      [[start, start], []],
      [[start, more, whole], []],
      [[start, binary], []],
      [[binary, PING, whole], ['pong p']],
      [
        [whole, PING, end],
        ['text whole', 'pong p'],
      ],
    ]
    const codes: string[] = []
    for (const [frames, before] of vectors) {
      const came = await t.exchange(Buffer.concat(frames))
      expect(came.slice(0, -1)).toEqual(before)
      expect(closeCode(came)).toBe('1002')
      codes.push(closeCode(came))
    }
    return `${tally(codes)}; what was owed before came first`
  },
}

rows('threats in frames', [f1, f2, f3, f4, f5, f6, f9, f10])
