// What a client says besides RFC 6455. Roomcast and most peers: nothing, the room is the path. Rooms: the reply to `enter`. Socket.IO: its own opening
// on top (engine.io protocol 4), texts and JSON in an event's envelope, and pings of its own.

import type { DialectName } from './peers.ts'

/** What is around each message, on the way there and back. ASCII. */
export interface Envelope {
  before: string
  after: string
}

/** How a client speaks to a server. */
export interface Dialect {
  /** What to request for a place in a room. */
  pathOf(room: string): string
  /** What is around a text, and around JSON. */
  text: Envelope
  json: Envelope
  /** Before a socket is open: what to answer to a frame's payload, and whether the socket is open now. Absent: it is open
   * after the 101. */
  greet?: (payload: string) => { say?: string; isOpen: boolean }
  /** Payloads that are answered at any time. */
  pings: Readonly<Record<string, string>>
}

const NO_ENVELOPE = { before: '', after: '' }

export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  plain: { pathOf: (room) => `/${room}`, text: NO_ENVELOPE, json: NO_ENVELOPE, pings: {} },
  // A member is told when it is in.
  rooms: {
    pathOf: (room) => `/${room}`,
    text: NO_ENVELOPE,
    json: NO_ENVELOPE,
    greet: (payload) => ({ isOpen: payload === 'in' }),
    pings: {},
  },
  'socket.io': {
    pathOf: (room) => `/socket.io/?EIO=4&transport=websocket&room=${room}`,
    text: { before: '42["message","', after: '"]' },
    json: { before: '42["message",', after: ']' },
    greet(payload) {
      if (payload.startsWith('0{')) return { say: '40', isOpen: false }
      if (payload.startsWith('40')) return { isOpen: true }
      throw new Error(`unexpected before the socket was open: ${payload}`)
    },
    pings: { '2': '3' },
  },
}
