// Tokens: which key an algorithm is checked with, what the claims must be, and keys that are published and change.

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { signToken } from '../../../packages/roomcast/src/who/sign-token.ts'
import { createTokens, hasTokenKey, type TokenOptions } from '../../../packages/roomcast/src/who/tokens.ts'

const NOW = 1_800_000_000_000
const now = (): number => NOW
const seconds = NOW / 1000
const SECRET = 'a shared secret'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' })
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }) as string

type Key = KeyObject | string

function sign(
  claims: JWTPayload | Record<string, unknown>,
  alg = 'HS256',
  key: Key = SECRET,
  kid?: string,
): Promise<string> {
  const signing = typeof key === 'string' ? new TextEncoder().encode(key) : key
  return new SignJWT(claims as JWTPayload).setProtectedHeader({ alg, ...(kid !== undefined && { kid }) }).sign(signing)
}

const hmac = createTokens({ hmacSecretKey: SECRET }, now)

describe('algorithms', () => {
  const keys: TokenOptions = {
    hmacSecretKey: SECRET,
    rsaPublicKey: pem(rsa.publicKey),
    ecdsaPublicKey: pem(p256.publicKey),
  }
  test.each<[alg: string, key: Key, options: TokenOptions]>([
    ['HS256', SECRET, keys],
    ['HS384', SECRET, keys],
    ['HS512', SECRET, keys],
    ['RS256', rsa.privateKey, keys],
    ['RS384', rsa.privateKey, keys],
    ['RS512', rsa.privateKey, keys],
    ['ES256', p256.privateKey, keys],
    ['ES384', p384.privateKey, { ecdsaPublicKey: pem(p384.publicKey) }],
    ['ES512', p521.privateKey, { ecdsaPublicKey: pem(p521.publicKey) }],
    ['HS256', 's', { hmacSecretKey: 's' }],
  ])('%s is taken', async (alg, key, options) => {
    expect(await createTokens(options, now).connection(await sign({ sub: '42' }, alg, key))).toMatchObject({
      user: '42',
    })
  })

  test.each<[what: string, alg: string, key: Key, options: TokenOptions]>([
    ['another secret', 'HS256', 'another', keys],
    ['another RSA key', 'RS256', otherRsa.privateKey, keys],
    ['RSA without a key for it', 'RS256', rsa.privateKey, { hmacSecretKey: SECRET }],
    ['a secret where there is a public key only', 'HS256', SECRET, { rsaPublicKey: pem(rsa.publicKey) }],
    ['the public key as a secret', 'HS256', pem(rsa.publicKey), { rsaPublicKey: pem(rsa.publicKey) }],
    ['the public key as a secret, beside one', 'HS256', pem(rsa.publicKey), keys],
    ['an algorithm of the kind that is not Centrifugo’s', 'PS256', rsa.privateKey, keys],
    ['a curve that is not the key’s', 'ES384', p384.privateKey, keys],
  ])('%s is not', async (_, alg, key, options) => {
    expect(await createTokens(options, now).connection(await sign({ sub: '42' }, alg, key))).toBe('invalid')
  })

  test.each([
    ['none', `${btoa('{"alg":"none"}').replaceAll('=', '')}.${btoa('{"sub":"42"}').replaceAll('=', '')}.`],
    ['no token', 'abc'],
    ['nothing', ''],
    ['a header that is no JSON', 'YWJj.YWJj.YWJj'],
    ['no algorithm', `${btoa('{}')}.e30.AAAA`],
    ['an algorithm that is no string', `${btoa('{"alg":1}')}.e30.AAAA`],
    ['__proto__', `${btoa('{"alg":"__proto__"}')}.e30.AAAA`],
    ['a million dots', '.'.repeat(1_000_000)],
  ])('%s is invalid', async (_, token) => {
    expect(await hmac.connection(token)).toBe('invalid')
    expect(await hmac.subscription(token)).toBe('invalid')
  })

  test('a changed claim is invalid', async () => {
    const [header, , signature] = (await sign({ sub: '42' })).split('.')
    const claims = btoa('{"sub":"43"}').replaceAll('=', '')
    expect(await hmac.connection([header, claims, signature].join('.'))).toBe('invalid')
  })
})

