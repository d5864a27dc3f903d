// F7, F8, F11–F13: what takes time or several frames: drips, text, pings between fragments, closes.

import { expect } from 'vitest'
import { clientFrame, closeBody, fragmentFrames, Op } from '../support/client-frames.ts'
import { SEQUENCES } from '../vectors/utf8.ts'
import { closeCode } from './support/exchange.ts'
import { coreModule } from './support/processes.ts'
import { random } from './support/random.ts'
import { each, FULL, MAX_DOUBLING, rows, type Threat, tally, until } from './support/threat.ts'

const CLOSE = clientFrame({ opcode: Op.CLOSE, payload: closeBody(1000) })

const f7: Threat = {
  id: 'F7',
  light: true,
  sent: 'a frame, fragments, a header: each at one byte a second',
  options: FULL ? {} : { messageTimeoutMs: 2000 },
  async attack(t) {
    const limitMs = t.count(2000, 30_000)
    const everyMs = t.count(100, 1000)
    const drips: [name: string, bytes: () => Generator<Buffer>][] = [
      [
        'frame',
        function* () {
          for (const byte of clientFrame({ opcode: Op.TEXT, payload: 'x'.repeat(100_000) })) yield Buffer.of(byte)
        },
      ],
      [
        'fragments',
        function* () {
          yield clientFrame({ opcode: Op.TEXT, payload: 'x', fin: false })
          for (;;) yield clientFrame({ opcode: Op.CONTINUATION, payload: 'x', fin: false })
        },
      ],
      [
        'fragments, pings between',
        function* () {
          yield clientFrame({ opcode: Op.TEXT, payload: 'x', fin: false })
          for (;;) yield clientFrame({ opcode: Op.PING, payload: 'x' })
        },
      ],
      [
        'half a header',
        function* () {
          yield Buffer.of(0x81)
          for (;;) yield Buffer.alloc(0)
        },
      ],
    ]
    const times = await Promise.all(
      drips.map(async ([name, drip]) => {
        const client = await t.connect()
        const bytes = drip()
        const began = performance.now()
        const timer = setInterval(() => {
          if (client.socket.writable) client.socket.write(bytes.next().value as Buffer)
        }, everyMs)
        client.socket.write(bytes.next().value as Buffer)
        try {
          const isClose = ({ opcode }: { opcode: number }): boolean => opcode === Op.CLOSE
          await until(() => client.frames.all.some(isClose), `the Close for the ${name}`, limitMs + 5000)
          const took = performance.now() - began
          expect((await client.close()).code, name).toBe(1008)
          expect(Math.abs(took - limitMs), name).toBeLessThan(2000)
          return `${name} ${(took / 1000).toFixed(1)} s`
        } finally {
          clearInterval(timer)
        }
      }),
    )
    return `1008 after: ${times.join(', ')}`
  },
}

