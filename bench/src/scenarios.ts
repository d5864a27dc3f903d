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
}

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
}

/** The scenario of that name.
 * @throws RangeError when there is none. */
export function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS[name]
  if (scenario === undefined)
    throw new RangeError(`no scenario ${name}; there are ${Object.keys(SCENARIOS).join(', ')}`)
  return scenario
}
