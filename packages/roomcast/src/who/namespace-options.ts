// What can be said of the rooms of a namespace: one table for the options of `createRoomcast` and for the keys of the
// configuration file, which have the same names in snake case (`historyTtlMs` is `history_ttl`, a duration).

/** Options of the rooms of one namespace. Everything is off unless it is given. */
export interface NamespaceOptions {
  /** Is it known who is in a room? */
  presence?: boolean | undefined
  /** Are joins and leaves events of the room? Clients that ask for them, and may ask for presence, get them. */
  joinLeave?: boolean | undefined
  /** Every client gets them, asked or not. */
  forcePushJoinLeave?: boolean | undefined
  /** So many publications are remembered. Needs `historyTtlMs`. */
  historySize?: number | undefined
  /** They are forgotten so long after the last one. Needs `historySize`. */
  historyTtlMs?: number | undefined
  /** The number and epoch of a room outlive its members and its history by so long. Default 1 h. */
  historyMetaTtlMs?: number | undefined
  /** Every client recovers what it missed, asked or not. Needs a history. */
  forceRecovery?: boolean | undefined
  /** Clients may ask for it. Who may read the history may do so without this option. Needs a history. */
  allowRecovery?: boolean | undefined
  /** Every client is told when it missed something. Needs a history. */
  forcePositioning?: boolean | undefined
  /** Clients may ask for it. Needs a history. */
  allowPositioning?: boolean | undefined
  /** What may be published: JSON (the default), a JSON object, any bytes (clients that speak JSON cannot be in such a
   * room). */
  publicationDataFormat?: 'json' | 'json_object' | 'binary' | undefined
  /** Whoever has a user may join; with `…ForAnonymous` others, too. So with the other `allow` options. */
  allowSubscribeForClient?: boolean | undefined
  allowSubscribeForAnonymous?: boolean | undefined
  allowPublishForClient?: boolean | undefined
  /** Members may. */
  allowPublishForSubscriber?: boolean | undefined
  allowPublishForAnonymous?: boolean | undefined
  allowPresenceForClient?: boolean | undefined
  allowPresenceForSubscriber?: boolean | undefined
  allowPresenceForAnonymous?: boolean | undefined
  allowHistoryForClient?: boolean | undefined
  allowHistoryForSubscriber?: boolean | undefined
  allowHistoryForAnonymous?: boolean | undefined
  /** `dialog#42,43` is a room for the users 42 and 43. */
  allowUserLimitedChannels?: boolean | undefined
  /** What the rest of a name, after `ns:`, must match. Without it names are ASCII. */
  channelRegex?: RegExp | undefined
}

/** What kind of value an option has. */
export type OptionKind = 'switch' | 'count' | 'duration' | 'format' | 'regex'

export const NAMESPACE_OPTIONS: Readonly<Record<keyof NamespaceOptions, OptionKind>> = {
  presence: 'switch',
  joinLeave: 'switch',
  forcePushJoinLeave: 'switch',
  historySize: 'count',
  historyTtlMs: 'duration',
  historyMetaTtlMs: 'duration',
  forceRecovery: 'switch',
  allowRecovery: 'switch',
  forcePositioning: 'switch',
  allowPositioning: 'switch',
  publicationDataFormat: 'format',
  allowSubscribeForClient: 'switch',
  allowSubscribeForAnonymous: 'switch',
  allowPublishForClient: 'switch',
  allowPublishForSubscriber: 'switch',
  allowPublishForAnonymous: 'switch',
  allowPresenceForClient: 'switch',
  allowPresenceForSubscriber: 'switch',
  allowPresenceForAnonymous: 'switch',
  allowHistoryForClient: 'switch',
  allowHistoryForSubscriber: 'switch',
  allowHistoryForAnonymous: 'switch',
  allowUserLimitedChannels: 'switch',
  channelRegex: 'regex',
}

export const FORMATS: readonly unknown[] = ['json', 'json_object', 'binary']

/** What a name of a namespace must be; `''` is for rooms whose name has no `:`. */
export const NAMESPACE_NAME: RegExp = /^[-\w.]{2,}$/

/** Options with their defaults. */
export type NamespaceRule = {
  readonly [K in keyof NamespaceOptions]-?: NamespaceOptions[K] extends boolean | undefined
    ? boolean
    : NonNullable<NamespaceOptions[K]> | undefined
}

const KINDS: Readonly<Record<OptionKind, readonly [what: string, is: (value: unknown) => boolean]>> = {
  switch: ['true or false', (value) => typeof value === 'boolean'],
  count: ['a number', (value) => typeof value === 'number'],
  duration: ['a number', (value) => typeof value === 'number'],
  format: ['a string', (value) => typeof value === 'string'],
  regex: ['a regular expression', (value) => value instanceof RegExp],
}

/** Checks the options of one namespace and adds the defaults.
 * @param where how they are called in an error.
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a wrong value. */
export function ruleOf(options: NamespaceOptions, where: string): NamespaceRule {
  if (typeof options !== 'object' || options === null || Symbol.iterator in options) {
    throw new TypeError(`${where} must be an object`)
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(NAMESPACE_OPTIONS, name)) throw new TypeError(`unknown option: ${where}.${name}`)
    const kind = NAMESPACE_OPTIONS[name as keyof NamespaceOptions]
    const [what, is] = KINDS[kind]
    if (value === undefined) continue
    if (!is(value)) throw new TypeError(`${where}.${name} must be ${what}`)
    if (kind === 'count' || kind === 'duration') {
      if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${where}.${name} must be a whole number`)
    }
    if (kind === 'format' && !FORMATS.includes(value)) {
      throw new RangeError(`${where}.${name} must be ${FORMATS.join(', ')}`)
    }
  }
  const off = Object.entries(NAMESPACE_OPTIONS).map(([name, kind]) => [name, kind === 'switch' ? false : undefined])
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const rule = Object.fromEntries([...off, ...given]) as NamespaceRule
  checkHistory(rule, where)
  return rule
}

function checkHistory(rule: NamespaceRule, where: string): void {
  const has = hasHistory(rule)
  if (!has && ((rule.historySize ?? 0) > 0 || (rule.historyTtlMs ?? 0) > 0)) {
    throw new RangeError(`${where}: a history needs its size and its ttl, both over 0`)
  }
  if (!has && (rule.forceRecovery || rule.forcePositioning || rule.allowRecovery || rule.allowPositioning)) {
    throw new RangeError(`${where}: recovery and positioning need a history (its size and its ttl)`)
  }
}

/** Whether rooms of this rule remember anything. */
export function hasHistory({ historySize = 0, historyTtlMs = 0 }: NamespaceRule): boolean {
  return historySize > 0 && historyTtlMs > 0
}
