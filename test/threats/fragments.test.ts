// M1–M5: fragments without end, in great numbers, empty, in single bytes: memory follows the bytes, work is linear.

import { expect } from 'vitest'
import { clientFrame, Op } from '../support/client-frames.ts'
import type { RawClient } from '../support/raw-client.ts'
import { closeCode } from './support/exchange.ts'
import { type Attack, each, MAX_DOUBLING, pause, rows, size, type Threat, tally, until } from './support/threat.ts'

const MIB = 1024 * 1024
/** Memory that a socket may take besides twice the bytes it sent. */
const SLACK_BYTES = 16 * 1024

const start = (payload: string | Uint8Array = ''): Buffer => clientFrame({ opcode: Op.BINARY, payload, fin: false })
const more = (payload: string | Uint8Array = ''): Buffer =>
  clientFrame({ opcode: Op.CONTINUATION, payload, fin: false })
const end = (payload: string | Uint8Array = ''): Buffer => clientFrame({ opcode: Op.CONTINUATION, payload })

/** `count` fragments of `bytes` each, that do not end. */
const endless = (count: number, bytes: number): Buffer => {
  const payload = Buffer.alloc(bytes, 'f')
  const one = more(payload)
  return Buffer.concat([start(payload), Buffer.alloc(one.length * (count - 1), one)])
}

/** Waits until the victim has read so many bytes more. */
async function arrived(t: Attack, before: number, bytes: number): Promise<void> {
  // The bystander's bytes count too: 16 for each message.
  await until(async () => (await t.victim.stats()).bytesIn >= before + bytes, 'the last byte', 120_000)
  await pause(30)
}

const m1: Threat = {
  id: 'M1',
  light: true,
  sent: '10 MiB of fragments that never end',
  async attack(t) {
    const before = await t.victim.memory()
    const codes = await each([1024, 16_384, 65_536], 1, async (bytes) => {
      const came = await t.exchange(endless((10 * MIB) / bytes, bytes))
      expect(came.length).toBeLessThanOrEqual(1)
      // The peer is reset while it still sends; what counts is what the server said.
      return came.length === 0 ? 'reset' : closeCode(came)
    })
    await until(async () => (await t.victim.stats()).closes[1009] === 3, 'three closes', 5000)
    const { limits, sockets } = await t.victim.stats()
    expect(limits).toEqual({ maxMessageBytes: 3 })
    expect(sockets).toBe(1)
    const kept = (await t.victim.memory()).used - before.used
    expect(kept).toBeLessThan(MIB)
    return `3 × 1009 (the peer read: ${tally(codes)}); ${size(kept)} kept afterwards`
  },
}

/** Memory that unfinished input takes, over the bytes that were sent. */
async function amplification(
  t: Attack,
  clients: RawClient[],
  bytes: Buffer,
): Promise<{ ratio: number; rss: number; text: string }> {
  await t.victim.memory()
  const before = await t.victim.memory()
  const { bytesIn } = await t.victim.stats()
  await each(clients, 8, (client) => new Promise<void>((resolve) => client.socket.write(bytes, () => resolve())))
  await arrived(t, bytesIn, bytes.length * clients.length)
  // What one pass of the collector releases, the next can free: what stays is what is held.
  let after = await t.victim.memory()
  for (let pass = 0; pass < 4; pass++) {
    const again = await t.victim.memory()
    after = { ...after, used: Math.min(after.used, again.used) }
  }
  const used = (after.used - before.used) / clients.length
  expect(used, `for ${bytes.length} bytes sent`).toBeLessThanOrEqual(2 * bytes.length + SLACK_BYTES)
  const ratio = used / bytes.length
  const shown = bytes.length < 10_000 ? '' : ` (×${ratio.toFixed(2)})`
  return { ratio, rss: after.rss - before.rss, text: `${size(used)} for ${size(bytes.length)} ${shown}` }
}

const m2: Threat = {
  id: 'M2',
  sent: '131,000 fragments of one byte that never end, on 40 sockets; other unfinished input',
  async attack(t) {
    const count = t.count(8, 40)
    const open = (): Promise<RawClient[]> => each(Array.from({ length: count }), 8, () => t.connect())
    const tiny = await amplification(t, await open(), endless(131_000, 1))
    expect(tiny.rss, 'RSS').toBeLessThan(20 * MIB)
    const others: [string, Buffer][] = [
      ['a frame of 1 MiB less a byte', clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(MIB) }).subarray(0, -1)],
      ['513 KiB in fragments', endless(513, 1024)],
      ['300 bytes', endless(3, 100)],
      ['half a header', clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(70_000) }).subarray(0, 9)],
      ['half a ping', clientFrame({ opcode: Op.PING, payload: Buffer.alloc(125) }).subarray(0, 60)],
    ]
    const shown = [`131,000 × 1 B: ${tiny.text}, RSS +${size(tiny.rss)}`]
    for (const [name, bytes] of others) {
      const clients = await open()
      shown.push(`${name}: ${(await amplification(t, clients, bytes)).text}`)
      for (const client of clients) client.reset()
    }
    // One more than are allowed; Autobahn's 65,536 and the 131,000 are below.
    const came = await t.exchange(endless(131_073, 1), { deadlineMs: 30_000 })
    expect(came).toEqual(['close 1008 too many fragments'])
    return `${shown.join('; ')}; the 131,073rd: 1008`
  },
}

