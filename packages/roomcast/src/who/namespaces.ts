// Which namespace a room belongs to, and what a client may do in it by that namespace alone. Pure; hooks and tokens are
// asked elsewhere.

import type { RoomOptions } from '@roomcast/rooms'
import { hasHistory, NAMESPACE_NAME, type NamespaceOptions, type NamespaceRule, ruleOf } from './namespace-options.ts'

/** What a client does in a room. */
export type Deed = 'subscribe' | 'publish' | 'presence' | 'history'

/** Why a room's name cannot be used: no such namespace, or a name that it does not take. */
type NameFault = 'unknown_room' | 'bad_name'

/** Who asks. */
interface Asker {
  /** `''`: nobody in particular. */
  readonly user: string
  /** Is it in the room, or about to be? */
  readonly isMember: boolean
}

const BOUNDARY = ':'
const USER_BOUNDARY = '#'
const USER_SEPARATOR = ','
const PRIVATE = '$'
const DEFAULT_META_TTL_MS = 3_600_000

const ASCII = /^[\x20-\x7e]*$/

/** The permission of each deed: for every client, for members, and whether those without a user are meant, too. */
const PERMISSIONS = {
  subscribe: ['allowSubscribeForClient', undefined, 'allowSubscribeForAnonymous'],
  publish: ['allowPublishForClient', 'allowPublishForSubscriber', 'allowPublishForAnonymous'],
  presence: ['allowPresenceForClient', 'allowPresenceForSubscriber', 'allowPresenceForAnonymous'],
  history: ['allowHistoryForClient', 'allowHistoryForSubscriber', 'allowHistoryForAnonymous'],
} as const

/** The namespaces of a server. */
export interface Namespaces {
  /** The rule of a room, or why it cannot be used by anybody. */
  find(room: string): NamespaceRule | NameFault
  /** What the room engine is to know of a room. */
  roomOptions(room: string): RoomOptions | undefined
  /** Is the room for the users that its name tells? Then nobody else may join it, by whatever permission. */
  isUserLimited(room: string): boolean
  /** Does the room's name need a token, or a hook that lets the client in? */
  isPrivate(room: string): boolean
  /** Whether the namespace itself permits a deed. */
  permits(deed: Deed, room: string, asker: Asker): boolean
  /** Does any namespace let anybody join without a token or a hook? */
  readonly permitsAnybody: boolean
}

/** Makes namespaces of options.
 * @param options by name; `''` is for rooms without a namespace. Undefined: every legal name is a room.
 * @param every what all rooms are while there are no `options`. Default: they remember nothing.
 * @throws TypeError for options of the wrong type, RangeError for a wrong value. */
export function createNamespaces(
  options: Readonly<Record<string, NamespaceOptions>> | undefined,
  every: NamespaceOptions = {},
): Namespaces {
  const rules = new Map<string, NamespaceRule>()
  const bare = ruleOf(options === undefined ? every : {}, 'namespaces')
  for (const [name, given] of Object.entries(options ?? {})) {
    if (name !== '' && !NAMESPACE_NAME.test(name)) {
      throw new RangeError(`namespaces: ${JSON.stringify(name)} is no name: at least two of A-Z a-z 0-9 _ . -`)
    }
    rules.set(name, ruleOf(given, `namespaces.${name || "''"}`))
  }
  const isOn = options !== undefined
  if (!rules.has('')) rules.set('', bare)

  const ruleFor = (room: string): NamespaceRule | undefined => (isOn ? rules.get(namespaceOf(room)) : bare)

  return {
    permitsAnybody: [...rules.values()].some(
      ({ allowSubscribeForClient, allowUserLimitedChannels }) => allowSubscribeForClient || allowUserLimitedChannels,
    ),
    find(room) {
      if (!isOn) return bare
      const rule = ruleFor(room)
      if (rule === undefined) return 'unknown_room'
      return fits(room, rule) ? rule : 'bad_name'
    },
    roomOptions(room) {
      const rule = ruleFor(room)
      return rule && engineOptions(rule)
    },
    isUserLimited: (room) => room.includes(USER_BOUNDARY) && ruleFor(room)?.allowUserLimitedChannels === true,
    isPrivate: (room) => room.startsWith(PRIVATE),
    permits(deed, room, { user, isMember }) {
      const rule = ruleFor(room)
      if (rule === undefined || !isOn) return false
      const isLimited = room.includes(USER_BOUNDARY) && rule.allowUserLimitedChannels
      const isPrivate = room.startsWith(PRIVATE)
      const isNamed = isLimited && !isPrivate && user !== '' && isFor(room, user)
      if (deed === 'subscribe' && (isPrivate || isLimited)) return isNamed
      const [client, member, anonymous] = PERMISSIONS[deed]
      if (user === '' && !rule[anonymous]) return false
      // What every client may do in other rooms, only those may who can be in such a room.
      const isKeptOut = (isPrivate || isLimited) && !isNamed && !isMember
      return (rule[client] && !isKeptOut) || (member !== undefined && isMember && rule[member])
    },
  }
}

/** The namespace in a room's name: what is before the first `:`; a `$` before it does not count. */
export function namespaceOf(room: string): string {
  const end = room.indexOf(BOUNDARY)
  return end === -1 ? '' : room.slice(room.startsWith(PRIVATE) ? 1 : 0, end)
}

function fits(room: string, { channelRegex }: NamespaceRule): boolean {
  if (channelRegex === undefined) return ASCII.test(room)
  const rest = room.includes(BOUNDARY) ? room.slice(room.indexOf(BOUNDARY) + 1) : room
  // One with a flag that keeps a place would begin there.
  channelRegex.lastIndex = 0
  return channelRegex.test(rest)
}

/** Whether a room's name names the user. */
function isFor(room: string, user: string): boolean {
  return room
    .slice(room.lastIndexOf(USER_BOUNDARY) + 1)
    .split(USER_SEPARATOR)
    .includes(user)
}

/** One object for each rule: the engine asks for every room. */
const known = new WeakMap<NamespaceRule, RoomOptions>()

function engineOptions(rule: NamespaceRule): RoomOptions {
  const options = known.get(rule) ?? {
    ...(hasHistory(rule) && { history: { size: rule.historySize!, ttlMs: rule.historyTtlMs! } }),
    historyMetaTtlMs: rule.historyMetaTtlMs || DEFAULT_META_TTL_MS,
    presence: rule.presence,
    joinLeave: rule.joinLeave,
  }
  known.set(rule, options)
  return options
}
