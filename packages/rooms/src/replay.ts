// What a member that comes in is owed: every publication that it missed, or none and the truth.

import type { Since } from './member.ts'
import type { Position } from './port.ts'
import { type Missed, NOTHING_MISSED } from './window.ts'

/** What a member is told when it comes in, and what it missed. */
export interface Owed extends Position {
  readonly recovered: boolean
  readonly missed: Missed
}

/** What a member of a room without history is owed. */
export const NOTHING_OWED: Owed = { epoch: '', offset: 0, recovered: false, missed: NOTHING_MISSED }

/** Judges what a client has seen against where the room stands.
 * @param missedSince everything after a number, or undefined when that cannot be had. */
export function owed(
  { epoch, offset }: Position,
  since: Since | undefined,
  missedSince: (offset: number) => Missed | undefined,
): Owed {
  const nothing: Owed = { epoch, offset, recovered: false, missed: NOTHING_MISSED }
  if (since === undefined || since.offset > offset) return nothing
  if (since.epoch ? since.epoch !== epoch : since.offset !== 0) return nothing
  const missed = missedSince(since.offset)
  return missed === undefined ? nothing : { epoch, offset, recovered: true, missed }
}
