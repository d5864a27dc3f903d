// H8–H11: keys, origins, headers of the answer, extensions.

import { expect } from 'vitest'
import { handshakeText, KEY } from '../support/raw-client.ts'
import { originVectors } from './support/origins.ts'
import { random } from './support/random.ts'
import { each, rows, type Threat, tally } from './support/threat.ts'

// Functions that run in the victim take `Buffer` from the global scope: an import would not go with their source.

const h8: Threat = {
  id: 'H8',
  light: true,
  sent: '40 keys: missing, repeated, too short, too long, not base64, not canonical',
  async attack(t) {
    const lengths = [0, 1, 8, 14, 15, 17, 18, 24, 32, 64]
    const keys: (string | null)[] = [
      null,
      '',
      ...lengths.map((length) => Buffer.alloc(length, 0xa5).toString('base64')),
      // 16 bytes leave four bits of the 22nd character unused: they must be zero.
      ...[...'BCDEFhijxyz019+/'].map((last) => `${KEY.slice(0, 21)}${last}==`),
      KEY.slice(0, 22),
      KEY.slice(0, 23),
      `${KEY}=`,
      `${KEY.slice(0, 10)} ${KEY.slice(10)}`,
      KEY.replace('Z', '_'),
      KEY.replace('Z', '-'),
      KEY.replace('Z', '\xe4'),
      `"${KEY}"`,
      `${KEY}, ${KEY}`,
      `=${KEY.slice(0, 23)}`,
      'undefined',
    ]
    const heads = keys.map((key) => handshakeText({ headers: { 'Sec-WebSocket-Key': key } }))
    heads.push(handshakeText({ extra: [`Sec-WebSocket-Key: ${KEY}`] }))
    expect(heads).toHaveLength(40)
    const statuses = (await each(heads, 4, (head) => t.ask(head))).map((answer) => answer.statuses.join())
    expect(new Set(statuses)).toEqual(new Set(['400']))
    return tally(statuses)
  },
}

const h9: Threat = {
  id: 'H9',
  light: true,
  sent: '60 origins and hosts: suffix, prefix, port, case, IPv6, punycode, userinfo, null; a list of origins',
  setup: async ({ core, notes }) => {
    const handler = { message() {} }
    const listed = core.createServer({
      port: 0,
      host: '127.0.0.1',
      origin: ['https://shop.example', 'https://admin.shop.example:8443'],
      handler,
    })
    notes.port = (await listed.listen()).port
    notes.listed = listed
    return {}
  },
  async attack(t) {
    const list = await t.victim.run(({ notes }) => notes.port as number)
    const vectors = originVectors()
    expect(vectors.length).toBeGreaterThanOrEqual(60)
    const statuses = await each(vectors, 4, async ({ origin, host, allowed, listed }) => {
      const client = await t.tcp(listed ? list : t.port)
      const { status } = await client.upgrade({ headers: { Origin: origin, Host: host } })
      client.socket.destroy()
      expect(status, `${origin} at ${host}`).toBe(allowed)
      return status
    })
    await t.victim.run(({ notes }) => (notes.listed as { close(): Promise<void> }).close())
    return tally(statuses)
  },
}