const m3: Threat = {
  id: 'M3',
  light: true,
  sent: 'three empty fragments, 1,024 and a million',
  async attack(t) {
    const close = clientFrame({ opcode: Op.CLOSE, payload: new Uint8Array([3, 232]) })
    const legal = await t.exchange([start(), more(), end(), start('a'), more(), more(), end('b'), close])
    expect(legal).toEqual(['binary', 'binary ab', 'close 1000'])
    const many = Buffer.concat([start('x'), Buffer.alloc(6 * 1024, more()), more('y'), Buffer.alloc(6 * 1024, more())])
    expect(await t.exchange([many, end('z'), close])).toEqual(['binary xyz', 'close 1000'])

    const oneMore = await t.exchange(Buffer.concat([start('x'), Buffer.alloc(6 * 1025, more())]))
    expect(oneMore).toEqual(['close 1008 too many empty fragments'])

    const flood = Buffer.concat([start(), Buffer.alloc(6 * t.count(200_000, 1_000_000), more())])
    let cpu = Number.POSITIVE_INFINITY
    for (let i = 0; i < 3; i++) {
      const before = await t.victim.cpu()
      await t.exchange(flood)
      cpu = Math.min(cpu, (await t.victim.cpu()) - before)
    }
    await until(async () => (await t.victim.stats()).closes[1008] === 4, 'four closes', 5000)
    expect(cpu, 'ms of CPU').toBeLessThan(100)
    return `3 and 1,024 in a row are legal, the 1,025th: 1008; the flood: 1008 after ${cpu.toFixed(0)} ms of CPU`
  },
}

const m4: Threat = {
  id: 'M4',
  sent: 'messages of 32,000, 64,000 and 128,000 fragments',
  async attack(t) {
    const sizes = [32_000, 64_000, 128_000]
    const wires = sizes.map((count) => Buffer.concat([endless(count - 1, 8), end('8 bytes.')]))
    const clients = await each(sizes, 1, () => t.connect())
    const cpu = sizes.map(() => Number.POSITIVE_INFINITY)
    const wall = sizes.map(() => Number.POSITIVE_INFINITY)
    const ratio = (): number => Math.max(cpu[1]! / cpu[0]!, cpu[2]! / cpu[1]!)
    for (let round = 0; round < 8 && (round < 3 || ratio() > 2.1); round++) {
      for (const [i, client] of clients.entries()) {
        const messages = client.frames.length
        const [before, began] = [await t.victim.cpu(), performance.now()]
        client.socket.write(wires[i]!)
        await until(() => client.frames.length > messages, 'the echo', 20_000)
        wall[i] = Math.min(wall[i]!, performance.now() - began)
        cpu[i] = Math.min(cpu[i]!, (await t.victim.cpu()) - before)
        expect(client.frames.all.at(-1)!.payload.length).toBe(sizes[i]! * 8)
      }
    }
    // Of one step in a run beside others a collection of garbage may be in all rounds; of both it is not.
    const growth = t.full ? ratio() : Math.sqrt(cpu[2]! / cpu[0]!)
    expect(growth, 't(2N)/t(N)').toBeLessThanOrEqual(MAX_DOUBLING)
    expect(cpu[2], 'ms for 128,000').toBeLessThan(1000)
    return `${cpu.map((ms) => ms.toFixed(0)).join(', ')} ms of CPU, t(2N)/t(N) ${ratio().toFixed(2)}; 128,000 in ${wall[2]!.toFixed(0)} ms`
  },
}

const m5: Threat = {
  id: 'M5',
  sent: 'messages in TCP writes of one byte (1 MiB of them in full mode)',
  async attack(t) {
    const [count, bytes] = [16, t.count(2048, 65_536)]
    const clients = await each(Array.from({ length: count }), 8, () => t.connect())
    const wire = clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(bytes, 'b') })
    await t.victim.memory()
    const before = await t.victim.memory()
    const { bytesIn } = await t.victim.stats()
    for (let i = 0; i < wire.length - 1; i++) {
      for (const { socket } of clients) socket.write(wire.subarray(i, i + 1))
      if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await arrived(t, bytesIn, (wire.length - 1) * count)
    const used = ((await t.victim.memory()).used - before.used) / count
    expect(used).toBeLessThanOrEqual(2 * wire.length + SLACK_BYTES)
    for (const { socket } of clients) socket.write(wire.subarray(-1))
    await until(() => clients.every(({ frames }) => frames.length === 1), 'the echoes', 10_000)
    const whole = Buffer.alloc(bytes, 'b')
    expect(clients.every(({ frames }) => frames.all[0]!.payload.equals(whole))).toBe(true)
    return `${count} echoed whole; before the last byte ${size(used)} held for ${size(wire.length)} each`
  },
}

rows('threats in fragments', [m1, m2, m3, m4, m5])
