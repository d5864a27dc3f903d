// How a script is run: sent whole the first time that a connection needs it, which leaves it with Redis, and by its hash from
// then on. So nothing that is written one after the other is ever carried out in another order, as it would be if each were
// tried by hash first. A Redis that forgot its scripts meanwhile says so, and is sent this one again.

import type { Redis } from 'ioredis'
import type { Call } from '../bus/link.ts'

const sent = new WeakMap<Redis, Set<string>>()

/** Strings in the answer are Buffers. */
export async function runScript(redis: Redis, { script, keys, args }: Call): Promise<unknown> {
  const rest = [keys.length, ...keys, ...args.map((arg) => (arg instanceof Uint8Array ? asBuffer(arg) : arg))]
  const known = sent.get(redis) ?? new Set()
  sent.set(redis, known)
  if (!known.has(script.sha)) {
    known.add(script.sha)
    return redis.callBuffer('EVAL', script.source, ...rest)
  }
  try {
    return await redis.callBuffer('EVALSHA', script.sha, ...rest)
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return redis.callBuffer('EVAL', script.source, ...rest)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
