// What this server's settings are, for those who explain refusals.

import type { RoomcastOptions, Settled } from '../options.ts'
import { algorithmsOf, hasTokenKey, type TokenOptions } from '../who/tokens.ts'
import type { Circumstances } from './refusals.ts'
import type { TokenRules } from './token-fault.ts'

/** Reads them. */
export function readsOf(
  { limits, origin = 'same', hooks, namespaces: rooms, apiKey, tokens }: Settled,
  options: RoomcastOptions,
): Circumstances {
  const namespaces = options.namespaces && Object.keys(options.namespaces)
  const list = Array.isArray(origin) ? `one of the origins ${origin.join(', ')}` : 'an origin that your function takes'
  return {
    limits,
    origins: origin === 'same' ? 'a page of that host and port (same)' : list,
    hasAuthenticate: hooks.authenticate !== undefined,
    hasSubscribe: hooks.subscribe !== undefined,
    hasPublish: hooks.publish !== undefined,
    hasApiKey: apiKey !== undefined,
    tokenRules: hasTokenKey(options.tokens) ? tokenRulesOf(options.tokens!) : undefined,
    keyTrouble: () => tokens?.trouble(),
    namespaces,
    isUserLimited: (room) => rooms.isUserLimited(room),
  }
}

function tokenRulesOf(options: TokenOptions): TokenRules {
  const { audience, issuer, jwksPublicEndpoint } = options
  const { origin = '', pathname = '' } = jwksPublicEndpoint === undefined ? {} : new URL(jwksPublicEndpoint)
  return { algorithms: algorithmsOf(options), audience, issuer, keysAt: `${origin}${pathname}` || undefined }
}
