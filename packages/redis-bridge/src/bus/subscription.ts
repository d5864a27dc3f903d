// What is known of one channel that a node is, was or will be subscribed to.

import type { Interest } from './positions.ts'

/** What is known of one channel. */
export interface Subscription {
  readonly channel: string
  wanted: boolean
  /** The latest that is known of the bus. `'unsure'`: an operation failed. */
  state: 'off' | 'on' | 'unsure'
  busy: Operation | 'retry' | undefined
  interest: Interest
  /** Calls off what waits: an end of lingering, another try. */
  cancelLinger: (() => void) | undefined
  cancelRetry: (() => void) | undefined
  failures: number
  waiters: (() => void)[]
}

export type Operation = 'subscribe' | 'unsubscribe'

/** Nothing was confirmed yet. */
export function newInterest(): Interest {
  return { since: undefined, cutEarly: false, ended: false }
}

/** What it saw says nothing of losses any more. Returns what it is wanted for from now on. */
export function renew(one: Subscription): Interest {
  one.interest.ended = true
  one.interest = newInterest()
  return one.interest
}

/** It is confirmed, and nothing is in flight that would undo it. */
export function isOn(one: Subscription): boolean {
  return one.state === 'on' && one.busy === undefined
}

/** Whoever waits for it waits no more. */
export function release(one: Subscription): void {
  const { waiters } = one
  one.waiters = []
  for (const waiter of waiters) waiter()
}
