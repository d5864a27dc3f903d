// H12–H14: floods of connections, resets, tokens.

import { expect } from 'vitest'
import { clientFrame, Op } from '../support/client-frames.ts'
import { handshakeText } from '../support/raw-client.ts'
import { each, FULL, rows, type Threat, tally, until } from './support/threat.ts'

const h12: Threat = {
  id: 'H12',
  sent: 'three times as many connections as `maxConnections`; an address over `maxConnectionsPerAddress`, over the bound of a `handshake`',
  setup: async ({ core, notes }, options) => {
    const perAddress = core.createServer({
      port: 0,
      host: '127.0.0.1',
      maxConnectionsPerAddress: 20,
      handler: { message() {} },
    })
    notes.port = (await perAddress.listen()).port
    notes.perAddress = perAddress
    return {
      ...options,
      handler: {
        handshake({ path, remoteAddress }) {
          if (path !== '/counted') return {}
          const counts = (notes.counts ??= {}) as Record<string, number>
          counts[remoteAddress] = (counts[remoteAddress] ?? 0) + 1
          return counts[remoteAddress] > 5 ? core.reject(429, 'too_many', { headers: { 'Retry-After': '9' } }) : {}
        },
      },
    }
  },
  options: { maxConnections: FULL ? 1000 : 200 },
  async attack(t) {
    const most = t.count(200, 1000)
    const limited = await t.victim.run(({ notes }) => notes.port as number)
    const byLimit = await each(Array.from({ length: 60 }), 10, async () => {
      return (await (await t.tcp(limited)).upgrade()).status
    })
    expect(byLimit.filter((status) => status === 101)).toHaveLength(20)
    expect(byLimit.filter((status) => status === 429)).toHaveLength(40)
    t.hangUp()
    await t.victim.run(({ notes }) => (notes.perAddress as { close(): Promise<void> }).close())
    const counted = await each(Array.from({ length: 10 }), 1, async () => {
      const client = await t.tcp()
      const { status } = await client.upgrade({ url: '/counted' })
      client.socket.destroy()
      return status
    })
    expect(counted).toEqual([...Array(5).fill(101), ...Array(5).fill(429)])
    await until(async () => (await t.victim.stats()).sockets === 1, 'the end of the first five', 5000)

    const statuses = await each(Array.from({ length: most * 3 }), 50, async () => {
      const client = await t.tcp()
      return (await client.upgrade()).status
    })
    // The bystander has a place, too.
    expect(statuses.filter((status) => status === 101)).toHaveLength(most - 1)
    expect(statuses.filter((status) => status === 503)).toHaveLength(most * 2 + 1)
    expect(await t.victim.stats()).toMatchObject({ sockets: most, limits: { maxConnections: most * 2 + 1 } })
    return `${tally(statuses)}; by address: ${tally(byLimit)}; by a \`handshake\`: ${tally(counted)}`
  },
}

const h13: Threat = {
  id: 'H13',
  sent: 'a reset after each of 300 byte offsets of a handshake, frames and a bad frame',
  async attack(t) {
    const head = handshakeText()
    const frames = Buffer.concat([
      clientFrame({ opcode: Op.TEXT, payload: 'x'.repeat(60) }),
      clientFrame({ opcode: Op.PING, payload: 'y' }),
      clientFrame({ opcode: Op.TEXT, payload: 'z'.repeat(60), fin: false }),
      clientFrame({ opcode: Op.TEXT, payload: 'a new one inside', rsv: 2 }),
    ])
    const all = Buffer.concat([Buffer.from(head), frames])
    expect(all.length).toBeGreaterThan(280)
    const offsets = Array.from({ length: 301 }, (_, i) => Math.floor((i / 300) * all.length))
    const step = t.count(3, 1)
    for (let round = 0; round < t.count(1, 20); round++) {
      await each(
        offsets.filter((_, i) => i % step === 0),
        8,
        async (offset) => {
          const client = await t.tcp()
          // Both: at once, before the application has seen anything, and when the 101 is there.
          client.write(all.subarray(0, offset))
          if (offset >= head.length && (offset + round) % 2 === 0) await client.response()
          client.reset()
        },
      )
    }
    await until(async () => (await t.victim.stats()).sockets === 1, 'the end of all', 5000)
    const { closes, pendingHandshakes } = await t.victim.stats()
    expect(pendingHandshakes).toBe(0)
    return `nothing escaped, 0 sockets left; closes ${JSON.stringify(closes)}`
  },
}

const h14: Threat = {
  id: 'H14',
  light: true,
  sent: 'tokens of other lengths, prefixes and none to the HTTP API; a secret in the query of an upgrade',
  setup: async ({ roomcast, crypto, notes }) => {
    const compared: [number, number][] = []
    const original = crypto.timingSafeEqual
    crypto.timingSafeEqual = (a, b) => {
      compared.push([a.byteLength, b.byteLength])
      return original(a, b)
    }
    process.getBuiltinModule('node:module').syncBuiltinESMExports()
    const app = (await roomcast()).createRoomcast({ port: 0, host: '127.0.0.1', token: 'the-right-token' })
    notes.port = (await app.listen()).port
    notes.app = app
    notes.compared = compared
    return {
      handler: {
        handshake({ query }) {
          if (query.get('token') !== null) throw new Error('refused')
          return {}
        },
      },
    }
  },
  async attack(t) {
    const port = await t.victim.run(({ notes }) => notes.port as number)
    const tokens = [
      '',
      'x',
      'the',
      'the-right-toke',
      'the-right-tokem',
      'the-right-tokenn',
      'x'.repeat(5000),
      'the-right-token',
    ]
    const statuses = await each(tokens, 1, async (token) => {
      const headers = `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close`
      const answer = await t.ask(`POST /channels/lobby HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n{}`, { port })
      return answer.statuses[0]!
    })
    expect(statuses).toEqual([...Array(7).fill(401), 200])
    const compared = await t.victim.run(({ notes }) => notes.compared as [number, number][])
    // Digests of one length: SHA-256 has 32 bytes.
    expect(compared).toEqual(tokens.map(() => [32, 32]))

    const secret = 's3cr3t-in-the-query'
    for (const url of [`/?token=${secret}`, `/chat?token=${secret}&b=1`]) {
      const { statuses } = await t.ask(handshakeText({ url }))
      expect(statuses).toEqual([500])
      await t.ask(handshakeText({ url, headers: { 'Sec-WebSocket-Version': '7' } }))
    }
    const told = await t.victim.run(({ server, errors }) => JSON.stringify([server.stats(), errors]))
    expect(t.victim.said + told).not.toContain(secret)
    await t.victim.run(({ notes }) => (notes.app as { close(): Promise<void> }).close())
    return `${tally(statuses)}; ${compared.length} comparisons, each of two digests of 32 bytes; the query is nowhere`
  },
}

rows('threats to the handshake: floods, resets, tokens', [h12, h13, h14])