describe('times, audience, issuer', () => {
  test.each<[claims: Record<string, unknown>, options: TokenOptions, result: unknown]>([
    [{ exp: seconds + 1 }, {}, { expiresAt: seconds + 1 }],
    [{ exp: seconds }, {}, 'expired'],
    [{ exp: seconds - 1 }, {}, 'expired'],
    [{ exp: 'soon' }, {}, 'invalid'],
    [{ nbf: seconds }, {}, { expiresAt: undefined }],
    [{ nbf: seconds + 1 }, {}, 'expired'],
    [{ nbf: 'soon' }, {}, 'invalid'],
    [{ exp: seconds + 1, expire_at: seconds + 100 }, {}, { expiresAt: seconds + 100 }],
    [{ exp: seconds + 1, expire_at: 0 }, {}, { expiresAt: undefined }],
    [{ exp: seconds - 1, expire_at: 0 }, {}, 'expired'],
    [{ expire_at: 'soon' }, {}, 'invalid'],
    [{}, { audience: 'a' }, 'invalid'],
    [{ aud: 'b' }, { audience: 'a' }, 'invalid'],
    [{ aud: 'a' }, { audience: 'a' }, {}],
    [{ aud: ['b', 'a'] }, { audience: 'a' }, {}],
    [{ aud: 'a' }, {}, {}],
    [{}, { issuer: 'i' }, 'invalid'],
    [{ iss: 'j' }, { issuer: 'i' }, 'invalid'],
    [{ iss: 'i' }, { issuer: 'i' }, {}],
  ])('%j with %j: %j', async (claims, options, result) => {
    const tokens = createTokens({ hmacSecretKey: SECRET, ...options }, now)
    const connection = await tokens.connection(await sign(claims))
    const subscription = await tokens.subscription(await sign({ channel: 'a', ...claims }))
    for (const got of [connection, subscription]) {
      if (typeof result === 'string') expect(got).toBe(result)
      else expect(got).toMatchObject(result as object)
    }
  })
})

describe('claims', () => {
  test.each<[claims: Record<string, unknown>, result: unknown]>([
    [{}, { user: '', info: undefined, expiresAt: undefined, rooms: new Map() }],
    [
      { sub: '42', info: { a: [1] } },
      { user: '42', info: '{"a":[1]}' },
    ],
    [{ sub: '' }, { user: '' }],
    [{ info: 'text' }, { info: '"text"' }],
    [{ info: 0 }, { info: '0' }],
    [{ info: null }, { info: undefined }],
    [{ b64info: 'aGk=' }, { info: Buffer.from('hi') }],
    [
      { channels: ['a', 'b'] },
      {
        rooms: new Map([
          ['a', {}],
          ['b', {}],
        ]),
      },
    ],
    [
      {
        channels: ['a'],
        subs: { a: { info: 1, data: { x: 1 }, override: { force_recovery: { value: true } } }, b: {} },
      },
      {
        rooms: new Map<string, unknown>([
          ['a', { info: '1', data: '{"x":1}', override: { forceRecovery: true } }],
          ['b', { info: undefined, data: undefined }],
        ]),
      },
    ],
    [{ channel: 'a' }, 'invalid'],
    [{ sub: 42 }, 'invalid'],
    [{ channels: 'a' }, 'invalid'],
    [{ channels: [1] }, 'invalid'],
    [{ subs: ['a'] }, 'invalid'],
    [{ subs: { a: 1 } }, 'invalid'],
    [{ subs: { a: { override: { presence: true } } } }, 'invalid'],
    [{ subs: { a: { override: { presence: { value: 1 } } } } }, 'invalid'],
    [{ b64info: 1 }, 'invalid'],
    [{ b64info: '%%%' }, 'invalid'],
    [{ b64info: 'A' }, 'invalid'],
    [{ b64info: 'aGk' }, { info: Buffer.from('hi') }],
    [{ subs: { r: { b64data: 'a-k=' } } }, 'invalid'],
  ])('of a connection: %j', async (claims, result) => {
    const got = await hmac.connection(await sign(claims))
    if (typeof result === 'string') expect(got).toBe(result)
    else expect(got).toMatchObject(result as object)
  })

  test.each<[claims: Record<string, unknown>, result: unknown]>([
    [{ channel: 'a' }, { user: '', room: 'a' }],
    [
      { sub: '42', channel: 'a', info: {}, b64data: 'aGk=' },
      { user: '42', info: '{}', data: Buffer.from('hi') },
    ],
    [
      { channel: 'a', override: { join_leave: {}, presence: { value: false } } },
      { override: { joinLeave: false, presence: false } },
    ],
    [{}, 'invalid'],
    [{ channel: '' }, 'invalid'],
    [{ channel: 1 }, 'invalid'],
    [{ channel: 'a', override: 1 }, 'invalid'],
  ])('of a subscription: %j', async (claims, result) => {
    const got = await hmac.subscription(await sign(claims))
    if (typeof result === 'string') expect(got).toBe(result)
    else expect(got).toMatchObject(result as object)
  })
})

describe('keys that are wrong throw at the call', () => {
  test.each<[TokenOptions, RegExp]>([
    [{ hmacSecretKey: '' }, /must not be empty/],
    [{ rsaPublicKey: 'x' }, /no public key in PEM/],
    [{ rsaPublicKey: pem(p256.publicKey) }, /no RSA key/],
    [{ rsaPublicKey: rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }, /no public key in PEM/],
    [{ rsaPublicKey: pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey) }, /at least 2048 bits/],
    [{ ecdsaPublicKey: pem(rsa.publicKey) }, /P-256, P-384 or P-521/],
    [{ ecdsaPublicKey: pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey) }, /P-256/],
    [{ jwksPublicEndpoint: 'file:///etc/passwd' }, /http:\/\/ or https:\/\/ URL/],
  ])('%#', (options, message) => {
    expect(() => createTokens(options)).toThrow(RangeError)
    expect(() => createTokens(options)).toThrow(message)
  })

  test('types', () => {
    expect(() => createTokens({ secret: 'x' } as TokenOptions)).toThrow(new TypeError('unknown option: tokens.secret'))
    expect(() => createTokens({ hmacSecretKey: 1 } as unknown as TokenOptions)).toThrow(TypeError)
    expect([hasTokenKey(undefined), hasTokenKey({ audience: 'a' }), hasTokenKey({ jwksPublicEndpoint: 'x' })]).toEqual([
      false,
      false,
      true,
    ])
  })
})

