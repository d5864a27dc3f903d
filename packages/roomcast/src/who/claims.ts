// What the claims of a token say, once its signature is known to be good. Claims of a wrong type make a token invalid: a
// mistake of who signs them must not pass for something else.

import { bytesOf } from '../base64.ts'

/** Options of a subscription that a token or a hook gives. */
export interface GrantedOptions {
  /** What others are shown of the client in this room. */
  readonly info?: string | Uint8Array | undefined
  /** What the client is told with the answer. */
  readonly data?: string | Uint8Array | undefined
  /** Options of the room that are others for this client. */
  readonly override?: Override | undefined
}

/** Options of a room, as one client has them. */
export interface Override {
  /** Is it shown among those who are there, where the room has presence? */
  readonly presence?: boolean | undefined
  /** Are others told that it comes and goes, where the room tells of others? */
  readonly joinLeave?: boolean | undefined
  readonly forcePushJoinLeave?: boolean | undefined
  readonly forceRecovery?: boolean | undefined
  readonly forcePositioning?: boolean | undefined
}

/** What a connection token says. */
export interface ConnectionClaims {
  /** `''`: nobody in particular. */
  readonly user: string
  /** When the connection expires, in Unix seconds. */
  readonly expiresAt: number | undefined
  readonly info: string | Uint8Array | undefined
  /** Rooms that the server joins for the client. */
  readonly rooms: ReadonlyMap<string, GrantedOptions>
}

/** What a subscription token says. */
export interface SubscriptionClaims extends GrantedOptions {
  readonly user: string
  readonly room: string
  /** When the subscription expires, in Unix seconds. */
  readonly expiresAt: number | undefined
}

type Claims = Readonly<Record<string, unknown>>

/** A claim that is not what it should be. */
class WrongClaim extends Error {}

/** Reads options of a subscription as they are written in JSON; undefined: they are none. */
export function readGranted(
  options: unknown,
): (GrantedOptions & { readonly expiresAt: number | undefined }) | undefined {
  return orUndefined(() => {
    const claims = object(options)
    return { ...granted(claims), expiresAt: expiryOf(claims) }
  })
}

/** Reads the claims of a connection token; undefined: they are not those of one. */
export function readConnection(claims: Claims): ConnectionClaims | undefined {
  return orUndefined(() => {
    // That of a subscription must not open a connection.
    const { channel, channels, subs } = claims
    if (channel !== undefined) throw new WrongClaim()
    const rooms = new Map<string, GrantedOptions>()
    for (const room of list(channels)) rooms.set(room, {})
    for (const [room, options] of Object.entries(object(subs))) rooms.set(room, granted(object(options)))
    return { user: userOf(claims), expiresAt: expiryOf(claims), info: dataOf(claims, 'info', 'b64info'), rooms }
  })
}

/** Reads the claims of a subscription token; undefined: they are not those of one. */
export function readSubscription(claims: Claims): SubscriptionClaims | undefined {
  return orUndefined(() => {
    const { channel: room } = claims
    if (typeof room !== 'string' || room === '') throw new WrongClaim()
    return { ...granted(claims), user: userOf(claims), room, expiresAt: expiryOf(claims) }
  })
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof WrongClaim) return undefined
    throw error
  }
}

function userOf({ sub = '' }: Claims): string {
  if (typeof sub !== 'string') throw new WrongClaim()
  return sub
}

/** `expire_at` is when what the token opened ends, 0: never. Without it `exp`, which is also when the token itself does. */
function expiryOf({ exp, expire_at: at = exp }: Claims): number | undefined {
  if (at === undefined || at === 0) return undefined
  if (typeof at !== 'number' || !Number.isFinite(at)) throw new WrongClaim()
  return Math.floor(at)
}

function granted(claims: Claims): GrantedOptions {
  const { override } = claims
  return {
    info: dataOf(claims, 'info', 'b64info'),
    data: dataOf(claims, 'data', 'b64data'),
    ...(override !== undefined && { override: overrideOf(object(override)) }),
  }
}

const OVERRIDES: Readonly<Record<string, keyof Override>> = {
  presence: 'presence',
  join_leave: 'joinLeave',
  force_push_join_leave: 'forcePushJoinLeave',
  force_recovery: 'forceRecovery',
  force_positioning: 'forcePositioning',
}

function overrideOf(given: Claims): Override {
  const entries = Object.entries(OVERRIDES).flatMap(([claim, option]) => {
    if (given[claim] === undefined || given[claim] === null) return []
    const { value = false } = object(given[claim])
    if (typeof value !== 'boolean') throw new WrongClaim()
    return [[option, value] as const]
  })
  return Object.fromEntries(entries)
}

/** Any JSON, or bytes as base64. */
function dataOf(claims: Claims, json: string, base64: string): string | Uint8Array | undefined {
  const { [json]: value, [base64]: bytes = '' } = claims
  if (typeof bytes !== 'string') throw new WrongClaim()
  if (bytes !== '') return bytesOf(bytes) ?? wrong()
  return value === undefined || value === null ? undefined : JSON.stringify(value)
}

function wrong(): never {
  throw new WrongClaim()
}

function object(value: unknown): Claims {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw new WrongClaim()
  return value as Claims
}

function list(value: unknown): string[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) throw new WrongClaim()
  return value
}
