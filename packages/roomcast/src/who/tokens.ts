// Tokens: JWTs that the app's backend signs. Which key a token is checked with follows from the algorithm in its header,
// and each key is for algorithms of its own kind only: a public key can never be taken for a shared secret.

import { createPublicKey, type KeyObject } from 'node:crypto'
import {
  type CryptoKey,
  createRemoteJWKSet,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'
import { type ConnectionClaims, readConnection, readSubscription, type SubscriptionClaims } from './claims.ts'

/** Keys of tokens, and what their claims must be. */
export interface TokenOptions {
  /** For HS256, HS384 and HS512. */
  hmacSecretKey?: string | undefined
  /** PEM. For RS256, RS384 and RS512. */
  rsaPublicKey?: string | undefined
  /** PEM. For ES256, ES384 or ES512, as its curve says. */
  ecdsaPublicKey?: string | undefined
  /** Where public keys are published as a JWK Set, which is fetched when it is needed first, at most 10 minutes old, and
   * again for a key that is not in it (twice a minute at most; until then that key is unavailable). Takes the place of the
   * two above. */
  jwksPublicEndpoint?: string | undefined
  /** What `aud` must be, or have among others. */
  audience?: string | undefined
  /** What `iss` must be. */
  issuer?: string | undefined
}

/** Why a token is not taken. `'expired'`: not any more, or not yet. `'unavailable'`: its key could not be fetched. */
export type TokenFault = 'expired' | 'invalid' | 'unavailable'

/** Checks tokens. */
export interface Tokens {
  connection(token: string): Promise<ConnectionClaims | TokenFault>
  subscription(token: string): Promise<SubscriptionClaims | TokenFault>
  /** Why keys could not be fetched, the last time that they could not. */
  trouble(): string | undefined
}

type Key = CryptoKey | KeyObject

const HMAC: Readonly<Record<string, string>> = { HS256: 'SHA-256', HS384: 'SHA-384', HS512: 'SHA-512' }
const RSA = ['RS256', 'RS384', 'RS512']
/** By the name that node has for the curve. */
const ECDSA: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
/** Those of public keys only: what is published can be no secret. */
const PUBLISHED = [...RSA, ...Object.values(ECDSA), 'EdDSA', 'Ed25519']

/** RSA keys below are refused when they are used; better at the start. */
const MIN_RSA_BITS = 2048

/** How the JWK Set is fetched. */
const JWKS = { timeoutDuration: 5000, cooldownDuration: 30_000, cacheMaxAge: 600_000 }

const TOKEN_OPTIONS: readonly (keyof TokenOptions)[] = [
  'hmacSecretKey',
  'rsaPublicKey',
  'ecdsaPublicKey',
  'jwksPublicEndpoint',
  'audience',
  'issuer',
]

/** Whether the options have a key at all. */
export function hasTokenKey(options: TokenOptions | undefined): boolean {
  const { hmacSecretKey, rsaPublicKey, ecdsaPublicKey, jwksPublicEndpoint } = options ?? {}
  return [hmacSecretKey, rsaPublicKey, ecdsaPublicKey, jwksPublicEndpoint].some((key) => key !== undefined)
}

/** Algorithms that the options have a key for. */
export function algorithmsOf(options: TokenOptions): string[] {
  const { hmacSecretKey, rsaPublicKey, ecdsaPublicKey, jwksPublicEndpoint } = options
  const shared = hmacSecretKey === undefined ? [] : Object.keys(HMAC)
  if (jwksPublicEndpoint !== undefined) return [...shared, ...PUBLISHED]
  return [
    ...shared,
    ...(rsaPublicKey === undefined ? [] : RSA),
    ...(ecdsaPublicKey === undefined ? [] : [ecdsaKey(ecdsaPublicKey)[0]]),
  ]
}

/** Makes a check of tokens.
 * @param now the time in ms; default `Date.now`.
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a key that is none. */
export function createTokens(options: TokenOptions, now: () => number = Date.now): Tokens {
  checkTypes(options)
  const { audience, issuer } = options
  const keyOf = keysOf(options)
  const wanted = { ...(audience !== undefined && { audience }), ...(issuer !== undefined && { issuer }) }

  let trouble: string | undefined

  async function check<T>(token: string, read: (claims: JWTPayload) => T | undefined): Promise<T | TokenFault> {
    try {
      const { alg = '' } = decodeProtectedHeader(token)
      const key = keyOf(alg)
      if (key === undefined) return 'invalid'
      const limits = { ...wanted, currentDate: new Date(now()) }
      const verified = typeof key === 'function' ? jwtVerify(token, key, limits) : jwtVerify(token, await key, limits)
      return read((await verified).payload) ?? 'invalid'
    } catch (error) {
      const fault = faultOf(error)
      if (fault === 'unavailable') trouble = troubleOf(error as Error)
      return fault
    }
  }
  return {
    trouble: () => trouble,
    connection: (token) => check(token, readConnection),
    subscription: (token) => check(token, readSubscription),
  }
}

function faultOf(error: unknown): TokenFault {
  if (error instanceof errors.JWTExpired) return 'expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'nbf' && error.reason === 'check_failed' ? 'expired' : 'invalid'
  }
  // The set could not be fetched, or is none; what it does not have, or a token that is none, is the token's fault.
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) return 'invalid'
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return 'unavailable'
  if (error instanceof errors.JOSEError) return error.code === 'ERR_JOSE_GENERIC' ? 'unavailable' : 'invalid'
  if (isNetworkError(error)) return 'unavailable'
  // A header that is no JSON, a key of a wrong kind for its algorithm.
  return 'invalid'
}

