// What one connection holds and what one message pins: memory follows the bytes that came, never a declaration, and a
// message is its receiver's own, apart from the chunks it came in.

import { Buffer } from 'node:buffer'
import { constants, deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Protocol, type ProtocolEvent } from '../../../packages/core/src/protocol/protocol.ts'
import { clientFrame, fragmentFrames, inParts, Op } from '../../support/client-frames.ts'
import { bytewise, describeMessage, observe, run } from '../../support/splits.ts'

const MIB = 1024 * 1024

describe('F6: memory follows what came, not what was declared', () => {
  it('1 MiB declared, 1 byte sent', () => {
    for (const opcode of [Op.TEXT, Op.BINARY]) {
      for (const fin of [true, false]) {
        const wire = clientFrame({ opcode, fin, payload: 'a', declared: BigInt(MIB) })
        for (const chunks of [[wire], bytewise(wire)]) expect(run(chunks).protocol.heldBytes).toBeLessThanOrEqual(256)
      }
    }
  })

  it('5,000 of these', () => {
    const wire = clientFrame({ opcode: Op.BINARY, payload: 'a', declared: BigInt(MIB), key: 0 })
    const before = process.memoryUsage().arrayBuffers
    const protocols = Array.from({ length: 5000 }, () => run([wire]).protocol)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5000 * 8 * 1024)
    expect(protocols.every((protocol) => protocol.midway)).toBe(true)
  })

  it('at every moment of a long message', () => {
    const wire = clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(MIB, 'x') })
    const protocol = new Protocol({ maxMessageBytes: MIB })
    let sent = 0
    let event = null
    for (const chunk of inParts(wire, 3001)) {
      protocol.receive(Buffer.from(chunk))
      event = protocol.next()
      sent += chunk.length
      if (protocol.heldBytes > 2 * sent + 16_384) expect.fail(`${protocol.heldBytes} held for ${sent}`)
    }
    expect(event).toMatchObject({ type: 'message' })
    expect(protocol.heldBytes).toBe(0)
  })

  it('M5: 1 MiB in chunks of 1 byte', () => {
    const payload = Buffer.alloc(MIB - 14, 'x')
    const wire = clientFrame({ opcode: Op.BINARY, payload })
    const protocol = new Protocol({ maxMessageBytes: MIB })
    const events = []
    let most = 0
    for (let i = 0; i < wire.length; i++) {
      protocol.receive(wire.subarray(i, i + 1))
      const event = protocol.next()
      if (event !== null) events.push(event)
      most = Math.max(most, protocol.heldBytes - 2 * i)
    }
    expect(events).toHaveLength(1)
    expect(events[0]).toMatchObject({ type: 'message', opcode: 'binary' })
    expect(most).toBeLessThanOrEqual(16_384)
  })
})

/** What comes of a compressed message. */
function inflated(data: Buffer, maxMessageBytes: number): ProtocolEvent | null {
  const flushed = deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH })
  const protocol = new Protocol({ maxMessageBytes, deflate: true })
  protocol.receive(clientFrame({ opcode: Op.BINARY, rsv: 4, payload: flushed.subarray(0, -4) }))
  return protocol.next()
}

