// H1–H7: heads of requests that are too many, too long, too slow, or no upgrade.

import { expect } from 'vitest'
import { handshakeText } from '../support/raw-client.ts'
import { coreModule } from './support/processes.ts'
import { each, FULL, MAX_DOUBLING, pause, rows, size, type Threat, tally, until } from './support/threat.ts'

/** A head with `count` more headers of one letter. */
const crowded = (count: number): string =>
  handshakeText({ extra: Array.from({ length: count }, (_, i) => `${'abcdefghij'[i % 10]}:`) })

const h1: Threat = {
  id: 'H1',
  sent: '101, 2,100 and 10,000 headers, to a server of our own and to one of the user',
  setup: async ({ core, http, notes }) => {
    const foreign = http.createServer({ maxHeaderSize: 1024 * 1024 })
    core.createServer({ server: foreign, handler: { message() {} } })
    await new Promise<void>((resolve) => foreign.listen({ port: 0, host: '127.0.0.1' }, resolve))
    notes.foreign = foreign
    return {}
  },
  async attack(t) {
    const foreign = await t.victim.run(({ notes }) => {
      const server = notes.foreign as import('node:http').Server
      return (server.address() as import('node:net').AddressInfo).port
    })
    const each1000 = t.count(25, 1000)
    const came: string[] = []
    for (const [port, whose] of [
      [t.port, 'own'],
      [foreign, 'foreign'],
    ] as const) {
      for (const count of [101, 2100, 10_000]) {
        const head = crowded(count)
        const answers = await each(Array(each1000).fill(head), 10, (text: string) => t.ask(text, { port }))
        for (const { statuses } of answers) {
          expect([[400], [431]], `${count} headers to the ${whose} server`).toContainEqual(statuses)
        }
        came.push(`${whose} ${count}: ${tally(answers.map(({ statuses }) => statuses[0]!))}`)
      }
    }
    await t.victim.run(({ notes }) => void (notes.foreign as import('node:http').Server).close())
    return came.join('; ')
  },
}

const h2: Threat = {
  id: 'H2',
  sent: 'subprotocols and extensions of 4 KiB of spaces, quotes, commas, semicolons; heads of 32 to 128 KiB',
  async attack(t) {
    const patterns = [' ', '"', ',', ';', ', ', 'a,', 'a;', '\\"', 'a;b="\\', 'a;b=', '\t,', 'a; b="c", '].map(
      (piece) => `a${piece.repeat(4096)}`.slice(0, 4095),
    )
    const headers = ['Sec-WebSocket-Protocol', 'Sec-WebSocket-Extensions', 'Upgrade', 'Connection', 'Origin', 'Host']
    const heads = headers.flatMap((name) => patterns.map((value) => handshakeText({ headers: { [name]: value } })))
    const statuses = await each(heads, 8, async (head) => {
      const client = await t.tcp()
      client.write(head)
      const { status } = await client.response()
      client.socket.destroy()
      return status
    })
    for (const status of statuses) expect([101, 400, 403, 426]).toContain(status)

    const lab = await t.lab()
    const { slowest, ratios } = await lab.run(
      async ({ load, linear }, { patterns, headers, module }) => {
        const { readHandshake } = await load(module)
        const read = readHandshake as (request: object, limits: object) => unknown
        const limits = { maxHeaders: 100_000, maxHeaderBytes: 2 ** 30 }
        const head = (name: string, value: string) => {
          const rest = { Host: 'h', Upgrade: 'websocket', Connection: 'upgrade', 'Sec-WebSocket-Version': '13' }
          const rawHeaders = Object.entries({ ...rest, [name]: value }).flat()
          return { method: 'GET', httpVersion: '1.1', url: '/', rawHeaders }
        }
        let slowest = 0
        for (const request of headers.flatMap((name) => patterns.map((value) => head(name, value)))) {
          let least = Number.POSITIVE_INFINITY
          for (let i = 0; i < 20; i++) {
            const began = performance.now()
            read(request, limits)
            least = Math.min(least, performance.now() - began)
          }
          slowest = Math.max(slowest, least)
        }
        const ratios: Record<string, number> = { extensions: 0, headers: 0 }
        for (const piece of ['a,', 'a;', 'a; b="c", ', 'a   ;   b']) {
          const requests = new Map(
            [1, 2, 4].map((kib) => [kib, head('Sec-WebSocket-Extensions', piece.repeat(409).slice(0, kib * 1023))]),
          )
          const ratio = await linear([1, 2, 4], (kib) => read(requests.get(kib)!, limits))
          ratios.extensions = Math.max(ratios.extensions!, ratio)
        }
        for (const [name, piece] of [
          ['Cookie', 'x'],
          ['Upgrade', ' ,'],
          ['Upgrade', ',websocket '],
          ['Connection', ' \t'],
          ['Origin', 'https://'],
        ] as const) {
          const requests = new Map(
            [32, 64, 128].map((kib) => [kib, head(name, piece.repeat((kib * 1024) / piece.length))]),
          )
          ratios.headers = Math.max(
            ratios.headers!,
            await linear([32, 64, 128], (kib) => read(requests.get(kib)!, limits)),
          )
        }
        const many = (count: number) => ({
          ...head('a', ''),
          rawHeaders: Array.from({ length: count }, (_, i) => [`x${i % 500}`, 'y']).flat(),
        })
        const requests = new Map([1000, 2000, 4000].map((count) => [count, many(count)]))
        ratios['header lines'] = await linear([1000, 2000, 4000], (count) => read(requests.get(count)!, limits))
        return { slowest, ratios }
      },
      { patterns, headers, module: coreModule('handshake/handshake.js') },
    )
    expect(slowest, 'ms for one head').toBeLessThan(1)
    for (const [what, ratio] of Object.entries(ratios))
      expect(ratio, `t(2N)/t(N) of ${what}`).toBeLessThanOrEqual(MAX_DOUBLING)
    const shown = Object.entries(ratios).map(([what, ratio]) => `${what} ${ratio.toFixed(2)}`)
    return `${tally(statuses)}; slowest 4 KiB ${slowest.toFixed(3)} ms; t(2N)/t(N): ${shown.join(', ')}`
  },
}

