// What is measured of the protocol that Centrifugo's SDKs speak, and what both servers and the load generator must agree on.

/** The secret that tokens are signed with. */
export const SECRET = 'for the bench alone'

/** The one room with a history. */
export const RECOVERED_ROOM = 'recovered'

/** No round takes so long: pings are left out of it. */
export const LONG_PING_SECONDS = 600

/** A publication's data is so long, in JSON. */
export const PAYLOAD_BYTES = 64

/** Who missed something missed so much. */
export const MISSED = 50

/** One situation. */
export interface SdkScenario {
  about: string
  clients: number
  /** Clients that publish, with one message under way each. None: it is measured what it takes until all are in. */
  publishers: number
  /** They come back with a position, and are given what they missed. */
  recovers?: boolean
  /** How much CPU Centrifugo's should take for each of ours at least. */
  aim: number
}

export const SDK_SCENARIOS = {
  busy: { about: '500 members, 16 publishers, 1 in flight each, 64 B', clients: 500, publishers: 16, aim: 6 },
  quiet: { about: '500 members, 1 publisher, 1 in flight, 64 B', clients: 500, publishers: 1, aim: 1.2 },
  connect: { about: '2,000 clients connect with a token and subscribe', clients: 2000, publishers: 0, aim: 1 / 1.5 },
  recovery: {
    about: `2,000 clients connect with a token, subscribe, and are given the ${MISSED} messages that they missed`,
    clients: 2000,
    publishers: 0,
    recovers: true,
    aim: 1 / 1.5,
  },
} as const satisfies Readonly<Record<string, SdkScenario>>

export type SdkScenarioName = keyof typeof SDK_SCENARIOS