const f8: Threat = {
  id: 'F8',
  sent: `${SEQUENCES.length} valid and broken UTF-8 sequences at their splits, and random strings`,
  async attack(t) {
    const vectors = SEQUENCES.flatMap(([name, hex, bad]) => {
      const bytes = Buffer.from(hex, 'hex')
      const splits = Array.from({ length: bytes.length + 1 }, (_, i) => i)
      // Reduced: before and after the byte that decides, else the middle.
      const edge = typeof bad === 'number' ? bad : Math.floor(bytes.length / 2)
      const some = t.full ? splits : splits.filter((split) => split === edge || split === edge + 1)
      return some.map((split) => ({ name: `${name}, split at ${split}`, bytes, split, whole: bad === null }))
    })
    const codes = await each(vectors, 8, async ({ name, bytes, split, whole }) => {
      const pieces = [bytes.subarray(0, split), bytes.subarray(split)]
      const came = await t.exchange([...fragmentFrames(Op.TEXT, pieces), CLOSE], { apart: true })
      expect(closeCode(came), name).toBe(whole ? '1000' : '1007')
      if (whole) expect(came[0]).toMatch(/^text/)
      return closeCode(came)
    })
    // At the offending byte: the frame has declared more, and the rest never comes.
    const broken = SEQUENCES.filter(([, , bad]) => typeof bad === 'number')
    const early = await each(broken, 8, async ([name, hex, bad]) => {
      const bytes = Buffer.from(hex, 'hex').subarray(0, Number(bad) + 1)
      const frame = clientFrame({ opcode: Op.TEXT, payload: bytes, declared: 100n })
      expect(closeCode(await t.exchange(frame)), name).toBe('1007')
      return '1007'
    })

    const lab = await t.lab()
    const strings = t.count(30_000, 1_000_000)
    const { broke, ratio } = await lab.run(
      async ({ load, linear }, { strings, module }) => {
        const { advanceUtf8 } = await load(module)
        const advance = advanceUtf8 as (state: number, bytes: Uint8Array, start: number, end: number) => number
        const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
        const accepts = (bytes: Uint8Array): boolean => {
          try {
            decoder.decode(bytes)
            return true
          } catch {
            return false
          }
        }
        Error.stackTraceLimit = 0
        let state = 1
        const byte = (): number => {
          state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
          return state >>> 24
        }
        const text = Buffer.from('aé€\u{1f600}\u{10ffff}߿ࠀ'.repeat(20))
        let broke = 0
        for (let i = 0; i < strings; i++) {
          // Valid text, cut anywhere, with up to three bytes of it changed.
          const start = byte() % 200
          const bytes = Buffer.from(text.subarray(start, start + (byte() % 100)))
          for (let k = byte() % 4; k > 0; k--) if (bytes.length > 0) bytes[byte() % bytes.length] = byte()
          const cut = bytes.length === 0 ? 0 : byte() % bytes.length
          const half = advance(0, bytes, 0, cut)
          const end = half === -1 ? -1 : advance(half, bytes, cut, bytes.length)
          if ((end === 0) !== accepts(bytes)) throw new Error(`differs: ${bytes.toString('hex')} cut at ${cut}`)
          if (end !== 0) broke++
        }
        const long = Buffer.from('€'.repeat(350_000))
        const ratio = await linear([262_144, 524_288, 1_048_576], (length) => {
          let at = 0
          for (let i = 0; i < length; i += 61) at = advance(at, long, i, Math.min(i + 61, length))
        })
        return { broke, ratio }
      },
      { strings, module: coreModule('protocol/utf8.js') },
    )
    expect(broke).toBeGreaterThan(strings / 10)
    expect(ratio).toBeLessThanOrEqual(MAX_DOUBLING)
    return `${tally(codes)}; ${early.length} × 1007 at the byte; ${strings} random strings as TextDecoder says (${broke} broken); t(2N)/t(N) ${ratio.toFixed(2)}`
  },
}

const f11: Threat = {
  id: 'F11',
  light: true,
  sent: 'pings and unsolicited pongs between fragments, in random orders',
  async attack(t) {
    const { int, pick } = random(11)
    const rounds = t.count(40, 1000)
    let pongs = 0
    await each(Array.from({ length: rounds }), 4, async () => {
      const pieces = Array.from({ length: 1 + int(12) }, (_, i) => `${i}`.repeat(int(30)))
      const expected: string[] = []
      const wire = fragmentFrames(Op.TEXT, pieces).flatMap((fragment, i) => {
        const between = Array.from({ length: int(4) }, (_, k) => {
          const opcode = pick([Op.PING, Op.PONG])
          if (opcode === Op.PING) expected.push(`pong ${i}.${k}`)
          return clientFrame({ opcode, payload: `${i}.${k}` })
        })
        return [...between, fragment]
      })
      pongs += expected.length
      const text = pieces.join('')
      expected.push(text.length > 64 ? `text of ${text.length}` : `text ${text}`.trim(), 'close 1000')
      expect(await t.exchange([...wire, CLOSE], { apart: int(2) === 0 })).toEqual(expected)
    })
    return `${pongs} pongs in their order before each message, ${rounds} messages whole`
  },
}

