// What is measured: who is connected, who speaks, how much is under way. Servers and load generator read the same record.

/** One situation to measure. */
export interface Scenario {
  /** One line for the report. */
  about: string
  /** What the server does with a message: `room` sends it to everybody, its sender included; `echo` sends it back. */
  kind: 'room' | 'echo'
  sockets: number
  /** How many of the sockets publish; they are spread evenly over all. */
  publishers: number
  /** Messages a publisher has under way. The next goes out when one of its own came back. */
  inFlight: number
  payloadBytes: number
  /** permessage-deflate is on and agreed with every socket, and messages are JSON; else it is off and they are 64 bytes
   * or so of the same text. */
  compression?: boolean
  /** Measured time at least, whatever was asked for: a slow server's latency is over a second. */
  leastSeconds?: number
}

const COMPRESSED = {
  kind: 'room',
  sockets: 500,
  publishers: 16,
  inFlight: 1,
  compression: true,
  leastSeconds: 6,
} as const

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  busy: {
    about: 'a busy room: 500 members, 16 publishers, 1 in flight each, 64 B',
    kind: 'room',
    sockets: 500,
    publishers: 16,
    inFlight: 1,
    payloadBytes: 64,
  },
  quiet: {
    about: 'a quiet room: 500 members, 1 publisher, 1 in flight, 64 B',
    kind: 'room',
    sockets: 500,
    publishers: 1,
    inFlight: 1,
    payloadBytes: 64,
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
    // Over both servers' threshold of 1,024.
    payloadBytes: 1040,
  },
  'deflate-4k': {
    ...COMPRESSED,
    about: 'a busy room, compressed: 500 members, 16 publishers, 1 in flight each, 4 KiB of JSON',
    payloadBytes: 4096,
  },
}

const IDLE = { kind: 'echo', sockets: 2000, publishers: 0, inFlight: 0, payloadBytes: 64 } as const

/** What `memory` compares: sockets that say nothing. */
export const IDLE_SCENARIOS = {
  'idle-plain': { ...IDLE, about: '2,000 idle sockets' },
  'idle-deflate': { ...IDLE, about: '2,000 idle sockets, compression agreed', compression: true },
} as const satisfies Readonly<Record<string, Scenario>>

/** The scenario of that name.
 * @throws RangeError when there is none. */
export function scenarioNamed(name: string): Scenario {
  const all: Readonly<Record<string, Scenario>> = { ...SCENARIOS, ...IDLE_SCENARIOS }
  const scenario = all[name]
  if (scenario === undefined) throw new RangeError(`no scenario ${name}; there are ${Object.keys(all).join(', ')}`)
  return scenario
}

/** The names of the scenarios that a word names: one, or a family (`deflate`).
 * @throws RangeError when it names none. */
export function scenariosNamed(word: string): string[] {
  const all = Object.keys(SCENARIOS)
  const names = all.filter((name) => name === word || name.startsWith(`${word}-`))
  if (names.length === 0) throw new RangeError(`no scenario ${word}; there are ${all.join(', ')} and memory`)
  return names
}