const h10: Threat = {
  id: 'H10',
  sent: 'random strings with CR, LF and NUL as header names, values, subprotocols and errors of the answer',
  setup: ({ core }) => ({
    subprotocols: ['a', 'b'],
    handler: {
      handshake({ headers }) {
        const { what, name, value } = JSON.parse(Buffer.from(headers.wish!, 'base64').toString())
        if (what === 'header') return core.accept(undefined, { headers: { [name]: value } })
        if (what === 'subprotocol') return core.accept(undefined, { subprotocol: value })
        if (what === 'error') return core.reject(401, value)
        return core.reject(403, 'no', { headers: { [name]: value } })
      },
    },
  }),
  async attack(t) {
    const { int, pick } = random(10)
    const parts = [
      '\r\n',
      '\r',
      '\n',
      '\0',
      'X: y',
      ': ',
      ' ',
      'a',
      'Ü',
      '\u{1f600}',
      '\t',
      '\x7f',
      '\x85',
      'Set-Cookie',
      ',',
    ]
    const text = (): string => Array.from({ length: int(6) }, () => pick(parts)).join('')
    const count = t.count(400, 10_000)
    const outcomes = await each(Array.from({ length: count }), 8, async () => {
      const wish = {
        what: pick(['header', 'subprotocol', 'error', 'reject']),
        name: pick([text(), 'X-Own']),
        value: text(),
      }
      const encoded = Buffer.from(JSON.stringify(wish)).toString('base64')
      const client = await t.tcp()
      const { status, head } = await client.upgrade({
        headers: { wish: encoded, 'Sec-WebSocket-Protocol': 'a' },
      })
      client.socket.destroy()
      const lines = head.split('\r\n').length
      // 101: Upgrade, Connection, Sec-WebSocket-Accept and -Protocol, and the header that was asked for.
      const expected = new Map<number, number[]>([
        [101, wish.what === 'header' ? [6] : wish.value === '' ? [4] : [4, 5]],
        [401, wish.value === '' ? [4, 5] : [5]],
        [403, [6]],
        [500, [5]],
      ])
      expect(expected.get(status), `${JSON.stringify(wish)} came to\n${head}`).toContain(lines)
      expect(head).not.toMatch(/[\0\x7f]|\r(?!\n)|(?<!\r)\n/)
      return status
    })
    return `${tally(outcomes)}; no header more than the answer has`
  },
}

const h11: Threat = {
  id: 'H11',
  sent: 'permessage-deflate with window bits 0–20, "08", "15x", missing, huge, repeated, unknown parameters',
  options: { compression: true },
  async attack(t) {
    const bits = [
      ...Array.from({ length: 21 }, (_, i) => `${i}`),
      '08',
      '15x',
      '',
      '99999999999999999999',
      '-1',
      '1e1',
      '"10"',
      '"08"',
    ]
    const offer = (parameters: string): string => `permessage-deflate${parameters}`
    const values = ['server_max_window_bits', 'client_max_window_bits'].flatMap((name) => [
      offer(`; ${name}`),
      offer(`; ${name}=10; ${name}=10`),
      ...bits.map((bit) => offer(`; ${name}=${bit}`)),
    ])
    values.push(
      ...['server_no_context_takeover', 'client_no_context_takeover'].flatMap((name) => [
        offer(`; ${name}`),
        offer(`; ${name}=1`),
        offer(`; ${name}; ${name}`),
      ]),
      offer('; unknown'),
      offer('; constructor=1'),
      offer('; __proto__'),
      'permessage-deflates',
      'x-webkit-deflate-frame',
      `${offer('; server_max_window_bits=99')}, ${offer('')}`,
      Array(16).fill(offer('')).join(),
      Array(17).fill(offer('')).join(),
      offer('; a'.repeat(17)),
      'a;;b',
      '=',
      '"',
      `"${'\\'.repeat(200)}`,
    )
    const outcomes = await each(values, 4, async (value) => {
      const client = await t.tcp()
      const { status, headers } = await client.upgrade({ headers: { 'Sec-WebSocket-Extensions': value } })
      client.socket.destroy()
      const answer = headers['sec-websocket-extensions']
      expect([101, 400], value).toContain(status)
      if (status === 400)
        expect(value).toMatch(/=$|^=|"$|;;|\\|(?:a; ){5}|(?:; a){17}|(?:permessage-deflate,?){17}|=(?:;|$)/)
      if (answer !== undefined)
        expect(answer).toMatch(
          /^permessage-deflate; server_no_context_takeover(; client_no_context_takeover)?(; (server|client)_max_window_bits=([89]|1[0-5]))*$/,
        )
      // RFC 7692 §7.1.2: 8 to 15, without leading zeros; server_max_window_bits must have a value.
      const asked = /^permessage-deflate; (server|client)_max_window_bits=?([^;,]*)$/.exec(value)
      if (asked !== null && status === 101) {
        const [, side, bit = ''] = asked
        const good = /^"?([89]|1[0-5])"?$/.test(bit) || (bit === '' && side === 'client')
        expect(answer !== undefined, value).toBe(good)
      }
      if (/(; \w+(=10)?)\1$|unknown|constructor|proto/.test(value)) expect(answer, value).toBeUndefined()
      return status === 400 ? 'status 400' : answer === undefined ? 'declined' : 'accepted'
    })
    return tally(outcomes)
  },
}

rows('threats to the handshake: offers', [h8, h9, h10, h11])
