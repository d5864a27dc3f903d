// Who may open a socket from a browser: the ways to look like our own page and not be it (threat H9).

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkOrigin, type OriginPolicy, originAllowed } from '../../packages/core/src/handshake/origin.ts'

const NO_HEADERS: Record<string, string> = {}

function allowed(policy: OriginPolicy, origin: string | undefined, host = 'example.com'): boolean {
  return originAllowed(policy, origin, host, NO_HEADERS)
}

describe("'same'", () => {
  const vectors: [origin: string, host: string, allowed: boolean][] = [
    // The page itself, and what is the same written otherwise.
    ['https://example.com', 'example.com', true],
    ['http://example.com', 'example.com', true],
    ['https://example.com:443', 'example.com', true],
    ['https://example.com', 'example.com:443', true],
    ['http://example.com:80', 'example.com', true],
    ['http://example.com', 'example.com:80', true],
    ['http://example.com', 'example.com:', true],
    ['https://example.com:8443', 'example.com:8443', true],
    ['https://EXAMPLE.com', 'example.COM', true],
    ['HTTPS://example.com', 'example.com', true],
    ['http://localhost:3000', 'localhost:3000', true],
    ['http://my_host:3000', 'my_host:3000', true],
    ['http://127.0.0.1:3000', '127.0.0.1:3000', true],
    ['http://[::1]:3000', '[::1]:3000', true],
    ['http://[::1]', '[::1]', true],
    ['http://[::1]', '[::1]:80', true],
    ['https://[2001:DB8::1]', '[2001:db8::1]:443', true],
    ['https://xn--mnchen-3ya.example', 'xn--mnchen-3ya.example', true],
    ['https://example.com.', 'example.com.', true],
    // TLS ended at a proxy: the scheme is not compared, but it gives a missing port its default.
    ['https://example.com', 'example.com:80', false],
    ['http://example.com', 'example.com:443', false],
    ['https://example.com:80', 'example.com', false],
    ['http://example.com:443', 'example.com', false],
    // Ports.
    ['https://example.com:8443', 'example.com', false],
    ['https://example.com', 'example.com:8443', false],
    ['https://example.com:8443', 'example.com:8444', false],
    ['https://example.com:84430', 'example.com:8443', false],
    ['https://example.com:', 'example.com', false],
    ['https://example.com:65979', 'example.com', false], // 443 + 65,536
    ['https://example.com:0x1bb', 'example.com', false],
    ['https://example.com:443:443', 'example.com', false],
    ['https://example.com:-443', 'example.com', false],
    ['https://example.com:443a', 'example.com', false],
    ['https://:443', 'example.com', false],
    // Suffixes, prefixes, neighbours.
    ['https://evil-example.com', 'example.com', false],
    ['https://evilexample.com', 'example.com', false],
    ['https://evil.example.com', 'example.com', false],
    ['https://example.com.evil.com', 'example.com', false],
    ['https://example.comevil.com', 'example.com', false],
    ['https://example.com-evil.com', 'example.com', false],
    ['https://example.co', 'example.com', false],
    ['https://xample.com', 'example.com', false],
    ['https://com', 'example.com', false],
    ['https://www.example.com', 'example.com', false],
    ['https://example.com', 'www.example.com', false],
    ['https://exampleXcom', 'example.com', false],
    ['https://example.com.', 'example.com', false],
    ['https://example.com', 'example.com.', false],
    ['https://.example.com', 'example.com', false],
    ['https://example..com', 'example.com', false],
    // Userinfo and other ways to put our name before or after theirs.
    ['https://example.com@evil.com', 'example.com', false],
    ['https://evil.com@example.com', 'example.com', false],
    ['https://user:pw@example.com', 'example.com', false],
    ['https://@example.com', 'example.com', false],
    ['https://evil.com/example.com', 'example.com', false],
    ['https://evil.com?example.com', 'example.com', false],
    ['https://evil.com#example.com', 'example.com', false],
    ['https://evil.com\\example.com', 'example.com', false],
    ['https://example.com\\.evil.com', 'example.com', false],
    ['https://evil.com https://example.com', 'example.com', false],
    ['https://example.com https://evil.com', 'example.com', false],
    ['https://example.com, https://evil.com', 'example.com', false],
    ['https://evil.com,example.com', 'example.com', false],
    // More than an origin.
    ['https://example.com/', 'example.com', false],
    ['https://example.com/path', 'example.com', false],
    ['https://example.com?', 'example.com', false],
    ['https://example.com#', 'example.com', false],
    [' https://example.com', 'example.com', false],
    ['https://example.com ', 'example.com', false],
    ['https://example.com\t', 'example.com', false],
    ['https://example.com\n', 'example.com', false],
    ['https://example.com\0', 'example.com', false],
    ['https:// example.com', 'example.com', false],
    // Less than one.
    ['', 'example.com', false],
    ['null', 'example.com', false],
    ['null', 'null', false],
    ['NULL', 'null', false],
    ['undefined', 'example.com', false],
    ['*', 'example.com', false],
    ['example.com', 'example.com', false],
    ['//example.com', 'example.com', false],
    ['://example.com', 'example.com', false],
    ['https:example.com', 'example.com', false],
    ['https:/example.com', 'example.com', false],
    ['https:///example.com', 'example.com', false],
    ['https://', 'example.com', false],
    ['https', 'https', false],
    // Other schemes.
    ['ws://example.com', 'example.com', false],
    ['wss://example.com', 'example.com', false],
    ['ftp://example.com', 'example.com', false],
    ['file://', 'example.com', false],
    ['file://example.com', 'example.com', false],
    ['chrome-extension://example.com', 'example.com', false],
    ['javascript://example.com', 'example.com', false],
    ['httpss://example.com', 'example.com', false],
    ['xhttps://example.com', 'example.com', false],
    // Look-alikes in Unicode, and their punycode.
    ['https://ex\u0430mple.com', 'example.com', false],
    ['https://xn--exmple-4nf.com', 'example.com', false],
    ['https://example\u3002com', 'example.com', false],
    ['https://example.com\u2024evil', 'example.com', false],
    ['https://\uff45xample.com', 'example.com', false],
    ['https://m\xfcnchen.example', 'xn--mnchen-3ya.example', false],
    ['https://\u212aelvin.example', 'kelvin.example', false],
    ['https://example%2ecom', 'example.com', false],
    ['https://example.com%2eevil.com', 'example.com', false],
    // IP addresses.
    ['http://127.0.0.1', 'localhost', false],
    ['http://localhost', '127.0.0.1', false],
    ['http://127.1', '127.0.0.1', false],
    ['http://2130706433', '127.0.0.1', false],
    ['http://0x7f.0.0.1', '127.0.0.1', false],
    ['http://127.0.0.1.evil.com', '127.0.0.1', false],
    ['http://::1', '[::1]', false],
    ['http://[::1', '[::1]', false],
    ['http://[::1]evil.com', '[::1]', false],
    ['http://[::1].evil.com', '[::1]', false],
    ['http://[::1%25eth0]', '[::1]', false],
    ['http://[::2]', '[::1]', false],
    ['http://[::1]:80', '[::1]:81', false],
    ['http://[evil]', '[evil]', false],
    ['http://[:]', '[:]', false],
  ]

  it('is tried with enough vectors', () => {
    expect(vectors.length).toBeGreaterThan(100)
  })

  it.each(vectors)('%j for host %j: %s', (origin, host, expected) => {
    expect(allowed('same', origin, host)).toBe(expected)
  })

  it.each(['', ' ', 'a b', '*', 'evil.com@example.com', 'example.com/', 'example.com:x'])(
    'allows nobody for the host %j',
    (host) => {
      for (const origin of ['https://example.com', `https://${host}`, 'null', ''])
        expect(allowed('same', origin, host)).toBe(false)
    },
  )
})