describe('keys that are published', () => {
  let server: Server | undefined
  let keys: object[] = []
  let fetched = 0
  let status = 200
  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
    vi.useRealTimers()
    status = 200
    fetched = 0
  })

  async function publish(): Promise<string> {
    server = createServer((_, res) => {
      fetched++
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  }
  const published = async (key: KeyObject, kid: string): Promise<object> => ({ ...(await exportJWK(key)), kid })
  const token = (kid: string, key: KeyObject, alg = 'RS256'): Promise<string> => sign({ sub: '42' }, alg, key, kid)

  test('fetched once, for all tokens; one with a new key has it fetched again, twice a minute at most', async () => {
    keys = [await published(rsa.publicKey, 'one')]
    const tokens = createTokens({ jwksPublicEndpoint: await publish(), hmacSecretKey: SECRET })
    for (let i = 0; i < 5; i++)
      expect(await tokens.connection(await token('one', rsa.privateKey))).toMatchObject({ user: '42' })
    expect(fetched).toBe(1)
    keys = [await published(otherRsa.publicKey, 'two'), await published(p256.publicKey, 'three')]
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 5000 })
    // It may be there by now: whoever sends tokens of invented keys must not have those of a new one refused for good.
    for (let i = 0; i < 5; i++) {
      expect(await tokens.connection(await token('two', otherRsa.privateKey))).toBe('unavailable')
      expect(await tokens.connection(await token('one', otherRsa.privateKey))).toBe('invalid')
    }
    expect(fetched).toBe(1)
    vi.setSystemTime(Date.now() + 26_000)
    expect(await tokens.connection(await token('two', otherRsa.privateKey))).toMatchObject({ user: '42' })
    expect(await tokens.connection(await token('three', p256.privateKey, 'ES256'))).toMatchObject({ user: '42' })
    // It is not published any more, which is known when it is looked for.
    expect(await tokens.connection(await token('one', rsa.privateKey))).toBe('unavailable')
    // A secret of our own beside it.
    expect(await tokens.connection(await sign({ sub: 'us' }))).toMatchObject({ user: 'us' })
    expect(fetched).toBe(2)
    vi.setSystemTime(Date.now() + 31_000)
    expect(await tokens.connection(await token('one', rsa.privateKey))).toBe('invalid')
    expect(fetched).toBe(3)
  })

  test('after ten minutes it is asked for again', async () => {
    keys = [await published(rsa.publicKey, 'one')]
    const tokens = createTokens({ jwksPublicEndpoint: await publish() })
    const one = await token('one', rsa.privateKey)
    expect(await tokens.connection(one)).toMatchObject({ user: '42' })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 601_000 })
    keys = []
    expect(await tokens.connection(one)).toBe('invalid')
    expect(fetched).toBe(2)
  })

  test('a secret among what is published is no secret', async () => {
    keys = [{ kty: 'oct', k: btoa(SECRET).replaceAll('=', ''), kid: 'one' }]
    const tokens = createTokens({ jwksPublicEndpoint: await publish() })
    expect(await tokens.connection(await sign({ sub: '42' }, 'HS256', SECRET, 'one'))).toBe('invalid')
  })

  test.each([500, 302, 404])('an answer of %i: the key is unavailable, the token is not judged', async (answer) => {
    const tokens = createTokens({ jwksPublicEndpoint: await publish() })
    status = answer
    expect(await tokens.connection(await token('one', rsa.privateKey))).toBe('unavailable')
  })

  test('nobody there: unavailable', async () => {
    const url = await publish()
    server!.close()
    await once(server!, 'close')
    expect(await createTokens({ jwksPublicEndpoint: url }).connection(await token('one', rsa.privateKey))).toBe(
      'unavailable',
    )
  })
})

test('what gen-token signs is taken', async () => {
  const common = { secret: SECRET, audience: 'a', issuer: 'i' }
  const tokens = createTokens({ hmacSecretKey: SECRET, audience: 'a', issuer: 'i' }, now)
  expect(await tokens.connection(await signToken({ ...common, user: '42', ttlSeconds: 60 }, now))).toMatchObject({
    user: '42',
    expiresAt: seconds + 60,
  })
  expect(await tokens.subscription(await signToken({ ...common, user: '', room: 'a:b' }, now))).toMatchObject({
    user: '',
    room: 'a:b',
    expiresAt: undefined,
  })
})
