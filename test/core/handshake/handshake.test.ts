// The opening handshake as values: each rule with the inputs that keep and that break it, in the order they decide
// (threats H1, H2, H6, H7, H8).

import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  acceptKey,
  chooseSubprotocol,
  type Opening,
  type Refusal,
  readHandshake,
  requestPath,
  type UpgradeRequest,
} from '../../../packages/core/src/handshake/handshake.ts'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** Room for 10,000 short header lines. */
const MAX_HEADER_BYTES = 65_536

/** Header lines of a handshake without fault, with some replaced: a list is several lines, undefined none. */
function request(
  headers: Record<string, string | readonly string[] | undefined> = {},
  line: Partial<Omit<UpgradeRequest, 'rawHeaders'>> = {},
): UpgradeRequest {
  const all = {
    Host: 'server.example.com',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Version': '13',
    ...headers,
  }
  const rawHeaders = Object.entries(all).flatMap(([name, value]) => {
    const values = value === undefined ? [] : typeof value === 'string' ? [value] : value
    return values.flatMap((one) => [name, one])
  })
  return { method: 'GET', httpVersion: '1.1', url: '/chat', rawHeaders, ...line }
}

function read(given: UpgradeRequest, maxHeaders = 100): { opening?: Opening; refusal?: Refusal } {
  return readHandshake(given, { maxHeaders, maxHeaderBytes: MAX_HEADER_BYTES })
}

function opening(given: UpgradeRequest): Opening {
  const result = read(given)
  expect(result.refusal).toBeUndefined()
  return result.opening as Opening
}

function error(given: UpgradeRequest): string | undefined {
  return read(given).refusal?.error
}

describe('a handshake without fault', () => {
  it('opens, with everything it said', () => {
    const given = request(
      {
        Host: 'Server.Example.com:8080',
        Origin: 'http://example.com',
        Cookie: ['a=1', 'b=2'],
        'X-Forwarded-For': ['10.0.0.1', '10.0.0.2'],
        'Sec-WebSocket-Protocol': ['chat, superchat', 'v2.chat'],
        'Sec-WebSocket-Extensions': ['permessage-deflate; client_max_window_bits', 'mux;max="4"'],
      },
      { url: '/chat/lobby?token=a%20b?c&d' },
    )
    expect(opening(given)).toEqual({
      path: '/chat/lobby',
      search: '?token=a%20b?c&d',
      host: 'Server.Example.com:8080',
      origin: 'http://example.com',
      acceptKey: 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
      subprotocols: ['chat', 'superchat', 'v2.chat'],
      extensions: [
        { name: 'permessage-deflate', params: [['client_max_window_bits', true]] },
        { name: 'mux', params: [['max', '4']] },
      ],
      headers: {
        host: 'Server.Example.com:8080',
        upgrade: 'websocket',
        connection: 'Upgrade',
        'sec-websocket-key': KEY,
        'sec-websocket-version': '13',
        origin: 'http://example.com',
        cookie: 'a=1; b=2',
        'x-forwarded-for': '10.0.0.1, 10.0.0.2',
        'sec-websocket-protocol': 'chat, superchat, v2.chat',
        'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits, mux;max="4"',
      },
    })
  })

  it('needs no origin, subprotocols, extensions or query', () => {
    expect(opening(request())).toMatchObject({ origin: undefined, subprotocols: [], extensions: [], search: '' })
  })

  it('takes header names for names, whatever objects in JavaScript have', () => {
    const { headers } = opening(request({ ['__proto__']: ['a', 'b'], constructor: 'c', toString: 'd' }))
    expect(Object.getPrototypeOf(headers)).toBeNull()
    expect(Object.entries(headers)).toContainEqual(['__proto__', 'a, b'])
    expect(headers).toMatchObject({ constructor: 'c', tostring: 'd' })
    expect(headers.hasOwnProperty).toBeUndefined()
    expect(({} as Record<string, unknown>).a).toBeUndefined()
  })
})

describe('acceptKey', () => {
  it('is that of RFC 6455 §1.3', () => {
    expect(acceptKey(KEY)).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
  })

  it('is SHA-1 over the key and the GUID', () => {
    for (let count = 0; count < 100; count += 1) {
      const key = randomBytes(16).toString('base64')
      const expected = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      expect(acceptKey(key)).toBe(expected)
    }
  })
})