const h3: Threat = {
  id: 'H3',
  sent: 'a head of 16 KiB in writes of one byte',
  setup: async ({ http, notes }) => {
    const bare = http.createServer()
    bare.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await new Promise<void>((resolve) => bare.listen({ port: 0, host: '127.0.0.1' }, resolve))
    notes.bare = bare
    return {}
  },
  async attack(t) {
    const bare = await t.victim.run(({ notes }) => {
      const server = notes.bare as import('node:http').Server
      return (server.address() as import('node:net').AddressInfo).port
    })
    const head = handshakeText({ headers: { 'Sec-WebSocket-Version': '8', Cookie: 'x'.repeat(16_000) } })
    const drip = async (port: number): Promise<number> => {
      const before = await t.victim.cpu()
      const client = await t.tcp(port)
      for (let i = 0; i < head.length; i++) {
        client.socket.write(head[i]!)
        if (i % 64 === 0) await pause(0)
      }
      const { status } = await client.response()
      expect([400, 426]).toContain(status)
      return (await t.victim.cpu()) - before
    }
    let [ours, nodes] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    for (let i = 0; i < t.count(2, 5); i++) {
      ours = Math.min(ours, await drip(t.port))
      nodes = Math.min(nodes, await drip(bare))
    }
    // What 16,000 reads cost is node's; re-reading the head at each of them would cost seconds.
    expect(ours).toBeLessThan(Math.max(50, nodes * 1.5 + 25))
    await t.victim.run(({ notes }) => void (notes.bare as import('node:http').Server).close())
    return `426 after ${ours.toFixed(0)} ms of CPU, a bare node:http takes ${nodes.toFixed(0)} ms`
  },
}

const h4: Threat = {
  id: 'H4',
  light: true,
  sent: 'a head at 1 B/s, or nothing at all, on hundreds of sockets',
  options: FULL ? {} : { handshakeTimeoutMs: 1500 },
  async attack(t) {
    const count = t.count(100, 500)
    const deadlineMs = t.count(1500, 10_000)
    const before = await t.victim.memory()
    const head = handshakeText()
    const clients = await each(Array.from({ length: count }), 50, () => t.tcp())
    const began = performance.now()
    let sent = 0
    const drip = setInterval(
      () => {
        for (const [i, { socket }] of clients.entries()) if (i % 2 === 0 && socket.writable) socket.write(head[sent]!)
        sent++
      },
      t.count(150, 1000),
    )
    try {
      await pause(deadlineMs / 2)
      const { rss } = await t.victim.memory()
      const asked = performance.now()
      await t.connect()
      const welcome = performance.now() - asked
      await until(() => clients.every(({ ends }) => ends.length > 0), 'the end of all', deadlineMs + 8000)
      const took = performance.now() - began
      const statuses = clients.map(({ responses }) => responses.all[0]?.status ?? 'closed without an answer')
      expect(rss - before.rss).toBeLessThan(20 * 1024 * 1024)
      expect(took).toBeLessThan(t.full ? 12_000 : 4000)
      if (t.full) expect(welcome).toBeLessThan(100)
      expect(statuses.filter((status, i) => i % 2 === 0 && status !== 408)).toEqual([])
      return `${tally(statuses)}, all within ${took.toFixed(0)} ms; RSS +${size(rss - before.rss)}; a new client took ${welcome.toFixed(0)} ms`
    } finally {
      clearInterval(drip)
    }
  },
}

