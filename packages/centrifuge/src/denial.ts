// What the protocol itself refuses, no policy having been asked: it is told where it happens, as only there it is known why.
// A close that answers a policy, or that somebody asked for, is not told here: they know.

import type { Denied, Environment } from './options.ts'
import type { Client } from './policy.ts'

interface Deniable extends Client {
  readonly env: Pick<Environment, 'onRefused'>
  readonly isOpen: boolean
  error(id: number, code: number): undefined
  close(code: number): void
}

/** Answers a command with an error, and tells it. */
export function deny(session: Deniable, id: number, denied: Denied): undefined {
  session.env.onRefused(session, denied)
  return session.error(id, denied.code)
}

/** Closes a connection for what its client did, or did not do, and tells it. */
export function fault(session: Deniable, code: number): undefined {
  if (session.isOpen) session.env.onRefused(session, { code })
  session.close(code)
}
