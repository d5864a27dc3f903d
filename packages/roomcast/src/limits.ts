// The limits of the server in one table: the default, the reason for it, and which values make sense. Each is an option
// of `createRoomcast` and a flag of the program (`maxDataBytes`, `--max-data-bytes`). Sizes in bytes, times in ms.

/** What a limit may be: a whole number from `least` to `most`. */
export interface LimitRange {
  readonly default: number
  readonly least: number
  readonly most: number
}

/** Every limit of the server. */
export interface Limits {
  /** A WebSocket message. Over it: close 1009. Default 1 MiB: a client may send many commands' worth in one. */
  maxMessageBytes: number
  /** What is said in one message: the data as JSON, as it came and as it is written to the members. Over it: the error
   * `too_large`, or 413. Default 64 KiB: far more than a line of chat or the state of a game, and what one client can make
   * of a message is bounded for everybody who has to receive it. */
  maxDataBytes: number
  /** WebSockets at a time. Over it: 503. Default: no limit, yours to size. */
  maxConnections: number
  /** How long `drain` waits before it cuts what is left. Default 10,000: clients that live answer at once. */
  drainMs: number
}

const NONE = Number.POSITIVE_INFINITY

export const LIMITS: Readonly<Record<keyof Limits, LimitRange>> = {
  maxMessageBytes: { default: 2 ** 20, least: 1, most: 2 ** 30 },
  maxDataBytes: { default: 65_536, least: 1, most: 2 ** 30 },
  maxConnections: { default: NONE, least: 1, most: 10 ** 7 },
  drainMs: { default: 10_000, least: 1, most: 10 * 60_000 },
}

export const LIMIT_NAMES: readonly (keyof Limits)[] = Object.keys(LIMITS) as (keyof Limits)[]

/** All limits: the defaults, with what `options` says.
 * @throws TypeError for a value that is not a number, RangeError for one out of its range. */
export function resolveLimits(options: Partial<Limits>): Limits {
  const given = LIMIT_NAMES.map((name): [string, number] => {
    const { default: standard, least, most } = LIMITS[name]
    const { [name]: value = standard } = options
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number`)
    const fits = Number.isInteger(value) && value >= least && value <= most
    if (!fits && value !== standard) throw new RangeError(`${name} must be a whole number from ${least} to ${most}`)
    return [name, value]
  })
  return Object.fromEntries(given) as unknown as Limits
}
