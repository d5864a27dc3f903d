// Why a token was not taken, for the log: read from what it claims of itself, which is not believed. The client is told none
// of it.

import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose'
import { quote } from '../config/wrong.ts'

/** What tokens of this server must be. */
export interface TokenRules {
  /** Those that there is a key for. */
  readonly algorithms: readonly string[]
  readonly audience?: string | undefined
  readonly issuer?: string | undefined
  /** Where public keys are fetched from, without its query. */
  readonly keysAt?: string | undefined
}

const SHARED = /^HS/

/** What a subscription token must be for. */
export interface Place {
  readonly room: string
  readonly user: string
}

/** What is wrong with a token that was refused, in words.
 * @param place of a subscription token; undefined: it is a connection token. */
export function faultOfToken(token: string, rules: TokenRules, place?: Place): string {
  let alg: string
  let kid: string | undefined
  let claims: JWTPayload
  try {
    ;({ alg = '', kid } = decodeProtectedHeader(token))
    claims = decodeJwt(token)
  } catch {
    return 'it is no JWT'
  }
  if (!rules.algorithms.includes(alg)) {
    return `its alg is ${quote(alg)}, and there are keys for ${rules.algorithms.join(', ')} alone`
  }
  const { aud, iss, sub, channel } = claims as JWTPayload & { channel?: unknown }
  const { audience, issuer } = rules
  if (audience !== undefined && ![aud].flat().includes(audience)) return differs('aud', aud, audience)
  if (issuer !== undefined && iss !== issuer) return differs('iss', iss, issuer)
  if (sub !== undefined && typeof sub !== 'string') return `its sub is ${quote(sub)}, which is no string`
  if (place !== undefined) {
    if (channel !== place.room) return differs('channel', channel, place.room)
    if ((sub ?? '') !== place.user) return differs('sub', sub, place.user)
  }
  const other = `its signature (${alg}) is of another key, or a claim has a wrong type`
  if (rules.keysAt === undefined || SHARED.test(alg)) return other
  return `${other}; its kid is ${kid === undefined ? 'missing' : quote(kid)}, and keys are those at ${rules.keysAt}`
}

/** Why a token is not valid now, in words. @param nowMs the time of this server. */
export function untimely(token: string, nowMs: number): string {
  const { exp = 0, nbf = 0 } = decodeJwt(token)
  const now = nowMs / 1000
  return nbf > now ? `its nbf is ${Math.ceil(nbf - now)} s ahead` : `its exp was ${Math.floor(now - exp)} s ago`
}

/** The first rooms that a token gives. */
export function roomsOf(token: string): string[] {
  const { channels, subs } = decodeJwt(token) as JWTPayload & { channels?: unknown; subs?: unknown }
  const named = Array.isArray(channels) ? channels.map(String) : []
  return [...named, ...Object.keys((subs as object | undefined) ?? {})].slice(0, MAX_ROOMS)
}

const MAX_ROOMS = 5

/** Whose token it is, by itself; undefined: it is none, or does not say. */
export function userOf(token: string): string | undefined {
  try {
    const { sub } = decodeJwt(token)
    return typeof sub === 'string' ? sub : undefined
  } catch {
    return undefined
  }
}

function differs(claim: string, is: unknown, expected: string): string {
  return `its ${claim} is ${is === undefined ? 'missing' : quote(is)}, not ${quote(expected)}`
}
