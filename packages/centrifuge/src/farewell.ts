// A connection that was let in is gone: the policy is told, and what it throws, or rejects with, is an error like others.

import type { Environment } from './options.ts'
import type { Client } from './policy.ts'
import { isThenable } from './thenable.ts'

/** Tells it. */
export function sayFarewell(
  client: Client,
  { policy, onError }: Pick<Environment, 'policy' | 'onError'>,
  end: { readonly code: number; readonly reason: string },
): void {
  try {
    const told = policy.disconnected?.(client, end)
    if (isThenable(told)) told.then(undefined, (error: unknown) => onError(error, 'disconnected'))
  } catch (error) {
    onError(error, 'disconnected')
  }
}
