// What hooks and tokens give, as this server's protocols take it. What a hook returns is checked: its mistake must not let
// anybody in.

import { ErrorCode, type Refusal, type RoomGrant, refuse } from '@roomcast/centrifuge'
import { type GrantedOptions, type Override, readGranted } from './claims.ts'
import { dataOf } from './data.ts'
import type { Identity, Permission } from './hooks.ts'
import { hasHistory, type NamespaceRule } from './namespace-options.ts'

/** What a token or a hook says of one room. */
export type Granted = GrantedOptions & { readonly expiresAt?: number | undefined }

/** Who somebody is, and the rooms that the server puts it into. */
export interface Identified {
  readonly user: string
  readonly info: string | Uint8Array | undefined
  readonly expiresAt: number | undefined
  readonly rooms: ReadonlyMap<string, Granted>
}

const OVERRIDES: readonly (keyof Override)[] = [
  'presence',
  'joinLeave',
  'forceRecovery',
  'forcePositioning',
  'forcePushJoinLeave',
]

/** What `subscribe` returned.
 * @throws TypeError for what is no permission. */
export function grantedBy(permission: Permission): Granted {
  // An empty one lets in, and so an empty list, such as a database finds, must be none.
  if (!isPlain(permission)) throw new TypeError('subscribe must return a plain object')
  const { info, data, expiresAt, override = {}, ...unknown } = permission
  for (const name of Object.keys(unknown)) throw new TypeError(`subscribe: unknown option ${name}`)
  checkExpiry(expiresAt, 'subscribe')
  for (const [name, value] of Object.entries(override)) {
    if (!OVERRIDES.includes(name as keyof Override)) throw new TypeError(`subscribe: unknown override ${name}`)
    if (value !== undefined && typeof value !== 'boolean') throw new TypeError(`subscribe: ${name} must be a boolean`)
  }
  return { info: dataOf(info, 'info'), data: dataOf(data, 'data'), expiresAt, override }
}

/** What the HTTP API gave with a subscription, whose fields it has checked. */
export function givenBy(given: unknown): Granted {
  return readGranted(given) ?? {}
}

/** What `authenticate` returned.
 * @throws TypeError for what is no identity. */
export function identifiedBy(identity: Identity): Identified {
  if (typeof identity !== 'object' || identity === null) throw new TypeError('authenticate must return an object')
  const { user, info, expiresAt, rooms = [], ...unknown } = identity
  for (const name of Object.keys(unknown)) throw new TypeError(`authenticate: unknown option ${name}`)
  if (typeof user !== 'string') throw new TypeError('authenticate: user must be a string')
  checkExpiry(expiresAt, 'authenticate')
  if (!Array.isArray(rooms) && !isPlain(rooms)) {
    throw new TypeError('authenticate: rooms must be a list of names, or an object of names with options')
  }
  const named = Array.isArray(rooms) ? rooms.map((room) => [room, {}] as const) : Object.entries(rooms)
  const given = new Map(named.map(([room, permission]) => [room, grantedBy(permission)]))
  return { user, info: dataOf(info, 'info'), expiresAt, rooms: given }
}

/** What a client may have in a room.
 * @param may.history may it read what the room remembers, once it is in?
 * @throws Refusal 108 where it is to have what the room has not. */
export function grantOf(
  rule: NamespaceRule,
  { info, data, expiresAt, override = {} }: Granted,
  may: { readonly history: boolean; readonly presence: boolean },
): RoomGrant {
  const remembers = hasHistory(rule)
  const feature = (always: boolean, asked: boolean) => (always ? 'always' : asked ? 'asked' : 'never')
  const { forceRecovery, forcePositioning, forcePushJoinLeave, presence, joinLeave } = override
  // What the room does not do for anybody it cannot do for one.
  if (presence === true && !rule.presence) throw lacking('presence')
  if (joinLeave === true && !rule.joinLeave) throw lacking('join_leave')
  return {
    info,
    data,
    expiresAt,
    recoverable: remembers ? feature(forceRecovery ?? rule.forceRecovery, rule.allowRecovery || may.history) : 'never',
    positioned: remembers
      ? feature(forcePositioning ?? rule.forcePositioning, rule.allowPositioning || may.history)
      : 'never',
    joinLeave: rule.joinLeave
      ? feature(forcePushJoinLeave ?? rule.forcePushJoinLeave, rule.presence && may.presence)
      : 'never',
    isPresent: presence,
    isAnnounced: joinLeave,
  }
}

function lacking(option: string): Refusal {
  return refuse(ErrorCode.NOT_AVAILABLE, `not available: override.${option}`)
}

/** An object of whichever realm, and none of a class. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Beyond the year 5000: a time in ms is meant, and would never come. */
const MAX_SECONDS = 1e11

function checkExpiry(expiresAt: unknown, where: string): void {
  if (expiresAt === undefined) return
  if (Number.isFinite(expiresAt) && (expiresAt as number) < MAX_SECONDS) return
  throw new TypeError(`${where}: expiresAt must be a number of Unix seconds`)
}
