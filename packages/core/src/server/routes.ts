// Which handler a request is for, by its path.

import { answerOf } from '../connection/call-safely.ts'
import type { Refusal } from '../handshake/handshake.ts'
import type { Route } from '../handshake/upgrade.ts'
import type { AnyOptions } from './options.ts'

export const NOT_FOUND: Refusal = { status: 404, error: 'not_found' }
const FAILED: Refusal = { status: 500, error: 'internal_error' }

/** The handler for `path`, or why there is none.
 * @param report hears what the user's `pathname` throws. */
export function routeOf<S>(
  { handler, pathname, routes }: AnyOptions<S>,
  path: string,
  report: (error: unknown) => void,
): Route<S> {
  if (routes !== undefined) return Object.hasOwn(routes, path) ? { handler: routes[path]! } : { refusal: NOT_FOUND }
  try {
    const ours = typeof pathname === 'function' ? answerOf(pathname(path)) : pathname === undefined || pathname === path
    return ours ? { handler: handler! } : { refusal: NOT_FOUND }
  } catch (error) {
    report(error)
    return { refusal: FAILED }
  }
}
