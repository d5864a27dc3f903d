// On the way into one room, or several in one step: what is waited for, and what is owed when it is there.

import type { Clock } from './clock.ts'
import type { EnterResult, Since } from './member.ts'
import type { Store } from './port.ts'
import type { PresenceKeeper } from './presence.ts'
import { NOTHING_OWED, type Owed } from './replay.ts'
import type { Membership } from './room.ts'

/** Who comes into a room without history waits so long for other nodes to be heard: longer than a healthy bus takes. */
const HEARD_MS = 1000

/** Somebody on the way into a room, and what it is owed there. */
export interface Entering {
  readonly membership: Membership
  readonly since: Since | undefined
  owed: Owed
}

/** What is waited for. */
export interface Way {
  readonly presence: PresenceKeeper
  readonly store: Store
  readonly clock: Clock
}

/** Is there anything to wait for? */
export function waits(entering: readonly Entering[], store: Store): boolean {
  const has = ({ membership: { room, isPresent } }: Entering): boolean => room.track !== undefined || isPresent
  return (store.status === 'ready' && entering.length > 0) || entering.some(has)
}

/** Calls `live` in the very step in which it is known what is owed in all rooms; else tells why not. */
export async function whenOwed(
  entering: readonly Entering[],
  { presence, store, clock }: Way,
  live: () => EnterResult,
): Promise<EnterResult> {
  const owed = entering.flatMap(({ membership: { room, present, isPresent } }) =>
    isPresent ? presence.enter(room.name, present) : [],
  )
  const confirm = ({ membership: { room }, since }: Entering): Promise<boolean> | true =>
    room.track?.confirm(since) ?? heard(room.name, store, clock)
  for (;;) {
    // Nearly always it is one room.
    const confirmed = entering.length === 1 ? [await confirm(entering[0]!)] : await Promise.all(entering.map(confirm))
    if (owed.length > 0) await Promise.all(owed)
    if (entering.some(({ membership }) => membership.state === 'gone')) return 'closed'
    if (confirmed.includes(false)) return 'unavailable'
    if (entering.every(isKnown)) return live()
  }
}

/** Is it known at this moment what is owed? */
function isKnown(one: Entering): boolean {
  const { track } = one.membership.room
  const owed = track === undefined ? NOTHING_OWED : track.owed(one.since)
  if (owed !== undefined) one.owed = owed
  return owed !== undefined
}

/** Waits until a room without history is heard from the other nodes, unless they are away or that takes long: it goes on
 * without them. */
function heard(room: string, store: Store, clock: Clock): Promise<true> | true {
  if (store.status !== 'ready') return true
  return new Promise((resolve) => {
    const cancel = clock.after(HEARD_MS, () => resolve(true))
    const done = (): void => {
      cancel()
      resolve(true)
    }
    store.ready(room).then(done, done)
  })
}
