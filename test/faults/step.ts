// How far a connection goes before its fault: each step walks there, and says what a peer that is silent from then on is
// answered in the end.

import type { Buffer } from 'node:buffer'
import type { Random } from '../fuzz/random.ts'
import { clientFrame, Op } from '../support/client-frames.ts'
import type { Peer } from './peer.ts'
import type { Place } from './place.ts'
import type { Requests } from './requests.ts'

export interface Walk {
  readonly peer: Peer
  readonly place: Place
  readonly random: Random
  readonly requests: Requests
  /** Sends the bytes, at once or in pieces. */
  send(...bytes: (string | Buffer)[]): Promise<void>
}

export interface Step {
  readonly name: string
  walk(walk: Walk): Promise<void> | void
  /** The statuses that a peer gets which goes no further; undefined: not told. */
  readonly answers?: (place: Place) => readonly number[] | undefined
  /** Where it makes sense. Default: everywhere. */
  readonly where?: (place: Place) => boolean
  /** Somebody is asked who has not decided: `always` the handshake, `framework` who routes the upgrade there. The decision
   * falls after the fault; a peer that is gone by then must not be opened. */
  readonly undecided?: 'always' | 'framework'
  /** Also tried while the server drains or closes. */
  readonly leaving?: true
  /** The callback never returns: nothing but a peer that is gone can end that socket. */
  readonly forEver?: true
  /** Bytes on TCP before TLS is up. */
  readonly belowTls?: true
}

export const text = (payload: string): Buffer => clientFrame({ opcode: Op.TEXT, payload })

/** The answers to a peer that is upgraded. */
export const opened = (): readonly number[] => [101]

/** A message cut in two, of which the second part never comes. */
export function half(bytes: Buffer, random: Random): Buffer {
  return bytes.subarray(0, random.between(1, bytes.length - 1))
}
