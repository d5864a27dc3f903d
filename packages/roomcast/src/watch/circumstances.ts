// What this server's settings are, for those who explain refusals.

import type { RoomcastOptions, Settled } from '../options.ts'
import type { Circumstances } from './refusals.ts'

/** Reads them. */
export function readsOf(
  { limits, origin = 'same', hooks, tokens, namespaces: rooms }: Settled,
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
    hasTokenKey: tokens !== undefined,
    namespaces,
    isUserLimited: (room) => rooms.isUserLimited(room),
  }
}
