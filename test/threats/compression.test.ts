// M6–M9: compressed messages that inflate without end, are corrupt, ask for memory of their own, or come all at once.

import { deflateRawSync } from 'node:zlib'
import { expect } from 'vitest'
import { clientFrame, Op } from '../support/client-frames.ts'
import { closeCode } from './support/exchange.ts'
import { random } from './support/random.ts'
import { each, rows, size, type Threat, tally, until } from './support/threat.ts'

const MIB = 1024 * 1024
const RSV1 = 4
const handshake = { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } }
const CLOSE = clientFrame({ opcode: Op.CLOSE, payload: new Uint8Array([3, 232]) })

/** RFC 7692 §7.2.1: without the last four bytes of the sync flush. */
function deflated(data: Uint8Array, level = 9): Buffer {
  return deflateRawSync(data, { level, finishFlush: 2 }).subarray(0, -4)
}

const compressed = (payload: Uint8Array): Buffer => clientFrame({ opcode: Op.BINARY, rsv: RSV1, payload })

const m6: Threat = {
  id: 'M6',
  sent: 'bombs: 100 KB that inflate to 100 MB, on 50 sockets',
  forbids: 'fifty bombs at once are a millisecond of inflating each, on the one core that also echoes the bystander',
  options: { compression: true },
  async attack(t) {
    const bomb = compressed(deflated(Buffer.alloc(t.count(32, 100) * MIB)))
    const most = compressed(deflated(Buffer.alloc(MIB)))
    expect(await t.exchange([most, CLOSE], { handshake })).toEqual([`binary of ${MIB}`, 'close 1000'])
    await t.exchange(bomb, { handshake })
    const count = t.count(12, 50)
    const wave = async (): Promise<{ rss: number; used: number; cpu: number }> => {
      const clients = await each(Array.from({ length: count }), 8, () => t.connect(handshake))
      const before = await t.victim.memory()
      const cpuBefore = await t.victim.cpu()
      for (const client of clients) client.socket.write(bomb)
      const peak = await t.victim.run(async () => {
        let most = 0
        for (let i = 0; i < 30; i++) {
          most = Math.max(most, process.memoryUsage().rss)
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
        return most
      })
      const codes = await each(clients, count, async (client) => (await client.close()).code)
      const cpu = ((await t.victim.cpu()) - cpuBefore) / count
      expect(new Set(codes)).toEqual(new Set([1009]))
      const { used } = await t.victim.memory()
      return { rss: peak - before.rss, used: used - before.used, cpu }
    }
    // Garbage is collected when the machine likes; what the first wave left to the allocator, the second uses again. What
    // bombs do not do is take more with every wave, and nothing of them is kept.
    const [first, second] = [await wave(), await wave()]
    expect(Math.min(first.rss, second.rss), 'RSS').toBeLessThan(32 * MIB)
    expect(Math.max(first.used, second.used), 'heap and external').toBeLessThan(MIB)
    expect(Math.min(first.cpu, second.cpu), 'ms of CPU each').toBeLessThan(50)
    return `2 × ${count} × 1009 for ${size(bomb.length)}; RSS at most +${size(first.rss)}, then +${size(second.rss)}, ${size(second.used)} kept; ${second.cpu.toFixed(1)} ms of CPU each`
  },
}

const m7: Threat = {
  id: 'M7',
  sent: 'compressed messages with each byte changed, cut short, and with rubbish behind',
  options: { compression: true, maxMessageBytes: 64 * 1024 },
  async attack(t) {
    const { int } = random(7)
    const messages = Array.from({ length: t.count(8, 200) }, (_, i) => {
      const words = Array.from({ length: 5 + int(20) }, () => `word${int(50)}`)
      return Buffer.from(`${i} ${words.join(' ')}`)
    })
    const broken = messages.flatMap((message) => {
      const good = deflated(message)
      const flipped = Array.from(good, (byte, at) => {
        const bad = Buffer.from(good)
        bad[at] = byte ^ (1 << int(8))
        return bad
      })
      return [...flipped, good.subarray(0, good.length >> 1), Buffer.concat([good, Buffer.from([255, 255, 255])])]
    })
    // After the limit tripped, too: a bomb with rubbish in its middle.
    const bomb = deflated(Buffer.alloc(4 * MIB))
    bomb.fill(0xff, bomb.length >> 1)
    broken.push(bomb)
    const outcomes = await each(broken, 8, async (payload) => {
      const came = await t.exchange([compressed(payload), CLOSE], { handshake })
      const code = closeCode(came)
      expect(['1000', '1007', '1009'], payload.toString('hex').slice(0, 300)).toContain(code)
      return code === '1000' ? 'decoded silently' : code
    })
    expect(outcomes.filter((outcome) => outcome === '1007').length).toBeGreaterThan(broken.length / 4)
    expect(outcomes.at(-1)).toBe('1009')
    return tally(outcomes)
  },
}

const m8: Threat = {
  id: 'M8',
  sent: 'clients that keep their context, in windows as large as they may be, each sending',
  options: { compression: true },
  async attack(t) {
    const count = t.count(300, 2000)
    const offers = [
      'permessage-deflate; server_max_window_bits=15; client_max_window_bits=15',
      'permessage-deflate; client_max_window_bits',
      'permessage-deflate; server_max_window_bits=8',
      'permessage-deflate',
    ]
    const message = Buffer.alloc(4000, 'c')
    const again = deflateRawSync(message, { dictionary: message, finishFlush: 2 }).subarray(0, -4)
    const wave = async (): Promise<{ rss: number; used: number }> => {
      await t.victim.memory()
      const before = await t.victim.memory()
      const clients = await each(
        Array.from({ length: count }, (_, i) => i),
        20,
        async (i) => {
          const client = await t.tcp()
          const value = offers[i % offers.length]!
          const { headers } = await client.upgrade({ headers: { 'Sec-WebSocket-Extensions': value } })
          // Ours is not taken over, whatever was asked; the client's may be.
          expect(headers['sec-websocket-extensions']).toMatch(/; server_no_context_takeover/)
          expect(headers['sec-websocket-extensions']).not.toContain('client_no_context_takeover')
          client.socket.write(compressed(deflated(message)))
          return client
        },
      )
      await until(() => clients.every(({ frames }) => frames.length === 1), 'all echoes', 20_000)
      const after = await t.victim.memory()
      for (const client of clients) client.socket.write(compressed(again))
      await until(() => clients.every(({ frames }) => frames.length === 2), 'all that refer to the context', 20_000)
      return { rss: (after.rss - before.rss) / count, used: (after.used - before.used) / count }
    }
    // As for M6: what the first wave left to the allocator, the second uses again.
    const [first, second] = [await wave(), await wave()]
    const [rss, used] = [Math.min(first.rss, second.rss), Math.max(first.used, second.used)]
    // zlib's contexts would be 256 KiB to deflate and 40 KiB to inflate.
    expect(rss, 'RSS each').toBeLessThan(40 * 1024)
    expect(used, 'heap and external each').toBeLessThan(16 * 1024)
    return `2 × ${count} with a context of 4,000 bytes: RSS ${size(rss)}, heap and external ${size(used)} each, connection included`
  },
}

const m9: Threat = {
  id: 'M9',
  sent: 'compressed messages of 64 KiB on thousands of sockets at once',
  options: { compression: true },
  forbids: 'inflating and deflating them is CPU work on the one core that also echoes the bystander',
  async attack(t) {
    const count = t.count(300, 5000)
    const { int } = random(9)
    const payload = Buffer.from(Array.from({ length: 65_536 }, () => 97 + int(6)))
    const wire = compressed(deflated(payload, 1))
    const clients = await each(Array.from({ length: count }), 50, () => t.connect(handshake))
    for (const client of clients) client.socket.removeAllListeners('data').on('data', () => {})
    const before = await t.victim.memory()
    const peak = t.victim.run(async ({ server }) => {
      let most = 0
      const { messagesIn } = server.stats()
      const end = performance.now() + 60_000
      let last = messagesIn
      for (let idle = 0; idle < 60 && performance.now() < end; ) {
        most = Math.max(most, process.memoryUsage().rss)
        await new Promise((resolve) => setTimeout(resolve, 20))
        const now = server.stats().messagesIn
        idle = now - last > 10 ? 0 : idle + 1
        last = now
      }
      return most
    })
    const { messagesIn } = await t.victim.stats()
    for (const client of clients) client.socket.write(wire)
    const rss = (await peak) - before.rss
    const done = async (): Promise<boolean> => (await t.victim.stats()).messagesIn >= messagesIn + count
    await until(done, 'all messages', 60_000)
    expect((await t.victim.stats()).sockets).toBe(count + 1)
    expect(rss, 'RSS').toBeLessThan(256 * MIB)
    return `${count} × ${size(wire.length)} inflated and echoed, none closed; RSS +${size(rss)}`
  },
}

rows('threats by compression', [m6, m7, m8, m9])
