// Whom a request is from when proxies stand before the server: what is believed, of whom, how far, and what is not (the
// ways to forge an address, a scheme or a host).

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Client, readClient, readTrust, type TrustProxy } from '../../packages/core/src/handshake/proxy.ts'

/** Header lines, as node gives them. */
function lines(headers: Record<string, string | string[]>): string[] {
  return Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((one) => [name, one]))
}

function client(trustProxy: TrustProxy, from: string, headers: Record<string, string | string[]> = {}): Client {
  return readClient(readTrust(trustProxy), { remoteAddress: from }, lines(headers))
}

function address(trustProxy: TrustProxy, from: string, forwarded: string | string[]): string {
  return client(trustProxy, from, { 'X-Forwarded-For': forwarded }).address
}

const ALL = { 'X-Forwarded-For': '1.1.1.1', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'example.com' }
const LIST = ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32']

describe('the address', () => {
  const vectors: [what: string, trust: TrustProxy, from: string, forwarded: string | string[], address: string][] = [
    ['nothing is believed by default', 0, '127.0.0.1', '1.1.1.1', '127.0.0.1'],
    ['nor from a peer that is not on the list', LIST, '8.8.8.8', '1.1.1.1', '8.8.8.8'],
    ['an empty list is nobody', [], '127.0.0.1', '1.1.1.1', '127.0.0.1'],

    ['one proxy: the last entry is what it wrote', 1, '10.0.0.1', '1.1.1.1', '1.1.1.1'],
    ['what the client wrote before it is forged', 1, '10.0.0.1', '6.6.6.6, 1.1.1.1', '1.1.1.1'],
    ['also in a header of its own', 1, '10.0.0.1', ['6.6.6.6', '1.1.1.1'], '1.1.1.1'],
    ['two proxies', 2, '10.0.0.1', '1.1.1.1, 10.0.0.2', '1.1.1.1'],
    ['two proxies and a forged entry', 2, '10.0.0.1', '6.6.6.6, 1.1.1.1, 10.0.0.2', '1.1.1.1'],
    ['over several lines, in their order', 2, '10.0.0.1', ['6.6.6.6', '1.1.1.1', '10.0.0.2'], '1.1.1.1'],
    ['fewer entries than proxies: the farthest there is', 3, '10.0.0.1', '1.1.1.1, 10.0.0.2', '1.1.1.1'],
    ['no entry: the proxy itself', 1, '10.0.0.1', [], '10.0.0.1'],
    ['over a unix socket: a proxy like any other', 1, '', '1.1.1.1', '1.1.1.1'],
    ['which is on no list', ['0.0.0.0/0', '::/0'], '', '1.1.1.1', ''],

    ['a list: the first that is not on it', LIST, '10.0.0.1', '1.1.1.1, 10.0.0.2', '1.1.1.1'],
    ['and what is before it is forged', LIST, '10.0.0.1', '6.6.6.6, 10.9.9.9, 1.1.1.1, 192.0.2.7', '1.1.1.1'],
    ['an address beside one that is listed', LIST, '192.0.2.8', '1.1.1.1', '192.0.2.8'],
    ['all are proxies: the farthest', LIST, '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['IPv6', LIST, '2001:db8::1', '2001:4860::8888', '2001:4860::8888'],
    ['a listed IPv4 address, within IPv6', LIST, '::ffff:10.0.0.1', '::ffff:1.1.1.1', '1.1.1.1'],
    ['and listed as such', ['::ffff:10.0.0.1'], '10.0.0.1', '1.1.1.1', '1.1.1.1'],

    ['IPv4 within IPv6', 1, '::1', '::ffff:1.2.3.4', '1.2.3.4'],
    ['in hexadecimal', 1, '::1', '::FFFF:102:304', '1.2.3.4'],
    ['in full', 1, '::1', '0:0:0:0:0:ffff:1.2.3.4', '1.2.3.4'],
    ['IPv6 in another spelling', 1, '::1', '2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['with a zone', 1, '::1', 'fe80::1%eth0', 'fe80::1'],
    ['with a port', 1, '::1', '1.2.3.4:5678', '1.2.3.4'],
    ['in brackets', 1, '::1', '[2001:db8::1]', '2001:db8::1'],
    ['in brackets, with a port', 1, '::1', '[2001:db8::1]:443', '2001:db8::1'],
    ['the peer itself, within IPv6', 0, '::ffff:127.0.0.1', '', '127.0.0.1'],
    ...[
      'unknown',
      '_hidden',
      '',
      ' ',
      ',',
      '1.1.1',
      '1.1.1.256',
      '01.1.1.1',
      '1.1.1.1:port',
      '1.1.1.1 2.2.2.2',
      '1.1.1.1/8',
      '"1.1.1.1"',
      '[1.1.1.1',
      '[::1]x',
      '::1::',
      'example.com',
      '1.1.1.1\0',
      'for=1.1.1.1',
    ].map((entry): [string, TrustProxy, string, string, string] => [
      `malformed, so not said: ${JSON.stringify(entry)}`,
      1,
      '10.0.0.1',
      entry,
      '10.0.0.1',
    ]),
    [
      'malformed: the proxy that wrote it is the last one known',
      3,
      '10.0.0.1',
      '1.1.1.1, unknown, 10.0.0.2',
      '10.0.0.2',
    ],
  ]
  test.each(vectors)('%s', (_, trust, from, forwarded, expected) => {
    expect(address(trust, from, forwarded)).toBe(expected)
  })

  test('names in any case; no other header', () => {
    expect(client(1, '::1', { 'x-FORWARDED-for': '1.1.1.1' }).address).toBe('1.1.1.1')
    const others = { Forwarded: 'for=1.1.1.1', 'X-Real-IP': '1.1.1.1', 'X-Forwarded-For-': '1.1.1.1', For: '1.1.1.1' }
    expect(client(1, '::1', others).address).toBe('::1')
    // A value that looks like a name.
    expect(readClient(readTrust(1), { remoteAddress: '::1' }, ['A', 'x-forwarded-for', '1.1.1.1', 'B']).address).toBe(
      '::1',
    )
  })
})

describe('scheme and host', () => {
  test('of a peer that is not trusted nothing is read', () => {
    const { address, scheme, host } = client(['10.0.0.0/8'], '8.8.8.8', { ...ALL, 'X-Forwarded-Port': '8443' })
    expect([address, scheme, host('own')]).toEqual(['8.8.8.8', undefined, 'own'])
  })

  test.each([
    ['https', 'https'],
    ['HTTPS', 'https'],
    ['wss', 'https'],
    ['http', 'http'],
    ['ws', 'http'],
    ['http, https', 'https'],
    ['https, http', 'http'],
    ['', undefined],
    ['ftp', undefined],
    ['httpss', undefined],
    ['https;', undefined],
  ])('X-Forwarded-Proto %j: %s', (proto, scheme) => {
    expect(client(1, '10.0.0.1', { 'X-Forwarded-Proto': proto }).scheme).toBe(scheme)
  })

  test('the outermost trusted proxy is believed; those that replace the value leave one', () => {
    const chain = { 'X-Forwarded-For': '6.6.6.6, 1.1.1.1, 10.0.0.2' }
    for (const trust of [2, ['10.0.0.0/8']]) {
      expect(client(trust, '10.0.0.1', { ...chain, 'X-Forwarded-Proto': 'ws, https, http' }).scheme).toBe('https')
      expect(client(trust, '10.0.0.1', { ...chain, 'X-Forwarded-Proto': 'https' }).scheme).toBe('https')
    }
  })

  test.each([
    [{ 'X-Forwarded-Host': 'example.com' }, 'example.com'],
    [{ 'X-Forwarded-Host': 'example.com:8443' }, 'example.com:8443'],
    [{ 'X-Forwarded-Host': 'evil.example, example.com' }, 'example.com'],
    [{ 'X-Forwarded-Host': ['evil.example', 'example.com'] }, 'example.com'],
    [{ 'X-Forwarded-Host': 'a b' }, 'own'],
    [{ 'X-Forwarded-Host': 'user@example.com' }, 'own'],
    [{ 'X-Forwarded-Host': '' }, 'own'],
    [{ 'X-Forwarded-Host': 'example.com', 'X-Forwarded-Port': '8443' }, 'example.com:8443'],
    [{ 'X-Forwarded-Host': 'example.com:1', 'X-Forwarded-Port': '8443' }, 'example.com:1'],
    [{ 'X-Forwarded-Port': '8443' }, 'own:8443'],
    [{ 'X-Forwarded-Port': '' }, 'own'],
    [{ 'X-Forwarded-Port': '99999' }, 'own'],
    [{ 'X-Forwarded-Port': '443/x' }, 'own'],
  ])('%j: %s', (headers, host) => {
    expect(client(1, '10.0.0.1', headers).host('own')).toBe(host)
  })
})

describe('the option', () => {
  test.each([true, false, null, '1', '10.0.0.1', {}, () => true, [1], [null], ['::1', undefined]].map((one) => [one]))(
    'TypeError: %j',
    (option) => expect(() => readTrust(option)).toThrow(TypeError),
  )

  test.each(
    [
      -1,
      1.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      [''],
      ['loopback'],
      ['example.com'],
      ['10.0.0.0/33'],
      ['10.0.0.0/-1'],
      ['10.0.0.0/'],
      ['10.0.0.0/8/8'],
      ['10.0.0.0/255.0.0.0'],
      ['10.0.0'],
      ['::1/129'],
      ['::ffff:10.0.0.0/104'],
      ['*'],
      [' 10.0.0.1'],
      ['10.0.0.1', 'x'],
    ].map((one) => [one]),
  )('RangeError: %j', (option) => expect(() => readTrust(option)).toThrow(RangeError))

  test('undefined is nobody', () => {
    expect(readTrust(undefined)('127.0.0.1', 0)).toBe(false)
  })
})

describe('whatever is sent', () => {
  const entry = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: 'binary', maxLength: 12 }), fc.constant('10.0.0.9'))
  const list = fc.array(entry, { maxLength: 8 }).map((entries) => entries.join(','))

  test('never throws; what stands before the entry of the trusted proxy changes nothing', () => {
    fc.assert(
      fc.property(list, fc.ipV4(), (forged, real) => {
        fc.pre(!real.startsWith('10.'))
        for (const trust of [1, ['10.0.0.0/8']]) {
          const headers = {
            'X-Forwarded-For': `${forged},${real}`,
            'X-Forwarded-Proto': forged,
            'X-Forwarded-Host': forged,
          }
          const read = client(trust, '10.0.0.1', headers)
          expect(read.address).toBe(real)
          expect(['http', 'https', undefined]).toContain(read.scheme)
          expect(read.host('own')).not.toMatch(/[\s,@]/)
        }
        client(9, '10.0.0.1', { 'X-Forwarded-For': forged })
      }),
      { numRuns: 3_000 },
    )
  })

  test('65,536 entries are nothing', () => {
    expect(address(1, '10.0.0.1', `${'6.6.6.6,'.repeat(65_535)}1.1.1.1`)).toBe('1.1.1.1')
  })
})
