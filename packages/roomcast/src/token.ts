// The secret that the HTTP API asks for: making one, and comparing without telling anything through time.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** A new random token: 192 bits, safe in a URL and in a header. */
export function randomToken(): string {
  return randomBytes(24).toString('base64url')
}

/** Whether a string can be sent as a bearer token at all: visible ASCII without spaces. */
export function isToken(value: string): boolean {
  return /^[\x21-\x7e]+$/.test(value)
}

/** A check of `Authorization` headers against one token. Digests are compared, as they have one length: the time taken
 * tells neither the length nor a prefix of the token. */
export function bearerCheck(token: string): (authorization: string | undefined) => boolean {
  const expected = digest(token)
  return (authorization = '') => {
    const [, given] = /^Bearer +(\S+) *$/i.exec(authorization) ?? []
    return timingSafeEqual(digest(given ?? ''), expected) && given !== undefined
  }
}

/** A check of requests against the key of the HTTP API: `X-API-Key: <key>`, else `Authorization: apikey <key>`, else
 * `?api_key=<key>`.
 * @param key undefined: nobody has it. */
export function keyCheck(key: string | undefined): (req: Pick<IncomingMessage, 'headers' | 'url'>) => boolean {
  if (key === undefined) return () => false
  const expected = digest(key)
  return ({ headers, url = '' }) => {
    const [, authorized] = /^apikey +(\S+) *$/i.exec(headers.authorization ?? '') ?? []
    const query = url.includes('?') ? new URLSearchParams(url.slice(url.indexOf('?'))).get('api_key') : null
    const given = headers['x-api-key'] ?? authorized ?? query
    return typeof given === 'string' && timingSafeEqual(digest(given), expected)
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
