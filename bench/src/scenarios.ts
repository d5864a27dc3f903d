// What is measured: who is connected, who speaks, how much is under way. Servers and load generator read the same record.

/** One situation to measure. */
export interface Scenario {
  /** One line for the report. */
  about: string
  /** What the server does with a message: `room` sends it to everybody in the room, its sender included; `echo` sends it
   * back. The load generator asks for it by the path. */
  kind: 'room' | 'echo'
  sockets: number
  /** How many rooms the sockets are in, as many in each. Default 1. */
  rooms?: number
  /** How many servers they are spread over, as many on each; all publishers are on the first. Default 1. */
  nodes?: number
  /** How many of the sockets publish; they are spread evenly over all. */
  publishers: number
  /** Messages a publisher has under way. The next goes out when one of its own came back. */
  inFlight: number
  /** Instead of that: a publisher sends a message each so many milliseconds, whatever came back, and the time until it
   * did is measured. */
  everyMs?: number
  payloadBytes: number
  /** permessage-deflate is on and agreed with every socket, and messages are JSON; else it is off and they are 64 bytes
   * or so of the same text. */
  compression?: boolean
  /** Over TLS. */
  tls?: boolean
  /** Measured time at least, whatever was asked for: a slow server's latency is over a second. */
  leastSeconds?: number
  /** Another scenario that runs on the same server at the same time, in a load generator of its own. */
  beside?: 'large-echo'
}

const BUSY = { kind: 'room', sockets: 500, publishers: 16, inFlight: 1, payloadBytes: 64 } as const
const COMPRESSED = { ...BUSY, compression: true, leastSeconds: 6 } as const

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  busy: { ...BUSY, about: 'a busy room: 500 members, 16 publishers, 1 in flight each, 64 B' },
  quiet: { ...BUSY, about: 'a quiet room: 500 members, 1 publisher, 1 in flight, 64 B', publishers: 1 },
  rooms: {
    ...BUSY,
    about: '100 rooms: 10 members each, 2 of them publishers, 1 in flight each, 64 B',
    rooms: 100,
    sockets: 1000,
    publishers: 200,
  },
  'echo-deep': {
    about: 'echo: 50 sockets, 32 in flight each, 64 B',
    kind: 'echo',
    sockets: 50,
    publishers: 50,
    inFlight: 32,
    payloadBytes: 64,
  },
  'echo-wide': {
    about: 'echo: 200 sockets, 1 in flight each, 64 B',
    kind: 'echo',
    sockets: 200,
    publishers: 200,
    inFlight: 1,
    payloadBytes: 64,
  },
  'deflate-1k': {
    ...COMPRESSED,
    about: 'a busy room, compressed: 500 members, 16 publishers, 1 in flight each, 1,040 B of JSON',
    // Over every server's threshold of 1,024.
    payloadBytes: 1040,
  },
  'deflate-4k': {
    ...COMPRESSED,
    about: 'a busy room, compressed: 500 members, 16 publishers, 1 in flight each, 4 KiB of JSON',
    payloadBytes: 4096,
  },
  'plain-4k': {
    ...BUSY,
    about: 'a busy room, plain: 500 members, 16 publishers, 1 in flight each, 4 KiB of text',
    payloadBytes: 4096,
  },
  tls: { ...BUSY, about: 'a busy room over TLS: 500 members, 16 publishers, 1 in flight each, 64 B', tls: true },
  large: {
    about: 'one room of 20,000 members, a message a second, and 50 sockets that echo 100 times a second each',
    kind: 'room',
    sockets: 20_000,
    publishers: 1,
    inFlight: 1,
    everyMs: 1000,
    payloadBytes: 64,
    leastSeconds: 10,
    beside: 'large-echo',
  },
}

const TWO_NODES = { ...BUSY, sockets: 200, nodes: 2 } as const

/** Two nodes over one Redis. */
export const REDIS_SCENARIOS = {
  'redis-busy': {
    ...TWO_NODES,
    about: 'two nodes over one Redis: 100 members on each, 16 publishers on one, 1 in flight each, 64 B',
  },
  'redis-quiet': {
    ...TWO_NODES,
    about: 'two nodes over one Redis: 100 members on each, 1 publisher, 1 in flight, 64 B',
    publishers: 1,
  },
} as const satisfies Readonly<Record<string, Scenario>>

const IDLE = { kind: 'echo', publishers: 0, inFlight: 0, payloadBytes: 64 } as const

/** What is not a scenario by itself, but a part of one. */
const PARTS = {
  'large-echo': {
    about: '50 sockets that echo 100 times a second each',
    kind: 'echo',
    sockets: 50,
    publishers: 50,
    inFlight: 1,
    everyMs: 10,
    payloadBytes: 64,
  },
  'idle-2k': { ...IDLE, sockets: 2000, about: '2,000 idle sockets' },
  'idle-2k-deflate': { ...IDLE, sockets: 2000, about: '2,000 idle sockets, compression agreed', compression: true },
  'idle-10k': { ...IDLE, sockets: 10_000, about: '10,000 idle sockets' },
} as const satisfies Readonly<Record<string, Scenario>>

/** The name of a part. */
export type PartName = keyof typeof PARTS

/** The scenario, or part of one, of that name.
 * @throws RangeError when there is none. */
export function scenarioNamed(name: string): Scenario {
  const all: Readonly<Record<string, Scenario>> = { ...SCENARIOS, ...REDIS_SCENARIOS, ...PARTS }
  const scenario = all[name]
  if (scenario === undefined) throw new RangeError(`no scenario ${name}; there are ${Object.keys(all).join(', ')}`)
  return scenario
}

/** The names of the scenarios that a word names: one, or a family (`deflate`).
 * @throws RangeError when it names none. */
export function scenariosNamed(word: string): string[] {
  const all = Object.keys(SCENARIOS)
  return all.filter((name) => name === word || name.startsWith(`${word}-`))
}
