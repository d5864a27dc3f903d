// Every limit in one table: its default, what it bounds and why that number. Each default holds unless the option of the
// same name says else; every one has a test. Sizes in bytes, times in milliseconds.

const DEFAULTS = {
  /** A message: the sum of its fragments. Over it: 1009. Default 1 MiB: chat and game messages are far below. */
  maxMessageBytes: 1_048_576,
  /** Per socket: what waits behind the frame that the kernel is taking. Over it: `slowConsumer`. Default 1 MiB: some
   * seconds of a busy room, and 1,000 stalled peers stay under a GiB. */
  maxBufferedBytes: 1_048_576,
  /** Over `maxBufferedBytes`: `'close'` with 4008 (default: a peer that reconnects can resynchronise, one with a hole
   * cannot know) or `'drop'` that frame, counted. */
  slowConsumer: 'close' as 'close' | 'drop',
  /** For the request head to arrive (own servers: 408), and again for `handshake` to decide (503). Default 10 s: slow
   * networks and slow databases pass, a dripping peer does not hold a place for long. */
  handshakeTimeoutMs: 10_000,
  /** The request head in bytes. Over it: 431. Default 16 KiB, as in Node: room for large cookies. */
  maxHeaderBytes: 16_384,
  /** Header lines in the request. Over it: 400. Default 100: browsers send about 20, proxies add a dozen. */
  maxHeaders: 100,
  /** Silence after which a ping goes out. Default 25 s: under the 30 s and 60 s after which proxies cut idle streams. */
  idleTimeoutMs: 25_000,
  /** For any byte to come back after that ping, or for the kernel to take some that it had refused. Over it: 1006 by
   * `'network'`. Default 10 s: several retransmissions. */
  pongTimeoutMs: 10_000,
  /** From a message's first byte to its last. Over it: 1008. Default 30 s: 1 MiB at 35 KiB/s. */
  messageTimeoutMs: 30_000,
  /** For the peer's Close after ours, and for what was accepted to go out; each time the kernel takes some of it anew, up
   * to four times in all. Over it: the TCP connection ends. Once more for a stream that is no TCP socket to tell that it is
   * gone. Default 5 s: a peer that lives answers at once. */
  closeTimeoutMs: 5_000,
  /** Open sockets and pending handshakes. Over it: 503 before anything is allocated. Default none: yours to size. */
  maxConnections: Number.POSITIVE_INFINITY as number,
  /** Of these, so many of one address, or of one IPv6 /64 network. Over it: 429. Default none: behind a NAT, or a proxy
   * that is not named in `trustProxy`, thousands share an address. */
  maxConnectionsPerAddress: Number.POSITIVE_INFINITY as number,
  /** Handshakes waiting for `handshake` to decide. Over it: 503. Default 1,024: a stalled database must not hold more. */
  maxPendingHandshakes: 1_024,
  /** Unfinished input, kept compression contexts and unsent output of all sockets of a server. Over it: new upgrades get 503, and the largest
   * holders are closed with 1013. Default 256 MiB: acts well before the heap limit of a small machine. */
  maxTotalBytes: 268_435_456,
  /** Ping and pong frames per second and socket, but for answers to our own pings. Over it: 1008. Default 256: a client
   * pings once in seconds. A second's worth may come at once, and at least one: of 0.5, one in two seconds. */
  maxControlFramesPerSecond: 256,
  /** Work of one flush, and of one socket's messages, before it goes on in the next turn. Default 8 ms: half of a frame at
   * 60 Hz. */
  sliceMs: 8,
}

/** What is bounded, and by how much. Pass any of them to `createServer`. */
export type Limits = typeof DEFAULTS

/** The defaults of all limits. */
export const DEFAULT_LIMITS: Readonly<Limits> = DEFAULTS

/** The limits of a server: the defaults, with what `options` says.
 * @throws TypeError for a value of another type, RangeError for a number that is not above zero, or another policy. */
export function resolveLimits(options: Partial<Limits>): Limits {
  const limits: Limits = { ...DEFAULT_LIMITS }
  for (const [name, byDefault] of Object.entries(DEFAULT_LIMITS)) {
    const { [name as keyof Limits]: value = byDefault } = options
    if (typeof value !== typeof byDefault) throw new TypeError(`${name} must be a ${typeof byDefault}`)
    const [what, fits] =
      typeof value === 'number' ? ['above zero', value > 0] : [`'close' or 'drop'`, /^(?:close|drop)$/.test(value)]
    if (!fits) throw new RangeError(`${name} must be ${what}: ${value}`)
    Object.assign(limits, { [name]: value })
  }
  return limits
}
