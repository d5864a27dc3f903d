// Closing everyone in batches before a deadline, so that the clients of a deploy come back spread over time and not all
// in the same instant.

import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import type { Socket } from '../handler.ts'
import { assertClose, CloseCode } from '../protocol/close.ts'

/** What node's timers can wait for; they fire at once for more. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Options of `server.drain`. */
export interface DrainOptions {
  /** Sockets closed at a time. Default 1,000. */
  batch?: number
  /** Between two batches, in ms. Default 500. */
  intervalMs?: number
  /** After so long what is left is terminated, in ms. Default 10,000. */
  deadlineMs?: number
  /** The close code. Default 1012, service restart. */
  code?: number
  /** Gives up: no further socket is closed, upgrades are accepted again, and the promise rejects with its reason. */
  signal?: AbortSignal
}

/** How a drain went: sockets that closed in time, and those that were terminated at the deadline. */
export interface DrainResult {
  closed: number
  terminated: number
}

type Plan = Required<Omit<DrainOptions, 'signal'>>

/** Checks the options of a drain.
 * @throws RangeError for a number that is not above zero, or a code that may not be sent. */
export function drainPlan(options: DrainOptions): Plan {
  const { batch = 1000, intervalMs = 500, deadlineMs = 10_000, code = CloseCode.SERVICE_RESTART } = options
  if (!(Number.isInteger(batch) && batch > 0)) throw new RangeError(`batch must be a whole number above zero: ${batch}`)
  if (!(intervalMs >= 0)) throw new RangeError(`intervalMs must not be below zero: ${intervalMs}`)
  if (!(deadlineMs > 0)) throw new RangeError(`deadlineMs must be above zero: ${deadlineMs}`)
  assertClose(code, '')
  return { batch, intervalMs: Math.min(intervalMs, MAX_TIMER_MS), deadlineMs: Math.min(deadlineMs, MAX_TIMER_MS), code }
}

/** Closes the connections that are open now. `empty` resolves when none of the server's is left. */
export async function drainAll<S>(
  connections: ReadonlySet<Socket<S>>,
  empty: () => Promise<void>,
  { batch, intervalMs, deadlineMs, code }: Plan,
  signal: AbortSignal | undefined,
): Promise<DrainResult> {
  const all = [...connections]
  const ended = new AbortController()
  const deadline = setTimeout(deadlineMs, undefined, { signal: ended.signal })
  const aborted = signal === undefined ? deadline : once(signal, 'abort', { signal: ended.signal })
  let next = 0
  const closeBatch = (): void => {
    for (const end = next + batch; next < Math.min(end, all.length); next++) all[next]!.close(code, 'service restart')
    if (next >= all.length) clearInterval(batches)
  }
  const batches = setInterval(closeBatch, intervalMs)
  closeBatch()
  try {
    await Promise.race([empty(), deadline, aborted])
    signal?.throwIfAborted()
    const left = [...connections]
    for (const connection of left) connection.terminate()
    await empty()
    return { closed: all.length - left.length, terminated: left.length }
  } finally {
    clearInterval(batches)
    ended.abort()
  }
}
