// An upgrade that is handed over: whether it is one, and which handler it is for, by its path.

import { isUint8Array } from 'node:util/types'
import { answerOf } from '../connection/call-safely.ts'
import type { Refusal } from '../handshake/handshake.ts'
import type { Route } from '../handshake/upgrade.ts'
import type { AnyOptions } from './options.ts'

export const NOT_FOUND: Refusal = { status: 404, error: 'not_found' }
const FAILED: Refusal = { status: 500, error: 'internal_error' }

/** @throws TypeError for what is no upgrade, before anything of it is taken. */
export function checkUpgrade(request: { rawHeaders: unknown } | null, socket: unknown, head: unknown): void {
  if (!Array.isArray(request?.rawHeaders)) throw new TypeError('upgrade() needs a request of node’s http')
  const isDuplex = ['on', 'write', 'resume', 'destroy'].every((name) => typeof socket?.[name as never] === 'function')
  if (!isDuplex) throw new TypeError('upgrade() needs the stream of the connection, a Duplex')
  if (!isUint8Array(head)) throw new TypeError('upgrade() needs the bytes behind the request, if only none of them')
}

/** The handler for `path`, or why there is none.
 * @param report hears what the user's `pathname` throws, or a getter of `routes`. */
export function routeOf<S>(
  { handler, pathname, routes }: AnyOptions<S>,
  path: string,
  report: (error: unknown) => void,
): Route<S> {
  try {
    if (routes !== undefined) return Object.hasOwn(routes, path) ? { handler: routes[path]! } : { refusal: NOT_FOUND }
    const ours = typeof pathname === 'function' ? answerOf(pathname(path)) : pathname === undefined || pathname === path
    return ours ? { handler: handler! } : { refusal: NOT_FOUND }
  } catch (error) {
    report(error)
    return { refusal: FAILED }
  }
}
