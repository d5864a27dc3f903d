// How ioredis is used: one connection that is tried once, without any recovery of its own. That would send commands twice,
// hide outages, and come back to a node that is no master any more.

import { Redis, type RedisOptions } from 'ioredis'

/** What a connection can be told. Replies are read in one shape only. */
export type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>

/** What must not be as the user has it. */
export const OVERRIDES: ConnectionOptions = {
  lazyConnect: true,
  retryStrategy: null,
  reconnectOnError: null,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  maxRetriesPerRequest: null,
  // INFO need not be allowed; a Redis that is loading refuses PUBLISH, and is tried again.
  enableReadyCheck: false,
  disableClientInfo: true,
  // The bridge watches the time itself, and counts its own stalls out.
  connectTimeout: 0,
  commandTimeout: undefined,
  socketTimeout: undefined,
  blockingTimeout: undefined,
  readOnly: false,
  keyPrefix: '',
  monitor: false,
  noDelay: true,
}

/** Makes a connection, with these options over all others. */
export type MakeRedis = (overrides: ConnectionOptions) => Redis

/** A connection of options that may have been put together of others', with values that are undefined. */
export function newRedis(options: { [key in keyof ConnectionOptions]: ConnectionOptions[key] | undefined }): Redis {
  return new Redis(options as ConnectionOptions)
}

/** Where a server is. */
export interface Address {
  host: string
  port: number
}

/** Ends a connection now: ioredis alone would wait two seconds for a peer that does not answer. */
export function hangUp(connection: Redis): void {
  connection.disconnect()
  connection.stream?.destroy()
}

/** What Redis says a server is: `master` or `slave`; undefined when it does not say. HELLO is allowed to every user, ROLE
 * is not, and older Redis know no HELLO. */
export async function roleOf(connection: Redis): Promise<string | undefined> {
  try {
    const reply: unknown = await connection.call('HELLO')
    if (!Array.isArray(reply)) return String((reply as { role?: unknown }).role)
    const at = reply.findIndex((one) => String(one) === 'role')
    if (at >= 0) return String(reply[at + 1])
  } catch {
    // Asked the other way below.
  }
  try {
    const reply: unknown = await connection.call('ROLE')
    return Array.isArray(reply) ? String(reply[0]) : undefined
  } catch {
    return undefined
  }
}
