// Signing a token by hand: for `roomcast gen-token`, while an app is developed. The app's backend signs its own.

import { SignJWT } from 'jose'

/** What a signed token is to say. */
export interface TokenRequest {
  /** The shared secret. */
  readonly secret: string
  /** `''`: nobody in particular. */
  readonly user: string
  /** With it the token is for a subscription to this room. */
  readonly room?: string | undefined
  /** Rooms that its connection is put into. */
  readonly rooms?: readonly string[] | undefined
  /** Undefined: it does not expire. */
  readonly ttlSeconds?: number | undefined
  readonly audience?: string | undefined
  readonly issuer?: string | undefined
}

/** Signs a token with HS256. */
export function signToken(request: TokenRequest, now: () => number = Date.now): Promise<string> {
  const { secret, user, room, rooms, ttlSeconds, audience, issuer } = request
  const seconds = Math.floor(now() / 1000)
  const jwt = new SignJWT({ ...(room !== undefined && { channel: room }), ...(rooms && { channels: rooms }) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuedAt(seconds)
  if (user !== '') jwt.setSubject(user)
  if (ttlSeconds !== undefined) jwt.setExpirationTime(seconds + ttlSeconds)
  if (audience !== undefined) jwt.setAudience(audience)
  if (issuer !== undefined) jwt.setIssuer(issuer)
  return jwt.sign(new TextEncoder().encode(secret))
}