// Every refusal there is: the exact value, one request that only this rule refuses.
const REFUSALS: [refusal: Refusal, given: UpgradeRequest][] = [
  [{ status: 400, error: 'too_many_headers', limit: 'maxHeaders' }, request({ X: Array(96).fill('a') })],
  [
    { status: 431, error: 'headers_too_large', limit: 'maxHeaderBytes' },
    request({ Cookie: 'c'.repeat(MAX_HEADER_BYTES) }),
  ],
  [{ status: 405, error: 'method_not_allowed', headers: { Allow: 'GET' } }, request({}, { method: 'POST' })],
  [{ status: 400, error: 'invalid_http_version' }, request({}, { httpVersion: '1.0' })],
  [{ status: 400, error: 'invalid_url' }, request({}, { url: '/a#b' })],
  [{ status: 400, error: 'invalid_host' }, request({ Host: undefined })],
  [{ status: 400, error: 'unexpected_body' }, request({ 'Content-Length': '5' })],
  [{ status: 400, error: 'invalid_upgrade' }, request({ Upgrade: 'h2c' })],
  [{ status: 400, error: 'invalid_connection' }, request({ Connection: 'keep-alive' })],
  [
    {
      status: 426,
      error: 'unsupported_version',
      headers: { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' },
    },
    request({ 'Sec-WebSocket-Version': '8' }),
  ],
  [{ status: 400, error: 'invalid_key' }, request({ 'Sec-WebSocket-Key': 'short' })],
  [{ status: 400, error: 'invalid_subprotocols' }, request({ 'Sec-WebSocket-Protocol': 'a b' })],
  [{ status: 400, error: 'invalid_extensions' }, request({ 'Sec-WebSocket-Extensions': 'a b' })],
  [{ status: 400, error: 'invalid_origin' }, request({ Origin: ['http://a', 'http://a'] })],
]

describe('refusals', () => {
  it.each(REFUSALS)('%j', (refusal, given) => {
    expect(read(given)).toEqual({ refusal })
  })

  it('come in this order: of two broken rules the first decides', () => {
    // A request that breaks all rules, mended rule by rule.
    const lines: Record<string, string | string[]> = {
      Host: 'a b',
      'Content-Length': '5',
      Upgrade: 'x',
      Connection: 'x',
      'Sec-WebSocket-Version': '12',
      'Sec-WebSocket-Key': 'x',
      'Sec-WebSocket-Protocol': '',
      'Sec-WebSocket-Extensions': '',
      Origin: ['a', 'b'],
      X: Array(100).fill('a'),
      Cookie: 'c'.repeat(MAX_HEADER_BYTES),
    }
    const line = { method: 'PUT', httpVersion: '1.0', url: 'x' }
    const mend: (() => void)[] = [
      () => delete lines.X,
      () => delete lines.Cookie,
      () => (line.method = 'GET'),
      () => (line.httpVersion = '1.1'),
      () => (line.url = '/'),
      () => (lines.Host = 'a'),
      () => delete lines['Content-Length'],
      () => (lines.Upgrade = 'websocket'),
      () => (lines.Connection = 'upgrade'),
      () => (lines['Sec-WebSocket-Version'] = '13'),
      () => (lines['Sec-WebSocket-Key'] = KEY),
      () => delete lines['Sec-WebSocket-Protocol'],
      () => delete lines['Sec-WebSocket-Extensions'],
      () => (lines.Origin = 'a'),
    ]
    const seen = mend.map((step) => {
      const broken = error(request(lines, line))
      step()
      return broken
    })
    expect(seen).toEqual(REFUSALS.map(([refusal]) => refusal.error))
    expect(error(request(lines, line))).toBeUndefined()
  })
})

describe('header count (H1)', () => {
  it.each([100, 101, 2_100, 10_000])('%i lines', (count) => {
    const given = request({ X: Array(count - 5).fill('a') })
    expect(given.rawHeaders).toHaveLength(2 * count)
    expect(error(given)).toBe(count > 100 ? 'too_many_headers' : undefined)
    expect(read(given, count).refusal).toBeUndefined()
  })
})

describe('header size', () => {
  /** The bytes of a request line's url and its header lines, as they came. */
  function bytesOf({ url = '', rawHeaders }: UpgradeRequest): number {
    let bytes = url.length
    for (let i = 0; i < rawHeaders.length; i += 2) bytes += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`.length
    return bytes
  }

  it.each([
    ['one long header', request({ Cookie: 'c'.repeat(5_000) })],
    ['many short headers', request({ X: Array(90).fill('a') })],
    ['a long url', request({}, { url: `/${'u'.repeat(5_000)}` })],
  ])('%s: up to maxHeaderBytes, and one below', (_, given) => {
    const bytes = bytesOf(given)
    const at = (maxHeaderBytes: number): string | undefined => {
      const result = readHandshake(given, { maxHeaders: 100, maxHeaderBytes })
      return 'refusal' in result ? result.refusal.error : undefined
    }
    expect(at(bytes)).toBeUndefined()
    expect(at(bytes - 1)).toBe('headers_too_large')
  })

  it('has no bound when none is given', () => {
    expect(readHandshake(request({ Cookie: 'c'.repeat(1_000_000) }), { maxHeaders: 100 })).toHaveProperty('opening')
  })
})

describe('request line (H6)', () => {
  it.each(['POST', 'HEAD', 'OPTIONS', 'CONNECT', 'PUT', 'get', 'Get', 'GET ', 'XGET', ''])(
    'method %j: 405',
    (method) => {
      expect(read(request({}, { method })).refusal).toMatchObject({ status: 405, headers: { Allow: 'GET' } })
    },
  )

  it.each([
    ['1.1', true],
    ['1.2', true],
    ['2.0', true],
    ['1.0', false],
    ['0.9', false],
    ['0.11', false],
    ['1.', false],
    ['1', false],
    ['.1', false],
    ['', false],
    ['HTTP/1.1', false],
    ['1.1 ', false],
    ['NaN', false],
  ])('HTTP version %j: %s', (httpVersion, good) => {
    expect(error(request({}, { httpVersion }))).toBe(good ? undefined : 'invalid_http_version')
  })

  const urls: [url: string, path: string, search: string, host?: string][] = [
    ['/', '/', ''],
    ['/?', '/', '?'],
    ['/a/b?c=d', '/a/b', '?c=d'],
    ['/a?b?c', '/a', '?b?c'],
    ['/?a=/b', '/', '?a=/b'],
    ['//evil.example/a', '//evil.example/a', ''],
    ['/../../etc/passwd', '/../../etc/passwd', ''],
    ['/%', '/%', ''],
    ['/%zz%00', '/%zz%00', ''],
    ['/a\\b', '/a\\b', ''],
    ['/caf\xc3\xa9', '/caf\xc3\xa9', ''],
    ['/http://a/b', '/http://a/b', ''],
    ['http://a.example/b?c', '/b', '?c', 'a.example'],
    ['HTTPS://A.example:8443/b', '/b', '', 'A.example:8443'],
    ['http://a.example', '/', '', 'a.example'],
    ['http://a.example?c', '/', '?c', 'a.example'],
    ['http://[::1]:80/b', '/b', '', '[::1]:80'],
  ]
  it.each(urls)('url %j', (url, path, search, host = 'server.example.com') => {
    expect(opening(request({}, { url }))).toMatchObject({ path, search, host })
    expect(requestPath(url)).toBe(path)
  })

  const badUrls = [
    '',
    '*',
    'a',
    'a/b',
    '?a',
    '#',
    '/#',
    '/a#b',
    '/a?b#c',
    'http://a/b#c',
    'http://a#c',
    'http:/a',
    'http://',
    'http:///a',
    'http://?a',
    'http://user@host/',
    'http://user:pass@host/',
    'http://a b/',
    'http://a:port/',
    'http://a:99999/',
    'http://[::1/',
    'ws://host/',
    'wss://host/',
    'ftp://host/',
    'javascript:alert(1)',
    ' /a',
    '/a b',
    '/a\tb',
    '/a\r\nb',
    '/a\0',
    '/a\x7f',
    '/\u0100',
    '/\ud800',
    'host:80',
  ]
  it.each(badUrls)('url %j: 400', (url) => {
    expect(read(request({}, { url }))).toEqual({ refusal: { status: 400, error: 'invalid_url' } })
    expect(typeof requestPath(url)).toBe('string')
  })

  it.each([
    ['', ''],
    ['*', '*'],
    ['/a#b', '/a'],
    ['?a', ''],
    ['host:80', 'host:80'],
    ['http://', '/'],
  ])('the path of %j is %j', (url, path) => {
    expect(requestPath(url)).toBe(path)
  })

  it('is not trusted to be there', () => {
    expect(error({ ...request(), url: undefined })).toBe('invalid_url')
    expect(error({ ...request(), method: undefined })).toBe('method_not_allowed')
  })
})

describe('Host (H6)', () => {
  const good = [
    'a',
    'A.example',
    'a.example.',
    'a:80',
    'a:0',
    'a:65535',
    'a:',
    '127.0.0.1:1',
    '[::1]',
    '[2001:db8::1]:443',
    'my_host',
    'xn--mnchen-3ya.example',
    'a%41',
  ]
  it.each(good)('%j', (host) => {
    expect(opening(request({ Host: host })).host).toBe(host)
  })

  const bad = [
    undefined,
    [],
    '',
    ' ',
    ':80',
    'a b',
    'a/b',
    'a?b',
    'a#b',
    'a@b',
    'user:pw@a',
    'a:b',
    'a:80:80',
    'a:65536',
    'a:-1',
    'a:999999',
    '::1',
    '[::1',
    '[]',
    '[::1]a',
    '[1:2]',
    '[::g]',
    '[fe80::1%25eth0]',
    'a[::1]',
    'a\tb',
    'a\0',
    'é',
    'a%4',
    'a%zz',
    'a, b',
    'http://a',
    ['a', 'a'],
    ['a', 'b'],
    ['', 'a'],
    'a'.repeat(300),
  ]
  it.each(bad.map((host) => [host]))('%j: 400', (host) => {
    expect(read(request({ Host: host }))).toEqual({ refusal: { status: 400, error: 'invalid_host' } })
  })
})

describe('no body (H6)', () => {
  it('allows Content-Length: 0', () => {
    expect(error(request({ 'Content-Length': '0' }))).toBeUndefined()
  })

  it.each<[string, string | string[]]>([
    ['Content-Length', '1'],
    ['Content-Length', '5'],
    ['Content-Length', ''],
    ['Content-Length', '00'],
    ['Content-Length', '+0'],
    ['Content-Length', '-1'],
    ['Content-Length', '0x0'],
    ['Content-Length', '0, 0'],
    ['Content-Length', ['0', '0']],
    ['Content-Length', ['0', '5']],
    ['Transfer-Encoding', 'chunked'],
    ['Transfer-Encoding', 'identity'],
    ['Transfer-Encoding', ''],
    ['transfer-encoding', ['gzip', 'chunked']],
  ])('%s: %j is 400', (name, value) => {
    expect(error(request({ [name]: value }))).toBe('unexpected_body')
  })
})

describe('Upgrade and Connection', () => {
  const good: ((token: string) => string | string[])[] = [
    (token) => token,
    (token) => token.toUpperCase(),
    (token) => `keep-alive, ${token}`,
    (token) => `${token},x`,
    (token) => `x ,\t${token}\t, y`,
    (token) => `,,${token}`,
    (token) => ['x', token],
    (token) => [token, token],
  ]
  const bad: ((token: string) => string | string[] | undefined)[] = [
    () => undefined,
    () => '',
    () => ',',
    (token) => `${token}s`,
    (token) => `x${token}`,
    (token) => `${token}/13`,
    (token) => `${token} x`,
    (token) => `x ${token}`,
    (token) => `${token};x`,
    (token) => `"${token}"`,
    (token) => token.slice(1),
    (token) => `\u00a0${token}`,
    (token) => token.replace('k', '\u212a').replace('p', 'q'),
  ]
  describe.each([
    ['Upgrade', 'websocket', 'invalid_upgrade'],
    ['Connection', 'upgrade', 'invalid_connection'],
  ])('%s', (name, token, refused) => {
    it.each(good.map((make) => [make(token)]))('%j', (value) => {
      expect(error(request({ [name]: value }))).toBeUndefined()
    })
    it.each(bad.map((make) => [make(token)]))('%j: 400', (value) => {
      expect(error(request({ [name]: value }))).toBe(refused)
    })
  })
})

describe('Sec-WebSocket-Version (H7)', () => {
  const bad = [
    undefined,
    '',
    '0',
    '8',
    '12',
    '14',
    '013',
    '13.0',
    '+13',
    '130',
    '3',
    '13, 8',
    '8, 13',
    '13,13',
    ['13', '13'],
    ['13', '8'],
    ['8', '13'],
    ['13', ''],
    'thirteen',
    '١٣',
  ]
  it.each(bad.map((version) => [version]))('%j: 426, with the version we speak', (version) => {
    expect(read(request({ 'Sec-WebSocket-Version': version })).refusal).toEqual({
      status: 426,
      error: 'unsupported_version',
      headers: { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' },
    })
  })
})

describe('Sec-WebSocket-Key (H8)', () => {
  const good = [
    KEY,
    'AAAAAAAAAAAAAAAAAAAAAA==',
    '/////////////////////w==',
    '+++++++++++++++++++++A==',
    'AAAAAAAAAAAAAAAAAAAAAQ==',
    'AAAAAAAAAAAAAAAAAAAAAg==',
    'x3JJHMbDL1EzLkh9GBhXDw==',
  ]
  it.each(good)('%j', (key) => {
    expect(opening(request({ 'Sec-WebSocket-Key': key })).acceptKey).toBe(acceptKey(key))
  })

  const bytes = (count: number): string => Buffer.alloc(count, 7).toString('base64')
  const spare = 'BCDEFHIJKLMNOPRSTUVXYZabcdefhijklmnopqrstuvxyz0123456789+/'
  const bad: (string | readonly string[] | undefined)[] = [
    undefined,
    [],
    '',
    ' ',
    '==',
    '======',
    'x',
    ...[0, 1, 8, 15, 17, 18, 19, 20, 24, 32, 64].map(bytes),
    KEY.slice(0, -1),
    KEY.slice(0, -2),
    `${KEY}=`,
    `${KEY}A`,
    `A${KEY}`,
    ` ${KEY}`,
    `${KEY} `,
    `${KEY}\n`,
    `\t${KEY}`,
    `"${KEY}"`,
    `${KEY},`,
    `${KEY}, ${KEY}`,
    [KEY, KEY],
    [KEY, ''],
    ['', KEY],
    [KEY, 'AAAAAAAAAAAAAAAAAAAAAA=='],
    KEY.replace('==', '=A'),
    KEY.replace('==', 'A='),
    KEY.replace('==', '--'),
    KEY.replace('d', '-'),
    KEY.replace('d', '_'),
    KEY.replace('d', ' '),
    KEY.replace('d', '='),
    KEY.replace('d', '\0'),
    KEY.replace('d', 'é'),
    KEY.replace('d', '*'),
    'AAAAAAAAAAA=AAAAAAAAAA==',
    'AAAAAAAAAAAAAAAAAAAAA===',
    '%41AAAAAAAAAAAAAAAAAAA==',
    'A'.repeat(24),
    'A'.repeat(4096),
    ...[...spare].map((last) => `AAAAAAAAAAAAAAAAAAAAA${last}==`),
  ]

  it('is tried with enough vectors', () => {
    expect(good.length + bad.length).toBeGreaterThan(100)
  })

  it.each(bad.map((key) => [key]))('%j: 400', (key) => {
    expect(read(request({ 'Sec-WebSocket-Key': key }))).toEqual({ refusal: { status: 400, error: 'invalid_key' } })
  })

  it('allows exactly the canonical base64 of 16 bytes', () => {
    const random = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((key) => Buffer.from(key).toString('base64'))
    fc.assert(fc.property(random, (key) => error(request({ 'Sec-WebSocket-Key': key })) === undefined))
    const unit = fc.constantFrom(...'ABQgwz09+/=')
    fc.assert(
      fc.property(fc.string({ unit, minLength: 22, maxLength: 25 }), (key) => {
        const canonical = key.length === 24 && Buffer.from(key, 'base64').toString('base64') === key
        const sixteen = canonical && Buffer.from(key, 'base64').length === 16
        expect(error(request({ 'Sec-WebSocket-Key': key })) === undefined).toBe(sixteen)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('Sec-WebSocket-Protocol (H2)', () => {
  const good: [value: string | string[], names: string[]][] = [
    ['chat', ['chat']],
    ['chat, superchat', ['chat', 'superchat']],
    ['a,b\t ,\tc', ['a', 'b', 'c']],
    [
      ['a', 'b, c'],
      ['a', 'b', 'c'],
    ],
    ['a,,b', ['a', 'b']],
    [',a,', ['a']],
    ['chat,Chat', ['chat', 'Chat']],
    ['v1.json,__proto__,!#$', ['v1.json', '__proto__', '!#$']],
    ['a'.repeat(4096), ['a'.repeat(4096)]],
    [
      Array.from({ length: 128 }, (_, index) => `p${index}`).join(','),
      Array.from({ length: 128 }, (_, index) => `p${index}`),
    ],
  ]
  it.each(good)('%.40j', (value, names) => {
    expect(opening(request({ 'Sec-WebSocket-Protocol': value })).subprotocols).toEqual(names)
  })

  const bad: (string | string[])[] = [
    '',
    ' ',
    ',',
    ' , ,\t',
    'a b',
    'a;b',
    'a/b',
    'a=b',
    '"a"',
    "a, 'b c'",
    'a:b',
    'a@b',
    'é',
    'a\0',
    'a\r\nb',
    'a\u00a0',
    'a,a',
    'a, b, a',
    ['a', 'a'],
    ['', ''],
    'a'.repeat(4097),
    `${' '.repeat(4096)}a`,
    Array.from({ length: 129 }, (_, index) => `p${index}`).join(','),
    ' '.repeat(4096),
    '"'.repeat(4096),
    ','.repeat(4096),
    `a${' '.repeat(4094)}b`,
    `a${' ,'.repeat(2047)}"`,
  ]
  it.each(bad.map((value) => [value]))('%.40j: 400', (value) => {
    expect(read(request({ 'Sec-WebSocket-Protocol': value }))).toEqual({
      refusal: { status: 400, error: 'invalid_subprotocols' },
    })
  })

  it.each([
    [['chat'], ['chat'], 'chat'],
    [['b', 'a'], ['a', 'b'], 'b'],
    [['x', 'a'], ['a', 'b'], 'a'],
    [['x'], ['a'], ''],
    [['Chat'], ['chat'], ''],
    [[], ['a'], ''],
    [['a'], [], ''],
    [[], [], ''],
  ])('of ours %j and theirs %j, %j is chosen', (ours, offered, chosen) => {
    expect(chooseSubprotocol(ours, offered)).toBe(chosen)
  })
})

describe('Sec-WebSocket-Extensions (H2)', () => {
  const bad: (string | string[])[] = ['', ',', 'a;', 'a b', ['a', ';b'], '"'.repeat(4096), 'a'.repeat(4097), ['', '']]
  it.each(bad.map((value) => [value]))('%.40j: 400', (value) => {
    expect(error(request({ 'Sec-WebSocket-Extensions': value }))).toBe('invalid_extensions')
  })
})

describe('Origin', () => {
  it.each(['', 'null', 'http://a', 'anything at all', 'a, origin'])('%j is passed on as it came', (origin) => {
    expect(opening(request({ Origin: origin })).origin).toBe(origin)
  })

  it.each([[['http://a', 'http://a']], [['http://a', 'http://b']], [['', '']]])('%j: 400', (origin) => {
    expect(error(request({ Origin: origin }))).toBe('invalid_origin')
  })
})

describe('random requests', () => {
  const STATUSES: Record<string, number> = Object.fromEntries(
    REFUSALS.map(([refusal]) => [refusal.error, refusal.status]),
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string(),
    fc.string({ unit: fc.constantFrom(...' ,;="\\:/?#%[]@a13\t\r\n\0é') }),
  )
  const name = fc.oneof(
    text,
    fc.constantFrom(
      'Host',
      'HOST',
      'Upgrade',
      'Connection',
      'Sec-WebSocket-Key',
      'Sec-WebSocket-Version',
      'Sec-WebSocket-Protocol',
      'Sec-WebSocket-Extensions',
      'Origin',
      'Cookie',
      'Content-Length',
      '__proto__',
    ),
  )

  it('never throw, and every refusal is one of the list', () => {
    fc.assert(
      fc.property(text, text, text, fc.array(fc.tuple(name, text)), (method, httpVersion, url, pairs) => {
        const { refusal } = read({ method, httpVersion, url, rawHeaders: pairs.flat() })
        expect(STATUSES[refusal?.error ?? '']).toBe(refusal?.status)
        requestPath(url)
      }),
      { numRuns: 3_000 },
    )
  })

  it('never throw when only one part is random', () => {
    let opened = 0
    fc.assert(
      fc.property(name, text, text, (header, value, url) => {
        for (const given of [
          request({ [header]: value }),
          request({ [header]: [value, value] }),
          request({}, { url: `/${url}` }),
        ]) {
          const result = read(given)
          if (result.opening !== undefined) {
            opened += 1
            expect(requestPath(given.url ?? '')).toBe(result.opening.path)
          } else {
            expect(STATUSES[result.refusal?.error ?? '']).toBe(result.refusal?.status)
          }
        }
      }),
      { numRuns: 3_000 },
    )
    expect(opened).toBeGreaterThan(1_000)
  })

  it('survive an odd list of header lines', () => {
    expect(error({ ...request(), rawHeaders: [...request().rawHeaders, 'Lonely'] })).toBeUndefined()
    expect(error({ ...request(), rawHeaders: [] })).toBe('invalid_host')
  })
})
