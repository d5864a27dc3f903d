// One connection as a whole: every vector however it is cut and whatever stood before it; the limits of a message; control
// frames between; both ways of closing; and what is held in memory meanwhile.

import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../../packages/core/src/protocol/errors.ts'
import { Protocol } from '../../../packages/core/src/protocol/protocol.ts'
import { clientFrame, closeBody, fragmentFrames, inParts, Op } from '../../support/client-frames.ts'
import { byCode, reference } from '../../support/reference.ts'
import { bytewise, cutAt, describeMessage, inTwo, observe, run, withoutStackTraces } from '../../support/splits.ts'
import { CLIENT_VECTORS, Failure, hex, SIZES } from '../../vectors/frames.ts'

const MIB = 1024 * 1024

function endingOf(protocol: Protocol): string {
  if (protocol.midway) return 'midway'
  protocol.receive(clientFrame({ opcode: Op.PONG }))
  return protocol.next() === null ? 'over' : 'between'
}

describe('vectors', () => {
  it.each(CLIENT_VECTORS)('%s', (_name, text, events, ending) => {
    const wire = hex(text)
    for (const drain of ['each', 'one', 'late'] as const) {
      const whole = run([wire], { drain })
      expect(whole.events).toEqual(events)
      expect(endingOf(whole.protocol)).toBe(ending)
      const single = run(bytewise(wire), { drain })
      expect(single.events, 'bytewise').toEqual(events)
      expect(endingOf(single.protocol)).toBe(ending)
      for (const chunks of inTwo(wire)) {
        expect(observe(chunks, { drain }), `cut at ${chunks[0]!.length}`).toEqual(events)
      }
    }
  })

  it.each(CLIENT_VECTORS)('after our own Close: %s', (_name, text, events) => {
    const wire = hex(text)
    const unanswered = events.map((event) => (/^(close|failure)/.test(event) ? `${event}, owes nothing` : event))
    expect(observe([wire], { closeFirst: true })).toEqual(unanswered)
    expect(observe(bytewise(wire), { closeFirst: true })).toEqual(unanswered)
  })

  it.each(CLIENT_VECTORS)('by the reference: %s', (_name, text, events) => {
    expect(reference(hex(text))).toEqual(byCode(events))
  })

  it('hold nothing once over or discarded, wherever they were cut', () => {
    const wrong: string[] = []
    for (const [name, text, , ending] of CLIENT_VECTORS) {
      const wire = hex(text)
      for (const chunks of [[wire], bytewise(wire), ...inTwo(wire)]) {
        const { protocol } = run(chunks)
        if (ending === 'midway') {
          if (protocol.heldBytes > 256) wrong.push(`${name}: ${protocol.heldBytes} held in the middle`)
          protocol.discard()
        }
        if (protocol.heldBytes !== 0) wrong.push(`${name}, ${chunks[0]!.length} first: ${protocol.heldBytes} held`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('in pairs, at every split of the short ones', () => {
    const vectors = CLIENT_VECTORS.map(([name, text, events, ending]) => {
      const wire = hex(text)
      return { name, wire, bytes: bytewise(wire), events, ending }
    })
    const wrong: string[] = []
    withoutStackTraces(() => {
      for (const first of vectors.filter(({ ending }) => ending !== 'midway')) {
        for (const second of vectors) {
          const wire = Buffer.concat([first.wire, second.wire])
          const events = [...first.events, ...(first.ending === 'over' ? [] : second.events)].join('; ')
          const check = (chunks: Buffer[]): void => {
            if (observe(chunks).join('; ') !== events)
              wrong.push(`${first.name} + ${second.name}, ${chunks[0]!.length}`)
          }
          check([wire])
          check([first.wire, second.wire])
          check([...first.bytes, ...second.bytes])
          if (wire.length <= 24) for (const chunks of inTwo(wire)) check(chunks)
        }
      }
    })
    expect(wrong).toEqual([])
  })
})

describe('a message of each size', () => {
  it.each(SIZES)('$count bytes, in chunks cut around every edge', ({ count, client }) => {
    const payload = Buffer.alloc(count, 'Roomcast')
    const header = hex(client)
    const edges = [1, 2, 3, 4, 8, 10, 14, 15, 16, 255, 4096, count - 1, count, count + 1].flatMap((place) => [
      place,
      place + header.length,
    ])
    for (const [byte0, opcode] of [
      [0x81, 'text'],
      [0x82, 'binary'],
    ] as const) {
      const wire = Buffer.concat([Buffer.of(byte0), header, payload])
      const events = [describeMessage(opcode, payload)]
      expect(observe([wire])).toEqual(events)
      for (const edge of edges) expect(observe(cutAt(wire, [edge])), `cut at ${edge}`).toEqual(events)
      expect(observe(cutAt(wire, edges))).toEqual(events)
      expect(clientFrame({ opcode: byte0 & 0x0f, payload, key: 0 }).equals(wire)).toBe(true)
    }
  })

  it('16 MiB where the limit allows it', () => {
    const payload = Buffer.alloc(16 * MIB, 'Roomcast')
    const wire = clientFrame({ opcode: Op.TEXT, payload, key: 0 })
    const events = [describeMessage('text', payload)]
    expect(observe([wire], { maxMessageBytes: 16 * MIB })).toEqual(events)
    expect(observe(inParts(wire, 257), { maxMessageBytes: 16 * MIB })).toEqual(events)
  })
})

describe('F5: the limit of a message', () => {
  const limits = [1000, 65_536, MIB]

  it.each(limits.flatMap((limit) => [1, 2, 1000].map((count) => [limit, count] as const)))(
    '%i bytes in %i fragments',
    (limit, count) => {
      for (const excess of [-1, 0]) {
        const payload = Buffer.alloc(limit + excess, 'x')
        const wire = Buffer.concat(fragmentFrames(Op.TEXT, inParts(payload, count)))
        expect(observe([wire], { maxMessageBytes: limit })).toEqual([describeMessage('text', payload)])
        expect(observe(inParts(wire, 7), { maxMessageBytes: limit })).toEqual([describeMessage('text', payload)])
      }
      const frames = fragmentFrames(Op.TEXT, inParts(Buffer.alloc(limit + 1, 'x'), count))
      expect(observe(frames, { maxMessageBytes: limit })).toEqual([Failure.SIZE])
      // Not one byte of the payload that goes over it has to come: the last frame's header says enough.
      const last = frames.pop()!
      const headerBytes = { 7: 6, 16: 8, 64: 14 }[(last[1]! & 0x7f) < 126 ? 7 : last[1] === 0xfe ? 16 : 64]
      const header = last.subarray(0, headerBytes)
      expect(observe([...frames, header], { maxMessageBytes: limit })).toEqual([Failure.SIZE])
      expect(observe([...frames, ...bytewise(header)], { maxMessageBytes: limit })).toEqual([Failure.SIZE])
    },
  )

  it('is told by the error, so that the limit can be counted', () => {
    const protocol = new Protocol({ maxMessageBytes: 10 })
    protocol.receive(clientFrame({ opcode: Op.TEXT, payload: '12345678901' }))
    const event = protocol.next()
    expect(event).toMatchObject({ type: 'failure', error: { code: 1009, limit: 'maxMessageBytes' } })
  })

  it('is a sum over fragments, anew for each message, and without the control frames between', () => {
    const ping = clientFrame({ opcode: Op.PING, payload: Buffer.alloc(125) })
    const [a, b] = fragmentFrames(Op.BINARY, [Buffer.alloc(40), Buffer.alloc(60)])
    const message = Buffer.concat([a!, ping, ping, b!])
    const whole = clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(100) })
    const events = observe([Buffer.concat([message, message, whole, message, whole, whole])], { maxMessageBytes: 100 })
    expect(events.filter((event) => !event.startsWith('ping'))).toEqual(Array(6).fill(`binary ${'00'.repeat(100)}`))
  })

  it('M1: an endless message ends at the limit', () => {
    const fragment = clientFrame({ opcode: Op.CONTINUATION, fin: false, payload: Buffer.alloc(1000) })
    const protocol = new Protocol({ maxMessageBytes: MIB })
    protocol.receive(clientFrame({ opcode: Op.BINARY, fin: false }))
    let sent = 0
    let event = protocol.next()
    for (; event === null && sent < 10 * MIB; sent += 1000, event = protocol.next()) {
      protocol.receive(Buffer.from(fragment))
    }
    expect(event).toMatchObject({ type: 'failure', error: { code: 1009 } })
    expect(sent).toBe(1_049_000)
  })
})

describe('F9: control frames', () => {
  it.each([Op.CLOSE, Op.PING, Op.PONG])('opcode %i over 125 bytes, or a fragment', (opcode) => {
    const payload = opcode === Op.CLOSE ? closeBody(1000, 'x'.repeat(124)) : Buffer.alloc(126)
    expect(observe([clientFrame({ opcode, payload })])).toEqual([Failure.CONTROL_LENGTH])
    expect(observe([clientFrame({ opcode, payload: payload.subarray(0, 2), form: 16 })])).toEqual([
      Failure.CONTROL_LENGTH,
    ])
    expect(observe([clientFrame({ opcode, fin: false, payload: payload.subarray(0, 2) })])).toEqual([
      Failure.CONTROL_FIN,
    ])
  })

  it('F11: every length of a ping is given back, between the fragments of a message', () => {
    const pings = Array.from({ length: 126 }, (_, length) => Buffer.alloc(length, length))
    const fragments = fragmentFrames(Op.TEXT, inParts(Buffer.from('é'.repeat(100)), 127))
    const wire = Buffer.concat(
      fragments.flatMap((fragment, i) =>
        i < 126 ? [fragment, clientFrame({ opcode: Op.PING, payload: pings[i]! })] : [fragment],
      ),
    )
    const events = [
      ...pings.map((payload) => `ping, owes 8a${Buffer.of(payload.length).toString('hex')}${payload.toString('hex')}`),
      describeMessage('text', Buffer.from('é'.repeat(100))),
    ]
    expect(observe([wire])).toEqual(events)
    expect(observe(bytewise(wire))).toEqual(events)
    expect(observe(inParts(wire, 100))).toEqual(events)
  })

  it('F11: a ping is answered before the message ends', () => {
    const protocol = new Protocol({ maxMessageBytes: MIB })
    protocol.receive(clientFrame({ opcode: Op.TEXT, fin: false, payload: 'a' }))
    expect(protocol.next()).toBeNull()
    protocol.receive(clientFrame({ opcode: Op.PING, payload: 'now' }))
    expect(protocol.next()).toMatchObject({ type: 'ping' })
    expect(protocol.midMessage).toBe(true)
  })

  it('a pong’s bytes are its own, not those of the ping’s chunk', () => {
    const protocol = new Protocol({ maxMessageBytes: MIB })
    const chunk = clientFrame({ opcode: Op.PING, payload: 'ping' })
    protocol.receive(chunk)
    const event = protocol.next()
    chunk.fill(0)
    expect(event?.type === 'ping' && event.owed.toString('latin1')).toBe('\x8a\x04ping')
  })
})

describe('F10: fragments out of order', () => {
  const first = clientFrame({ opcode: Op.TEXT, fin: false, payload: 'a' })
  const last = clientFrame({ opcode: Op.CONTINUATION, payload: 'b' })
  const whole = clientFrame({ opcode: Op.BINARY, payload: 'c' })
  const control = clientFrame({ opcode: Op.PONG })
  const cases: [name: string, frames: Buffer[], events: string[]][] = [
    ['a continuation first', [last], [Failure.NOTHING]],
    ['a continuation after a control frame', [control, last], ['pong', Failure.NOTHING]],
    ['two last ones', [first, last, last], ['text 6162', Failure.NOTHING]],
    ['a whole message within one', [first, whole], [Failure.INSIDE]],
    ['the beginning of another, after a control frame', [first, control, first], ['pong', Failure.INSIDE]],
    ['a message after a message', [first, last, whole], ['text 6162', 'binary 63']],
  ]
  it.each(cases)('%s', (_name, frames, events) => {
    expect(observe(frames)).toEqual(events)
    expect(observe(bytewise(Buffer.concat(frames)))).toEqual(events)
  })
})

describe('F12: the Close frame of a peer', () => {
  it('all 65,536 codes, and around each edge with a reason', () => {
    const wrong: number[] = []
    withoutStackTraces(() => {
      for (let code = 0; code < 65_536; code++) {
        const valid = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
        for (const reason of code >= 990 && code < 1030 ? ['', 'é'] : ['']) {
          const said = observe([hex(`88 8${2 + Buffer.byteLength(reason)} 00000000`), closeBody(code, reason)])
          if (said.join() !== (valid ? `close ${code} "${reason}"` : Failure.CLOSE_CODE)) wrong.push(code)
        }
      }
    })
    expect(wrong).toEqual([])
  })

  it('every length of its body', () => {
    for (let length = 0; length <= 125; length++) {
      const body = closeBody(1000, 'x'.repeat(Math.max(0, length - 2))).subarray(0, length)
      const events =
        length === 0
          ? ['close 1005 ""']
          : length === 1
            ? [Failure.CLOSE_BODY]
            : [`close 1000 "${'x'.repeat(length - 2)}"`]
      expect(observe([clientFrame({ opcode: Op.CLOSE, payload: body })])).toEqual(events)
    }
  })

  it('echoes the reason byte by byte, within a message too', () => {
    const [first] = fragmentFrames(Op.TEXT, ['unfinished', ''])
    for (const reason of ['', 'a', 'κόσμε', '\u0000', '\ufeff\ufeffx', '\ufffd', '😺'.repeat(30)]) {
      const body = closeBody(1001, reason)
      const close = clientFrame({ opcode: Op.CLOSE, payload: body })
      for (const chunks of [[close], [first!, close], bytewise(Buffer.concat([first!, close]))]) {
        const protocol = new Protocol({ maxMessageBytes: MIB })
        let event = null
        for (const chunk of chunks) {
          protocol.receive(Buffer.from(chunk))
          event = protocol.next()
        }
        expect(event).toMatchObject({ type: 'close', code: 1001, reason })
        const owed = event?.type === 'close' ? event.owed : null
        expect(owed?.toString('hex')).toBe(Buffer.concat([Buffer.of(0x88, body.length), body]).toString('hex'))
      }
    }
  })
})

describe('F13: after the end', () => {
  const between = ['', '01 81 00000000 61']
  const ends: [name: string, before: string[] | null, end: (protocol: Protocol) => void][] = [
    ['a Close', between, (protocol) => protocol.receive(clientFrame({ opcode: Op.CLOSE }))],
    ['a failure', between, (protocol) => protocol.receive(Buffer.of(0xff, 0xff))],
    ['a failure of ours', null, (protocol) => protocol.fail(new ProtocolError('message took too long', 1008, ''))],
    ['discard', null, (protocol) => protocol.discard()],
  ]

  const befores = ['', '81', '81 fe 0080 0000', '81 85 00000000 6162', '01 81 00000000 61', '89 85 00000000 61']
  it.each(ends)('nothing is read or kept after %s', (_name, before, end) => {
    for (const text of before ?? befores) {
      const protocol = new Protocol({ maxMessageBytes: MIB })
      protocol.receive(hex(text))
      expect(protocol.next()).toBeNull()
      end(protocol)
      while (protocol.next() !== null);
      for (let i = 0; i < 100; i++) {
        protocol.receive(clientFrame({ opcode: Op.TEXT, payload: 'more' }))
        expect(protocol.next()).toBeNull()
      }
      expect([protocol.heldBytes, protocol.midway, protocol.midMessage], `after ${text}`).toEqual([0, false, false])
    }
  })

  it('a failure of ours owes its code and words, once', () => {
    const protocol = new Protocol({ maxMessageBytes: MIB })
    const error = new ProtocolError('message took too long', 1008, '')
    const owed = Buffer.concat([hex('88 17 03f0'), Buffer.from('message took too long')])
    expect(protocol.fail(error)).toEqual({ type: 'failure', error, owed })
    expect(protocol.fail(error)).toEqual({ type: 'failure', error, owed: null })
  })

  it('after our own Close messages and pings still come, and nothing is owed for the end', () => {
    const protocol = new Protocol({ maxMessageBytes: MIB })
    protocol.receive(clientFrame({ opcode: Op.TEXT, fin: false, payload: 'a' }))
    expect(protocol.next()).toBeNull()
    expect(protocol.close(1001, 'bye').toString('latin1')).toBe('\x88\x05\x03\xe9bye')
    protocol.receive(
      Buffer.concat([
        clientFrame({ opcode: Op.CONTINUATION, payload: 'b' }),
        clientFrame({ opcode: Op.PING }),
        clientFrame({ opcode: Op.CLOSE, payload: closeBody(1001, 'bye') }),
      ]),
    )
    expect(protocol.next()).toMatchObject({ type: 'message', opcode: 'text' })
    expect(protocol.next()).toMatchObject({ type: 'ping' })
    expect(protocol.next()).toEqual({ type: 'close', code: 1001, reason: 'bye', owed: null })
    expect(protocol.next()).toBeNull()
  })

  it('a failure of ours after our own Close owes nothing', () => {
    const protocol = new Protocol({ maxMessageBytes: MIB })
    protocol.close(1000, '')
    expect(protocol.fail(new ProtocolError('x', 1008, '')).owed).toBeNull()
  })

  it('close in the middle of events: those before it came first, those after it never come', () => {
    const protocol = new Protocol({ maxMessageBytes: MIB })
    protocol.receive(Buffer.concat(['a', 'b', 'c'].map((payload) => clientFrame({ opcode: Op.TEXT, payload }))))
    expect(protocol.next()).toMatchObject({ type: 'message' })
    protocol.discard()
    expect(protocol.next()).toBeNull()
    expect(protocol.heldBytes).toBe(0)
  })
})

describe('what is under way', () => {
  const cases: [name: string, wire: string, midway: boolean, midMessage: boolean][] = [
    ['nothing', '', false, false],
    ['a header', '81', true, false],
    ['a whole frame to come', '81 85 00000000', true, false],
    ['half a frame', '81 82 00000000 61', true, false],
    ['a message', '81 81 00000000 61', false, false],
    ['a fragment', '01 81 00000000 61', true, true],
    ['a fragment and a ping', '01 81 00000000 61 89 80 00000000', true, true],
    ['a fragment and half a ping', '01 81 00000000 61 89 81 00000000', true, true],
    ['two fragments', '01 81 00000000 61 80 81 00000000 61', false, false],
    ['half a ping', '89 81 00000000', true, false],
  ]
  it.each(cases)('%s', (_name, wire, midway, midMessage) => {
    for (const chunks of [[hex(wire)], bytewise(hex(wire))]) {
      const { protocol } = run(chunks)
      expect([protocol.midway, protocol.midMessage]).toEqual([midway, midMessage])
    }
  })
})