const f12: Threat = {
  id: 'F12',
  sent: 'close codes (all 65,536 in full mode), in mid-message too; a body of one byte; a reason that is not UTF-8',
  async attack(t) {
    const isLegal = (code: number): boolean =>
      (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
    const { int } = random(12)
    const edges = [0, 1, 999, 2999, 3000, 3999, 4000, 4999, 5000, 65_535]
    const codes = t.full
      ? Array.from({ length: 65_536 }, (_, code) => code)
      : [...Array.from({ length: 40 }, (_, i) => 990 + i), ...edges, ...Array.from({ length: 150 }, () => int(65_536))]
    const start = clientFrame({ opcode: Op.TEXT, payload: 'never ends', fin: false })
    const outcomes = await each(codes, 16, async (code) => {
      const frame = clientFrame({ opcode: Op.CLOSE, payload: closeBody(code, 'why') })
      const came = await t.exchange(code % 2 === 0 ? frame : Buffer.concat([start, frame]))
      expect(came, `${code}`).toEqual([isLegal(code) ? `close ${code} why` : 'close 1002 invalid close code'])
      return isLegal(code) ? 'echoed' : '1002'
    })
    const close = (payload: Uint8Array | string): Promise<string[]> =>
      t.exchange(clientFrame({ opcode: Op.CLOSE, payload }))
    expect(closeCode(await close(Buffer.of(3)))).toBe('1002')
    expect(closeCode(await close(closeBody(1000, Buffer.of(0xff))))).toBe('1007')
    expect(closeCode(await close(closeBody(1000, Buffer.of(0xe2, 0x82))))).toBe('1007')
    expect(await close('')).toEqual(['close'])
    return `${tally(outcomes)}; one byte 1002, bad reasons 1007, no body echoed`
  },
}

const f13: Threat = {
  id: 'F13',
  light: true,
  sent: 'peers that never answer a Close, or never end TCP, and go on sending',
  options: FULL ? {} : { closeTimeoutMs: 1500 },
  async attack(t) {
    const count = t.count(150, 1000)
    const deadlineMs = t.count(1500, 5000)
    const clients = await each(Array.from({ length: count }), 25, async () => {
      const client = await t.tcp(undefined, { halfOpen: true })
      await client.upgrade()
      return client
    })
    await until(async () => (await t.victim.stats()).sockets === count + 1, 'all sockets', 5000)
    const { messagesIn } = await t.victim.stats()
    const began = performance.now()
    // A third is closed by us, with an answer that never comes; a third sends its Close and data behind it; a third sends
    // its Close and nothing. None of them ever ends its side of TCP.
    for (const [i, client] of clients.entries()) {
      if (i % 3 === 1) client.write(CLOSE, clientFrame({ opcode: Op.TEXT, payload: 'too late' }))
      else if (i % 3 === 2) client.write(CLOSE)
    }
    const silent = await t.victim.run(({ server, core, notes }) => {
      const open = [...server.sockets].filter(({ path }) => path !== '/bystander')
      for (const socket of open) socket.close(core.CloseCode.GOING_AWAY)
      notes.closed = open
      return open.length
    })
    const talking = setInterval(() => {
      for (const client of clients) if (client.socket.writable) client.say('still here')
    }, 200)
    try {
      const gone = async (): Promise<boolean> =>
        Object.values((await t.victim.stats()).closes).reduce((sum, n) => sum + n, 0) === count
      await until(gone, 'the end of all', deadlineMs + (t.full ? 1500 : 4000))
      const took = performance.now() - began
      if (t.full) expect(took).toBeLessThan(6000)
      expect(await t.victim.stats()).toMatchObject({ sockets: 1 })
      const late = await t.victim.run(({ notes }) => {
        const sockets = notes.closed as { readyState: string }[]
        return sockets.filter(({ readyState }) => readyState !== 'closed').length
      })
      expect(late).toBe(0)
      const after = await t.victim.stats()
      return `${silent} that we closed, ${count - silent} that closed: 0 left after ${(took / 1000).toFixed(1)} s; closes ${JSON.stringify(after.closes)}; messages before ${messagesIn > 0}`
    } finally {
      clearInterval(talking)
    }
  },
}

rows('threats in sessions', [f7, f8, f11, f12, f13])