describe('a message is its receiver’s own', () => {
  /** The messages that come of these chunks, each chunk in memory of its own. */
  function messages(chunks: Buffer[]): Buffer[] {
    const protocol = new Protocol({ maxMessageBytes: MIB })
    return chunks.flatMap((chunk) => {
      const own = Buffer.allocUnsafeSlow(chunk.length)
      chunk.copy(own)
      protocol.receive(own)
      const found: Buffer[] = []
      for (let event = protocol.next(); event !== null; event = protocol.next()) {
        if (event.type === 'message') found.push(event.data)
      }
      return found
    })
  }

  /** Small copies lie in node's own pool, whose size depends on its version. */
  const allowed = (data: Buffer): number => Math.max(Buffer.allocUnsafe(1).buffer.byteLength, 2 * data.length + 28)
  const sizes = [0, 1, 2, 100, 125, 126, 1000, 4000, 5000, 20_000, 30_000, 40_000, 60_000]

  it.each(sizes)('%i bytes do not pin the 64 KiB chunk they came in', (size) => {
    const frame = clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(size, 7) })
    const filler = clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(Math.max(0, 65_500 - size)) })
    for (const chunk of [Buffer.concat([frame, filler]), Buffer.concat([filler, frame])]) {
      const found = messages([chunk])
      expect(found).toHaveLength(2)
      for (const data of found) expect(data.buffer.byteLength).toBeLessThanOrEqual(allowed(data))
    }
  })

  it('nor the larger memory of which their chunk is a part', () => {
    for (const size of sizes) {
      const frame = clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(size, 7) })
      const memory = Buffer.alloc(MIB)
      frame.copy(memory, 1000)
      const protocol = new Protocol({ maxMessageBytes: MIB })
      protocol.receive(memory.subarray(1000, 1000 + frame.length))
      const event = protocol.next()
      if (event?.type !== 'message') expect.fail('no message')
      expect(event.data.buffer.byteLength, `${size} bytes`).toBeLessThanOrEqual(allowed(event.data))
    }
  })

  it('nor, when they were compressed, the memory they were inflated in', () => {
    for (const size of sizes) {
      const event = inflated(Buffer.alloc(size, 7), MIB)
      if (event?.type !== 'message') expect.fail('no message')
      expect(event.data.length).toBe(size)
      expect(event.data.buffer.byteLength, `${size} bytes`).toBeLessThanOrEqual(allowed(event.data))
    }
  })

  it.each(sizes)('%i bytes in fragments and pieces take at most twice their size', (size) => {
    const payload = Buffer.alloc(size, 7)
    for (const parts of [1, 2, 3, 10]) {
      const wire = Buffer.concat(fragmentFrames(Op.BINARY, inParts(payload, parts)))
      for (const chunks of [[wire], inParts(wire, 2), inParts(wire, 11)]) {
        const [data] = messages(chunks)
        expect(data!.equals(payload)).toBe(true)
        expect(data!.buffer.byteLength).toBeLessThanOrEqual(allowed(data!))
      }
    }
  })

  it('messages overlap neither one another nor what comes later', () => {
    const payloads = Array.from({ length: 200 }, (_, i) => Buffer.alloc((i * 37) % 500, i))
    const wire = Buffer.concat(
      payloads.flatMap((payload, i) => fragmentFrames(Op.BINARY, inParts(payload, 1 + (i % 3)))),
    )
    for (const count of [1, 2, 10, 150]) {
      const found = messages(inParts(wire, count))
      expect(found).toHaveLength(200)
      for (const [i, data] of found.entries()) expect(data.equals(payloads[i]!), `message ${i}`).toBe(true)
      // Writing to one must not show in another.
      for (const [i, data] of found.entries()) data.fill(255 - i)
      for (const [i, data] of found.entries()) expect(data.every((byte) => byte === 255 - i)).toBe(true)
    }
  })

  it('a message that is a view of its chunk is not touched by the next chunk', () => {
    const protocol = new Protocol({ maxMessageBytes: MIB })
    const first = clientFrame({ opcode: Op.TEXT, payload: 'x'.repeat(5000) })
    const second = clientFrame({ opcode: Op.TEXT, payload: 'y'.repeat(5000) })
    protocol.receive(Buffer.concat([first, second.subarray(0, 20)]))
    const event = protocol.next()
    expect(protocol.next()).toBeNull()
    protocol.receive(second.subarray(20))
    expect(protocol.next()).toMatchObject({ type: 'message' })
    expect(event?.type === 'message' && event.data.toString()).toBe('x'.repeat(5000))
  })
})

describe('a limit beyond what a buffer can hold is none', () => {
  it.each([2 ** 32, 2 ** 40, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY])('%d', (maxMessageBytes) => {
    const payload = Buffer.alloc(100_000, 'Roomcast')
    const said = [describeMessage('binary', payload)]
    expect(observe([clientFrame({ opcode: Op.BINARY, payload })], { maxMessageBytes })).toEqual(said)
    expect(observe(fragmentFrames(Op.BINARY, inParts(payload, 3)), { maxMessageBytes })).toEqual(said)
    expect(inflated(payload, maxMessageBytes)).toMatchObject({ type: 'message', opcode: 'binary' })
  })
})
