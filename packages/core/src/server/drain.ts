// Closing everyone in batches before a deadline, so that the clients of a deploy come back spread over time and not all
// in the same instant.

import { once } from 'node:events'
import type { Socket } from '../handler.ts'
import { assertClose, CloseCode } from '../protocol/close.ts'
import { checkFields } from '../protocol/fields.ts'
import { clearInterval, clearTimeout, setInterval, setTimeout } from './real-time.ts'

/** What node's timers can wait for; they fire at once for more. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1

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

const TYPES = { batch: 'number', intervalMs: 'number', deadlineMs: 'number', code: 'number', signal: 'AbortSignal' }

type Plan = Required<Omit<DrainOptions, 'signal'>>

/** Checks the options of a drain.
 * @throws TypeError for an unknown option or one of another type, RangeError for a number that is not above zero, or a code
 * that may not be sent. */
export function drainPlan(options: DrainOptions): Plan {
  checkFields('drain', options, TYPES)
  const { batch = 1000, intervalMs = 500, deadlineMs = 10_000, code = CloseCode.SERVICE_RESTART } = options
  if (!(Number.isInteger(batch) && batch > 0)) throw new RangeError(`batch must be a whole number above zero: ${batch}`)
  if (!(intervalMs >= 0)) throw new RangeError(`intervalMs must not be below zero: ${intervalMs}`)
  if (!(deadlineMs > 0)) throw new RangeError(`deadlineMs must be above zero: ${deadlineMs}`)
  assertClose(code, '')
  return { batch, intervalMs: Math.min(intervalMs, MAX_TIMER_MS), deadlineMs: Math.min(deadlineMs, MAX_TIMER_MS), code }
}

/** Resolves after `ms`, or when `done` aborts. */
export function timeOut(ms: number, done: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.min(ms, MAX_TIMER_MS))
    done.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** Closes the connections that are open now.
 * @param empty resolves when none of the server's is left, and `'told'`: what `closed` returned has settled, too. */
export async function drainAll<S>(
  connections: ReadonlySet<{ readonly socket: Socket<S> }>,
  empty: (state: 'gone' | 'told') => Promise<void>,
  { batch, intervalMs, deadlineMs, code }: Plan,
  signal: AbortSignal | undefined,
): Promise<DrainResult> {
  const all = [...connections]
  const ended = new AbortController()
  const deadline = timeOut(deadlineMs, ended.signal)
  const aborted = signal === undefined ? deadline : once(signal, 'abort', { signal: ended.signal })
  let next = 0
  const closeBatch = (): void => {
    const end = Math.min(next + batch, all.length)
    while (next < end) all[next++]!.socket.close(code, 'service restart')
    if (next >= all.length) clearInterval(batches)
  }
  const batches = setInterval(closeBatch, intervalMs)
  closeBatch()
  try {
    await Promise.race([empty('told'), deadline, aborted])
    signal?.throwIfAborted()
    const left = [...connections]
    for (const { socket } of left) socket.terminate()
    await empty('gone')
    return { closed: all.length - left.length, terminated: left.length }
  } finally {
    clearInterval(batches)
    ended.abort()
  }
}