const h5: Threat = {
  id: 'H5',
  light: true,
  sent: 'upgrades whose asynchronous `handshake` never answers',
  setup: (_kit, options) => ({ ...options, handler: { handshake: () => new Promise(() => {}) } }),
  options: FULL ? {} : { handshakeTimeoutMs: 1500, maxPendingHandshakes: 128 },
  async attack(t) {
    const [count, most] = [t.count(250, 2000), t.count(128, 1024)]
    const clients = await each(Array.from({ length: count }), 20, async () => {
      const client = await t.tcp()
      client.ask()
      return client
    })
    await until(async () => (await t.victim.stats()).rejections[503] === count - most, 'the refusals', 5000)
    expect((await t.victim.stats()).pendingHandshakes).toBe(most)
    const atOnce = clients.filter(({ responses }) => responses.length > 0)
    expect(atOnce.every(({ responses }) => Number(responses.all[0]!.headers['retry-after']) > 0)).toBe(true)
    const ended = (): boolean => clients.every(({ ends }) => ends.all.includes('closed'))
    await until(ended, 'the end of all', t.count(4000, 14_000))
    expect(clients.every(({ responses }) => responses.length === 1 && responses.all[0]!.status === 503)).toBe(true)
    const { pendingHandshakes, sockets, limits } = await t.victim.stats()
    expect([pendingHandshakes, sockets]).toEqual([0, 1])
    expect(limits).toEqual({ maxPendingHandshakes: count - most, handshakeTimeoutMs: most })
    return `${count - most} × 503 at once with Retry-After, ${most} × 503 at the deadline, 0 left`
  },
}

const h6: Threat = {
  id: 'H6',
  light: true,
  sent: 'no GET, HTTP/1.0, a body, Transfer-Encoding, no Host, two Hosts; a second request behind each',
  async attack(t) {
    const second = handshakeText()
    const body = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const vectors: [name: string, head: string, status: number][] = [
      ['POST', handshakeText({ method: 'POST' }), 405],
      ['HEAD', handshakeText({ method: 'HEAD' }), 405],
      ['DELETE', handshakeText({ method: 'DELETE' }), 405],
      ['HTTP/1.0', handshakeText({ version: 'HTTP/1.0' }), 400],
      ['a body', `${handshakeText({ headers: { 'Content-Length': `${body.length}` } })}${body}`, 400],
      ['chunks', `${handshakeText({ headers: { 'Transfer-Encoding': 'chunked' } })}5\r\nhello\r\n0\r\n\r\n`, 400],
      ['TE: gzip', handshakeText({ headers: { 'Transfer-Encoding': 'gzip, chunked' } }), 400],
      ['no Host', handshakeText({ headers: { Host: null } }), 400],
      ['an empty Host', handshakeText({ headers: { Host: '' } }), 400],
      ['two Hosts', handshakeText({ extra: ['Host: localhost'] }), 400],
      ['not HTTP', '\0\x01\x02\x03 nothing at all\r\n\r\n', 400],
    ]
    const came: string[] = []
    for (const [name, head, status] of vectors) {
      const { statuses, text, ms } = await t.ask(head + second)
      expect(statuses, name).toEqual([status])
      expect(text, name).toMatch(/^connection: (.*, )?close\b/im)
      if (status === 405) expect(text).toMatch(/^allow: GET\r$/im)
      expect(ms, name).toBeLessThan(3000)
      came.push(`${name} ${status}`)
    }
    const { sockets, messagesIn } = await t.victim.stats()
    expect(sockets, 'upgrades of second requests').toBe(1)
    expect(messagesIn).toBeGreaterThan(0)
    return `${came.join(', ')}; each closed, no second request answered`
  },
}

const h7: Threat = {
  id: 'H7',
  light: true,
  sent: 'versions 0, 8, 12, 14, "13, 8", empty, none, twice',
  async attack(t) {
    const versions = ['0', '8', '12', '14', '13, 8', '', '013', '13.0', null]
    const heads = versions.map((version) => handshakeText({ headers: { 'Sec-WebSocket-Version': version } }))
    heads.push(handshakeText({ extra: ['Sec-WebSocket-Version: 13'] }))
    for (const head of heads) {
      const { statuses, text } = await t.ask(head)
      expect(statuses, head).toEqual([426])
      expect(text).toMatch(/^sec-websocket-version: 13\r$/im)
      expect(text).toMatch(/^connection: .*close/im)
    }
    expect((await t.victim.stats()).sockets).toBe(1)
    return `${heads.length} × 426 with Sec-WebSocket-Version: 13, closed`
  },
}

rows('threats to the handshake: heads', [h1, h2, h3, h4, h5, h6, h7])
