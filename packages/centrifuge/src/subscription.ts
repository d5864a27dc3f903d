// A room that a client is in, or on its way into, and what that depends on.

import type { Data, Entered, MemberCommand, Place, Since } from '@roomcast/rooms'
import type { Feature, RoomGrant } from './policy.ts'
import type { Piece } from './wire/format.ts'
import type { Wire } from './wire/schema.ts'

export interface Subscription {
  readonly room: string
  /** The server put it there. Such a subscription is never ended by an unsubscribe after which clients come back: they
   * would not. The connection ends instead, and all of it comes back. */
  readonly isServerSide: boolean
  /** `'entering'` from the moment in which it is asked whether it may. */
  state: 'entering' | 'live'
  /** What others are shown beside it in this room. */
  info: Data | undefined
  /** The code with which it was put out on its way in. */
  expelledWith: number | undefined
  /** The server wants it there since it is on its way in. Done when that comes to nothing: it may have been refused what
   * the server gives. */
  owed: PutInto | undefined
}

/** The server wants a client in a room. */
export type PutInto = MemberCommand & { readonly do: 'subscribe' }

/** What a client gets of what it asked for. */
export interface Terms {
  readonly isPositioned: boolean
  readonly isRecoverable: boolean
  readonly hearsJoinLeave: boolean
  /** It wants to be given what it missed. */
  readonly wantsRecovery: boolean
}

type Asked = Wire<'SubscribeRequest'>

export function termsOf(grant: RoomGrant, asked: Asked): Terms {
  const isRecoverable = has(grant.recoverable, asked.recoverable)
  return {
    isRecoverable,
    isPositioned: isRecoverable || has(grant.positioned, asked.positioned),
    hearsJoinLeave: has(grant.joinLeave, asked.join_leave),
    wantsRecovery: asked.recover === true,
  }
}

function has(feature: Feature = 'never', isAsked = false): boolean {
  return feature === 'always' || (feature === 'asked' && isAsked)
}

/** Where it says it was, if that is of use. */
function sinceOf({ isRecoverable, wantsRecovery }: Terms, { epoch, offset = 0 }: Asked): Since | undefined {
  return isRecoverable && wantsRecovery ? { epoch, offset } : undefined
}

/** How it is to be in the room. */
export function placeOf(grant: RoomGrant, terms: Terms, asked: Asked): Place {
  const { info: roomInfo, isPresent: presence, isAnnounced: joinLeave } = grant
  return { since: sinceOf(terms, asked), roomInfo, hearsJoinLeave: terms.hearsJoinLeave, presence, joinLeave }
}

/** What it is answered. A room without history has no positions, whatever was granted. */
export function resultOf(
  grant: RoomGrant,
  terms: Terms,
  asked: Asked,
  entered: Entered<Piece>,
  ttl: number | undefined,
): Wire<'SubscribeResult'> {
  const hasHistory = entered.epoch !== ''
  const isPositioned = terms.isPositioned && hasHistory
  const isRecovered = terms.isRecoverable && terms.wantsRecovery && entered.recovered
  return {
    expires: ttl !== undefined,
    ttl,
    recoverable: terms.isRecoverable && hasHistory,
    epoch: isPositioned ? entered.epoch : undefined,
    publications: isRecovered ? entered.publications : undefined,
    recovered: isRecovered,
    // Clients count on from there with what they are given.
    offset: !isPositioned ? undefined : isRecovered ? (asked.offset ?? 0) : entered.offset,
    positioned: isPositioned,
    data: grant.data,
    was_recovering: terms.wantsRecovery,
  }
}