describe('without an Origin header', () => {
  it.each<[string, OriginPolicy]>([
    ['same', 'same'],
    ['any', 'any'],
    ['an empty list', []],
    ['a list', ['https://a.example']],
    ['a predicate', () => false],
  ])('%s lets in: no browser asks', (_name, policy) => {
    expect(allowed(policy, undefined)).toBe(true)
  })
})

describe("'any'", () => {
  it.each(['https://evil.com', 'null', '', 'garbage'])('allows %j', (origin) => {
    expect(allowed('any', origin)).toBe(true)
  })
})

describe('a list', () => {
  const list = ['https://app.example', 'http://localhost:3000', 'https://Admin.Example:443', 'http://[::1]:8080']
  it.each<[origin: string, allowed: boolean]>([
    ['https://app.example', true],
    ['https://APP.example:443', true],
    ['HTTPS://app.example', true],
    ['http://localhost:3000', true],
    ['https://admin.example', true],
    ['http://[::1]:8080', true],
    ['http://app.example', false],
    ['http://app.example:443', false],
    ['https://app.example:8443', false],
    ['https://app.example.', false],
    ['https://app.example/', false],
    ['https://x.app.example', false],
    ['https://app.example.evil.com', false],
    ['http://localhost', false],
    ['http://localhost:30000', false],
    ['https://localhost:3000', false],
    ['http://admin.example', false],
    ['https://example.com', false],
    ['null', false],
    ['', false],
    ['*', false],
  ])('%j: %s', (origin, expected) => {
    expect(allowed(list, origin)).toBe(expected)
  })

  it('does not add the own host', () => {
    expect(allowed(['https://app.example'], 'https://example.com', 'example.com')).toBe(false)
    expect(allowed([], 'https://example.com', 'example.com')).toBe(false)
  })

  it("may name 'null', exactly", () => {
    expect(allowed(['null'], 'null')).toBe(true)
    expect(allowed(['null'], 'Null')).toBe(false)
    expect(allowed(['null'], '')).toBe(false)
    expect(allowed(['null'], 'https://a.example')).toBe(false)
  })
})