/** What `fetch` rejects with. */
function isNetworkError(error: unknown): boolean {
  return error instanceof TypeError && error.message === 'fetch failed'
}

/** What went wrong, in a line: fetch tells no more than that it failed, and its cause the rest, if not within another. */
function troubleOf({ message, cause }: Error): string {
  const { errors: [first] = [cause] } = (cause ?? {}) as { errors?: unknown[] }
  const { message: text = '', code = '' } = (first ?? {}) as { message?: string; code?: string }
  return text || code || message
}

/** Which key an algorithm is checked with. */
function keysOf(options: TokenOptions): (alg: string) => Key | Promise<Key> | JWTVerifyGetKey | undefined {
  const { hmacSecretKey, rsaPublicKey, ecdsaPublicKey, jwksPublicEndpoint } = options
  const hmac = new Map<string, Promise<Key>>()
  if (hmacSecretKey !== undefined) {
    if (hmacSecretKey === '') throw new RangeError('tokens.hmacSecretKey must not be empty')
    const secret = new TextEncoder().encode(hmacSecretKey)
    for (const [alg, hash] of Object.entries(HMAC)) {
      hmac.set(alg, crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash }, false, ['verify']))
    }
  }
  const published = new Map<string, Key | JWTVerifyGetKey>()
  if (rsaPublicKey !== undefined) for (const alg of RSA) published.set(alg, rsaKey(rsaPublicKey))
  if (ecdsaPublicKey !== undefined) {
    const [alg, key] = ecdsaKey(ecdsaPublicKey)
    published.set(alg, key)
  }
  if (jwksPublicEndpoint !== undefined) {
    const key = publishedKey(createRemoteJWKSet(endpoint(jwksPublicEndpoint), JWKS))
    for (const alg of PUBLISHED) published.set(alg, key)
  }
  return (alg) => hmac.get(alg) ?? published.get(alg)
}

/** A key that the set does not have, and that could not be looked for, as the set had just been fetched: it may be there by
 * now, and the token is not judged. Else whoever sends tokens of invented keys has those of a new key refused for good. */
function publishedKey(set: ReturnType<typeof createRemoteJWKSet>): JWTVerifyGetKey {
  return async (header, token) => {
    const isTooSoon = set.coolingDown
    try {
      return await set(header, token)
    } catch (error) {
      if (isTooSoon && error instanceof errors.JWKSNoMatchingKey) throw new errors.JWKSTimeout()
      throw error
    }
  }
}

function rsaKey(pem: string): KeyObject {
  const key = publicKey(pem, 'tokens.rsaPublicKey')
  if (key.asymmetricKeyType !== 'rsa') throw new RangeError('tokens.rsaPublicKey is no RSA key')
  const { modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < MIN_RSA_BITS) throw new RangeError(`tokens.rsaPublicKey must have at least ${MIN_RSA_BITS} bits`)
  return key
}

function ecdsaKey(pem: string): readonly [alg: string, key: KeyObject] {
  const key = publicKey(pem, 'tokens.ecdsaPublicKey')
  const alg = ECDSA[key.asymmetricKeyDetails?.namedCurve ?? '']
  if (alg === undefined) throw new RangeError('tokens.ecdsaPublicKey is no key of P-256, P-384 or P-521')
  return [alg, key]
}

/** A public key alone: a private one in a server's configuration is a mistake that nothing else would tell. */
function publicKey(pem: string, name: string): KeyObject {
  try {
    if (pem.includes('PRIVATE KEY')) throw new Error('a private key')
    return createPublicKey(pem)
  } catch {
    throw new RangeError(`${name} is no public key in PEM`)
  }
}

function endpoint(text: string): URL {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw new RangeError('tokens.jwksPublicEndpoint must be an http:// or https:// URL')
  }
  return new URL(text)
}

function checkTypes(options: TokenOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (!TOKEN_OPTIONS.includes(name as keyof TokenOptions)) throw new TypeError(`unknown option: tokens.${name}`)
    if (value !== undefined && typeof value !== 'string') throw new TypeError(`tokens.${name} must be a string`)
  }
}
