// The limits of the server in one table: the default, the reason for it, and which values make sense. Each is an option
// of `createRoomcast` and a flag of the program (`maxDataBytes`, `--max-data-bytes`). Sizes in bytes, times in ms.

/** What a limit may be: a whole number from `least` to `most`. */
export interface LimitRange {
  /** What it bounds, in a line of --help. */
  readonly what: string
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
  /** Commands of one socket, after a burst. The rest waits its turn. Default 200: ten times what a game sends. */
  maxCommandsPerSecond: number
  /** Commands of one socket at once. Default 1,000: a client that comes back joins all its channels. */
  maxCommandBurst: number
  /** What may be said in one channel on one server, after a burst of half a MiB. Who says more waits. Default 4 MiB: a
   * line of 50 Mbit/s takes that. It is for the members on other servers, for whom nobody here can wait. */
  maxChannelBytesPerSecond: number
  /** What waits to be said in all channels together. Over it: the error `busy`, or 503. Default 64 MiB: what 1,000
   * speakers of large messages hold, each with one that waits. */
  maxWaitingBytes: number
  /** How long a channel waits for members that take hardly anything. Then they are not waited for any more, and closed
   * with 4008 when too much waits for them. Default 2,000: some retransmissions on a line that loses packets. */
  memberPatienceMs: number
  /** What waits to be taken by one socket, behind what the kernel is taking. Over it: close 4008. Default 1 MiB: five
   * seconds of a line of 2 Mbit/s. */
  maxBufferedBytes: number
  /** Rooms of one client. Over it: the error `full`, or 106. Default 128. */
  maxRoomsPerClient: number
  /** WebSockets at a time. Over it: 503. Default: no limit, yours to size. */
  maxConnections: number
  /** WebSockets of one user at a time, on this server. Over it: close 3504. Default: no limit, as many tabs and devices are
   * one user. */
  maxConnectionsPerUser: number
  /** WebSockets of one address at a time. Over it: 429. Default: no limit, as behind a proxy all have its address. */
  maxConnectionsPerAddress: number
  /** The server pings SDK clients so often. Default 25,000. */
  pingIntervalMs: number
  /** And their answer may take so long. Over it: close 3012. Default 8,000. */
  pongTimeoutMs: number
  /** An SDK's connection may be without its first command for so long. Over it: close 3502. Default 10,000: as long as core
   * waits for a handshake. */
  staleCloseDelayMs: number
  /** A connection outlives its token by so long. Then: close 3005. Default 25,000: a new token takes a request to the app. */
  expiredCloseDelayMs: number
  /** The same for a subscription. Then: unsubscribed with 2501. */
  expiredSubCloseDelayMs: number
  /** `drain` first only says that this server is not ready any more, and goes on for so long: whoever sends clients here
   * needs a moment to see it. Default 0: nobody may look at all. */
  drainDelayMs: number
  /** How long `drain` waits before it cuts what is left. Default 10,000: clients that live answer at once. */
  drainMs: number
}

const NONE = Number.POSITIVE_INFINITY

export const LIMITS: Readonly<Record<keyof Limits, LimitRange>> = {
  maxMessageBytes: { what: 'largest WebSocket message, in bytes', default: 2 ** 20, least: 1, most: 2 ** 30 },
  maxDataBytes: { what: 'largest data of one message or POST, in bytes', default: 65_536, least: 1, most: 2 ** 30 },
  maxCommandsPerSecond: {
    what: 'commands of one client, after a burst; the rest waits',
    default: 200,
    least: 1,
    most: 10 ** 6,
  },
  maxCommandBurst: { what: 'commands of one client at once', default: 1000, least: 1, most: 10 ** 7 },
  maxChannelBytesPerSecond: {
    what: 'bytes said in one channel; the rest waits',
    default: 4 * 2 ** 20,
    least: 1024,
    most: 2 ** 40,
  },
  maxWaitingBytes: {
    what: 'bytes that wait to be said, in all channels together',
    default: 64 * 2 ** 20,
    least: 1,
    most: 2 ** 40,
  },
  memberPatienceMs: {
    what: 'how long a channel waits for members that take hardly anything, in ms',
    default: 2000,
    least: 1,
    most: 60_000,
  },
  maxBufferedBytes: {
    what: 'bytes that wait for one client, before it is closed as too slow',
    default: 2 ** 20,
    least: 1024,
    most: 2 ** 30,
  },
  maxRoomsPerClient: { what: 'rooms of one client', default: 128, least: 1, most: 10 ** 6 },
  maxConnections: { what: 'most WebSockets at a time', default: NONE, least: 1, most: 10 ** 7 },
  maxConnectionsPerUser: { what: 'most WebSockets of one user at a time', default: NONE, least: 1, most: 10 ** 7 },
  maxConnectionsPerAddress: {
    what: 'most WebSockets of one address at a time',
    default: NONE,
    least: 1,
    most: 10 ** 7,
  },
  pingIntervalMs: { what: 'how often SDK clients are pinged, in ms', default: 25_000, least: 1, most: 3_600_000 },
  pongTimeoutMs: { what: 'how long their answer may take, in ms', default: 8000, least: 1, most: 3_600_000 },
  staleCloseDelayMs: {
    what: 'how long an SDK connection may be silent at first, in ms',
    default: 10_000,
    least: 1,
    most: 3_600_000,
  },
  expiredCloseDelayMs: {
    what: 'how long a connection outlives its token, in ms',
    default: 25_000,
    least: 1,
    most: 3_600_000,
  },
  expiredSubCloseDelayMs: {
    what: 'how long a subscription outlives its token, in ms',
    default: 25_000,
    least: 1,
    most: 3_600_000,
  },
  drainDelayMs: {
    what: 'how long to go on at the end after /readyz said so, in ms',
    default: 0,
    least: 0,
    most: 10 * 60_000,
  },
  drainMs: { what: 'how long to wait for clients at the end, in ms', default: 10_000, least: 1, most: 10 * 60_000 },
}

export const LIMIT_NAMES: readonly (keyof Limits)[] = Object.keys(LIMITS) as (keyof Limits)[]

/** The flag of a limit, without its dashes: that of `maxDataBytes` is `max-data-bytes`. */
export function flagOf(limit: keyof Limits): string {
  return limit.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** All limits: the defaults, with what `options` says.
 * @throws TypeError for a value that is not a number, RangeError for one out of its range, or two that do not go together. */
export function resolveLimits(options: Partial<Limits>): Limits {
  const given = LIMIT_NAMES.map((name): [string, number] => {
    const { default: standard, least, most } = LIMITS[name]
    const { [name]: value = standard } = options
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number`)
    const fits = Number.isInteger(value) && value >= least && value <= most
    if (!fits && value !== standard) throw new RangeError(`${name} must be a whole number from ${least} to ${most}`)
    return [name, value]
  })
  const limits = Object.fromEntries(given) as unknown as Limits
  // Else the next ping would be due before the answer to this one is.
  if (limits.pongTimeoutMs >= limits.pingIntervalMs) {
    throw new RangeError('pongTimeoutMs (client.pong_timeout) must be less than pingIntervalMs (client.ping_interval)')
  }
  return limits
}