describe('a predicate', () => {
  it('is given the origin as it came, host and headers', () => {
    const seen: unknown[] = []
    const headers = { host: 'a:1', cookie: 'x' }
    const policy: OriginPolicy = (...args) => {
      seen.push(args)
      return true
    }
    expect(originAllowed(policy, 'What Ever', 'a:1', headers)).toBe(true)
    expect(seen).toEqual([['What Ever', { host: 'a:1', headers }]])
  })

  it.each([false, undefined, null, 0, 1, 'yes', {}, Promise.resolve(true), Promise.resolve(false)])(
    'that answers %j refuses',
    (answer) => {
      expect(allowed((() => answer) as never, 'https://a.example')).toBe(false)
    },
  )

  it('may throw: that is the user’s mistake, for the caller to report', () => {
    const policy = (): boolean => {
      throw new Error('mine')
    }
    expect(() => allowed(policy, 'https://a.example')).toThrow('mine')
  })
})

describe('checkOrigin', () => {
  const good: unknown[] = [
    undefined,
    'same',
    'any',
    [],
    ['null'],
    ['https://a.example', 'http://[::1]:80', 'HTTP://A:1'],
    () => true,
  ]
  it.each(good.map((policy) => [policy]))('allows %j', (policy) => {
    expect(() => checkOrigin(policy)).not.toThrow()
  })

  it.each(
    [null, 1, true, {}, new Set(['https://a.example']), [1], [null], ['https://a.example', undefined]].map((policy) => [
      policy,
    ]),
  )('refuses the type of %j', (policy) => {
    expect(() => checkOrigin(policy)).toThrow(TypeError)
  })

  const entries = [
    '',
    '*',
    'a.example',
    'https://a.example/',
    'https://a.example/x',
    'https://*.a.example',
    'wss://a.example',
    'https://a@b',
    'https://m\xfcnchen.example',
    'https://a:99999',
    'https://a:',
    'same',
    'NULL',
    ' https://a',
  ]
  it.each(entries)('refuses %j, alone and in a list', (entry) => {
    if (entry !== 'same') expect(() => checkOrigin(entry)).toThrow(RangeError)
    expect(() => checkOrigin([entry])).toThrow(RangeError)
    expect(() => checkOrigin(['https://a.example', entry])).toThrow(RangeError)
  })
})

describe('random origins', () => {
  const unit = fc.constantFrom(...'https:/example.com@:443[]#?\\ \t\0é*', 'https://', 'example.com')
  const text = fc.oneof(fc.string({ unit, maxLength: 20 }), fc.string({ unit: 'binary' }))

  it('never throw, and are let in only as the page itself', () => {
    fc.assert(
      fc.property(text, text, (tail, host) => {
        allowed('same', tail, host)
        allowed(['https://example.com', 'null'], tail, host)
        for (const origin of [`https://example.com${tail}`, `${tail}example.com`, `https://${tail}`]) {
          if (!allowed('same', origin)) continue
          const page = new URL(origin)
          expect([page.hostname, page.pathname, page.username, page.search]).toEqual(['example.com', '/', '', ''])
          expect(page.port).toBe('')
        }
      }),
      { numRuns: 10_000 },
    )
  })
})
